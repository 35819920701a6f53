"""A heuristic. It works on the curve of any training, not only on those of this backend."""

from lrrange import Curve, NoSuggestion


def twentieth_of_edge(curve: Curve) -> float:
    """Suggest a twentieth of the rate at which the smoothed loss rises above its starting level.

    Args:
        curve: n points in sweep order.
    Raises: NoSuggestion if the loss never falls, or never rises back to its starting level.
    """
    if not curve.falls:
        raise NoSuggestion("the loss never falls. Raise end_lr or num_steps.")
    finite = curve.finite  # without the points whose loss is not finite
    for lr, loss in zip(finite.lr[finite.lowest :], finite.smoothed[finite.lowest :], strict=True):
        if loss > finite.start:
            return lr / 20
    raise NoSuggestion(f"the loss never rises back to its starting level of {finite.start:.3g}. Raise end_lr.")
