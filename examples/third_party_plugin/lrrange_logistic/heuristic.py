"""A heuristic of this package's own. It reads curves of any training, not only of this backend."""

from lrrange import Curve, NoSuggestion


def twentieth_of_edge(curve: Curve) -> float:
    """A twentieth of the rate at which the smoothed loss climbs over its starting level.

    Args:
        curve: n points in sweep order.
    Raises: NoSuggestion if the loss never falls, or never climbs back.
    """
    if not curve.falls:
        raise NoSuggestion("the loss never falls. Raise end_lr or num_steps.")
    finite = curve.finite  # without the gaps that NaN left
    for lr, loss in zip(finite.lr[finite.lowest :], finite.smoothed[finite.lowest :], strict=True):
        if loss > finite.start:
            return lr / 20
    raise NoSuggestion(f"the loss never climbs back to {finite.start:.3g}, where it began. Raise end_lr.")
