"""Heuristics: which learning rate a curve suggests.

A heuristic is a function of a `Curve` that returns a `Suggestion`, or just a rate, or raises why it cannot
(`NoSuggestion` or a subclass). Plug-ins offer more of them through the hook `lrrange_offer_heuristics`.
"""

import contextlib
import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence

import attrs

from lrrange.advice.midway import readings
from lrrange.advice.preconditions import check_descent
from lrrange.advice.suggestion import Heuristic, Refusal, Suggestion
from lrrange.errors import NoSuggestion, UnknownName
from lrrange.sweep.curve import Curve

# The loss has begun to fall once it has made this part of its drop.
_BEGUN = 0.1


def steepest(curve: Curve) -> Suggestion:
    """The rate where the smoothed loss falls fastest per decade of learning rate.

    Args:
        curve: n points in sweep order. `lr` and `loss` have shape (n,); `lr` is positive and rising, `loss` is in the
            user's own unit.
    Returns: a rate from `curve.lr` at or below that of the lowest loss, its index, and the slope there.
    Raises: TooFewPoints, FlatCurve, OnlyRises.
    Source: fastai's "steep" rule; the test itself is Smith, "Cyclical Learning Rates for Training Neural Networks",
        WACV 2017, section 3.3. The slope is taken against log10(lr): against the raw rate, the small distances at the
        low end turn noise there into the steepest slopes of all.
    """
    finite = check_descent(curve, "steepest")
    slopes = _slopes(finite)[: finite.lowest + 1]
    best = min(range(len(slopes)), key=slopes.__getitem__)
    return _at(curve, finite.lr[best], "steepest", slope=slopes[best])


def valley(curve: Curve) -> Suggestion:
    """Halfway, in log rate, along the longest stretch over which the smoothed loss keeps falling.

    Args:
        curve: n points in sweep order.
    Returns: the rate of the point nearest to the middle of the longest decreasing subsequence, from where a tenth of
        the drop is made.
    Raises: TooFewPoints, FlatCurve, OnlyRises.
    Cost: O(n log n).
    Source: fastai's "valley" rule, after ESRI's learning-rate finder; fastai too takes the point halfway.
    """
    finite = check_descent(curve, "valley", needed=12)
    # The noise of the level stretch before the fall has long decreasing subsequences of its own, so all of it counts as
    # one point.
    begun = finite.start - _BEGUN * finite.drop
    falling = _longest_decreasing([min(value, begun) for value in finite.smoothed])
    first, last = finite.lr[falling[0]], finite.lr[falling[-1]]
    middle = (math.log(first) + math.log(last)) / 2
    nearest = min(range(len(finite)), key=lambda i: abs(math.log(finite.lr[i]) - middle))
    return _at(curve, finite.lr[nearest], "valley")


def tenth_of_minimum(curve: Curve) -> Suggestion:
    """A tenth of the rate at which the smoothed loss is lowest.

    Args:
        curve: n points in sweep order.
    Returns: the rate, which may lie between two points or below the first, and the index of the lowest loss.
    Raises: TooFewPoints, FlatCurve, OnlyRises.
    Source: fastai's "minimum" rule (its course's "one order of magnitude below the minimum").
    """
    finite = check_descent(curve, "min/10")
    lowest = finite.lr[finite.lowest]
    return Suggestion(heuristic="min/10", lr=lowest / 10, index=curve.lr.index(lowest))


# The sliding interval's width in decades, and the part of the largest slope by which its ends must differ. The width is
# what fastai's 15 steps are in its default sweep of 100 steps over 8 decades.
_SLIDE_DECADES = 1.2
_SLIDE_THRESHOLD = 0.05


