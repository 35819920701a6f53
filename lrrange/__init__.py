"""lrrange: the learning-rate range test, for any training loop.

>>> import lrrange
>>> sweep = lrrange.Sweep(lrrange.SweepPlan(start_lr=1e-4, end_lr=1.0, num_steps=50))
>>> sweep.lr
0.0001
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from lrrange.advice.advice import Provenance
from lrrange.advice.confirmation import Confirmation, Trial
from lrrange.advice.facts import TrainingFacts
from lrrange.advice.ranges import LRRange
from lrrange.advice.suggestion import Refusal, Suggestion
from lrrange.advice.verdict import Verdict
from lrrange.errors import LRRangeError, NoSuggestion, NoWinner
from lrrange.result import RangeTestResult, load
from lrrange.spelling import attribute_error, is_asked_by_import
from lrrange.sweep.curve import Curve
from lrrange.sweep.divergence import Divergence
from lrrange.sweep.plan import AdaptivePlan, SweepPlan
from lrrange.sweep.planned_steps import Point, StopReason
from lrrange.sweep.sweep import Sweep

if TYPE_CHECKING:
    from lrrange.comparison.compare import compare
    from lrrange.comparison.comparison import Comparison
    from lrrange.cyclical import Cycle, OneCycle, exp_range, one_cycle, triangular, triangular2
    from lrrange.finder.grid import Grid, GridCell, grid
    from lrrange.finder.lr_finder import find_lr
    from lrrange.hookspecs import hookimpl
    from lrrange.optimizers import make_schedule
    from lrrange.plugins import list_plugins, register, unregister
    from lrrange.policy import Policy, Run
    from lrrange.protocol.training_step import Driver, TrainingStep
    from lrrange.report.html_report.write import write_report

__all__ = [
    "AdaptivePlan",
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
    "TrainingFacts",
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
    "write_report",
]

_ON_FIRST_USE = {
    "Comparison": "lrrange.comparison.comparison",
    "Cycle": "lrrange.cyclical",
    "Driver": "lrrange.protocol.training_step",
    "Grid": "lrrange.finder.grid",
    "GridCell": "lrrange.finder.grid",
    "OneCycle": "lrrange.cyclical",
    "Policy": "lrrange.policy",
    "Run": "lrrange.policy",
    "TrainingStep": "lrrange.protocol.training_step",
    "compare": "lrrange.comparison.compare",
    "exp_range": "lrrange.cyclical",
    "find_lr": "lrrange.finder.lr_finder",
    "grid": "lrrange.finder.grid",
    "hookimpl": "lrrange.hookspecs",
    "list_plugins": "lrrange.plugins",
    "make_schedule": "lrrange.optimizers",
    "one_cycle": "lrrange.cyclical",
    "register": "lrrange.plugins",
    "triangular": "lrrange.cyclical",
    "triangular2": "lrrange.cyclical",
    "unregister": "lrrange.plugins",
    "write_report": "lrrange.report.html_report.write",
}


if not TYPE_CHECKING:  # a type checker would take any name for one that exists

    def __getattr__(name: str) -> Any:
        if name == "__version__":
            return import_module("importlib.metadata").version("lrrange")
        if name not in _ON_FIRST_USE:
            error = attribute_error("module 'lrrange'", name, __all__)
            raise ImportError(str(error)) if is_asked_by_import(name) else error
        value = getattr(import_module(_ON_FIRST_USE[name]), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return __all__
