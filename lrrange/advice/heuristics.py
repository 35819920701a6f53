"""Heuristics: which learning rate a curve suggests.

A heuristic is a function of a `Curve`. It returns a `Suggestion` or just a rate. If it has no answer, it raises
`NoSuggestion` or a subclass with the reason. Plug-ins offer more heuristics through the hook
`lrrange_offer_heuristics`.
"""

import contextlib
import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence

import attrs

from lrrange.advice.ending import Ending
from lrrange.advice.facts import TrainingFacts
from lrrange.advice.midway import find_fall_and_blow_up
from lrrange.advice.preconditions import check_descent, check_inside, too_close_error
from lrrange.advice.suggestion import Heuristic, Refusal, Suggestion
from lrrange.errors import NoSuggestion, UnknownName
from lrrange.spelling import did_you_mean
from lrrange.sweep.curve import Curve

# The fall begins where the loss has made this part of its drop.
_FALL_BEGINS = 0.1


def steepest(curve: Curve) -> Suggestion:
    """Return the rate where the smoothed loss falls fastest per decade of learning rate.

    Args:
        curve: n points in sweep order. `lr` and `loss` have shape (n,); `lr` is positive and rising, `loss` is in the
            user's own unit.
    Returns: a rate from `curve.lr`, no higher than the rate of the lowest loss, with its index and the slope there.
    Raises: TooFewPoints, FlatCurve, OnlyRises.
    Source: fastai's "steep" rule; the test itself is Smith, "Cyclical Learning Rates for Training Neural Networks",
        WACV 2017, section 3.3. The slope is taken against log10(lr). Against the raw rate, points at the low end lie so
        close together that noise there would make the steepest slopes of all.
    """
    finite = check_descent(curve, "steepest")
    slopes = _slopes(finite)[: finite.lowest + 1]
    steepest_at = min(range(len(slopes)), key=slopes.__getitem__)
    return _suggest_point(curve, finite.lr[steepest_at], "steepest", slope=slopes[steepest_at])


def valley(curve: Curve) -> Suggestion:
    """Return the rate halfway, in log rate, along the longest stretch over which the smoothed loss keeps falling.

    Args:
        curve: n points in sweep order.
    Returns: the rate of the point nearest to the middle of the longest decreasing subsequence, which starts where a
        tenth of the drop is made.
    Raises: TooFewPoints, FlatCurve, OnlyRises.
    Cost: O(n log n).
    Source: fastai's "valley" rule, after ESRI's learning-rate finder. Like fastai, it takes the point halfway.
    """
    finite = check_descent(curve, "valley", needed=12)
    # The noise of the level stretch before the fall has long decreasing subsequences of its own, so the whole stretch
    # counts as one point.
    fall_begins = finite.start - _FALL_BEGINS * finite.drop
    falling = _longest_decreasing([min(value, fall_begins) for value in finite.smoothed])
    first, last = finite.lr[falling[0]], finite.lr[falling[-1]]
    middle = (math.log(first) + math.log(last)) / 2
    nearest = min(range(len(finite)), key=lambda i: abs(math.log(finite.lr[i]) - middle))
    return _suggest_point(curve, finite.lr[nearest], "valley")


def tenth_of_minimum(curve: Curve) -> Suggestion:
    """Return a tenth of the rate at which the smoothed loss is lowest.

    Args:
        curve: n points in sweep order.
    Returns: the rate, which may lie between two points or below the first, with the index of the lowest loss.
    Raises: TooFewPoints, FlatCurve, OnlyRises.
    Source: fastai's "minimum" rule (its course's "one order of magnitude below the minimum").
    """
    finite = check_descent(curve, "min/10")
    lowest = finite.lr[finite.lowest]
    return Suggestion(heuristic="min/10", lr=lowest / 10, index=curve.lr.index(lowest))


# Width of the sliding interval in decades, and the part of the largest slope by which the slopes at its ends must
# differ. fastai's interval of 15 steps is this wide in its default sweep of 100 steps over 8 decades.
_SLIDE_DECADES = 1.2
_SLIDE_THRESHOLD = 0.05


def slide(curve: Curve) -> Suggestion:
    """Return the lower end of an interval that slides down from the highest rate until the slope stops changing.

    Args:
        curve: n points in sweep order.
    Returns: the rate at the lower end of the interval. The interval moves down from the end of the curve, past the
        first positions where the slopes (per decade) at its two ends differ by more than a twentieth of the largest
        slope of the curve, and stops at the last position where they still do.
    Raises: TooFewPoints, FlatCurve, OnlyRises; NoSuggestion if the slopes differ at no position.
    Source: the interval slide rule, as in fastai's "slide" after novetta/adaptnlp. Their threshold is fixed, in loss
        units; this one scales with the curve.
    """
    finite = check_descent(curve, "slide")
    slopes = _slopes(finite)
    threshold = _SLIDE_THRESHOLD * max(map(abs, slopes))
    answer = None
    for right in range(len(finite) - 1, 0, -1):
        lower_end = finite.lr[right] * 10**-_SLIDE_DECADES
        if lower_end < finite.lr[0]:
            break
        left = bisect_left(finite.lr, lower_end)
        if abs(slopes[right] - slopes[left]) <= threshold:
            if answer is not None:
                break
            continue
        answer = left
    if answer is None:
        raise NoSuggestion(
            f'the "slide" heuristic finds the same slope at both ends of every {_SLIDE_DECADES:g}-decade interval '
            f"between lr={finite.lr[0]:.2g} and {finite.lr[-1]:.2g}. Sweep over more decades.",
            decades=math.log10(finite.lr[-1] / finite.lr[0]),
        )
    return _suggest_point(curve, finite.lr[answer], "slide", slope=slopes[answer])


