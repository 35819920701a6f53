"""The curve of a sweep: a loss for each learning rate."""

import math
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import attrs

from lrrange.errors import CurveError, UnknownName
from lrrange.other_tools.attributes import OF_CURVE
from lrrange.printable import brief
from lrrange.quantity import LOSS, Quantity
from lrrange.spelling import Hinting
from lrrange.storage.columns import Tabular, to_pandas
from lrrange.sweep.noise import (
    growing_noise,
    noise_level,
    significant_changes,
    significant_changes_in_growing_noise,
    start_level,
)
from lrrange.sweep.paired import level_errors, paired_losses
from lrrange.sweep.smoothing import SmoothingKind, smooth

if TYPE_CHECKING:
    import pandas

_NO_FINITE_LOSS = "this curve has no finite loss. Check the data and the loss for NaN."


def _numbers(values: Iterable[Any]) -> tuple[float, ...]:
    # One NaN object for all: tuples compare identity first, so curves with the same gaps compare equal.
    return tuple(math.nan if math.isnan(number) else number for number in map(float, values))


def _numbers_or_none(values: Iterable[Any] | None) -> tuple[float, ...] | None:
    return None if values is None else _numbers(values)


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
class Curve(Tabular, Hinting):
    """Learning rates and losses of one sweep, in the order they were measured.

    Args:
        lr: n positive, finite, rising rates; shape (n,).
        loss: n raw losses in the user's own unit; shape (n,). A loss that is not finite is a gap.
        smoothed: n losses without noise and without lag; shape (n,), NaN in the gaps. By default,
            `lrrange.sweep.smoothing.smooth` computes them from `lr` and `loss`.
        baseline: of a paired sweep, n losses of the initial weights on the batch of each step; shape (n,). `loss` then
            has no noise of the batches; see `lrrange.sweep.paired`.
        measured: of a paired sweep, n losses as measured; shape (n,).
        quantity: what was recorded. Where that is a metric and higher is better, `loss` and the other numbers are its
            negatives, so that they fall while the model learns; `values` has them in their own sign.
        also: the curve of another quantity of the same steps: of the loss, where a metric was recorded in its place.

    Raises: CurveError if the rates are not positive, finite and rising, if the lengths differ, if only one of
        `baseline` and `measured` is given, or if `also` has other rates.
    """

    _elsewhere = OF_CURVE

    lr: tuple[float, ...] = attrs.field(converter=_numbers)
    loss: tuple[float, ...] = attrs.field(converter=_numbers)
    smoothed: tuple[float, ...] = attrs.field(converter=_numbers)
    baseline: tuple[float, ...] | None = attrs.field(default=None, converter=_numbers_or_none)
    measured: tuple[float, ...] | None = attrs.field(default=None, converter=_numbers_or_none)
    quantity: Quantity = LOSS
    also: "Curve | None" = None

    _content = "the curve"

    @smoothed.default
    def _smooth(self) -> tuple[float, ...]:
        _check(self.lr, self.loss, self.loss)  # the smoother needs rising rates, with one loss for each
        return smooth(self.lr, self.loss)

    def __attrs_post_init__(self) -> None:
        _check(self.lr, self.loss, self.smoothed)
        lengths = [None if losses is None else len(losses) for losses in (self.baseline, self.measured)]
        if lengths not in ([None, None], [len(self), len(self)]):
            raise CurveError(
                f"{len(self)} rates, {lengths[0]} baseline losses and {lengths[1]} measured losses do not make a "
                f"paired curve. Give one of both for each rate; lrrange.sweep.paired_curve does.",
                rates=len(self),
                losses=lengths[0],
            )
        if self.also is not None and (self.also.lr != self.lr or self.also.also is not None):
            raise CurveError(
                f"the curve of {self.also.quantity.name} has {len(self.also)} rates, which are not the {len(self)} of "
                f"the curve of {self.quantity.name}. Give both the same rates.",
                rates=len(self),
                losses=len(self.also),
            )

    def __repr__(self) -> str:
        if not self.lr:
            return "<Curve without points>"
        finite = [value for value in self.values if math.isfinite(value)]
        name = brief(self.quantity.name, 16)
        losses = f"{name} {min(finite):.4g} to {max(finite):.4g}" if finite else f"no finite {name}"
        paired = "" if self.measured is None else "paired, "
        return f"<Curve {paired}{len(self)} points, lr {self.lr[0]:.2e} to {self.lr[-1]:.2e}, {losses}>"

    def _repr_html_(self) -> str:
        """Return the curve's main numbers as a table, for notebooks."""
        import html

        facts = {"points": f"{len(self)}" + (", paired" if self.measured is not None else "")}
        if self.lr:
            facts["learning rate"] = f"{self.lr[0]:.2e} to {self.lr[-1]:.2e}"
        if finite := self.finite.lr:
            name = html.escape(brief(self.quantity.name))
            start, best = self.quantity.oriented([self.start, self.finite.smoothed[self.lowest]])
            facts[f"{name} at the start"] = f"{start:.4g}"
            facts[f"best smoothed {name}"] = f"{best:.4g} at lr={finite[self.lowest]:.2e}"
            facts["noise of a step"] = f"{self.noise:.2g}"
        if gaps := len(self) - len(finite):
            facts["not finite"] = f"{gaps} steps"
        rows = (f"<tr><th style='text-align:left'>{name}</th><td>{text}</td></tr>" for name, text in facts.items())
        return f"<table>{''.join(rows)}</table>"

    def __len__(self) -> int:
        return len(self.lr)

    @property
    def values(self) -> tuple[float, ...]:
        """What was recorded at each rate, in its own sign; shape (n,): the losses, or a metric such as an accuracy."""
        return self.quantity.oriented(self.loss)

    @property
    def names(self) -> tuple[str, ...]:
        """The quantities that the sweep recorded: the one of this curve, and the one of `also` if there is any."""
        return (self.quantity.name,) if self.also is None else (self.quantity.name, self.also.quantity.name)

    def of(self, name: str) -> "Curve":
        """Return the curve of this quantity from the same sweep, whose `also` is the other one. Raises: UnknownName."""
        if name == self.quantity.name:
            return self
        if self.also is None or name != self.also.quantity.name:
            known = " and ".join(map(repr, self.names))
            raise UnknownName(f"this sweep recorded {known}, and not {name!r}.", name=name)
        return attrs.evolve(self.also, also=attrs.evolve(self, also=None))

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
            baseline=None if self.baseline is None else [self.baseline[i] for i in kept],
            measured=None if self.measured is None else [self.measured[i] for i in kept],
            quantity=self.quantity,
        )

    @cached_property
    def unpaired(self) -> "Curve":
        """The curve of the losses as measured; the curve itself if it is not paired."""
        if self.measured is None:
            return self
        also = None if self.also is None else self.also.unpaired
        return Curve(lr=self.lr, loss=self.measured, quantity=self.quantity, also=also)

    @cached_property
    def halves(self) -> tuple["Curve", "Curve"]:
        """Two curves of every other point, one from the first point on and one from the second.

        Each is what a sweep of half as many steps would have measured, smoothed on its own.
        """
        return self._every_other(0), self._every_other(1)

    def _every_other(self, first: int) -> "Curve":
        return Curve(
            lr=self.lr[first::2],
            loss=self.loss[first::2],
            baseline=None if self.baseline is None else self.baseline[first::2],
            measured=None if self.measured is None else self.measured[first::2],
            quantity=self.quantity,
        )

    @cached_property
    def noise(self) -> float:
        """Standard deviation of a single loss about the curve, in the unit of the loss."""
        return noise_level(self.finite.loss)

    @cached_property
    def noise_at(self) -> tuple[float, ...]:
        """Standard deviation of a single loss at each point of `finite`, in the unit of the loss.

        It is `noise` everywhere, except on a paired curve, whose noise grows from nearly none.
        """
        loss = self.finite.loss
        return (self.noise,) * len(loss) if self.baseline is None else tuple(growing_noise(loss))

    @cached_property
    def level_error(self) -> tuple[float, ...]:
        """Standard error of the level at each point of `finite`, compared with the first, in the unit of the loss.

        It is 0, except on a paired curve, where the baseline that is subtracted has a mean that is not known exactly.
        """
        finite = self.finite
        if finite.baseline is None or finite.measured is None:
            return (0.0,) * len(finite)
        return tuple(level_errors(finite.measured, finite.baseline))

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
        if self.baseline is None:
            return significant_changes(self.finite.loss)
        paired = significant_changes_in_growing_noise(self.finite.loss, self.level_error)
        falls, rises = self.unpaired._changes
        return falls or paired[0], rises or paired[1]  # pairing hides nothing that is seen without it

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

    def to_pandas(self) -> "pandas.DataFrame":
        """Return a DataFrame with a row for each point, and the columns `step` (from 0), `lr`, `loss` and `smoothed`.

        A metric is in a column of its name in place of `loss`, in its own sign. The other quantity of the sweep is in
        two more, such as `loss` and `smoothed_loss`, and a paired sweep has `baseline` and `measured`.

        Raises: MissingExtra if pandas is not installed.
        """
        return to_pandas(self._columns())

    def _columns(self) -> dict[str, Sequence[object]]:
        own_sign = self.quantity.oriented
        columns: dict[str, Sequence[object]] = {"step": range(len(self)), "lr": self.lr}
        columns |= {self.quantity.name: self.values, "smoothed": own_sign(self.smoothed)}
        if self.baseline is not None and self.measured is not None:
            columns |= {"baseline": own_sign(self.baseline), "measured": own_sign(self.measured)}
        if self.also is not None:
            name = self.also.quantity.name
            columns |= {name: self.also.values, f"smoothed_{name}": self.also.quantity.oriented(self.also.smoothed)}
        return columns


def paired_curve(
    curve: Curve,
    baseline: Sequence[float],
    smoothing: SmoothingKind = "ema",
    also: Sequence[float] | None = None,
) -> Curve:
    """Return the curve of the paired losses, which keeps the baseline and the losses as measured.

    Args:
        curve: n points as measured.
        baseline: n losses of the initial weights, one for the batch of each step.
        smoothing: of the curve.
        also: n losses that pair `curve.also` in the same way; None to leave that as it is.
    """
    other = curve.also
    if other is not None and also is not None:
        other = paired_curve(other, also, smoothing)
    loss = paired_losses(curve.loss, baseline)
    smoothed = smooth(curve.lr, loss, smoothing)
    return Curve(
        lr=curve.lr,
        loss=loss,
        smoothed=smoothed,
        baseline=baseline,
        measured=curve.loss,
        quantity=curve.quantity,
        also=other,
    )
