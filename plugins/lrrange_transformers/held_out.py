"""The held-out loss of a Trainer in the middle of a silent `train()`."""

from typing import Any

from lrrange_torch.snapshot import Snapshot

from lrrange.errors import TargetError


def held_out_loss(trainer: Any) -> float | None:
    """Return the loss of `trainer.evaluate()`, or None without an `eval_dataset`; of several data sets, the mean.

    The user's `compute_metrics` is not called. The training that follows draws the random numbers that it would draw
    without the evaluation.
    Raises: TargetError if the evaluation gives no loss.
    """
    if trainer.eval_dataset is None:
        return None
    random_state = Snapshot()
    random_state.keep_random_state()
    compute_metrics, trainer.compute_metrics = trainer.compute_metrics, None
    try:
        metrics = trainer.evaluate()
    finally:
        trainer.compute_metrics = compute_metrics
        random_state.restore()
    several = isinstance(trainer.eval_dataset, dict)
    names = [f"eval_{name}_loss" for name in trainer.eval_dataset] if several else ["eval_loss"]
    missing = [name for name in names if name not in metrics]
    if missing:
        raise TargetError(
            f"trainer.evaluate() gives no {missing[0]}, by which the rates would be judged. Give an eval_dataset with "
            f"labels, or leave confirm=True out.",
        )
    return sum(float(metrics[name]) for name in names) / len(names)
