"""The held-out loss of a training as it is, from the fit's own validation."""

from typing import Any

from lrrange.errors import LossError
from lrrange_lightning.loss import mean_over_processes
from lrrange_lightning.silence import undirected_logging


def held_out_loss(trainer: Any, module: Any, monitor: str | None) -> float:
    """What a run of the fit's validation logs as `monitor`, mean over all processes.

    For a fit that is being swept: its state is kept, so that Lightning's own validation loop can run in it, and nobody
    hears of it. Raises: LossError if validation does not log `monitor`.
    """
    loop = trainer.fit_loop.epoch_loop.val_loop
    with undirected_logging(module):
        trainer.validating = True
        try:
            loop.run()
        finally:
            trainer.training = True
    value = trainer.callback_metrics.get(monitor)
    if value is None:
        names = ", ".join(map(repr, trainer.callback_metrics)) or "nothing"
        raise LossError(f"validation did not log val_monitor={monitor!r}. It logs {names}.", monitor=monitor)
    return mean_over_processes(trainer, value)
