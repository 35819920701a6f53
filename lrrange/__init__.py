"""lrrange: the learning-rate range test, for any training loop.

>>> import lrrange
>>> sweep = lrrange.Sweep(lrrange.SweepPlan(start_lr=1e-4, end_lr=1.0, num_steps=50))
>>> sweep.lr
0.0001
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from lrrange.curve import Curve
from lrrange.divergence import Divergence
from lrrange.errors import LRRangeError, NoSuggestion
from lrrange.ranges import LRRange
from lrrange.result import Provenance, RangeTestResult
from lrrange.schedule import SweepPlan
from lrrange.suggest import Refusal, Suggestion
from lrrange.sweep import Point, StopReason, Sweep
from lrrange.trials import Confirmation, Trial
from lrrange.verdict import Verdict

if TYPE_CHECKING:
    from lrrange.comparer import compare
    from lrrange.comparison import Comparison, NoWinner, Run
    from lrrange.cyclical import Cycle, OneCycle, exp_range, one_cycle, triangular, triangular2
    from lrrange.finder import find_lr
    from lrrange.grids import Grid, GridCell, grid
    from lrrange.hookspecs import hookimpl
    from lrrange.plugins import list_plugins, make_schedule, register, unregister
    from lrrange.policies import Policy
    from lrrange.protocol import Driver, TrainingStep
    from lrrange.storage import load

__all__ = [
    "Comparison",
    "Confirmation",
    "Curve",
    "Cycle",
    "Divergence",
    "Driver",
    "Grid",
    "GridCell",
    "LRRange",
    "LRRangeError",
    "NoSuggestion",
    "NoWinner",
    "OneCycle",
    "Point",
    "Policy",
    "Provenance",
    "RangeTestResult",
    "Refusal",
    "Run",
    "StopReason",
    "Suggestion",
    "Sweep",
    "SweepPlan",
    "TrainingStep",
    "Trial",
    "Verdict",
    "compare",
    "exp_range",
    "find_lr",
    "grid",
    "hookimpl",
    "list_plugins",
    "load",
    "make_schedule",
    "one_cycle",
    "register",
    "triangular",
    "triangular2",
    "unregister",
]

_ON_FIRST_USE = {
    "Comparison": "lrrange.comparison",
    "Cycle": "lrrange.cyclical",
    "Driver": "lrrange.protocol",
    "Grid": "lrrange.grids",
    "GridCell": "lrrange.grids",
    "NoWinner": "lrrange.comparison",
    "OneCycle": "lrrange.cyclical",
    "Policy": "lrrange.policies",
    "Run": "lrrange.comparison",
    "TrainingStep": "lrrange.protocol",
    "compare": "lrrange.comparer",
    "exp_range": "lrrange.cyclical",
    "find_lr": "lrrange.finder",
    "grid": "lrrange.grids",
    "hookimpl": "lrrange.hookspecs",
    "list_plugins": "lrrange.plugins",
    "load": "lrrange.storage",
    "make_schedule": "lrrange.plugins",
    "one_cycle": "lrrange.cyclical",
    "register": "lrrange.plugins",
    "triangular": "lrrange.cyclical",
    "triangular2": "lrrange.cyclical",
    "unregister": "lrrange.plugins",
}


def __getattr__(name: str) -> Any:
    if name not in _ON_FIRST_USE:
        raise AttributeError(f"module 'lrrange' has no attribute {name!r}")
    value = getattr(import_module(_ON_FIRST_USE[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
