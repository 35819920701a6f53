"""`find_lr` has a typed signature for each framework, which is that of the framework's adapter."""

import inspect
import os
from typing import get_overloads

import pytest

from lrrange.finder.lr_finder import find_lr

os.environ.setdefault("KERAS_BACKEND", "torch")

from lrrange_jax.adapters import objects_step, state_step
from lrrange_keras.fit_driver import FitDriver
from lrrange_sklearn.estimator_step import EstimatorStep
from lrrange_sklearn.net_step import NetStep
from lrrange_transformers.driver import TrainerDriver

_, _, _, _, *TYPED, _, _ = get_overloads(find_lr)
ADAPTERS = [TrainerDriver, state_step, objects_step, FitDriver, EstimatorStep, NetStep]


@pytest.mark.parametrize(("typed", "adapter"), list(zip(TYPED, ADAPTERS, strict=True)))
def test_the_signature_for_each_framework_is_that_of_its_adapter(typed, adapter):
    def parameters(function):
        _, *others = inspect.signature(function).parameters.values()
        return {each.name: each.default for each in others if each.kind is not each.VAR_KEYWORD}

    assert parameters(typed) == {name: value for name, value in parameters(adapter).items() if name != "inside"}
