"""Digits with plain optax: find the rate, prove it, and train with a cosine schedule from it.

    python examples/jax_digits.py

It needs pip install 'lrrange[jax]' scikit-learn.
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax
from sklearn.datasets import load_digits

import lrrange

EPOCHS, BATCH = 12, 64

pixels, digits = load_digits(return_X_y=True)
pixels = (pixels / 16).astype(np.float32)
held_out = pixels[1400:], digits[1400:]

tx = optax.inject_hyperparams(optax.adamw)(learning_rate=1e-3)


def logits_of(params, x):
    return jax.nn.relu(x @ params["w1"] + params["b1"]) @ params["w2"] + params["b2"]


def loss_of(params, batch):
    x, labels = batch
    return optax.softmax_cross_entropy_with_integer_labels(logits_of(params, x), labels).mean()


@jax.jit
def train_step(state, batch):
    params, opt_state = state
    loss, grads = jax.value_and_grad(loss_of)(params, batch)
    updates, opt_state = tx.update(grads, opt_state, params)
    return (optax.apply_updates(params, updates), opt_state), loss


class Batches:
    """Batches in a new order for each epoch."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)

    def __iter__(self):
        order = self.rng.permutation(1400)
        for start in range(0, 1400 - BATCH + 1, BATCH):
            chosen = order[start : start + BATCH]
            yield pixels[chosen], digits[chosen]


def new_state():
    first, second = jax.random.split(jax.random.key(0))
    params = {
        "w1": jax.random.normal(first, (64, 128)) / 8,
        "b1": jnp.zeros(128),
        "w2": jax.random.normal(second, (128, 10)) / 11,
        "b2": jnp.zeros(10),
    }
    return params, tx.init(params)


def accuracy(state):
    return float((logits_of(state[0], held_out[0]).argmax(1) == held_out[1]).mean())


def train(state, rate_at=None):
    step = 0
    batches = Batches(seed=1)
    for _ in range(EPOCHS):
        for batch in batches:
            if rate_at is not None:
                state = result.applied(state, lr=float(rate_at(step)))
            state, _ = train_step(state, batch)
            step += 1
    return state


if __name__ == "__main__":
    steps = EPOCHS * (1400 // BATCH)
    state, batches = new_state(), Batches(seed=1)
    result = lrrange.find_lr(
        train_step,
        state=state,
        batches=batches,
        train_steps=steps,
        confirm=True,
        evaluate=lambda state: loss_of(state[0], held_out),
    )
    print(result)

    applied = result.applied(state)
    print(result.verify(train_step, state=applied, batches=batches))

    peak = result.lr_for("cosine").lr
    schedule = optax.cosine_decay_schedule(peak, steps)
    print(f"accuracy at 1e-3, the default: {accuracy(train(state)):.3f}")
    print(f"accuracy at lr={result.lr:.1e}:       {accuracy(train(applied)):.3f}")
    print(f"accuracy with a cosine from {peak:.1e}: {accuracy(train(applied, schedule)):.3f}")
    print(f"the step was compiled {train_step._cache_size()} time(s)")
