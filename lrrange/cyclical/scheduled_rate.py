"""Which rate of a result a schedule should be given: the constant rate, the peak of a cycle, or one between the two.

The choice was measured, by forty trainings at a grid of rates under each kind of schedule. On a log scale from the best
constant rate (0) to the best peak of one cycle (1), a linear or cosine decay after a warm-up is best at 0.9 to 1.0, and
the peak of the cycle costs it little. Without a warm-up the same decays are best at 0.9, but two of the forty trainings
do badly at the peak, to which nothing leads up. Decays in steps are best at 0.5.
"""

import math
from types import FunctionType
from typing import Any, Literal, cast

import attrs

from lrrange.advice.advice import Advice
from lrrange.cyclical.constructors import bounds_for
from lrrange.cyclical.schedules import Cycle, OneCycle
from lrrange.errors import NoSuggestion, OptionError
from lrrange.other_tools.fold import fold, one_name_each
from lrrange.printable import describe

ScheduleKind = Literal["constant", "decay", "cycle"]

# By the names that PyTorch, transformers, timm, Keras and optax have for them, as `_core_of` leaves them. Schedules
# that are made of others or of a function, such as SequentialLR and LambdaLR, can be of any kind.
_KINDS: dict[str, ScheduleKind] = one_name_each(
    {
        "none constant plateau reduceonplateau": "constant",
        "step multistep piecewiseconstant piecewiseconstantdecay": "decay",
        "linear polynomial poly tanh exponential inversesqrt": "decay",
        "lineardecay polynomialdecay exponentialdecay inversetimedecay stabledecay greedy": "decay",
        "cosine cosinemin cosinedecay cosineannealing sgdr": "decay",
        "cosineannealingwarmrestarts cosinedecayrestarts cosinerestarts cosinehardrestarts": "decay",
        "onecycle 1cycle cosineonecycle linearonecycle": "cycle",
        "cyclic triangular triangular2 exprange": "cycle",
    }
)

# Parts of a name that say nothing of its kind.
_SILENT = ("get", "scheduler", "schedule", "with", "warmup", "lr")

# PyTorch's LinearLR is a warm-up, and not the linear decay of everyone else.
_AMBIGUOUS = ("linearlr",)

_REASONS: dict[ScheduleKind, str] = {
    "constant": "it holds the rate that it is given, so it gets result.lr",
    "decay": "it falls from the rate that it is given, so it gets one between result.lr and result.range.max_lr",
    "cycle": "it climbs to the rate that it is given and falls again, so it gets the max_lr of the range",
}


@attrs.frozen(kw_only=True)
class ScheduledRate:
    """The learning rate to give to a schedule. `float(rate)` is the number.

    Args:
        lr: the rate: where the schedule begins, or its peak.
        kind: what the schedule does with it.
        reason: why this rate of the result was taken, in words.
    """

    lr: float
    kind: ScheduleKind
    reason: str

    def __float__(self) -> float:
        return self.lr

    def __str__(self) -> str:
        return f"{self.lr:.2e}: {self.reason}"


def rate_for(schedule: object, warmup: bool, advice: Advice) -> ScheduledRate:
    """Return the rate that a schedule should be given; see `RangeTestResult.lr_for`."""
    name = _name_of(schedule)
    kind = _KINDS.get(_core_of(name))
    if kind == "decay" and (warmup or "warmup" in fold(name)):
        kind = "cycle"
    if kind is None:
        raise OptionError(
            f"whether {name!r} holds its rate, decays from it or climbs to it is not known. Name what it does: "
            f'result.lr_for("constant"), result.lr_for("linear") or result.lr_for("one_cycle").'
        )
    return ScheduledRate(lr=_rate_of(kind, name, advice), kind=kind, reason=f"{name}: {_REASONS[kind]}")


def _rate_of(kind: ScheduleKind, name: str, advice: Advice) -> float:
    if kind == "constant":
        return advice.lr
    try:
        peak = bounds_for(name, advice).max_lr
    except NoSuggestion:
        return advice.lr  # a curve may have a rate and no range; the lower of the two is the safe one
    return peak if kind == "cycle" else math.sqrt(advice.lr * peak)


def _name_of(schedule: object) -> str:
    if schedule is None:
        return "none"
    if isinstance(schedule, str):
        return schedule[:]  # of an enum's member, the text alone
    if isinstance(schedule, Cycle):
        return schedule.mode
    if isinstance(schedule, OneCycle):
        return "one_cycle"
    if isinstance(schedule, (bool, int, float)):
        raise OptionError(f"{describe(schedule)} is no schedule. Give its name, such as 'linear', or the scheduler.")
    if not isinstance(schedule, FunctionType):
        name = type(schedule).__name__
        if name == "AcceleratedScheduler":  # Accelerate's wrapper
            return _name_of(cast(Any, schedule).scheduler)
        return name
    # A schedule of optax is a function inside the one that has made it, which has the name of the schedule.
    *makers, own = schedule.__qualname__.split(".<locals>.")
    return makers[-1] if makers else own


def _core_of(name: str) -> str:
    core = fold(name)
    if core in _AMBIGUOUS:
        return ""
    for word in _SILENT:
        core = core.replace(word, "")
    return core