def slide(curve: Curve) -> Suggestion:
    """The lower end of an interval that slides down from the highest rate until the slope stops changing across it.

    Args:
        curve: n points in sweep order.
    Returns: the rate at the interval's lower end at the last position, going down from the end of the curve, where the
        slopes (per decade) at its two ends differ by more than a twentieth of the largest slope of the curve.
    Raises: TooFewPoints, FlatCurve, OnlyRises.
    Source: the interval slide rule, as in fastai's "slide" after novetta/adaptnlp. Theirs compares with a fixed
        threshold in loss units; this one scales with the curve.
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
    return _at(curve, finite.lr[answer], "slide", slope=slopes[answer])


def midway(curve: Curve) -> Suggestion:
    """A sixth of the rate about midway between where the loss has fallen and where it blows up.

    Args:
        curve: n points in sweep order, best some 25 a decade.
    Returns: the rate for training at it throughout, and the interval in which the best such rate probably lies. Where
        noise hides the fall, the blow-up alone is read, and the interval is wider; so it is if nothing blows up.
    Raises: TooFewPoints, RatesTooFarApart, FlatCurve, OnlyRises, StillFalls.
    Source: lrrange's own, and its default; `docs/quality.md` has the measurements.
    """
    found = readings(curve)
    low, high = found.interval
    return Suggestion(heuristic="midway", lr=found.lr, low=low, high=high)


HEURISTICS: dict[str, Heuristic] = {
    "midway": midway,
    "steepest": steepest,
    "valley": valley,
    "min/10": tenth_of_minimum,
    "slide": slide,
}

# fastai's names for rules that have a clearer one.
ALIASES = {"steep": "steepest", "minimum": "min/10"}

DEFAULT = "midway"


def known_name(name: str, heuristics: Mapping[str, Heuristic]) -> str:
    """The name under which `heuristics` has what the user calls `name`. Raises: UnknownName."""
    found = name if name in heuristics else ALIASES.get(name, name)
    if found not in heuristics:
        raise UnknownName(f"heuristic {name!r} is not one of {', '.join(heuristics)}.", name=name)
    return found


def ask_heuristic(name: str, heuristic: Heuristic, curve: Curve, sweeps: Sequence[Curve] = ()) -> Suggestion | Refusal:
    """What one heuristic answers. One that fails refuses; it takes no other answer with it.

    Args:
        name: what to call it.
        heuristic: to ask.
        curve: to ask it about.
        sweeps: single curves, if `curve` is their median; the interval then spans the answers to them too.
    """
    try:
        answer = heuristic(curve)
        if not isinstance(answer, Suggestion):
            answer = Suggestion(heuristic=name, lr=answer)
        read_again = list(sweeps)
        if answer.low is None or answer.high is None:
            read_again += curve.halves
        answers = [answer.lr, *_answers(heuristic, read_again)]
        low = min(answers if answer.low is None else [answer.low, *answers])
        high = max(answers if answer.high is None else [answer.high, *answers])
        return attrs.evolve(answer, heuristic=name, low=low, high=high)
    except NoSuggestion as error:
        numbers = {key: float(value) for key, value in vars(error).items() if isinstance(value, (int, float))}
        return Refusal(heuristic=name, kind=type(error).__name__, reason=str(error), numbers=numbers)
    except Exception as error:
        reason = f'the "{name}" heuristic failed with {type(error).__name__}: {error}'
        return Refusal(heuristic=name, kind=NoSuggestion.__name__, reason=reason)


def _answers(heuristic: Heuristic, curves: Sequence[Curve]) -> list[float]:
    """What the heuristic answers to those of the curves it does not refuse."""
    rates = []
    for curve in curves:
        with contextlib.suppress(NoSuggestion):  # half the points, or one noisy sweep, may be too little
            answer = heuristic(curve)
            rates.append(answer.lr if isinstance(answer, Suggestion) else float(answer))
    return rates


def _at(curve: Curve, lr: float, heuristic: str, slope: float | None = None) -> Suggestion:
    return Suggestion(heuristic=heuristic, lr=lr, index=curve.lr.index(lr), slope=slope)


def _slopes(finite: Curve) -> list[float]:
    """Slope of the smoothed loss at each point, in loss units per decade; one-sided at the ends."""
    x, y = [math.log10(lr) for lr in finite.lr], finite.smoothed
    last = len(x) - 1
    return [
        (y[min(i + 1, last)] - y[max(i - 1, 0)]) / (x[min(i + 1, last)] - x[max(i - 1, 0)]) for i in range(last + 1)
    ]


def _longest_decreasing(values: list[float]) -> list[int]:
    """Indices of the longest strictly decreasing subsequence, by patience sorting."""
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
