"""What cannot be swept is refused before the first step, with its numbers and what to write instead."""

import types

import keras
import numpy
import pytest

import lrrange
from lrrange.errors import LRRangeError, NoData, OptionError, TargetError
from tests.frameworks.keras.trainings import X, Y, endless, loader, observed, of_arrays, plain_layers, sequential


@pytest.mark.shows("Keras (torch)", "refuses")
@pytest.mark.shows("Keras (JAX)", "refuses")
@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        ({}, OptionError, r"nothing to train on.*find_lr\(model, x=x, y=y\)"),
        ({"x": X}, OptionError, r"y is missing"),
        ({"x": X, "y": Y[:-1]}, OptionError, r"x has 160, y has 159"),
        ({"x": X, "y": Y, "sample_weight": numpy.ones(3)}, OptionError, r"sample_weight has 3"),
        ({"x": X, "y": Y, "dataset": loader()}, OptionError, r"x= and dataset= are both given"),
        ({"dataset": loader(), "y": Y}, OptionError, r"DataLoader, whose batches have the y"),
        ({"dataset": endless()}, OptionError, r"a generator, which gives its batches once.*dataset=make_batches"),
        ({"x": iter([(X, Y)])}, OptionError, r"gives its batches once"),
        ({"x": X[:0], "y": Y[:0]}, NoData, r"no samples"),
        ({"x": [1, 2, 3], "y": Y}, OptionError, r"list"),
        ({"dataset": "data.csv"}, OptionError, r"str, which fit cannot train on"),
        ({"dataset": keras.utils.PyDataset}, OptionError, r"class PyDataset, which has not been called"),
        ({"x": X, "y": Y, "batch_size": 0}, OptionError, r"batch_size=0"),
        ({"x": X, "y": Y, "epochs": 1.5}, OptionError, r"epochs=1.5"),
        ({"x": X, "y": Y, "sample_weight": Y, "class_weight": {0: 1}}, OptionError, r"takes one of them"),
        ({"x": X, "y": Y, "batchsize": 8}, OptionError, r"batch_size"),
        ({"x": X, "y": Y, "loss_fn": "mse"}, OptionError, r"model\.compile"),
        ({"x": X, "y": Y, "callbacks": []}, OptionError, r"hear nothing of a sweep"),
        ({"x": X, "y": Y, "validation_split": 0.1}, OptionError, r"validation_data=\(x_val, y_val\)"),
        ({"x": X, "y": Y, "validation_data": (X, Y[:5])}, OptionError, r"y has 5"),
        ({"x": X, "y": Y, "validation_data": (X, Y, Y, Y)}, OptionError, r"tuple of 4"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else "",
)
def test_bad_input_is_an_error_before_the_first_step(options, kind, words):
    training = of_arrays()
    before = observed(training)
    with pytest.raises(kind, match=words):
        lrrange.find_lr(training.model, **options)
    assert observed(training) == before


@pytest.mark.shows("Keras (torch)", "refuses")
@pytest.mark.shows("Keras (JAX)", "refuses")
def test_a_model_that_cannot_be_fitted_is_refused_with_the_line_to_write():
    with pytest.raises(TargetError, match=r"not compiled.*model\.compile\(optimizer="):
        lrrange.find_lr(keras.Sequential(plain_layers()), x=X, y=Y)
    with pytest.raises(TargetError, match=r"class Sequential, which has not been called"):
        lrrange.find_lr(keras.Sequential, x=X, y=Y)
    zero = sequential(keras.optimizers.SGD(0.0))
    with pytest.raises(TargetError, match=r"learning_rate=0.*positive number"):
        lrrange.find_lr(zero, x=X, y=Y)
    chosen = sequential(keras.optimizers.MultiOptimizer(lambda variable: keras.optimizers.SGD(0.01)))
    with pytest.raises(TargetError, match=r"model\.optimizer\.build\(model\.trainable_variables\)"):
        lrrange.find_lr(chosen, x=X, y=Y)


@pytest.mark.shows("Keras (torch)", "refuses")
@pytest.mark.shows("Keras (JAX)", "refuses")
def test_a_distributed_model_is_refused(monkeypatch):
    several = types.SimpleNamespace(num_replicas_in_sync=2)
    with monkeypatch.context() as patched, pytest.raises(TargetError, match="2 replicas.*on one device") as caught:
        patched.setattr(keras.Sequential, "distribute_strategy", several, raising=False)
        lrrange.find_lr(sequential(), x=X, y=Y)
    assert caught.value.strategy == "a strategy of 2 replicas"
    monkeypatch.setattr(keras.distribution, "distribution", lambda: several)
    with pytest.raises(LRRangeError, match="SimpleNamespace"):
        lrrange.find_lr(sequential(), x=X, y=Y)
