"""`Trainer.train()` that only training itself notices: no callback, no log, no file, and no end but the one asked for.

The loop is the Trainer's own, so accumulation, precision, clipping and what a subclass overrides are as in a fit. All
else that a Trainer does in `train()`, it does through its callbacks: log, evaluate, save, stop. So the callbacks are
replaced. The Trainer is to be restored afterwards; see `TrainerSnapshot`.
"""

import contextlib
from typing import Any

from transformers import TrainerCallback

# More steps than any sweep takes. The loop is left before.
_ENDLESS = 10**9

# From the error of Accelerate about a data set without a length that gives nothing in an epoch.
_NO_DATA = "Batch does not contain any data"


class EndOfTrain(BaseException):
    """Raised from a callback to leave `train()` before it finishes: it would log, delete checkpoints and load others.

    No `except Exception` on the way takes it for an error.
    """


class LoopCallback(TrainerCallback):  # type: ignore[misc]  # it is Any to mypy
    """The only callback of a silent `train()`. It leaves when no epoch follows, as no data are left."""

    def on_epoch_end(self, _args: Any, _state: Any, control: Any, **_: Any) -> None:
        """Leave if the epoch had no batch, for which the Trainer ends the training."""
        if control.should_training_stop:
            raise EndOfTrain


def train_silently(trainer: Any, callback: LoopCallback, resume_from_checkpoint: Any = None) -> None:
    """Run `trainer.train()` with this callback only, until the callback raises `EndOfTrain`.

    Data that end begin again in a new epoch, as they do in a Trainer that has `max_steps`.
    """
    args = trainer.args
    trainer.callback_handler.callbacks = [callback]
    trainer.log = _do_nothing
    trainer.get_batch_samples = _ending_epochs(trainer)
    args.max_steps = _ENDLESS
    args.eval_on_start = args.load_best_model_at_end = False
    for name in ("include_tokens_per_second", "push_to_hub"):
        if name in vars(args):  # the first one reads all data before the first step, in 4.x
            vars(args)[name] = False
    if "_memory_tracker" in vars(trainer):
        trainer._memory_tracker.skip_memory_metrics = True  # or it starts a thread, which only the end of train() stops
    with contextlib.suppress(EndOfTrain):
        if resume_from_checkpoint is None:
            trainer.train()
        else:
            trainer.train(resume_from_checkpoint=resume_from_checkpoint)


def _do_nothing(*_: Any, **__: Any) -> None:
    """Replace `Trainer.log`."""


def _ending_epochs(trainer: Any) -> Any:
    """Return a `get_batch_samples` that ends the epoch when the loader has no batch left.

    Without a length, the Trainer would go on with empty lists of batches until `max_steps`.
    """
    get_batch_samples = trainer.get_batch_samples

    def get(*args: Any, **kwargs: Any) -> Any:
        try:
            batches, items = get_batch_samples(*args, **kwargs)
        except ValueError as error:
            if _NO_DATA not in str(error):
                raise
            batches, items = [], None
        if not batches:
            trainer.control.should_epoch_stop = True
        return batches, items

    return get
