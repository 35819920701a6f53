"""Checks that a curve can be read at all. Every heuristic and range rule makes them first."""

import math
import statistics

from lrrange.errors import (
    AtTheEdge,
    FlatCurve,
    NoDescent,
    NoSuggestion,
    OnlyRises,
    RatesTooFarApart,
    StillFalls,
    TooFewPoints,
)
from lrrange.sweep.curve import Curve

# Below the first of these rates no training moves, and above the second none goes on. A sweep that starts or ends there
# is not advised to start lower or to end higher.
LOWEST_USEFUL_LR, HIGHEST_USEFUL_LR = 1e-10, 1e3

# If the loss is level over this many decades before it rises, the sweep does not start too high.
_LEVEL = 2.0

# A rate so few steps from an end of the sweep is no answer: the curve does not show what lies on the other side of it.
_EDGE_STEPS = 2

# A sweep starts too high if the median of this many losses after the first one lies above that by more than this many
# standard deviations of the noise, and by more than this many times all that the loss falls below it.
_FIRST_STEPS, _FAR_ABOVE_NOISE, _FAR_ABOVE_FALL = 5, 10.0, 2.0


def check_descent(curve: Curve, reader: str, *, needed: int = 6) -> Curve:
    """Return the finite part of the curve, if its loss falls by more than its noise.

    Args:
        curve: n points in sweep order.
        reader: name of the heuristic or range rule, for the message.
        needed: number of finite losses that it needs.
    Returns: `curve.finite`; its `drop` is above 0.
    Raises: TooFewPoints, OnlyRises, FlatCurve.
    """
    finite = check_length(curve, reader, needed)
    if finite.falls and finite.drop > 0:
        return finite
    raise only_rises_error(finite) if finite.rises else flat_curve_error(finite)


def check_length(curve: Curve, reader: str, needed: int) -> Curve:
    """Return the finite part of the curve, if it has at least `needed` points.

    Raises: OnlyRises if it is too short because the loss blew up at once; TooFewPoints if it is too short otherwise.
    """
    finite = curve.finite
    if len(finite) < needed:
        if finite.rises and not finite.falls:
            raise only_rises_error(finite)
        finding = f'"{reader}" needs {needed} finite {curve.quantity.values} and this curve has {len(finite)}'
        ended = f": the sweep ended at lr={curve.lr[-1]:.2g}" if len(curve) else ""
        raise TooFewPoints(
            f"{finding}{ended}. Take more steps, or check the data for NaN.",
            needed=needed,
            found=len(finite),
            finding=finding,
        )
    return finite


def check_inside(curve: Curve, reader: str, lr: float, index: int | None = None) -> None:
    """Raise AtTheEdge for a rate that the sweep does not show from both sides.

    Args:
        curve: the swept rates, gaps counted.
        reader: name of the heuristic or range rule, for the message.
        lr: the rate that it suggests.
        index: index in the curve of the point that the rate was read from; None if it was not read from one point.
    Raises: AtTheEdge if the rate, or that point, lies within two steps of the first or the last rate of the curve, or
        outside of them.
    """
    rates, last = curve.lr, len(curve) - 1
    if not rates:
        raise AtTheEdge(f'"{reader}" reads lr={lr:.2g}, and no rate was swept.', lr=lr)
    read_at = lr if index is None else rates[min(max(index, 0), last)]
    # The bounds leave room for the rounding of rates that were computed.
    at_first = min(lr, read_at) <= rates[min(_EDGE_STEPS, last)] * (1 + 1e-9)
    at_last = max(lr, read_at) >= rates[max(last - _EDGE_STEPS, 0)] * (1 - 1e-9)
    if not at_first and not at_last:
        return
    place = f"lr={lr:.2g}" if read_at == lr else f"lr={lr:.2g} at the point lr={read_at:.2g}"
    if at_first:
        relation = "below" if lr < rates[0] else "within two steps of"
        finding = f"{place}, {relation} the first rate of the sweep, {rates[0]:.2g}"
        remedy = "No training moves at such a rate, so noise decides where it is read: raise num_steps."
        if rates[0] > LOWEST_USEFUL_LR:
            lower = f"lower start_lr, for example to {rates[0] / 100:.2g}"
            falls = f"{curve.quantity.fall}s"
            remedy = f"If {curve.quantity.subject} {falls} there, {lower}; if it {falls} only at higher rates, raise "
            remedy += "num_steps."
    else:
        relation = "above" if lr > rates[-1] else "within two steps of"
        finding = f"{place}, {relation} the last rate of the sweep, {rates[-1]:.2g}"
        remedy = advise_higher_end(curve)
    finding = f'"{reader}" reads {finding}: the curve does not show both sides of it'
    raise AtTheEdge(f"{finding}. {remedy}", lr=lr, edge_lr=rates[0] if at_first else rates[-1], finding=finding)


