"""Test data for the core: plans, losses, and curves made from a known answer."""

import math
import random
from collections.abc import Sequence

import attrs
from hypothesis import strategies as st

from lrrange import (
    Curve,
    LRRange,
    Provenance,
    RangeTestResult,
    Refusal,
    StopReason,
    Suggestion,
    Sweep,
    SweepPlan,
    TrainingFacts,
)
from lrrange.advice.confirmation import Confirmation, Trial

# 25 rates a decade over 8 decades: what `find_lr` takes by default.
PLAN = SweepPlan(start_lr=1e-7, end_lr=10.0, num_steps=200)

STEP = math.log10(PLAN.rates[1] / PLAN.rates[0])


@attrs.frozen(kw_only=True)
class Landscape:
    """A loss as a function of the learning rate: level, then a sigmoid fall, then a parabola up.

    Args:
        top: the loss before any training.
        drop: how far it falls.
        fall: log10 of the rate where half of the drop is made; infinite for a loss that never falls.
        decades: distance from a tenth of the drop to nine tenths, in decades.
        blow_up: log10 of the rate from which on the loss climbs; infinite for a loss that never climbs.
        steepness: in parts of the drop, the climb is the square of this times the decades above `blow_up`.
        noise: standard deviation of a single loss, in parts of the drop.
        spikes: steps with a spike, each with its height in drops.
        seed: seed of the noise.
    """

    top: float = 2.3
    drop: float = 2.0
    fall: float = -3.5
    decades: float = 1.0
    blow_up: float = -1.0
    steepness: float = 4.0
    noise: float = 0.0
    spikes: tuple[tuple[int, float], ...] = ()
    seed: int = 0

    def at(self, lr: float) -> float:
        """Return the loss without noise."""
        x = math.log10(lr)
        fallen = 1 / (1 + math.exp(-2 * math.log(9) / self.decades * (x - self.fall)))
        climbed = (self.steepness * max(x - self.blow_up, 0.0)) ** 2
        return self.top + self.drop * (climbed - fallen)

    def falls_to(self, part: float) -> float:
        """Return log10 of the rate where this part of the drop is made."""
        return self.fall + self.decades / (2 * math.log(9)) * math.log(part / (1 - part))

    @property
    def lowest(self) -> float:
        """log10 of the rate, among those of the usual plan, of the lowest loss."""
        return math.log10(min(PLAN.rates, key=self.at))

    @property
    def back_at_top(self) -> float:
        """log10 of the rate where the loss climbs over its starting level."""
        return self.blow_up + 1 / self.steepness

    def losses(self, rates: Sequence[float] = PLAN.rates) -> list[float]:
        """Return one noisy loss for each rate."""
        random_ = random.Random(self.seed)
        noisy = [self.at(lr) + random_.gauss(0.0, self.noise * self.drop) for lr in rates]
        for step, drops in self.spikes:
            noisy[step] += drops * self.drop
        return noisy

    def curve(self, plan: SweepPlan = PLAN) -> Curve:
        """Return the curve of a sweep that does not stop early."""
        return Curve(lr=plan.rates, loss=self.losses(plan.rates))

    def sweep(self, plan: SweepPlan = PLAN) -> Sweep:
        """Return an ended sweep over this landscape."""
        return replay(Sweep(plan), self.losses(plan.rates))


def replay(sweep: Sweep, losses: Sequence[object]) -> Sweep:
    """Tell these losses to the sweep until it ends, and return it."""
    for loss in losses:
        if not sweep.running:
            break
        sweep.tell(loss)
    return sweep


def landscapes(noise: float = 0.05, **fixed: object) -> st.SearchStrategy[Landscape]:
    """Draw valleys of many kinds, with a floor wide enough to see."""
    free = {
        "top": st.floats(-5.0, 5.0),
        "drop": st.floats(0.1, 10.0),
        "fall": st.floats(-5.0, -3.0),
        "decades": st.floats(0.5, 1.5),
        "blow_up": st.floats(-1.5, 0.0),
        "steepness": st.floats(2.0, 8.0),
        "noise": st.floats(0.0, noise),
        "seed": st.integers(0, 2**32),
    }
    return st.builds(Landscape, **(free | {name: st.just(value) for name, value in fixed.items()}))


@st.composite
def plans(draw: st.DrawFn, min_steps: int = 2, max_steps: int = 300, shape: str | None = None) -> SweepPlan:
    """Draw any plan over at least a hundredth of a decade."""
    start = draw(st.floats(1e-12, 1e6))
    return SweepPlan(
        start_lr=start,
        end_lr=start * 10 ** draw(st.floats(0.01, 12.0)),
        num_steps=draw(st.integers(min_steps, max_steps)),
        shape=shape or draw(st.sampled_from(["exponential", "linear"])),
    )


# Everything a training step may return for a loss that is one number.
losses = st.floats(allow_nan=True, allow_infinity=True)

non_finite_losses = st.sampled_from([math.nan, math.inf, -math.inf])

finite_losses = st.floats(-1e6, 1e6)


