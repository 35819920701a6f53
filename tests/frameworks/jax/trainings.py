"""Small trainings in each form, whose steps are compiled once for all tests."""

from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen, nnx
from flax.training.train_state import TrainState

INPUTS = 6


def data(examples: int = 96) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and noisy targets that a small network can learn."""
    rng = np.random.default_rng(7)
    x = rng.normal(size=(examples, INPUTS)).astype(np.float32)
    weights = rng.normal(size=(INPUTS, 1)).astype(np.float32)
    return x, np.tanh(x @ weights) + 0.1 * rng.normal(size=(examples, 1)).astype(np.float32)


def batches(size: int = 16, examples: int = 96) -> list[tuple[np.ndarray, np.ndarray]]:
    x, y = data(examples)
    return [(x[start : start + size], y[start : start + size]) for start in range(0, examples, size)]


class Shuffled:
    """A loader with everything that drawing may change: a generator, an order shuffled in place, a count of epochs."""

    def __init__(self, size: int = 16) -> None:
        self.x, self.y = data()
        self.size = size
        self.order = np.arange(len(self.x))
        self.rng = np.random.default_rng(11)
        self.epochs = 0
        self.history: list[int] = []

    def __iter__(self) -> Any:
        self.epochs += 1
        self.rng.shuffle(self.order)
        self.history.append(int(self.order[0]))
        for start in range(0, len(self.order), self.size):
            chosen = self.order[start : start + self.size]
            noise = np.random.normal(size=(len(chosen), 1)).astype(np.float32)  # of the global random state
            yield self.x[chosen], self.y[chosen] + 0.01 * noise


# Plain optax: a tuple of parameters and state, two groups at 1:10, donated.


def plain_params() -> dict[str, jax.Array]:
    first, second = jax.random.split(jax.random.key(3))
    return {
        "w1": jax.random.normal(first, (INPUTS, 16)) * 0.4,
        "b1": jnp.zeros(16),
        "w2": jax.random.normal(second, (16, 1)) * 0.4,
    }


def mse(params: Any, batch: Any) -> jax.Array:
    x, y = batch
    return jnp.mean((jnp.tanh(x @ params["w1"] + params["b1"]) @ params["w2"] - y) ** 2)


ADAM = optax.inject_hyperparams(optax.adam)(learning_rate=1e-3)
TWO_GROUPS = optax.multi_transform(
    {
        "body": optax.inject_hyperparams(optax.adamw)(learning_rate=1e-3, weight_decay=1e-4),
        "head": optax.inject_hyperparams(optax.sgd)(learning_rate=1e-2, momentum=0.9),
    },
    {"w1": "body", "b1": "body", "w2": "head"},
)


def plain_step(tx: Any, state: Any, batch: Any) -> Any:
    params, opt_state = state
    loss, grads = jax.value_and_grad(mse)(params, batch)
    updates, opt_state = tx.update(grads, opt_state, params)
    return (optax.apply_updates(params, updates), opt_state), loss


def plain_state(tx: Any = ADAM) -> Any:
    params = plain_params()
    return params, tx.init(params)


adam_step = jax.jit(partial(plain_step, ADAM))
donating_step = jax.jit(partial(plain_step, ADAM), donate_argnums=(0, 1))
groups_step = jax.jit(partial(plain_step, TWO_GROUPS), donate_argnums=0)


# Flax linen: a TrainState with the statistics of a BatchNorm and a key for dropout.


class Net(linen.Module):
    @linen.compact
    def __call__(self, x: Any, train: bool = True) -> Any:
        x = linen.Dense(16)(x)
        x = linen.BatchNorm(use_running_average=not train, momentum=0.9)(x)
        x = linen.Dropout(0.1, deterministic=not train)(linen.relu(x))
        return linen.Dense(1)(x)


class NetState(TrainState):
    batch_stats: Any
    key: jax.Array


NET, NET_TX = Net(), optax.inject_hyperparams(optax.adamw)(learning_rate=1e-3)


def linen_state(raw_key: bool = False) -> NetState:
    variables = NET.init(jax.random.key(0), jnp.zeros((2, INPUTS)), train=False)
    return NetState.create(
        apply_fn=NET.apply,
        params=variables["params"],
        tx=NET_TX,
        batch_stats=variables["batch_stats"],
        key=jax.random.PRNGKey(1) if raw_key else jax.random.key(1),
    )


@partial(jax.jit, donate_argnums=0)
def linen_step(state: NetState, batch: Any) -> Any:
    x, y = batch
    key, own = jax.random.split(state.key)

    def loss_of(params: Any) -> Any:
        variables = {"params": params, "batch_stats": state.batch_stats}
        output, updated = state.apply_fn(variables, x, rngs={"dropout": own}, mutable=["batch_stats"])
        return jnp.mean((output - y) ** 2), updated["batch_stats"]

    (loss, stats), grads = jax.value_and_grad(loss_of, has_aux=True)(state.params)
    state = state.apply_gradients(grads=grads, batch_stats=stats, key=key)
    return state, {"loss": loss, "norm": optax.tree.norm(grads)}


def loss_of(output: Any) -> Any:
    return output["loss"]


# Equinox: a model with functions among its leaves.

EQX_TX = optax.inject_hyperparams(optax.adam)(learning_rate=1e-3)


def equinox_state() -> Any:
    model = eqx.nn.MLP(INPUTS, 1, 16, 1, activation=jnp.tanh, key=jax.random.key(2))
    return model, EQX_TX.init(eqx.filter(model, eqx.is_inexact_array)), None, jax.random.key(5)


@eqx.filter_jit(donate="all")
def equinox_step(state: Any, batch: Any) -> Any:
    model, opt_state, nothing, key = state
    key, own = jax.random.split(key)
    x, y = batch
    noise = 0.05 * jax.random.normal(own, x.shape)
    loss, grads = eqx.filter_value_and_grad(lambda model: jnp.mean((jax.vmap(model)(x + noise) - y) ** 2))(model)
    updates, opt_state = EQX_TX.update(grads, opt_state, eqx.filter(model, eqx.is_inexact_array))
    return (eqx.apply_updates(model, updates), opt_state, nothing, key), loss


# Flax NNX: BatchNorm, Dropout with its Rngs, a metric, and a model that counts its calls.


class Model(nnx.Module):
    def __init__(self, rngs: nnx.Rngs) -> None:
        self.first = nnx.Linear(INPUTS, 16, use_bias=False, rngs=rngs)  # the BatchNorm has one
        self.norm = nnx.BatchNorm(16, rngs=rngs)
        self.dropout = nnx.Dropout(0.1, rngs=rngs)
        self.last = nnx.Linear(16, 1, rngs=rngs)

    def __call__(self, x: Any) -> Any:
        return self.last(self.dropout(nnx.relu(self.norm(self.first(x)))))


def nnx_objects(tx: Any = ADAM) -> tuple[Any, ...]:
    model = Model(nnx.Rngs(0))
    return model, nnx.Optimizer(model, tx, wrt=nnx.Param), nnx.metrics.Average("loss")


@nnx.jit(donate_argnums=(0, 1))
def nnx_inner(model: Model, optimizer: Any, metric: Any, batch: Any) -> Any:
    x, y = batch
    loss, grads = nnx.value_and_grad(lambda model: jnp.mean((model(x) - y) ** 2))(model)
    optimizer.update(model, grads)
    metric.update(loss=loss)
    return loss


def nnx_step(model: Model, optimizer: Any, metric: Any, batch: Any) -> Any:
    model.train()
    return nnx_inner(model, optimizer, metric, batch)
