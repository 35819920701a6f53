"""TensorBoard logs of the runs of a comparison."""

from pathlib import Path
from urllib.parse import quote

from lrrange import Policy, Run, hookimpl
from lrrange.errors import MissingExtra

__all__ = ["TensorBoardWatcher"]

try:
    from torch.utils.tensorboard import SummaryWriter
except ModuleNotFoundError as error:
    raise MissingExtra("TensorBoard logs need tensorboard. Run: pip install tensorboard", extra=None) from error


class TensorBoardWatcher:
    """A watcher that writes each run of a comparison to TensorBoard when the run is over.

    Use it as `lrrange.compare(..., watchers=[TensorBoardWatcher("runs")])`. Every policy and seed is a run of its own
    in TensorBoard, with the scalars `loss/training`, `loss/held-out`, `lr` and, if it was cycled, `momentum`. Steps are
    counted from 1.

    Args:
        log_dir: the folder for `tensorboard --logdir`.

    Raises: MissingExtra, on import, if tensorboard is not installed.
    """

    def __init__(self, log_dir: str | Path) -> None:
        self._log_dir = Path(log_dir)

    @hookimpl
    def lrrange_compared(self, run: Run, policy: Policy) -> None:
        """Write the run's scalars."""
        folder = self._log_dir / quote(policy.name, safe=" ") / f"seed-{run.seed}"
        with SummaryWriter(str(folder)) as writer:
            for step, loss in enumerate(run.losses, 1):
                writer.add_scalar("loss/training", loss, step)
                writer.add_scalar("lr", policy.lr[step - 1], step)
                if run.momentum and policy.momentum is not None:
                    writer.add_scalar("momentum", policy.momentum[step - 1], step)
            for checkpoint in run.held_out:
                writer.add_scalar("loss/held-out", checkpoint.loss, checkpoint.step)
