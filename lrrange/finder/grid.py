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
from lrrange.finder.runner import take_together
from lrrange.finder.together import Parallel, check_parallel
from lrrange.protocol.training_step import split_made
from lrrange.result import RangeTestResult

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@attrs.frozen(kw_only=True)
class GridCell:
    """One setting, and the range test under it.

    Args:
        setting: value by name.
        result: what the test found; it may hold a refusal.
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
        """The range's `max_lr` for each setting, NaN where the curve has no range; shape (cells,)."""
        return tuple(map(_max_lr, self.cells))

    def plot(self) -> "Figure":
        """One small picture for each setting, on common axes. Raises: MissingExtra if matplotlib is not installed."""
        from lrrange.report.plot import plot_grid

        return plot_grid(self)

    def __rich__(self) -> Any:
        from lrrange.report.table import grid_as_rich

        return grid_as_rich(self)


def grid(
    make: Callable[..., Any],
    settings: Mapping[str, Sequence[Any]],
    *,
    parallel: Parallel = "auto",
    executor: Executor | None = None,
    **options: Any,
) -> Grid:
    """A range test for every combination of settings.

    Args:
        make: called with one value for each name in `settings`; returns a new target, or `(target, options)`, as the
            factory of `lrrange find` does. It should make the same training each time but for the setting: the same
            seed, the same weights.
        settings: the values to try, by name, such as `{"batch_size": [16, 64, 256], "weight_decay": [0, 1e-4]}`.
        parallel: whether the first sweeps of all cells are taken together, and the runs within a cell; see `find_lr`.
            Batches of one shape and models of one kind can be: a grid of weight decays, say, and not one of batch
            sizes.
        executor: a `concurrent.futures.Executor` that the cells are sent to instead, one job each. To other processes
            `make`, `options` and the results travel by pickle.
        options: for `find_lr`, over those that `make` returns.
    Returns: a cell for each combination. One whose curve allows no answer says so; it does not end the others.
    Raises: PlanError if there is nothing to try, and whatever `make` and `find_lr` raise.
    Cost: that of `find_lr`, times the number of combinations.
    Source: Smith, "A disciplined approach to neural network hyper-parameters" (arXiv:1803.09820), sections 4.2 to 4.4:
        range tests at several batch sizes, momenta and weight decays, of which the one that allows the largest rate, or
        keeps the loss lowest, shows which to take.
    """
    if not settings or not all(len(values) for values in settings.values()):
        raise PlanError(f"settings={dict(settings)!r} leaves nothing to try. Give one or more values for each name.")
    check_parallel(parallel)
    cells = [dict(zip(settings, values, strict=True)) for values in itertools.product(*settings.values())]
    options = {**options, "parallel": parallel}
    if executor is not None:
        check_sendable(make, executor, "make")
        jobs = [executor.submit(_result, make, cell, options) for cell in cells]
        try:
            results = [job.result() for job in jobs]
        finally:
            for job in jobs:
                job.cancel()
    elif parallel == "off" or len(cells) == 1:
        results = [_range_test(make, cell, options).run() for cell in cells]
    else:
        results = _together(make, cells, options)
    return Grid(cells=tuple(GridCell(setting=cell, result=one) for cell, one in zip(cells, results, strict=True)))


def _range_test(make: Callable[..., Any], setting: Mapping[str, Any], options: Mapping[str, Any]) -> RangeTest:
    target, made = split_made(make(**setting), "make")
    return RangeTest.of(target, **{**made, **options})


def _result(make: Callable[..., Any], setting: Mapping[str, Any], options: Mapping[str, Any]) -> RangeTestResult:
    with one_at_a_time:
        return _range_test(make, setting, options).run()


def _together(
    make: Callable[..., Any], cells: Sequence[Mapping[str, Any]], options: Mapping[str, Any]
) -> list[RangeTestResult]:
    """The first sweeps of all cells together if they can be, and what follows them in each cell in its turn."""
    tests: list[RangeTest] = []
    replicas = []
    for cell in cells:
        tests.append(_range_test(make, cell, options))
        reason = tests[-1].runs.why_alone(len(cells))
        if reason is not None:
            break
        replicas.append(tests[-1].runs.replica(tests[-1].first))  # which begins with the random state that `make` left
    else:
        taken = zip(tests, replicas, strict=True)
        reason = take_together([(test.runs, test.first, replica) for test, replica in taken])
        if reason is None:
            return [_noted(test, len(cells), None).finish() for test in tests]
    # The others are made anew, so that each begins as if it were alone; so is the first, if it no longer does.
    first = [] if replicas else tests
    rest = (_range_test(make, cell, options) for cell in cells[len(first) :])
    return [_noted(test, len(cells), reason).run() for test in itertools.chain(first, rest)]


def _noted(test: RangeTest, count: int, reason: str | None) -> RangeTest:
    test.runs.note(count, reason)
    return test


def _max_lr(cell: GridCell) -> float:
    try:
        return cell.result.range.max_lr
    except LRRangeError:
        return math.nan
