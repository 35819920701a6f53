"""The options of `find_lr` and of `result.verify` for JAX, by the two forms of a training."""

from collections.abc import Callable
from typing import Any

from lrrange_jax.batches import BatchSource
from lrrange_jax.jax_step import JaxStep
from lrrange_jax.state_training import StateTraining


def state_step(
    train_step: Callable[[Any, Any], Any],
    state: Any,
    batches: BatchSource,
    *,
    loss: Callable[[Any], Any] | None = None,
    evaluate: Callable[[Any], Any] | None = None,
) -> JaxStep:
    """Return a step whose state is a value.

    Args:
        train_step: called as `train_step(state, batch)`; returns the new state and the loss, or another output.
        state: any pytree that the step takes and returns, with `optax.inject_hyperparams` in its optimizer.
        batches: a list of batches, a loader, or a function that makes an iterator. It starts again at the end.
        loss: takes the output beside the state, and returns the loss.
        evaluate: takes a state, and returns the held-out loss, by which `confirm=True` judges.
    """
    return JaxStep(StateTraining(train_step, state), batches, loss, evaluate)


def objects_step(
    train_step: Callable[..., Any],
    objects: Any,
    batches: BatchSource,
    *,
    loss: Callable[[Any], Any] | None = None,
    evaluate: Callable[..., Any] | None = None,
) -> JaxStep:
    """Return a step that changes objects of Flax NNX in place.

    Args:
        train_step: called as `train_step(*objects, batch)`, or as `train_step(batch)`; returns the loss, or another
            output.
        objects: everything that the step changes: the model, its `nnx.Optimizer`, metrics, `nnx.Rngs`.
        batches, loss: see `state_step`.
        evaluate: takes the objects, and returns the held-out loss.
    """
    from lrrange_jax.objects_training import ObjectsTraining

    return JaxStep(ObjectsTraining(train_step, objects), batches, loss, evaluate)
