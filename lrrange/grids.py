"""Range tests over a grid of settings: how the best rate moves with batch size, weight decay or momentum."""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs

from lrrange.errors import LRRangeError, PlanError
from lrrange.finder import find_lr
from lrrange.protocol import split_made
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
        from lrrange.plotting import plot_grid

        return plot_grid(self)

    def __rich__(self) -> Any:
        from lrrange.rendering import grid_as_rich

        return grid_as_rich(self)


def grid(make: Callable[..., Any], settings: Mapping[str, Sequence[Any]], **options: Any) -> Grid:
    """A range test for every combination of settings.

    Args:
        make: called with one value for each name in `settings`; returns a new target, or `(target, options)`, as the
            factory of `lrrange find` does. It should make the same training each time but for the setting: the same
            seed, the same weights.
        settings: the values to try, by name, such as `{"batch_size": [16, 64, 256], "weight_decay": [0, 1e-4]}`.
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
    cells = []
    for values in itertools.product(*settings.values()):
        setting = dict(zip(settings, values, strict=True))
        target, made = split_made(make(**setting), "make")
        cells.append(GridCell(setting=setting, result=find_lr(target, **{**made, **options})))
    return Grid(cells=tuple(cells))


def _max_lr(cell: GridCell) -> float:
    try:
        return cell.result.range.max_lr
    except LRRangeError:
        return math.nan
