"""lrrange's contract for backends, checked on this backend."""

import numpy as np
import pytest
from lrrange_logistic.regression import LogisticRegression

from lrrange import testing


def make_rig():
    """Return a small, fresh training, the same at each call."""
    random = np.random.default_rng(0)
    inputs = random.normal(size=(256, 4))
    labels = (inputs.sum(axis=1) > 0).astype(float)
    model = LogisticRegression(features=4, lr=0.5)

    def observe():
        return {
            "weights": model.weights.tobytes(),
            "bias": model.bias,
            "lr": model.lr,
            "last_update": model.last_update.tobytes(),
        }

    def train(steps):
        return [model.fit_batch(inputs[:32], labels[:32]) for _ in range(steps)]

    return testing.Rig(
        target=model, options={"inputs": inputs, "labels": labels}, observe=observe, train=train, sweep={"end_lr": 1e3}
    )


@pytest.mark.parametrize("check", testing.CHECKS, ids=lambda check: check.__name__)
def test_the_backend_keeps_the_contract(check):
    check(make_rig)
