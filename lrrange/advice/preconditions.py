"""Checks that a curve can be read at all. Every heuristic and range rule makes them first."""

from lrrange.errors import FlatCurve, OnlyRises, RatesTooFarApart, StillFalls, TooFewPoints
from lrrange.sweep.curve import Curve


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
        ended = f": the sweep ended at lr={curve.lr[-1]:.2g}" if len(curve) else ""
        raise TooFewPoints(
            f'"{reader}" needs {needed} finite losses and this curve has {len(finite)}{ended}. '
            f"Take more steps, lower end_lr, or check the inputs for NaN.",
            needed=needed,
            found=len(finite),
        )
    return finite


def only_rises_error(finite: Curve) -> OnlyRises:
    """Return the error for a loss that rises and never falls."""
    return OnlyRises(
        f"the loss only rises {_span(finite)}, from {finite.start:.4g}: the sweep starts too high. Lower start_lr.",
        **_numbers(finite),
    )


def flat_curve_error(finite: Curve) -> FlatCurve:
    """Return the error for a loss that neither falls nor rises."""
    return FlatCurve(
        f"the loss does not fall {_span(finite)} by more than its noise (drop {finite.drop:.3g}, standard deviation of "
        f"the noise {finite.noise:.3g}). Raise end_lr or num_steps, and check that the optimizer holds the parameters "
        f"that the loss depends on.",
        **_numbers(finite),
    )


def still_falls_error(finite: Curve, fallen_at: float) -> StillFalls:
    """Return the error for a loss that has not stopped falling at the last rate."""
    return StillFalls(
        f"the loss still falls at the last rate, lr={finite.lr[-1]:.2g}: it reaches four fifths of its "
        f"drop only at lr={fallen_at:.2g}, and the curve does not show how much further it falls. Raise end_lr, for "
        f"example to {100 * finite.lr[-1]:.2g}.",
        **_numbers(finite),
    )


def rates_too_far_apart_error(finite: Curve, per_decade: float, needed: float) -> RatesTooFarApart:
    """Return the error for a sweep with too few steps per decade of learning rate."""
    return RatesTooFarApart(
        f"{len(finite)} losses {_span(finite)} are {per_decade:.1f} a decade, and a curve can fall and blow up between "
        f"two of them: {needed:g} a decade are needed. Raise num_steps, or narrow start_lr to end_lr.",
        per_decade=per_decade,
        needed=needed,
    )


def _span(finite: Curve) -> str:
    return f"between lr={finite.lr[0]:.2g} and {finite.lr[-1]:.2g}"


def _numbers(finite: Curve) -> dict[str, float]:
    return {"noise": finite.noise, "drop": finite.drop, "start_lr": finite.lr[0], "end_lr": finite.lr[-1]}
