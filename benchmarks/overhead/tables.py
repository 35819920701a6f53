"""The tables and sentences of `docs/evidence/overhead.md`, made from the records."""

import textwrap
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from benchmarks.overhead.growth import AXES
from benchmarks.overhead.records import Record, read
from benchmarks.overhead.variants.registry import FITS, LOOPS, OWN, PEERS, VERIFYING
from benchmarks.overhead.workloads import WORKLOADS
from benchmarks.pages import table

_DEVICES = ("cpu", "cuda")

_ORDER = [variant.__name__ for variant in (*LOOPS, *OWN, *PEERS, *FITS)]

_NAMES = {
    "bare": "bare loop",
    "bare_item": "bare loop, losses read",
    "floor": "simplest sweep",
    "lrrange_torch": "**lrrange**, loader",
    "lrrange_paired": "**lrrange**, paired",
    "lrrange_printed": "**lrrange**, printed",
    "lrrange_verified": "**lrrange**, verified",
    "lrrange_disk": "**lrrange**, on disk",
    "lrrange_own_step": "**lrrange**, own step",
    "lrrange_lightning": "**lrrange**, Lightning",
    "torch_lr_finder": "torch-lr-finder",
    "monai": "MONAI",
    "ignite": "Ignite",
    "lightning": "Lightning's finder",
    "fastai": "fastai's finder",
    "ignite_run": "Ignite, no sweep",
    "lightning_fit": "Lightning, no sweep",
    "fastai_fit": "fastai, no sweep",
}

# What the short tables show; the long ones have every variant.
_SHORT = ("floor", "lrrange_torch", "lrrange_own_step", "lrrange_lightning", *(peer.__name__ for peer in PEERS))

_MIB = "over_bare_mib"

# Pairing takes more time than memory, so the short table of memory alone has it.
_PAIR = {"lrrange_paired", "lrrange_torch"}
_MEMORY = [name for name in _ORDER if name in {*_SHORT, *_PAIR}]


def _records(results: Path, kind: str) -> dict[str, Record]:
    records = {workload: read(results, f"{kind}-{workload}") for workload in WORKLOADS}
    return {workload: record for workload, record in records.items() if record is not None}


def _by_workload(records: Mapping[str, Record], cell: Callable[[Record], str], variants: Sequence[str] = _ORDER) -> str:
    rows = [
        [
            _NAMES[name],
            *(cell(record["variants"][name]) if name in record["variants"] else "-" for record in records.values()),
        ]
        for name in variants
        if any(name in record["variants"] for record in records.values())
    ]
    return table(["", *records], rows, numbers=True)


def _spread(values: Record, digits: int) -> str:
    return f"{values['median']:.{digits}f} ({values['min']:.{digits}f} to {values['max']:.{digits}f})"


def _time(results: Path, key: str, digits: int) -> str:
    return _by_workload(_records(results, "time"), lambda row: _spread(row[key], digits) if key in row else "-")


def _medians(results: Path) -> str:
    return _by_workload(_records(results, "time"), lambda row: f"{row['total']['median']:.2f}", _SHORT)


def _verify(results: Path) -> str:
    records = _records(results, "verify")
    rows = [
        [_NAMES[name], *(f"{record['variants'][name]['total']['median']:.2f}" for record in records.values())]
        for name in VERIFYING
    ]
    return table(["", *records], rows, numbers=True)


def _lightning(results: Path, cell: Callable[[Record], str]) -> str:
    records = _records(results, "time")
    rows = [
        [_NAMES[name], *(cell(record["variants"][name]["a_step_of_fit"]) for record in records.values())]
        for name in ("lrrange_lightning", "lightning")
        if all("a_step_of_fit" in record["variants"].get(name, {}) for record in records.values())
    ]
    return table(["", *records], rows, numbers=True)


def _memory(results: Path, key: str, digits: int, variants: Sequence[str] = _ORDER) -> str:
    def cell(row: Record) -> str:
        value = row[key]["median"] if isinstance(row[key], dict) else row[key]
        return f"{value:.{digits}f}"

    return _by_workload(_records(results, "memory"), cell, variants)


def _paired_memory(results: Path) -> str:
    """Return how much more memory a paired sweep takes than a plain one."""
    rows = [record["variants"] for record in _records(results, "memory").values() if {*record["variants"]} >= _PAIR]
    more = [row["lrrange_paired"][_MIB]["median"] - row["lrrange_torch"][_MIB]["median"] for row in rows]
    if not more:
        return ""
    return f"In these trainings, a paired sweep takes {min(more):.1f} to {max(more):.1f} MiB more than a plain one."


def _sizes(results: Path) -> str:
    rows = [
        [name, f"{record['parameters_mib']:.3g}", f"{record['trained_mib']:.3g}"]
        for name, record in _records(results, "memory").items()
    ]
    return table(["", "parameters, MiB", "trained, MiB"], rows, numbers=True)


def _imports(results: Path) -> str:
    record = read(results, "imports")
    if record is None:
        return ""
    rows = [
        [f"`{record['code'][name]}`", _spread(ratio, 2), str(record["modules"][name])]
        for name, ratio in record["in_imports_of_torch"].items()
    ]
    return table(["", "in imports of torch", "modules loaded"], rows, numbers=True)


