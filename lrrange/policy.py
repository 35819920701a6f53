"""The plain values of a comparison: a policy, which gives the rate of every step, and a run under it."""

import math
from collections.abc import Iterable
from typing import Any

import attrs

from lrrange.errors import PlanError
from lrrange.printable import brief
from lrrange.quantity import LOSS, Quantity
from lrrange.spelling import spell_checked


@spell_checked
@attrs.frozen(kw_only=True)
class Policy:
    """A schedule written out step by step, so that any process, file or framework can hold it.

    Args:
        name: its name in tables and plots.
        lr: the rate of each step; shape (steps,).
        momentum: the momentum of each step; None to leave it as it is.
        about: where its rates come from, in words for the table.

    Raises: PlanError if a rate is not a finite number, zero or above.
    """

    name: str
    lr: tuple[float, ...]
    momentum: tuple[float, ...] | None = None
    about: str = ""

    def __attrs_post_init__(self) -> None:
        for step, lr in enumerate(self.lr):
            if not (isinstance(lr, (int, float)) and 0 <= lr < math.inf):
                raise PlanError(
                    f"the policy {self.name!r} gives the rate {lr!r} at step {step}. A rate is a finite number, 0 or "
                    f"above.",
                    name=self.name,
                    step=step,
                )

    def __repr__(self) -> str:
        rates = f", lr {min(self.lr):.2e} to {max(self.lr):.2e}" if self.lr else ""
        return f"<Policy {brief(self.name)}: {self.num_steps} steps{rates}>"

    @property
    def num_steps(self) -> int:
        """Number of steps that it is written out for."""
        return len(self.lr)

    def lr_at(self, step: int) -> float:
        """Return the learning rate of step `step`, counted from 0."""
        return self.lr[step]


@attrs.frozen(kw_only=True)
class Checkpoint:
    """A held-out loss that was measured during a run.

    Args:
        step: number of steps taken before it was measured.
        loss: the loss.
    """

    step: int
    loss: float


def _with_one_nan(values: Iterable[float]) -> tuple[float, ...]:
    # Tuples compare NaN by identity, so every NaN becomes the same object and equal runs compare equal.
    return tuple(math.nan if math.isnan(value) else value for value in values)


@attrs.frozen(kw_only=True)
class Run:
    """One training under one policy from one seed.

    Args:
        policy: name of the policy.
        seed: the seed that `make_run` was called with.
        losses: training loss of each step taken. The rate of each step is the policy's.
        held_out: held-out losses in the order of their steps, the last one at the end; empty without held-out data.
        final: the loss that the run is judged by: the last held-out loss, or without held-out data the mean training
            loss of the last tenth of its steps. It is infinite if the run diverged or failed.
        momentum: whether the policy's momentum was set too.
        wall_time: seconds of training.
        details: further facts from the backend, such as `versions`.
        attempts: number of times that it was tried.
        error: why it failed; None if it finished.
        quantity: what it was judged by. Of a metric that is better when higher, all its losses are the negatives.
    """

    policy: str
    seed: int
    losses: tuple[float, ...] = attrs.field(default=(), converter=_with_one_nan)
    held_out: tuple[Checkpoint, ...] = ()
    final: float = math.inf
    momentum: bool = False
    wall_time: float = 0.0
    details: dict[str, Any] = attrs.field(factory=dict)
    attempts: int = 1
    error: str | None = None
    quantity: Quantity = LOSS

    def __repr__(self) -> str:
        outcome = f"final {brief(self.quantity.name, 16)} {self.quantity.sign * self.final:.4g}"
        if self.error is not None:
            outcome = f"failed: {brief(self.error, 24)}"
        elif self.diverged:
            outcome = "diverged"
        return f"<Run {brief(self.policy, 20)}, seed {brief(self.seed, 12)}: {len(self.losses)} steps, {outcome}>"

    @property
    def finished(self) -> bool:
        """Whether it reached its end, or the step at which it diverged, without an error."""
        return self.error is None

    @property
    def diverged(self) -> bool:
        """Whether it finished with a loss that stayed infinite or NaN."""
        return self.finished and not math.isfinite(self.final)
