"""A heuristic that this package adds. It reads the curves of any training, not only those of this backend."""

from lrrange import Curve, NoSuggestion


def twentieth_of_edge(curve: Curve) -> float:
    """Return a twentieth of the rate at which the smoothed loss, after its minimum, climbs above its first value.

    Args:
        curve: n points in sweep order.
    Raises: NoSuggestion if the loss never falls, or never climbs back.
    """
    if not curve.falls:
        raise NoSuggestion("the loss never falls. Raise end_lr or num_steps.")
    finite = curve.finite  # without the losses that are NaN or infinite
    for lr, loss in zip(finite.lr[finite.lowest :], finite.smoothed[finite.lowest :], strict=True):
        if loss > finite.start:
            return lr / 20
    raise NoSuggestion(f"the loss never climbs back to {finite.start:.3g}, its first value. Raise end_lr.")
