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

if TYPE_CHECKING:
    from lrrange.finder import find_lr
    from lrrange.grids import Grid, grid
    from lrrange.hookspecs import hookimpl
    from lrrange.plugins import list_plugins, make_schedule, register, unregister
    from lrrange.protocol import Driver, TrainingStep
    from lrrange.storage import load

__all__ = [
    "Curve",
    "Divergence",
    "Driver",
    "Grid",
    "LRRange",
    "LRRangeError",
    "NoSuggestion",
    "Point",
    "Provenance",
    "RangeTestResult",
    "Refusal",
    "StopReason",
    "Suggestion",
    "Sweep",
    "SweepPlan",
    "TrainingStep",
    "find_lr",
    "grid",
    "hookimpl",
    "list_plugins",
    "load",
    "make_schedule",
    "register",
    "unregister",
]

_ON_FIRST_USE = {
    "Driver": "lrrange.protocol",
    "TrainingStep": "lrrange.protocol",
    "Grid": "lrrange.grids",
    "find_lr": "lrrange.finder",
    "grid": "lrrange.grids",
    "hookimpl": "lrrange.hookspecs",
    "load": "lrrange.storage",
    "list_plugins": "lrrange.plugins",
    "register": "lrrange.plugins",
    "make_schedule": "lrrange.plugins",
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
