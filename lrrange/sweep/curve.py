"""What a sweep measured: a loss for each learning rate."""

import math
from collections.abc import Iterable
from functools import cached_property
from typing import Any

import attrs

from lrrange.errors import CurveError
from lrrange.sweep.noise import noise_level, significant_changes, start_level
from lrrange.sweep.smoothing import smooth


def _numbers(values: Iterable[Any]) -> tuple[float, ...]:
    # One NaN object for all, so that equal curves compare equal (tuples look at identity first).
    return tuple(math.nan if math.isnan(number) else number for number in map(float, values))


@attrs.frozen(kw_only=True)
class Curve:
    """Rates and losses of one sweep, in the order they were measured.

    Args:
        lr: n positive, finite, rising rates; shape (n,).
        loss: n raw losses in the user's own unit; shape (n,). Not finite means a gap.
        smoothed: n losses without noise and without lag (`lrrange.sweep.smoothing.smooth`, which is what you get if you
            leave it out); NaN in the gaps.

    Raises: CurveError if these do not fit together.
    """

    lr: tuple[float, ...] = attrs.field(converter=_numbers)
    loss: tuple[float, ...] = attrs.field(converter=_numbers)
    smoothed: tuple[float, ...] = attrs.field(converter=_numbers)

    @smoothed.default
    def _smooth(self) -> tuple[float, ...]:
        self._check()  # before the smoother relies on it
        return smooth(self.lr, self.loss)

    def __attrs_post_init__(self) -> None:
        self._check()

    def _check(self) -> None:
        for before, after in zip((0.0, *self.lr), self.lr, strict=False):
            if not before < after < math.inf:
                raise CurveError(
                    f"rates must be positive, finite and rising, and {after:g} follows {before:g}. "
                    f"Sort the readings by rate and average those of equal rates.",
                    before=before,
                    after=after,
                )
        smoothed = getattr(self, "smoothed", self.loss)
        if not len(self.lr) == len(self.loss) == len(smoothed):
            raise CurveError(
                f"{len(self.lr)} rates, {len(self.loss)} losses and {len(smoothed)} smoothed losses do not make a "
                f"curve. Give one loss for each rate.",
                rates=len(self.lr),
                losses=len(self.loss),
            )

    def __len__(self) -> int:
        return len(self.lr)

    @cached_property
    def finite(self) -> "Curve":
        """The same curve without its gaps. This is what heuristics read."""
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
        """Every other point, from the first and from the second on: sweeps of half as many steps, smoothed anew."""
        return Curve(lr=self.lr[::2], loss=self.loss[::2]), Curve(lr=self.lr[1::2], loss=self.loss[1::2])

    @cached_property
    def noise(self) -> float:
        """Standard deviation of one reading about the curve, in the unit of the loss."""
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
        """The loss before any training: the median of the first five finite readings.

        Raises: CurveError if no loss is finite.
        """
        if not self.finite.loss:
            raise CurveError("this curve has no finite loss.", points=len(self))
        return start_level(self.finite.loss)

    @cached_property
    def lowest(self) -> int:
        """Index, among the finite points, of the lowest smoothed loss (the first one, if several are as low).

        Raises: CurveError if no loss is finite.
        """
        smoothed = self.finite.smoothed
        if not smoothed:
            raise CurveError("this curve has no finite loss.", points=len(self))
        # Smoothed values that differ by rounding alone are the same value, whatever constant was added to the losses.
        least = min(smoothed)
        tolerance = 1e-9 * (max(smoothed) - least)
        return next(i for i, value in enumerate(smoothed) if value <= least + tolerance)

    @property
    def drop(self) -> float:
        """How far the smoothed loss falls below the start of the curve, in the unit of the loss; 0 if it does not."""
        return max(self.start - self.finite.smoothed[self.lowest], 0.0)