def midway(curve: Curve, facts: TrainingFacts = TrainingFacts()) -> Suggestion:  # noqa: B008  a frozen value
    """Return the rate a fixed distance below the middle between where the loss has fallen and where it blows up.

    Args:
        curve: n points in sweep order; about 25 per decade are best.
        facts: what else is known of the training. The distance depends on the kind of the optimizer, and on how long
            the training will be (`lrrange.advice.rule`).
    Returns: the rate for training at one constant rate, and the interval in which the best such rate probably lies. If
        noise hides the fall, the answer follows from the blow-up alone and the interval is wider. It is also wider if
        the loss does not blow up.
    Raises: TooFewPoints, RatesTooFarApart, FlatCurve, OnlyRises, StillFalls.
    Source: lrrange's own rule, and its default. The page *How good is the advice?* of the documentation has the
        measurements.
    """
    rates = find_fall_and_blow_up(curve, facts)
    low, high = rates.interval
    return Suggestion(heuristic="midway", lr=rates.lr, low=low, high=high, read=rates.read)


HEURISTICS: dict[str, Heuristic] = {
    "midway": midway,
    "steepest": steepest,
    "valley": valley,
    "min/10": tenth_of_minimum,
    "slide": slide,
}

# fastai's names for heuristics that have a clearer name here.
ALIASES = {"steep": "steepest", "minimum": "min/10"}

DEFAULT = "midway"


def known_name(name: str, heuristics: Mapping[str, Heuristic]) -> str:
    """Return `name`, or the name in `heuristics` for which it is an alias. Raises: UnknownName."""
    known = name if name in heuristics else ALIASES.get(name, name)
    if known not in heuristics:
        raise UnknownName(
            f"heuristic {name!r} is not one of {', '.join(heuristics)}.{did_you_mean(name, heuristics)}", name=name
        )
    return known


def ask_heuristic(
    name: str, heuristic: Heuristic, curve: Curve, sweeps: Sequence[Curve] = (), ending: Ending | None = None
) -> Suggestion | Refusal:
    """Return the answer of one heuristic. Any error that it raises becomes a refusal, so other answers are not lost.

    A rate at the edge of the sweep is a refusal too, whoever wrote the heuristic; see `check_inside`.

    Args:
        name: name for the answer.
        heuristic: the heuristic.
        curve: the curve to read.
        sweeps: the single curves, if `curve` is their median. The interval then spans the answers to them too.
        ending: how the sweep ended, to explain a refusal; None for a curve without a sweep.
    """
    try:
        answer = _ask_inside(name, heuristic, curve)
        others = list(sweeps)
        if answer.low is None or answer.high is None:
            others += curve.halves
        rates = [answer.lr, *_rates(name, heuristic, others)]
        low = min(rates if answer.low is None else [answer.low, *rates])
        high = max(rates if answer.high is None else [answer.high, *rates])
        widest = attrs.evolve(answer, heuristic=name, low=low, high=high)
        return widest if widest.interval is not None else attrs.evolve(widest, low=None, high=None)
    except NoSuggestion as error:
        refused = error
    except Exception as error:
        refused = NoSuggestion(f'the "{name}" heuristic failed with {type(error).__name__}: {error}')
    if ending is not None:
        refused = ending.explain(refused, curve)
    numbers = {key: float(value) for key, value in refused.numbers.items() if isinstance(value, (int, float))}
    return Refusal(heuristic=name, kind=type(refused).__name__, reason=str(refused), numbers=numbers)


def _ask_inside(name: str, heuristic: Heuristic, curve: Curve) -> Suggestion:
    """Return the suggestion of a heuristic for this curve. Raises: AtTheEdge, and what the heuristic raises."""
    answer = heuristic(curve)
    if not isinstance(answer, Suggestion):
        answer = Suggestion(heuristic=name, lr=answer)
    check_inside(curve, name, answer.lr, answer.index)
    return answer


def _rates(name: str, heuristic: Heuristic, curves: Sequence[Curve]) -> list[float]:
    """Return the rates that the heuristic suggests for these curves, without the curves that it refuses."""
    rates = []
    for curve in curves:
        with contextlib.suppress(NoSuggestion):  # half the points or one noisy sweep may not be enough
            rates.append(_ask_inside(name, heuristic, curve).lr)
    return rates


def _suggest_point(curve: Curve, lr: float, heuristic: str, slope: float | None = None) -> Suggestion:
    return Suggestion(heuristic=heuristic, lr=lr, index=curve.lr.index(lr), slope=slope)


def _slopes(finite: Curve) -> list[float]:
    """Return the slope of the smoothed loss at each point, in loss units per decade; one-sided at the ends."""
    x, y = [math.log10(lr) for lr in finite.lr], finite.smoothed
    if x[-1] == x[0]:
        raise too_close_error(finite)
    last, slopes = len(x) - 1, []
    for i in range(last + 1):
        before, after = max(i - 1, 0), min(i + 1, last)
        decades = x[after] - x[before]
        slopes.append((y[after] - y[before]) / decades if decades else 0.0)  # neighbours may be the same up to rounding
    return slopes


def _longest_decreasing(values: list[float]) -> list[int]:
    """Return the indices of the longest strictly decreasing subsequence, by patience sorting."""
    tails: list[float] = []  # negated last value of the best subsequence of each length
    ends: list[int] = []
    previous: list[int] = []
    for i, value in enumerate(values):
        length = bisect_left(tails, -value)
        previous.append(ends[length - 1] if length else -1)
        tails[length : length + 1] = [-value]
        ends[length : length + 1] = [i]
    chain = [ends[-1]]
    while previous[chain[-1]] >= 0:
        chain.append(previous[chain[-1]])
    return chain[::-1]
