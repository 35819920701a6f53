"""Range tests over a grid of settings: how the best rate moves with batch size, weight decay or momentum."""

import contextlib
import copy
import itertools
import math
from collections.abc import Callable, Mapping, Sequence, Sized
from concurrent.futures import Executor, as_completed
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from lrrange.errors import LRRangeError, PlanError
from lrrange.finder.executors import check_sendable, one_at_a_time
from lrrange.finder.main_process import is_main_process
from lrrange.finder.range_test import RangeTest
from lrrange.finder.settings import Settings, split_options
from lrrange.finder.together import Parallel, check_parallel, replica_of, run_together, why_alone
from lrrange.finder.training import misspelt_first
from lrrange.other_tools.attributes import OF_GRID
from lrrange.printable import brief
from lrrange.protocol.factories import check_factory, split_made
from lrrange.protocol.interrupts import between_steps
from lrrange.protocol.optional import Replica
from lrrange.report.printed import Printed
from lrrange.report.progress import Progress, check_progress, open_progress
from lrrange.result import RangeTestResult
from lrrange.spelling import spell_checked
from lrrange.storage.columns import Tabular, to_pandas

if TYPE_CHECKING:
    import pandas
    from matplotlib.axes import Axes

    from lrrange.report.html_report.section import Section
    from lrrange.report.pages.page import Page
    from lrrange.report.plots.picture import Canvas, Picture

# The columns of a cell's answer.
_NUMBERS = ("lr", "low", "high", "base_lr", "max_lr")
_TEXTS = ("verdict", "refused")


@attrs.frozen(kw_only=True)
class GridCell:
    """One setting, and the range test under it.

    Args:
        setting: value by name.
        result: the result of the test; its answer may be a refusal.
    """

    setting: dict[str, Any]
    result: RangeTestResult

    def __repr__(self) -> str:
        return f"<GridCell {brief(self.label)}: {repr(self.result)[1:-1].removeprefix('RangeTestResult ')}>"

    @property
    def label(self) -> str:
        """The setting in one line."""
        return _label_of(self.setting)


@attrs.frozen(kw_only=True)
class Grid(Tabular, Printed):
    """Range tests of the same training under several settings.

    Args:
        cells: in the order of the settings, the last one changing fastest.
    """

    _elsewhere = OF_GRID

    cells: tuple[GridCell, ...]

    _content = "the grid"

    def __repr__(self) -> str:
        answered = sum(cell.result.refusal is None for cell in self.cells)
        names = brief(", ".join(self.cells[0].setting) if self.cells else "")
        return f"<Grid of {len(self)} cells over {names}: {answered} with an lr>"

    def __getitem__(self, position: int) -> GridCell:
        return self.cells[position]

    def __len__(self) -> int:
        return len(self.cells)

    @property
    def max_lr(self) -> tuple[float, ...]:
        """The range's `max_lr` for each setting, shape (cells,); NaN where the curve has no range."""
        return tuple(map(_max_lr, self.cells))

    def to_pandas(self) -> "pandas.DataFrame":
        """Return a DataFrame with a row for each cell.

        Its columns are the names of the setting, then `lr`, the interval `low` and `high`, the range `base_lr` and
        `max_lr`, the `verdict`, and the reason if it is `refused`. A number that a cell does not have is NaN, and a
        text is empty. A setting that is called like one of these columns is in `setting_lr`, for example.

        Raises: MissingExtra if pandas is not installed.
        """
        return to_pandas(self._columns())

    def _columns(self) -> dict[str, Sequence[object]]:
        answers = [cell.result.to_dict() for cell in self.cells]
        columns: dict[str, Sequence[object]] = {
            f"setting_{name}" if name in _NUMBERS + _TEXTS else name: [cell.setting.get(name) for cell in self.cells]
            for name in dict.fromkeys(name for cell in self.cells for name in cell.setting)
        }
        for name in _NUMBERS:
            columns[name] = [math.nan if answer.get(name) is None else answer[name] for answer in answers]
        return columns | {name: [answer.get(name, "") for answer in answers] for name in _TEXTS}

    def plot(self, ax: "Canvas | None" = None, path: str | Path | None = None) -> "Axes":
        """Draw one small plot for each setting, all with the same limits.

        Args:
            ax: where to draw: one axes for each setting, or a figure; a new figure of pyplot's if None, which
                `plt.show()` and notebooks show.
            path: file to write the figure to, in the format of its suffix. Without `ax`, nothing is shown then, and no
                display is needed.
        Returns: the first of the axes. `.figure.axes` has all of them.
        Raises: MissingExtra if matplotlib is not installed; OptionError for another number of axes, or for a suffix
            that is no picture format; SaveError.
        """
        return self._picture().plot(ax, path)

    def _page(self) -> "Page":
        from lrrange.report.pages.grid_page import page_of_grid

        return page_of_grid([(cell.setting, cell.result) for cell in self.cells])

    def _section(self) -> "Section":
        from lrrange.report.html_report.grid_section import section_of_grid

        return section_of_grid([(cell.label, cell.setting, cell.result) for cell in self.cells])

    def _picture(self) -> "Picture":
        from lrrange.report.plots.grid_picture import GridPicture

        return GridPicture([(cell.label, cell.result) for cell in self.cells])


