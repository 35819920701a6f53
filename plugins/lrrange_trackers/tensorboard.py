"""Range tests and comparisons in TensorBoard."""

import math
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from lrrange_trackers.event_file import EventFile, need_tensorboard
from lrrange_trackers.tracker import Answer, Log, Series, Tracker

__all__ = ["TensorBoardWatcher"]


class TensorBoardWatcher(Tracker):
    """A watcher that writes event files for TensorBoard.

    A range test has the scalars `range test/loss`, `range test/smoothed loss` and `range test/lr` by step, and
    `range test/loss by lr` and `range test/smoothed loss by lr`, whose "step" is 1000 times the decimal logarithm of
    the rate (-3000 is 1e-3), because TensorBoard has no other axis. Each trial is a run of its own with `trial/loss`.
    At the end there are the answer under Text and the plot under Images. In a comparison, every policy and seed is a
    run of its own, with `comparison/loss`, `comparison/held-out loss`, `comparison/lr` and, if it was cycled,
    `comparison/momentum`. Steps are counted from 0.

    Args:
        log_dir: the folder for `tensorboard --logdir`. A log that is already there is never continued: the next one
            gets a number.
    Raises: MissingExtra if tensorboard is not installed.
    """

    def __init__(self, log_dir: str | Path) -> None:
        super().__init__()
        need_tensorboard()
        self._log_dir = Path(log_dir)

    def open(self, name: str, params: Mapping[str, object]) -> Log:
        """Make the folder of a range test, or that of a run."""
        folder = self._log_dir / name
        if "policy" in params:
            folder = self._log_dir / quote(str(params["policy"]), safe=" ") / f"seed {params['seed']}"
        return _Folder(_make_new(folder))


class _Folder:
    """A folder with an event file, and one in a folder below for each further curve."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[Path, EventFile] = {}

    def _file(self, series: Series | None = None) -> EventFile:
        folder = self._folder / str(series) if series is not None and series.label else self._folder
        if folder not in self._files:
            self._files[folder] = EventFile(folder)
        return self._files[folder]

    def add(self, series: Series, step: int, values: Mapping[str, float]) -> None:
        file = self._file(series)
        page = "range test" if series.kind == "sweep" else series.kind
        file.add_scalars(step, {f"{page}/{name}": value for name, value in values.items()})
        if series.kind == "sweep":
            losses = {f"{page}/{name} by lr": value for name, value in values.items() if name != "lr"}
            file.add_scalars(round(1000 * math.log10(values["lr"])), losses)

    def conclude(self, answer: Answer) -> None:
        rows = "".join(f"| {name} | {_shown(fact)} |\n" for name, fact in answer.facts.items())
        page = "comparison" if answer.csv is None else "range test"
        self._file().add_text(f"{page}/answer", f"| | |\n|---|---|\n{rows}")
        if answer.picture is not None:
            self._file().add_png(f"{page}/curve", answer.picture)

    def close(self, *, failed: bool) -> None:  # noqa: ARG002  TensorBoard knows no failed runs
        for file in self._files.values():
            file.close()


def _shown(fact: object) -> str:
    return f"{fact:.3g}" if isinstance(fact, float) else str(fact).replace("|", "\\|").replace("\n", " ")


def _make_new(folder: Path) -> Path:
    """Make a folder of this name, or of this name and the next free number, and return it."""
    path, number = folder, 1
    while True:
        try:
            path.mkdir(parents=True)
        except FileExistsError:
            number += 1
            path = folder.with_name(f"{folder.name} ({number})")
        else:
            return path
