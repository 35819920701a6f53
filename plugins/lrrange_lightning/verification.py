"""Verify over the first steps of a fit that a rate is in force, or raise an error that says where it was lost."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from lrrange_torch.optimizer import RateGuard, base_rate, groups_of, same_rate
from torch.optim import Optimizer

from lrrange.errors import RateNotInForce
from lrrange_lightning.apply_rate import first_wanted, foreign_scheduler, wanted_rates
from lrrange_lightning.compat import package_of
from lrrange_lightning.rate_sources import RateSource, nominal_rate, numbers_in


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
        self._trainer = trainer
        self._module = module
        self._configured = len(sources)
        self._read = sorted({source.number.name for source in sources if source.number is not None})
        wanted = wanted_rates(watched, lr)
        self._guards = [
            RateGuard(
                optimizer,
                first_wanted(optimizer, wanted),
                steps,
                foreign_scheduler(trainer, optimizer),
                explain=partial(self._explained, optimizer),
            )
            for optimizer in watched
        ]

    @property
    def proved(self) -> bool:
        """Whether every watched optimizer has been seen to train at its rate."""
        return all(guard.proved for guard in self._guards)

    def close(self) -> None:
        """Stop watching."""
        for guard in self._guards:
            guard.close()

    def check(self) -> None:
        """Stop watching. Raises: RateNotInForce unless every rate has been seen in force by now."""
        self.close()
        for guard in self._guards:
            guard.check()

    def _explained(self, optimizer: Optimizer, error: RateNotInForce) -> RateNotInForce:
        """Return the guard's error with the module's part of the explanation."""
        if self._was_added(optimizer, error.group):
            return RateNotInForce(
                f"{error.group} trains at lr={error.actual:.6g}, not at {error.wanted:.6g}. {self._advice_for_added()}",
                group=error.group,
                wanted=error.wanted,
                actual=error.actual,
            )
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

    def _was_added(self, optimizer: Optimizer, name: str) -> bool:
        """Return whether a param group is not from `configure_optimizers`. New groups are always the last ones."""
        added = sum(len(each.param_groups) for each in self._trainer.optimizers) - self._configured
        names = [group for group, _ in groups_of([optimizer])]
        return added > 0 and name in names[-added:]

    def _advice_for_added(self) -> str:
        """Return what to change if the rate is that of a param group that was added later."""
        package = package_of(self._trainer, "Trainer")
        adding = [
            type(each).__name__
            for each in self._trainer.callbacks
            if isinstance(each, package.callbacks.finetuning.BaseFinetuning)
        ]
        if not adding:
            return (
                "configure_optimizers did not make this group: it was added later. Whatever added it sets its rate, so "
                "change the rate there."
            )
        return (
            f"configure_optimizers did not make this group: {' or '.join(adding)} added it, and sets its rate at the "
            f"start of each epoch. Give the rate to that callback (backbone_initial_lr= of a BackboneFinetuning), or "
            f"let the verification end with the epoch: steps= of VerifyRate, verify_steps= of LRRangeTest."
        )


def base_of(optimizers: Sequence[Optimizer], lr: float) -> float:
    """Return the base rate of the first group that has one, if `lr` is its peak under a one-cycle schedule; else `lr`.

    The peak is what `configure_optimizers` gives such a schedule, and what `RangeTestResult.apply` sets there.
    """
    group = next((group for _, group in groups_of(optimizers) if base_rate(group) > 0), None)
    if group is None or same_rate(base_rate(group), lr) or not same_rate(nominal_rate(group), lr):
        return lr
    return base_rate(group)


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
