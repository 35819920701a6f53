"""What a comparison trains under and what came of it, as plain values: a policy, and one run under it."""

import math
from collections.abc import Iterable
from typing import Any

import attrs

from lrrange.errors import PlanError


@attrs.frozen(kw_only=True)
class Policy:
    """A schedule written out, so that any process, file or framework can hold it.

    Args:
        name: what tables and pictures call it.
        lr: the rate of each step; shape (steps,).
        momentum: the momentum of each step; None to leave it as it is.
        about: how it came about.

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

    @property
    def num_steps(self) -> int:
        """How many steps it is written out for."""
        return len(self.lr)

    def lr_at(self, step: int) -> float:
        """The rate of step `step`, counted from 0."""
        return self.lr[step]


@attrs.frozen(kw_only=True)
class Checkpoint:
    """The held-out loss after so many steps."""

    step: int
    loss: float


def _losses(values: Iterable[float]) -> tuple[float, ...]:
    # One NaN object for all, so that equal runs compare equal.
    return tuple(math.nan if math.isnan(value) else value for value in values)


@attrs.frozen(kw_only=True)
class Run:
    """One training under one policy from one start.

    Args:
        policy: its name.
        seed: what `make_run` was called with.
        losses: training loss of each step taken; their rates are the policy's.
        held_out: held-out losses along the way, the last one at the end; empty without held-out data.
        final: what the run is judged by: the last held-out loss, or without one the mean training loss of the last
            tenth of its steps; infinite if it diverged or failed.
        momentum: whether the policy's momentum was set too.
        wall_time: seconds of training.
        details: what the backend reports, such as `versions`.
        attempts: how many times it was tried.
        error: why it failed; None if it finished.
    """

    policy: str
    seed: int
    losses: tuple[float, ...] = attrs.field(default=(), converter=_losses)
    held_out: tuple[Checkpoint, ...] = ()
    final: float = math.inf
    momentum: bool = False
    wall_time: float = 0.0
    details: dict[str, Any] = attrs.field(factory=dict)
    attempts: int = 1
    error: str | None = None

    @property
    def finished(self) -> bool:
        """Whether it ran to its end, or to the point where it diverged."""
        return self.error is None

    @property
    def diverged(self) -> bool:
        """Whether its loss became infinite or NaN for good."""
        return self.finished and not math.isfinite(self.final)
