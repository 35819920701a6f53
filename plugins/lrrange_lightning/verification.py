"""Verify over the first steps of a fit that a rate is in force, or raise an error that says where it was lost."""

from collections.abc import Sequence
from typing import Any

from lrrange_torch.optimizer import RateGuard, same_rate
from torch.optim import Optimizer

from lrrange.errors import RateNotInForce
from lrrange_lightning.apply_rate import first_wanted, foreign_scheduler, wanted_rates
from lrrange_lightning.rate_sources import RateSource, numbers_in


class RateVerification:
    """A check of the next steps of a fit: its optimizers must train at the rate they were given.

    The error of an optimizer's `lrrange_torch.RateGuard` is raised from that optimizer's step. It also says where the
    module holds the rate, where `configure_optimizers` reads it, and what to change.

    Args:
        trainer, module: of the fit.
        watched: the optimizers that should train at the rate.
        lr: the base rate of the first param group whose rate is not 0. The others train in proportion to it.
        steps: optimizer steps to watch.
        sources: of the rates of all param groups of the fit.
    """

    def __init__(
        self,
        trainer: Any,
        module: Any,
        watched: Sequence[Optimizer],
        lr: float,
        steps: int,
        sources: Sequence[RateSource],
    ) -> None:
        self._module = module
        self._read = sorted({source.number.name for source in sources if source.number is not None})
        wanted = wanted_rates(watched, lr)
        self._guards = [
            RateGuard(
                optimizer,
                first_wanted(optimizer, wanted),
                steps,
                foreign_scheduler(trainer, optimizer),
                explain=self._explained,
            )
            for optimizer in watched
        ]

    def close(self) -> None:
        """Stop watching."""
        for guard in self._guards:
            guard.close()

    def check(self) -> None:
        """Stop watching. Raises: RateNotInForce unless every rate has been seen in force by now."""
        self.close()
        for guard in self._guards:
            guard.check()

    def _explained(self, error: RateNotInForce) -> RateNotInForce:
        """Return the guard's error with the module's part of the explanation."""
        read = self._read
        written = [number.name for number in numbers_in(self._module) if same_rate(number.value, error.wanted)]
        if any(name in read for name in written):
            mismatch = error.args[0]
        else:  # the module gave the optimizer another rate, so nothing needs to have changed it since
            mismatch = f"{error.group} trains at lr={error.actual:.6g}, not at {error.wanted:.6g}."
        return RateNotInForce(
            f"{mismatch} {_advice(f'{error.wanted:.6g}', written, read)}",
            group=error.group,
            wanted=error.wanted,
            actual=error.actual,
            written=tuple(written),
            read=tuple(read),
        )


def _advice(wanted: str, written: list[str], read: list[str]) -> str:
    """Return what to change, from the names of the numbers that hold the wanted rate and of those that are read."""
    names, unread = " and ".join(read), " and ".join(name for name in written if name not in read)
    if any(name in read for name in written):
        return f"configure_optimizers reads {names}, which holds {wanted}, so something sets the rate later in the fit."
    if not read:
        held = f"{unread} holds {wanted}, but " if unread else ""
        return (
            f"{held}configure_optimizers reads no number of the module: it gives the same rates whatever the module's "
            f"attributes are. Have it read one, such as self.lr."
        )
    if unread:
        return (
            f"{wanted} was written to {unread}, but configure_optimizers reads {names}. Write it to {names}, or have "
            f"configure_optimizers read {unread}."
        )
    return f"configure_optimizers reads {names}, and no number of the module is {wanted}. Write it to {names}."