# Multiples of 2**-10, small enough that adding one of `constants` or multiplying by one of `factors` is exact in
# floating point. So the laws about sums and products can be tested without rounding errors.
_GRID = 2.0**-10

exact_losses = st.integers(-(2**13), 2**13).map(lambda thousandths: thousandths * _GRID)
constants = st.integers(-(2**10), 2**10).map(float)
factors = st.integers(-20, 20).map(lambda power: 2.0**power)


def exact_sequences(max_size: int = 120) -> st.SearchStrategy[list[float]]:
    """Draw losses on the grid: either without any shape, or a valley with noise."""
    valleys = st.builds(
        lambda landscape, length: [round(loss / _GRID) * _GRID for loss in landscape.losses()[:length]],
        landscapes(noise=0.3),
        st.integers(60, PLAN.num_steps),
    )
    return st.one_of(st.lists(exact_losses, max_size=max_size), valleys)


# Values that are no loss, one strategy for each kind of mistake.
rubbish = st.one_of(
    st.none(),
    st.text(),
    st.binary(),
    st.complex_numbers(allow_nan=False),
    st.lists(st.floats(), max_size=3),
    st.dictionaries(st.text(), st.floats(), max_size=2),
    st.builds(object),
    st.integers(min_value=2**1024),
)


# Text and numbers that a file may hold. The text has no lone surrogates, because no encoding can write them.
text = st.text(st.characters(codec="utf-8"), max_size=20)

# A single NaN object, because two of them are never equal.
numbers = st.one_of(st.floats(allow_nan=False), st.just(math.nan))

json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**53), 2**53), st.floats(-1e9, 1e9), text),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(text, inner, max_size=3)),
    max_leaves=5,
)

positive = st.floats(1e-12, 1e12)

suggestions = st.builds(
    Suggestion,
    heuristic=text,
    lr=positive,
    index=st.none() | st.integers(0, 1000),
    slope=st.none() | st.floats(allow_nan=False),
    low=st.none() | positive,
    high=st.none() | positive,
)

refusals = st.builds(
    Refusal,
    heuristic=text,
    kind=st.sampled_from(["NoSuggestion", "FlatCurve", "OnlyRises", "TooFewPoints"]),
    reason=text,
    numbers=st.dictionaries(text, st.floats(allow_nan=False), max_size=3),
)

ranges = st.builds(
    lambda base, ratio, rule, source: LRRange(base_lr=base, max_lr=base * ratio, rule=rule, source=source),
    positive,
    st.floats(1.5, 1e3),
    text,
    text,
)

confirmations = st.builds(
    Confirmation,
    trials=st.lists(
        st.builds(
            Trial,
            lr=positive,
            steps=st.integers(1, 1000),
            loss=st.floats(allow_nan=False),
            difference=st.none() | st.floats(allow_nan=False),
            error=st.none() | st.floats(min_value=0),
        ),
        min_size=1,
        max_size=7,
    ).map(tuple),
    held_out=st.booleans(),
    lr=positive,
    low=positive,
    high=positive,
    max_lr=positive,
    falls=st.booleans(),
    whole=st.booleans(),
)


facts = st.builds(
    TrainingFacts,
    optimizer=st.none() | st.sampled_from(["sgd", "adam", "sign"]) | text,
    momentum=st.none() | st.floats(0, 1),
    weight_decay=st.none() | st.floats(0, 1),
    steps_taken=st.none() | st.integers(0, 10**9),
    train_steps=st.none() | st.integers(1, 10**9),
)


@st.composite
def curves(draw: st.DrawFn, plan: SweepPlan) -> Curve:
    """Draw a curve over the first rates of the plan, with any losses and any smoothed losses."""
    swept = draw(st.integers(0, plan.num_steps))
    readings = st.lists(numbers, min_size=swept, max_size=swept)
    return Curve(lr=plan.rates[:swept], loss=draw(readings), smoothed=draw(readings))


@st.composite
def results(draw: st.DrawFn) -> RangeTestResult:
    """Draw any valid result, whether or not a sweep could produce it."""
    plan = draw(plans(max_steps=12))
    return RangeTestResult(
        plan=plan,
        curve=draw(curves(plan)),
        stop_reason=draw(st.sampled_from(StopReason)),
        answers=tuple(draw(st.lists(st.one_of(suggestions, refusals), min_size=1, max_size=4))),
        heuristic=draw(st.none() | text),
        ranges=tuple(draw(st.lists(ranges, max_size=3))),
        sweeps=tuple(draw(st.lists(curves(plan), max_size=2))),
        confirmation=draw(st.none() | confirmations),
        facts=draw(facts),
        provenance=draw(
            st.builds(
                Provenance,
                backend=text,
                versions=st.dictionaries(text, text, max_size=3),
                seed=st.none() | st.integers(0, 2**63),
                steps_run=st.integers(0, 10**6),
                wall_time=st.floats(0, 1e6),
                details=st.dictionaries(text, json_values, max_size=3),
                untried=st.lists(st.sampled_from(["paired", "repeats", "confirm", "val_loader"])).map(tuple),
            )
        ),
    )
