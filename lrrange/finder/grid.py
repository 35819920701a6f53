"""Range tests over a grid of settings: how the best rate moves with batch size, weight decay or momentum."""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Any

import attrs

from lrrange.errors import LRRangeError, PlanError
from lrrange.finder.executors import check_sendable, one_at_a_time
from lrrange.finder.range_test import RangeTest
from lrrange.finder.settings import Settings, split_options
from lrrange.finder.together import Parallel, check_parallel, replica_of, run_together, why_alone
from lrrange.protocol.factories import split_made
from lrrange.protocol.interrupts import between_steps
from lrrange.protocol.optional import Replica
from lrrange.random_state import kept_random_state
from lrrange.result import RangeTestResult

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@attrs.frozen(kw_only=True)
class GridCell:
    """One setting, and the range test under it.

    Args:
        setting: value by name.
        result: the result of the test; its answer may be a refusal.
    """

    setting: dict[str, Any]
    result: RangeTestResult

    @property
    def label(self) -> str:
        """The setting in one line."""
        return ", ".join(f"{name}={value}" for name, value in self.setting.items())


@attrs.frozen(kw_only=True)
class Grid:
    """Range tests of the same training under several settings.

    Args:
        cells: in the order of the settings, the last one changing fastest.
    """

    cells: tuple[GridCell, ...]

    def __getitem__(self, position: int) -> GridCell:
        return self.cells[position]

    def __len__(self) -> int:
        return len(self.cells)

    @property
    def max_lr(self) -> tuple[float, ...]:
        """The range's `max_lr` for each setting, shape (cells,); NaN where the curve has no range."""
        return tuple(map(_max_lr, self.cells))

    @kept_random_state()
    def plot(self) -> "Figure":
        """Draw one small plot for each setting, on common axes. Raises: MissingExtra if matplotlib is not installed."""
        from lrrange.report.plot import plot_grid

        return plot_grid([(cell.label, cell.result) for cell in self.cells])

    @kept_random_state()
    def __rich__(self) -> Any:
        from lrrange.report.table import grid_as_rich

        return grid_as_rich([(cell.setting, cell.result) for cell in self.cells])


def grid(
    make: Callable[..., Any],
    settings: Mapping[str, Sequence[Any]],
    *,
    parallel: Parallel = "off",
    executor: Executor | None = None,
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
        options: for `find_lr`. They override those that `make` returns.
    Returns: a cell for each combination. A cell whose curve allows no answer holds the reason; the others go on.
    Raises: PlanError if there is nothing to try, and whatever `make` and `find_lr` raise.
    Cost: that of `find_lr`, times the number of combinations.
    Source: Smith, "A disciplined approach to neural network hyper-parameters" (arXiv:1803.09820), sections 4.2 to 4.4:
        range tests at several batch sizes, momenta and weight decays. The setting to take is the one that allows the
        largest rate, or keeps the loss lowest.
    """
    if not settings or not all(len(values) for values in settings.values()):
        raise PlanError(f"settings={dict(settings)!r} leaves nothing to try. Give one or more values for each name.")
    check_parallel(parallel)
    combinations = [dict(zip(settings, values, strict=True)) for values in itertools.product(*settings.values())]
    options = {**options, "parallel": parallel}
    if executor is not None:
        results = _by_executor(executor, make, combinations, options)
    elif parallel == "off" or len(combinations) == 1:
        results = between_steps(lambda: [_range_test(make, setting, options).run() for setting in combinations])
    else:
        results = between_steps(lambda: _together(make, combinations, options, measure=parallel == "auto"))
    cells = (GridCell(setting=setting, result=result) for setting, result in zip(combinations, results, strict=True))
    return Grid(cells=tuple(cells))


def _range_test(make: Callable[..., Any], setting: Mapping[str, Any], options: Mapping[str, Any]) -> RangeTest:
    target, made_options = split_made(make(**setting), "make")
    own_options, backend_options = split_options({**made_options, **options})
    return RangeTest(target, Settings(**own_options), backend_options)


def _by_executor(
    executor: Executor, make: Callable[..., Any], combinations: Sequence[Mapping[str, Any]], options: Mapping[str, Any]
) -> list[RangeTestResult]:
    check_sendable(make, executor, "make")
    jobs = [executor.submit(_result, make, setting, options) for setting in combinations]
    try:
        return [job.result() for job in jobs]
    finally:
        for job in jobs:
            job.cancel()


def _result(make: Callable[..., Any], setting: Mapping[str, Any], options: Mapping[str, Any]) -> RangeTestResult:
    with one_at_a_time:
        return _range_test(make, setting, options).run()


def _together(
    make: Callable[..., Any],
    combinations: Sequence[Mapping[str, Any]],
    options: Mapping[str, Any],
    *,
    measure: bool,
) -> list[RangeTestResult]:
    """Take the first sweeps of all cells side by side if that is possible, then what follows them cell by cell."""
    count = len(combinations)
    tests: list[RangeTest] = []
    replicas: list[Replica] = []
    for setting in combinations:
        tests.append(_range_test(make, setting, options))
        reason = why_alone(tests[-1].first, count, measure)
        if reason is not None:
            break
        replicas.append(replica_of(tests[-1].first))  # which begins with the random state that `make` left
    else:
        checks = [test.runner.restore_check for test in tests]
        reason = run_together([test.first for test in tests], replicas, checks, measure=measure)
        if reason is None:
            return [_noted(test, count, None).finish() for test in tests]
    # The other cells are made again, so that each begins as if it were the only one. So is the first, unless it was
    # refused before anything was done with it.
    first = [] if replicas else tests
    rest = (_range_test(make, setting, options) for setting in combinations[len(first) :])
    return [_noted(test, count, reason).run() for test in itertools.chain(first, rest)]


def _noted(test: RangeTest, count: int, reason: str | None) -> RangeTest:
    test.runner.note(count, reason)
    return test


def _max_lr(cell: GridCell) -> float:
    try:
        return cell.result.range.max_lr
    except LRRangeError:
        return math.nan
