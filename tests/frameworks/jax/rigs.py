"""Trainings that `lrrange.testing` runs its contract on."""

import random
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import torch
from flax import nnx

from lrrange.testing import Rig
from tests.frameworks.jax import trainings

SWEEP = {"start_lr": 1e-5, "end_lr": 0.1}


def bits(tree: Any) -> list[Any]:
    """Every leaf of a tree as bytes, with its path."""
    found = []
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        if isinstance(leaf, jax.Array):
            raw = jax.random.key_data(leaf) if jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf
            found.append((jax.tree_util.keystr(path), str(leaf.dtype), np.asarray(raw).tobytes()))
        else:
            found.append((jax.tree_util.keystr(path), repr(leaf)))
    return found


def random_states() -> Any:
    return repr(random.getstate()), np.random.get_state()[1].tobytes(), torch.get_rng_state().numpy().tobytes()


def of_loader(loader: Any) -> Any:
    if not isinstance(loader, trainings.Shuffled):
        return len(loader)
    return loader.order.tolist(), repr(loader.rng.bit_generator.state), loader.epochs, list(loader.history)


def _endless(loader: Any) -> Any:
    while True:
        yield from loader


def _seed_all() -> None:
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)


def of_state(step: Any, state: Any, loader: Any, loss: Any = None, **options: Any) -> Rig:
    _seed_all()
    given = {"state": state, "batches": loader, **({} if loss is None else {"loss": loss}), **options}

    def train(steps: int) -> list[float]:
        batches, losses = _endless(loader), []
        # The step may donate its arguments, and the rig trains on from the state that it has now.
        state = jax.tree_util.tree_map(lambda x: x.copy() if isinstance(x, jax.Array) else x, given["state"])
        for _ in range(steps):
            state, output = step(state, next(batches))
            losses.append(float(output if loss is None else loss(output)))
        given["state"] = state
        return losses

    return Rig(
        target=step,
        options=given,
        observe=lambda: {"state": bits(given["state"]), "random": random_states(), "loader": of_loader(loader)},
        train=train,
        sweep=SWEEP,
    )


def of_objects(step: Any, objects: Any, loader: Any, **options: Any) -> Rig:
    _seed_all()

    def train(steps: int) -> list[float]:
        batches = _endless(loader)
        return [float(step(*objects, next(batches))) for _ in range(steps)]

    def observe() -> Any:
        modules = [node for _, node in nnx.iter_graph(objects) if isinstance(node, nnx.Module)]
        return {
            "state": bits(nnx.state(objects)),
            "modes": [
                getattr(module, "deterministic", getattr(module, "use_running_average", None)) for module in modules
            ],
            "attributes": [sorted(vars(module)) for module in modules],
            "random": random_states(),
            "loader": of_loader(loader),
        }

    return Rig(
        target=step,
        options={"objects": objects, "batches": loader, **options},
        observe=observe,
        train=train,
        sweep=SWEEP,
    )


def optax_with_two_groups() -> Rig:
    return of_state(trainings.groups_step, trainings.plain_state(trainings.TWO_GROUPS), trainings.Shuffled())


def linen_train_state() -> Rig:
    return of_state(trainings.linen_step, trainings.linen_state(), trainings.batches(), trainings.loss_of)


def equinox_model() -> Rig:
    return of_state(trainings.equinox_step, trainings.equinox_state(), trainings.batches())


def nnx_objects() -> Rig:
    return of_objects(trainings.nnx_step, trainings.nnx_objects(), trainings.Shuffled())


def nnx_in_eval_mode() -> Rig:
    objects = trainings.nnx_objects()
    objects[0].eval()
    return of_objects(trainings.nnx_step, objects, trainings.batches())


RIGS: dict[str, Callable[[], Rig]] = {
    "JAX": optax_with_two_groups,
    "linen": linen_train_state,
    "Equinox": equinox_model,
    "Flax NNX": nnx_objects,
    "NNX in eval mode": nnx_in_eval_mode,
}
