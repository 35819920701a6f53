"""Proof over the first real steps of a fit that a rate is in force, or an error that says where it was lost."""

from collections.abc import Sequence
from typing import Any

from lrrange_torch.optimizer import RateGuard, same_rate
from torch.optim import Optimizer

from lrrange.errors import RateNotInForce
from lrrange_lightning.apply_rate import first_wanted, foreign_scheduler, wanted_rates
from lrrange_lightning.rate_sources import Source, numbers_in


class Proof:
    """Watches the optimizers of a fit for some steps, and explains what `lrrange_torch.RateGuard` finds.

    Args:
        trainer, module: of the fit.
        watched: the optimizers that should train at the rate.
        lr: the base rate of the first group that has one; the others in proportion.
        steps: optimizer steps to watch.
        found: where the rate of each group of all the fit's optimizers comes from.
    """

    def __init__(
        self, trainer: Any, module: Any, watched: Sequence[Optimizer], lr: float, steps: int, found: Sequence[Source]
    ) -> None:
        self._module = module
        self._read = sorted({source.place.name for source in found if source.place is not None})
        wanted = wanted_rates(watched, lr)
        self._guards = [
            RateGuard(one, first_wanted(one, wanted), steps, foreign_scheduler(trainer, one)) for one in watched
        ]

    def close(self) -> None:
        """Stop watching."""
        for guard in self._guards:
            guard.close()

    def check(self) -> None:
        """Raise RateNotInForce unless the rate is proved by now."""
        self.close()
        for guard in self._guards:
            guard.check()

    def explain(self, error: RateNotInForce) -> None:
        """Say in the error where the rate was written, where it is read, and what to change."""
        wanted, actual = getattr(error, "wanted", None), getattr(error, "actual", None)
        if wanted is None or actual is None:
            return
        read = self._read
        written = [place.name for place in numbers_in(self._module) if same_rate(place.value, wanted)]
        error.__dict__.update(written=tuple(written), read=tuple(read))
        advice = _advice(f"{wanted:.6g}", written, read)
        found = error.args[0]
        if not any(name in read for name in written):  # then there is no other hand to look for
            found = f"{getattr(error, 'group', 'the optimizer')} trains at lr={actual:.6g}, not at {wanted:.6g}."
        error.args = (f"{found} {advice}",)


def _advice(wanted: str, written: list[str], read: list[str]) -> str:
    names, lost = " and ".join(read), " and ".join(name for name in written if name not in read)
    if any(name in read for name in written):
        return f"configure_optimizers reads {names}, which holds {wanted}, so something sets the rate later in the fit."
    if not read:
        stands = f"{wanted} stands in {lost}, but " if lost else ""
        return (
            f"{stands}configure_optimizers reads no number of the module's: whatever is written there, it gives the "
            f"same rates. Have it read one, such as self.lr."
        )
    if lost:
        return (
            f"{wanted} was written to {lost}, but configure_optimizers reads {names}. Write it to {names}, or have "
            f"configure_optimizers read {lost}."
        )
    return f"configure_optimizers reads {names}, and {wanted} stands nowhere in the module. Write it to {names}."
