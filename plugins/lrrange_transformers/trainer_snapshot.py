"""Keep everything of a Trainer that `train()` can change, and put it back."""

from typing import Any

from lrrange_torch.optimizer import RateControl
from lrrange_torch.snapshot import LazySnapshot, Snapshot, why_not_lazy


class TrainerSnapshot:
    """The present state of a Trainer and everything that it holds, which `restore` puts back to the last bit.

    The callbacks are left alone, as a sweep does without them. Only tensors that steps change are copied, unless
    `why_in_full` gives a reason: with LoRA, only those of the adapter.

    Args:
        trainer: before `train()`, or in it.
        restore: other objects that training changes, given by the user.
    Raises: TargetError for something that cannot be put back.
    """

    def __init__(self, trainer: Any, restore: object = None) -> None:
        self.why_in_full = "the model is compiled" if trainer.args.torch_compile else why_not_lazy(trainer.model)
        self._snapshot = LazySnapshot() if self.why_in_full is None else Snapshot()
        try:
            self._keep(trainer, restore)
        except BaseException:
            self.restore()  # what was kept so far, which ends the copy-on-write
            raise

    def _keep(self, trainer: Any, restore: object) -> None:
        for callback in trainer.callback_handler.callbacks:
            self._snapshot.leave_out(callback)
        self._snapshot.keep(trainer.model, "model")
        for name in ("train_dataset", "eval_dataset", "data_collator"):
            self._snapshot.keep(getattr(trainer, name), name, is_data=True)
        self._snapshot.keep(trainer, "trainer")
        named = restore if isinstance(restore, (list, tuple)) else (restore,)
        for value in named if restore is not None else ():
            self._snapshot.keep_what_the_user_named(value)
        self._snapshot.keep_random_state()

    def watch(self, rates: RateControl) -> None:
        """Watch the steps of the optimizers, which `train()` may only just have made: copy in time, check the rates."""
        lazy = self._snapshot
        rates.watch(LazySnapshot(rates.hooked, within=lazy) if isinstance(lazy, LazySnapshot) else lazy)

    def report(self) -> dict[str, Any]:
        """Return the kind of snapshot, how many bytes were copied, and what cannot be put back."""
        return {
            "snapshot": "lazy" if self.why_in_full is None else f"full: {self.why_in_full}",
            "copied_bytes": self._snapshot.copied_bytes,
            "not_kept": dict(self._snapshot.not_kept),
        }

    def restore(self) -> None:
        """Put everything back."""
        self._snapshot.restore()
        self._snapshot.forget()
