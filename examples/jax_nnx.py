"""Digits with Flax NNX: a model with dropout and batch normalisation, four sweeps from other weights side by side.

    python examples/jax_nnx.py

It needs pip install 'lrrange[jax]' flax scikit-learn.
"""

import itertools

import numpy as np
import optax
from flax import nnx
from sklearn.datasets import load_digits

import lrrange

pixels, digits = load_digits(return_X_y=True)
pixels = (pixels / 16).astype(np.float32)
batches = [(pixels[i : i + 64], digits[i : i + 64]) for i in range(0, 1344, 64)]


class Classifier(nnx.Module):
    def __init__(self, rngs):
        self.first = nnx.Linear(64, 64, use_bias=False, rngs=rngs)
        self.norm = nnx.BatchNorm(64, rngs=rngs)
        self.dropout = nnx.Dropout(0.1, rngs=rngs)
        self.last = nnx.Linear(64, 10, rngs=rngs)

    def __call__(self, x):
        return self.last(self.dropout(nnx.relu(self.norm(self.first(x)))))


@nnx.jit
def train_step(model, optimizer, batch):
    def loss_of(model):
        return optax.softmax_cross_entropy_with_integer_labels(model(batch[0]), batch[1]).mean()

    loss, grads = nnx.value_and_grad(loss_of)(model)
    optimizer.update(model, grads)
    return loss


if __name__ == "__main__":
    model = Classifier(nnx.Rngs(0))
    optimizer = nnx.Optimizer(model, optax.inject_hyperparams(optax.adam)(learning_rate=1e-3), wrt=nnx.Param)
    seeds = itertools.count(1)

    result = lrrange.find_lr(
        train_step,
        objects=(model, optimizer),
        batches=batches,
        train_steps=200,
        repeats=4,
        reset=lambda: nnx.update(model, nnx.state(Classifier(nnx.Rngs(next(seeds))))),
        parallel="vmap",
    )
    print(result)
    print(result.apply(optimizer))
    print(result.verify(train_step, objects=(model, optimizer), batches=batches))

    for step in range(200):
        train_step(model, optimizer, batches[step % len(batches)])
    model.eval()
    print(f"accuracy on held-out digits: {float((model(pixels[1344:]).argmax(1) == digits[1344:]).mean()):.3f}")
