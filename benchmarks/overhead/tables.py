"""The tables of `docs/overhead.md`, made from the records."""

from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks.overhead.growth import AXES
from benchmarks.overhead.records import Record, read
from benchmarks.overhead.variants.registry import FITS, LOOPS, OWN, PEERS, VERIFYING
from benchmarks.overhead.workloads import WORKLOADS
from benchmarks.pages import table

_DEVICES = ("cpu", "cuda")

_ORDER = [variant.__name__ for variant in (*LOOPS, *OWN, *PEERS, *FITS)]


def _records(results: Path, kind: str) -> dict[str, Record]:
    records = {workload: read(results, f"{kind}-{workload}") for workload in WORKLOADS}
    return {workload: record for workload, record in records.items() if record is not None}


def _by_workload(records: Mapping[str, Record], cell: Callable[[Record], str], heads: Mapping[str, str]) -> str:
    rows = [
        [
            f"`{name}`",
            *(cell(record["variants"][name]) if name in record["variants"] else "-" for record in records.values()),
        ]
        for name in _ORDER
        if any(name in record["variants"] for record in records.values())
    ]
    return table(["", *(heads[workload] for workload in records)], rows, numbers=True)


def _spread(values: Record, digits: int) -> str:
    return f"{values['median']:.{digits}f} ({values['min']:.{digits}f} to {values['max']:.{digits}f})"


def _time(results: Path, key: str, digits: int) -> str:
    records = _records(results, "time")
    return _by_workload(
        records,
        lambda row: _spread(row[key], digits) if key in row else "-",
        {workload: workload for workload in records},
    )


def _verify(results: Path) -> str:
    records = _records(results, "verify")
    rows = [
        [f"`{name}`", *(_spread(record["variants"][name]["total"], 2) for record in records.values())]
        for name in VERIFYING
    ]
    return table(["", *records], rows, numbers=True)


def _lightning(results: Path) -> str:
    records = _records(results, "time")
    rows = [
        [f"`{name}`", *(_spread(record["variants"][name]["a_step_of_fit"], 2) for record in records.values())]
        for name in ("lrrange_lightning", "lightning")
        if all("a_step_of_fit" in record["variants"].get(name, {}) for record in records.values())
    ]
    return table(["", *records], rows, numbers=True)


def _memory(results: Path, key: str, digits: int) -> str:
    records = _records(results, "memory")
    heads = {
        name: f"{name} ({record['parameters_mib']:.3g} MiB, trained {record['trained_mib']:.3g})"
        for name, record in records.items()
    }

    def cell(row: Record) -> str:
        value = row[key]["median"] if isinstance(row[key], dict) else row[key]
        return f"{value:.{digits}f}"

    return _by_workload(records, cell, heads)


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
    rows = [
        [
            f"`{workload}` on {record['machine']['device']}",
            str(point["count"]),
            _spread(point["times_as_fast"], 2),
            f"{point['auto_over_off']:.2f}",
            "together" if point["auto"].endswith("together") else "one by one",
            f"{point['largest_difference']:.0e}",
        ]
        for device in _DEVICES
        for workload in WORKLOADS
        if (record := read(results, f"together-{device}-{workload}")) is not None
        for point in record["points"]
    ]
    header = [
        "",
        "sweeps",
        "one by one / together",
        "auto / one by one",
        "auto decides",
        "largest difference of a loss",
    ]
    return table(header, rows, numbers=True)


def _machines(results: Path) -> str:
    names = [f"{kind}-{workload}" for kind in ("time", "verify", "memory") for workload in WORKLOADS]
    names += ["imports", *(f"growth-{axis}" for axis in AXES)]
    names += [f"together-{device}-{workload}" for device in _DEVICES for workload in WORKLOADS]
    records = [(name, record) for name in names if (record := read(results, name)) is not None]
    rows = [
        [
            f"`{name}`",
            record["machine"]["torch"],
            record["machine"]["python"],
            str(record["machine"]["threads"]),
            str(record["machine"]["cores"]),
            f"{record['machine']['load']:.1f}",
            str(record["repetitions"]),
        ]
        for name, record in records
    ]
    header = ["record", "torch", "python", "threads", "cores", "load at the end", "repetitions"]
    return table(header, rows, numbers=True)


def _failed(results: Path) -> str:
    lines = [
        f"- `{name}` on {workload}: {reason}"
        for kind in ("time", "memory")
        for workload, record in _records(results, kind).items()
        for name, reason in record["failed"].items()
    ]
    return "\n".join(dict.fromkeys(lines)) or "None."


TABLES: dict[str, Callable[[Path], str]] = {
    "total": lambda results: _time(results, "total", 2),
    "a-step": lambda results: _time(results, "a_step", 2),
    "before": lambda results: _time(results, "before_in_steps", 1),
    "after": lambda results: _time(results, "after_in_steps", 1),
    "verify": _verify,
    "lightning": _lightning,
    "memory": lambda results: _memory(results, "over_bare_mib", 1),
    "memory-in-parameters": lambda results: _memory(results, "over_bare_in_parameters", 2),
    "written": lambda results: _memory(results, "written_mib", 2),
    "imports": _imports,
    "growth": _growth,
    "together": _together,
    "machines": _machines,
    "failed": _failed,
}