@spell_checked
def grid(
    make: Callable[..., Any],
    settings: Mapping[str, Sequence[Any]],
    *,
    parallel: Parallel = "off",
    executor: Executor | None = None,
    progress: bool | None = None,
    **options: Any,
) -> Grid:
    """Run a range test for every combination of settings.

    Args:
        make: called with one value for each name in `settings`. It returns a new target, or `(target, options)`, as the
            factory of `lrrange find` does. Apart from the setting it should make the same training each time: the same
            seed, the same weights.
        settings: the values to try, by name, such as `{"batch_size": [16, 64, 256], "weight_decay": [0, 1e-4]}`.
        parallel: whether the first sweeps of all cells, and then the runs within each cell, are taken side by side; see
            `find_lr`. That needs models of one kind and batches of one shape: it works for a grid of weight decays, and
            not for one of batch sizes.
        executor: a `concurrent.futures.Executor` that runs the cells instead, one job each. `make`, `options` and the
            results are pickled for other processes.
        progress: see `find_lr`. One bar counts the steps of all cells or, with an executor, the cells.
        options: for `find_lr`. They override those that `make` returns.
    Returns: a cell for each combination. A cell whose curve allows no answer holds the reason; the others go on.
    Raises: PlanError if there is nothing to try, and whatever `make` and `find_lr` raise.
    Cost: that of `find_lr`, times the number of combinations.
    Source: Smith, "A disciplined approach to neural network hyper-parameters" (arXiv:1803.09820), sections 4.2 to 4.4:
        range tests at several batch sizes, momenta and weight decays. The setting to take is the one that allows the
        largest rate, or keeps the loss lowest.
    """
    _check_settings(settings)
    if not settings or not all(len(values) for values in settings.values()):
        raise PlanError(f"settings={dict(settings)!r} leaves nothing to try. Give one or more values for each name.")
    check_factory(make, "make", {name: values[0] for name, values in settings.items()})
    check_parallel(parallel)
    check_progress(progress)
    combinations = [dict(zip(settings, values, strict=True)) for values in itertools.product(*settings.values())]
    options = {**options, "parallel": parallel}
    shown = open_progress(progress if is_main_process() else False, f"grid of {len(combinations)} settings")
    with shown:
        if executor is not None:
            results = _by_executor(executor, make, combinations, options, shown)
        elif parallel == "off" or len(combinations) == 1:
            results = between_steps(lambda: _one_by_one(make, combinations, options, shown))
        else:
            results = between_steps(lambda: _together(make, combinations, options, shown, measure=parallel == "auto"))
    cells = (GridCell(setting=setting, result=result) for setting, result in zip(combinations, results, strict=True))
    return Grid(cells=tuple(cells))


def _check_settings(settings: object) -> None:
    """Raise PlanError unless these are lists of values by name."""
    if not isinstance(settings, Mapping):
        raise PlanError(
            f"settings is a {type(settings).__name__}. Give a mapping from names to the values to try, such as "
            f"{{'batch_size': [16, 64]}}."
        )
    for name, values in settings.items():
        if isinstance(values, (str, bytes)) or not isinstance(values, Sized):
            raise PlanError(f"settings[{name!r}]={values!r} is not a list of values. Give a list: [{values!r}].")