def only_rises_error(finite: Curve) -> OnlyRises:
    """Return the error for a loss that rises and never falls."""
    cause, remedy = explain_rise(finite)
    quantity = finite.quantity
    start = quantity.shown(finite.start)
    finding = f"{quantity.subject} only {quantity.rise}s {_span(finite)}, from {start}{cause}"
    numbers = _numbers(finite) | ({"level_until": _level_until(finite)} if _is_level(finite) else {})
    return OnlyRises(f"{finding}. {remedy}", finding=finding, **numbers)


def explain_rise(finite: Curve) -> tuple[str, str]:
    """Return the cause of a loss that rises and never falls, as far as the curve shows it, and what to change.

    Returns: an addition to a sentence, maybe empty; and a sentence. `start_lr` is to be lowered only if a rate near it
        can have raised the loss.
    """
    if _is_level(finite):
        return (
            f"; it is level up to lr={_level_until(finite):.2g}, so start_lr is low enough",
            f"The model may be trained already, or the noise hides a {finite.quantity.fall}: raise num_steps.",
        )
    if finite.lr[0] <= LOWEST_USEFUL_LR:
        return (
            f"; no rate this low makes it {finite.quantity.rise}, so it follows the order of the batches",
            "Shuffle them (shuffle=True), or mix the data before the sweep.",
        )
    remedy = (
        f"Lower start_lr. If {finite.quantity.subject} then {finite.quantity.rise}s in the same way, it follows the "
        f"order of the batches and not the rate: shuffle them."
    )
    return "", remedy


def _is_level(finite: Curve) -> bool:
    """Return whether the loss is level over decades before it rises."""
    return math.log10(_level_until(finite)) - math.log10(finite.lr[0]) >= _LEVEL


def _level_until(finite: Curve) -> float:
    """Return the last rate at which the smoothed loss is no higher than at the start, up to the noise of one loss."""
    level = finite.start + finite.noise
    return max((lr for lr, loss in zip(finite.lr, finite.smoothed, strict=True) if loss <= level), default=finite.lr[0])


def describe_jump(curve: Curve) -> str | None:
    """Return how the loss jumps in the first steps, in words, if the first rates are too high; None if it does not.

    The first loss is that of the initial weights. If the next ones lie far above it, the model was blown up, and a fall
    after that is no fall of the loss that training starts from.
    """
    finite = curve.unpaired.finite
    if len(finite) <= _FIRST_STEPS or finite.lr[0] <= LOWEST_USEFUL_LR:
        return None
    first, after = finite.loss[0], statistics.median(finite.loss[1 : 1 + _FIRST_STEPS])
    fall = first - finite.smoothed[finite.lowest]
    if after - first <= max(_FAR_ABOVE_NOISE * finite.noise, _FAR_ABOVE_FALL * fall):
        return None
    what = finite.quantity
    return (
        f"{what.subject} {what.rise}s from {what.shown(first)} to {what.shown(after)} in the first steps, so "
        f"start_lr={finite.lr[0]:.2g} is too high"
    )


