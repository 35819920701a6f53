"""lrrange: the learning-rate range test, for any training loop.

>>> import lrrange
>>> sweep = lrrange.Sweep(lrrange.SweepPlan(start_lr=1e-4, end_lr=1.0, num_steps=50))
>>> sweep.lr
0.0001
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from lrrange.advice.heuristics import Refusal, Suggestion
from lrrange.advice.ranges import LRRange
from lrrange.advice.verdict import Verdict
from lrrange.errors import LRRangeError, NoSuggestion
from lrrange.finder.trials import Confirmation, Trial
from lrrange.result import Provenance, RangeTestResult
from lrrange.sweep.curve import Curve
from lrrange.sweep.divergence import Divergence
from lrrange.sweep.plan import SweepPlan
from lrrange.sweep.sweep import Point, StopReason, Sweep

if TYPE_CHECKING:
    from lrrange.comparison.compare import compare
    from lrrange.comparison.comparison import Comparison, NoWinner, Run
    from lrrange.comparison.policies import Policy
    from lrrange.cyclical import Cycle, OneCycle, exp_range, one_cycle, triangular, triangular2
    from lrrange.finder.grid import Grid, GridCell, grid
    from lrrange.finder.range_test import find_lr
    from lrrange.hookspecs import hookimpl
    from lrrange.plugins import list_plugins, make_schedule, register, unregister
    from lrrange.protocol.training_step import Driver, TrainingStep
    from lrrange.storage.documents import load

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
    "Comparison": "lrrange.comparison.comparison",
    "Cycle": "lrrange.cyclical",
    "Driver": "lrrange.protocol.training_step",
    "Grid": "lrrange.finder.grid",
    "GridCell": "lrrange.finder.grid",
    "NoWinner": "lrrange.comparison.comparison",
    "OneCycle": "lrrange.cyclical",
    "Policy": "lrrange.comparison.policies",
    "Run": "lrrange.comparison.comparison",
    "TrainingStep": "lrrange.protocol.training_step",
    "compare": "lrrange.comparison.compare",
    "exp_range": "lrrange.cyclical",
    "find_lr": "lrrange.finder.range_test",
    "grid": "lrrange.finder.grid",
    "hookimpl": "lrrange.hookspecs",
    "list_plugins": "lrrange.plugins",
    "load": "lrrange.storage.documents",
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