def _range_test(
    make: Callable[..., Any], setting: Mapping[str, Any], options: Mapping[str, Any], progress: Progress
) -> RangeTest:
    target, made_options = split_made(make(**setting), "make")
    own_options, backend_options = split_options({**made_options, **options})
    with misspelt_first(target, own_options.get("backend"), backend_options):
        checked = Settings(**own_options)
    return RangeTest(target, checked, backend_options, progress)


def _one_by_one(
    make: Callable[..., Any], combinations: Sequence[Mapping[str, Any]], options: Mapping[str, Any], progress: Progress
) -> list[RangeTestResult]:
    results = []
    for position, setting in enumerate(combinations):
        with _part(progress, combinations, position):
            results.append(_range_test(make, setting, options, progress).run())
    return results


def _part(
    progress: Progress, combinations: Sequence[Mapping[str, Any]], position: int
) -> contextlib.AbstractContextManager[None]:
    """Return the part of the progress that is the cell at this position."""
    count = len(combinations)
    name = f"{position + 1}/{count} {_label_of(combinations[position])}" if progress.shown else ""
    return progress.part(name, later=count - position - 1)


def _by_executor(
    executor: Executor,
    make: Callable[..., Any],
    combinations: Sequence[Mapping[str, Any]],
    options: Mapping[str, Any],
    progress: Progress,
) -> list[RangeTestResult]:
    check_sendable(make, executor, "make")
    options = dict(options)
    for name, value in options.items():
        way = "Let make return it among its options, or leave out executor=."
        if check_sendable(value, executor, f"{name}=", way):
            # Copied in this thread, as pickle copies it in the executor's: a watcher notes a run that is active here.
            options[name] = copy.deepcopy(value)
    jobs = [executor.submit(_result, make, setting, options) for setting in combinations]
    progress.plan(len(jobs))
    progress.count(0, "settings")
    try:
        for job in as_completed(jobs):
            job.result()  # raises an error while the others have not ended
            progress.count(1, "settings")
        return [job.result() for job in jobs]
    finally:
        for job in jobs:
            job.cancel()


def _result(make: Callable[..., Any], setting: Mapping[str, Any], options: Mapping[str, Any]) -> RangeTestResult:
    with one_at_a_time:
        return _range_test(make, setting, options, open_progress(False, "")).run()


def _together(
    make: Callable[..., Any],
    combinations: Sequence[Mapping[str, Any]],
    options: Mapping[str, Any],
    progress: Progress,
    *,
    measure: bool,
) -> list[RangeTestResult]:
    """Take the first sweeps of all cells side by side if that is possible, then what follows them cell by cell."""
    count = len(combinations)
    tests: list[RangeTest] = []
    replicas: list[Replica] = []
    for setting in combinations:
        tests.append(_range_test(make, setting, options, progress))
        reason = why_alone(tests[-1].first, count, measure)
        if reason is not None:
            break
        replicas.append(replica_of(tests[-1].first))  # which begins with the random state that `make` left
    else:
        checks = [test.runner.restore_check for test in tests]
        firsts = [test.first for test in tests]
        progress.plan(sum(test.steps_planned for test in tests))
        with progress.stage(f"{count} settings side by side", [first.sweep for first in firsts]):
            reason = run_together(firsts, replicas, checks, measure=measure)
        if reason is None:
            return [
                _finish(_noted(test, count, None), progress, combinations, position)
                for position, test in enumerate(tests)
            ]
    # The other cells are made again, so that each begins as if it were the only one. So is the first, unless it was
    # refused before anything was done with it.
    first = [] if replicas else tests
    rest = (_range_test(make, setting, options, progress) for setting in combinations[len(first) :])
    results = []
    for position, test in enumerate(itertools.chain(first, rest)):
        with _part(progress, combinations, position):
            results.append(_noted(test, count, reason).run())
    return results


def _finish(
    test: RangeTest, progress: Progress, combinations: Sequence[Mapping[str, Any]], position: int
) -> RangeTestResult:
    """Take what follows the first sweep of the cell at this position."""
    with _part(progress, combinations, position):
        progress.plan(test.steps_planned - test.first_planned)
        return test.finish()


def _noted(test: RangeTest, count: int, reason: str | None) -> RangeTest:
    test.runner.note(count, reason)
    return test


def _label_of(setting: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in setting.items())


def _max_lr(cell: GridCell) -> float:
    try:
        return cell.result.range.max_lr
    except LRRangeError:
        return math.nan