def flat_curve_error(finite: Curve) -> NoDescent:
    """Return the error for a loss that neither falls nor rises out of its noise; OnlyRises if it jumps at once."""
    quantity = finite.quantity
    if (jump := describe_jump(finite)) is not None:
        return OnlyRises(f"{jump}. Lower it.", finding=jump, **_numbers(finite))
    if min(finite.loss) == max(finite.loss):
        start = quantity.shown(finite.start)
        finding = f"{quantity.subject} does not {quantity.fall}: it is exactly {start} at every rate {_span(finite)}"
        change = (
            f"Check that the optimizer holds the parameters that {quantity.subject} depends on, and that their "
            f"gradients are not zero (detach, dead units, frozen layers)."
        )
        if not _is_highest(finite):
            change += " If all is well, raise end_lr."
    else:
        finding = (
            f"{quantity.subject} does not {quantity.fall} {_span(finite)} by more than its noise "
            f"({'gain' if quantity.higher_is_better else 'drop'} {finite.drop:.3g}, standard deviation of the noise "
            f"{finite.noise:.3g})"
        )
        more = "num_steps" if _is_highest(finite) else "end_lr or num_steps"
        change = f"Raise {more}, and check that the optimizer holds the parameters that {quantity.subject} depends on."
    return FlatCurve(
        f"{finding}. {change}",
        finding=finding,
        **_numbers(finite),
    )


def still_falls_error(finite: Curve, fallen_at: float) -> StillFalls:
    """Return the error for a loss that has not stopped falling at the last rate."""
    quantity = finite.quantity
    way = "gain" if quantity.higher_is_better else "drop"
    finding = (
        f"{quantity.subject} still {quantity.fall}s at the last rate, lr={finite.lr[-1]:.2g}: it reaches four fifths "
        f"of its {way} only at lr={fallen_at:.2g}, and the curve does not show how much further it {quantity.fall}s"
    )
    return StillFalls(f"{finding}. {advise_higher_end(finite)}", finding=finding, **_numbers(finite))


def advise_higher_end(finite: Curve) -> str:
    """Return the advice if the loss falls up to the last rate: a higher `end_lr`, unless no training uses that."""
    if not _is_highest(finite):
        return f"Raise end_lr, for example to {100 * finite.lr[-1]:.2g}."
    return (
        "No training uses such a rate: check that the step uses the rate it is given, and that the batches do not come "
        "in an order of falling loss (shuffle=True)."
    )


def _is_highest(finite: Curve) -> bool:
    """Return whether the curve ends at a rate above which it makes no sense to go on."""
    return finite.lr[-1] >= HIGHEST_USEFUL_LR


def rates_too_far_apart_error(finite: Curve, per_decade: float, needed: float) -> RatesTooFarApart:
    """Return the error for a sweep with too few steps per decade of learning rate."""
    finding = (
        f"{len(finite)} {finite.quantity.values} {_span(finite)} are {per_decade:.1f} a decade, and a curve can fall "
        f"and blow up between two of them: {needed:g} a decade are needed"
    )
    return RatesTooFarApart(
        f"{finding}. Raise num_steps, or narrow start_lr to end_lr.",
        per_decade=per_decade,
        needed=needed,
        finding=finding,
    )


def too_close_error(finite: Curve) -> NoSuggestion:
    """Return the error for rates that differ by no more than rounding."""
    finding = f"all rates {_span(finite)} are the same up to rounding"
    return NoSuggestion(f"{finding}. Sweep over some decades.", decades=0.0, finding=finding)


def _span(finite: Curve) -> str:
    return f"between lr={finite.lr[0]:.2g} and {finite.lr[-1]:.2g}"


def _numbers(finite: Curve) -> dict[str, float]:
    return {"noise": finite.noise, "drop": finite.drop, "start_lr": finite.lr[0], "end_lr": finite.lr[-1]}
