"""The curve of a sweep: a loss for each learning rate."""

import math
from collections.abc import Iterable
from functools import cached_property
from typing import Any

import attrs

from lrrange.errors import CurveError
from lrrange.sweep.noise import noise_level, significant_changes, start_level
from lrrange.sweep.smoothing import smooth

_NO_FINITE_LOSS = "this curve has no finite loss. Check the data and the loss for NaN."


def _numbers(values: Iterable[Any]) -> tuple[float, ...]:
    # One NaN object for all: tuples compare identity first, so curves with the same gaps compare equal.
    return tuple(math.nan if math.isnan(number) else number for number in map(float, values))


def _check(lr: tuple[float, ...], loss: tuple[float, ...], smoothed: tuple[float, ...]) -> None:
    for before, after in zip((0.0, *lr), lr, strict=False):
        if not before < after < math.inf:
            raise CurveError(
                f"rates must be positive, finite and rising, and {after:g} follows {before:g}. "
                f"Sort the losses by rate, and average those at equal rates.",
                before=before,
                after=after,
            )
    if not len(lr) == len(loss) == len(smoothed):
        raise CurveError(
            f"{len(lr)} rates, {len(loss)} losses and {len(smoothed)} smoothed losses do not make a curve. "
            f"Give one loss for each rate.",
            rates=len(lr),
            losses=len(loss),
        )


@attrs.frozen(kw_only=True)
class Curve:
    """Rates and losses of one sweep, in the order they were measured.

    Args:
        lr: n positive, finite, rising rates; shape (n,).
        loss: n raw losses in the user's own unit; shape (n,). A loss that is not finite is a gap.
        smoothed: n losses without noise and without lag; shape (n,), NaN in the gaps. By default,
            `lrrange.sweep.smoothing.smooth` computes them from `lr` and `loss`.

    Raises: CurveError if the rates are not positive, finite and rising, or if the lengths differ.
    """

    lr: tuple[float, ...] = attrs.field(converter=_numbers)
    loss: tuple[float, ...] = attrs.field(converter=_numbers)
    smoothed: tuple[float, ...] = attrs.field(converter=_numbers)

    @smoothed.default
    def _smooth(self) -> tuple[float, ...]:
        _check(self.lr, self.loss, self.loss)  # the smoother needs rising rates, with one loss for each
        return smooth(self.lr, self.loss)

    def __attrs_post_init__(self) -> None:
        _check(self.lr, self.loss, self.smoothed)

    def __len__(self) -> int:
        return len(self.lr)

    @cached_property
    def finite(self) -> "Curve":
        """The curve without its gaps. Heuristics read this one."""
        kept = [i for i in range(len(self)) if math.isfinite(self.loss[i]) and math.isfinite(self.smoothed[i])]
        if len(kept) == len(self):
            return self
        return Curve(
            lr=[self.lr[i] for i in kept],
            loss=[self.loss[i] for i in kept],
            smoothed=[self.smoothed[i] for i in kept],
        )

    @cached_property
    def halves(self) -> tuple["Curve", "Curve"]:
        """Two curves of every other point, one from the first point on and one from the second.

        Each is what a sweep of half as many steps would have measured, smoothed on its own.
        """
        return Curve(lr=self.lr[::2], loss=self.loss[::2]), Curve(lr=self.lr[1::2], loss=self.loss[1::2])

    @cached_property
    def noise(self) -> float:
        """Standard deviation of a single loss about the curve, in the unit of the loss."""
        return noise_level(self.finite.loss)

    @cached_property
    def falls(self) -> bool:
        """Whether the loss falls anywhere by more than its noise explains."""
        return self._changes[0]

    @cached_property
    def rises(self) -> bool:
        """Whether the loss rises anywhere by more than its noise explains."""
        return self._changes[1]

    @cached_property
    def _changes(self) -> tuple[bool, bool]:
        return significant_changes(self.finite.loss)

    @cached_property
    def start(self) -> float:
        """The loss before any training: the median of the first five finite losses.

        Raises: CurveError if no loss is finite.
        """
        if not self.finite.loss:
            raise CurveError(_NO_FINITE_LOSS, points=len(self))
        return start_level(self.finite.loss)

    @cached_property
    def lowest(self) -> int:
        """Index of the lowest smoothed loss among the finite points; of several equal ones, the first.

        Raises: CurveError if no loss is finite.
        """
        smoothed = self.finite.smoothed
        if not smoothed:
            raise CurveError(_NO_FINITE_LOSS, points=len(self))
        # Smoothed losses that differ only by rounding count as equal, so that adding a constant to all changes nothing.
        least = min(smoothed)
        tolerance = 1e-9 * (max(smoothed) - least)
        return next(i for i, value in enumerate(smoothed) if value <= least + tolerance)

    @property
    def drop(self) -> float:
        """How far the smoothed loss falls below `start`, in the unit of the loss; 0 if it does not fall."""
        return max(self.start - self.finite.smoothed[self.lowest], 0.0)