def _growth(results: Path) -> str:
    parts = []
    for axis in AXES:
        record = read(results, f"growth-{axis}")
        if record is not None:
            rows = [
                [
                    f"{point['size']:,}",
                    f"{point['bare_step_ms']:.2f}",
                    _spread(point["ratio"], 2),
                    _spread(point["extra_in_steps"], 1),
                ]
                for point in record["points"]
            ]
            header = [axis, "ms a bare step", "sweep / bare loop", "extra, in bare steps"]
            parts.append(table(header, rows, numbers=True))
    return "\n\n".join(parts)


def _together(results: Path) -> str:
    points = [
        (f"{workload}, {record['machine']['device']}", point)
        for device in _DEVICES
        for workload in WORKLOADS
        if (record := read(results, f"together-{device}-{workload}")) is not None
        for point in record["points"]
    ]
    rows = [
        [
            name,
            str(point["count"]),
            _spread(point["times_as_fast"], 2),
            f"{point['auto_over_off']:.2f}",
            "together" if point["auto"].endswith("together") else "one by one",
        ]
        for name, point in points
    ]
    header = ["", "sweeps", "times as fast", "time with auto", "auto decides"]
    return table(header, rows, numbers=True)


def _machines(results: Path) -> str:
    names = [f"{kind}-{workload}" for kind in ("time", "verify", "memory") for workload in WORKLOADS]
    names += ["imports", *(f"growth-{axis}" for axis in AXES)]
    names += [f"together-{device}-{workload}" for device in _DEVICES for workload in WORKLOADS]
    records = [(name, record) for name in names if (record := read(results, name)) is not None]
    rows = [[f"`{name}`", f"{record['machine']['load']:.1f}", str(record["repetitions"])] for name, record in records]
    kinds = {
        f"torch {of['torch']}, Python {of['python']}, {of['threads']} thread of a CPU with {of['cores']} cores"
        for of in (record["machine"] for _, record in records)
    }
    versions = " or ".join(sorted(kinds))
    return f"{versions}.\n\n" + table(["record", "load at the end", "repetitions"], rows, numbers=True)


def _headline(results: Path) -> str:
    """Return the sentences that the page begins with; nothing if a workload is missing."""
    times, memory = _records(results, "time"), _records(results, "memory")
    variants = [name for name in _SHORT if name != "lrrange_own_step"]
    if set(times) != set(WORKLOADS) or any(
        name not in record["variants"] for record in times.values() for name in variants
    ):
        return ""

    def of(names: Sequence[str]) -> str:
        medians = [record["variants"][name]["total"]["median"] for record in times.values() for name in names]
        return f"{min(medians):.2f} to {max(medians):.2f} times"

    def copied(workload: str) -> str:
        return f"{memory[workload]['variants']['lrrange_torch']['over_bare_mib']['median']:.2g} MiB"

    peers = [peer.__name__ for peer in PEERS]
    text = (
        f"A sweep of lrrange takes {of(['lrrange_torch'])} as long as the same steps in a bare training loop, and in a "
        f"Lightning Trainer {of(['lrrange_lightning'])}; the finders of {len(peers)} other packages take {of(peers)}. "
    )
    if {"wide", "frozen", "embedding"} <= set(memory):
        text += (
            f"It needs memory for one copy of what training changes: {copied('wide')} for a network of "
            f"{memory['wide']['parameters_mib']:.0f} MiB, {copied('frozen')} if only its last layer is trained, and "
            f"{copied('embedding')} for a table of {memory['embedding']['parameters_mib']:.0f} MiB with sparse "
            f"gradients. "
        )
    return textwrap.fill(text + "The highest ratios are those of the cheapest steps.", 120)


def _failed(results: Path) -> str:
    lines = [
        f"- `{name}` on {workload}: {reason}"
        for kind in ("time", "memory")
        for workload, record in _records(results, kind).items()
        for name, reason in record["failed"].items()
    ]
    return "\n".join(dict.fromkeys(lines)) or "None."


TABLES: dict[str, Callable[[Path], str]] = {
    "headline": _headline,
    "medians": _medians,
    "total": lambda results: _time(results, "total", 2),
    "a-step": lambda results: _time(results, "a_step", 2),
    "before": lambda results: _time(results, "before_in_steps", 1),
    "after": lambda results: _time(results, "after_in_steps", 1),
    "verify": _verify,
    "lightning": lambda results: _lightning(results, lambda values: f"{values['median']:.2f}"),
    "lightning-spread": lambda results: _lightning(results, lambda values: _spread(values, 2)),
    "memory": lambda results: _memory(results, _MIB, 1, _MEMORY),
    "paired-memory": _paired_memory,
    "sizes": _sizes,
    "memory-of-all": lambda results: _memory(results, _MIB, 1),
    "memory-in-parameters": lambda results: _memory(results, "over_bare_in_parameters", 2),
    "written": lambda results: _memory(results, "written_mib", 2),
    "imports": _imports,
    "growth": _growth,
    "together": _together,
    "machines": _machines,
    "failed": _failed,
}
