"""`LRRangeTest` in the callbacks of a fit: a sweep before the first step, and then the fit at the rate it found."""

import keras
import pytest
from lrrange_keras import LRRangeTest, VerifyRate

import lrrange
from lrrange.errors import OptionError, RateNotInForce
from tests.frameworks.keras.trainings import BATCH, X, Y, of_a_dataset, of_arrays, seeded, sequential, warm_then_cosine

SWEEP = {"num_steps": 60, "progress": False, "seed": 1}


@pytest.mark.shows("Keras (torch)", "applied and proved")
@pytest.mark.shows("Keras (JAX)", "applied and proved")
def test_a_fit_with_the_callback_is_the_fit_of_a_model_compiled_with_its_rate():
    callback = LRRangeTest(X, Y, batch_size=BATCH, **SWEEP)
    found = of_arrays().fit(callbacks=[callback])
    rate = callback.result.lr
    assert callback.applied == {"learning_rate": rate}
    assert found == seeded(lambda: sequential(keras.optimizers.SGD(rate, momentum=0.9))).fit()


def test_a_fit_with_a_callback_that_applies_nothing_is_the_fit_without_it():
    expected = of_a_dataset().fit()
    training = of_a_dataset()
    callback = LRRangeTest(dataset=training.data["dataset"], apply=False, **SWEEP)
    assert training.fit(callbacks=[callback]) == expected
    assert callback.result is not None
    assert callback.applied == {}


def test_the_callback_scales_the_schedule_of_the_fit_that_has_begun():
    training = seeded(lambda: sequential(keras.optimizers.SGD(warm_then_cosine(), momentum=0.9)))
    callback = LRRangeTest(X, Y, batch_size=BATCH, **SWEEP)
    training.fit(callbacks=[callback])
    peak = callback.result.lr_for("cosine").lr
    assert callback.applied["warmup_target"] == pytest.approx(peak)
    assert callback.applied["initial_learning_rate"] == pytest.approx(peak / 20)


def test_a_fit_that_loses_the_applied_rate_ends_with_the_reason():
    overwriting = keras.callbacks.LearningRateScheduler(lambda epoch: 1e-5)
    with pytest.raises(RateNotInForce, match="LearningRateScheduler"):
        of_arrays().fit(callbacks=[LRRangeTest(X, Y, batch_size=BATCH, **SWEEP), overwriting])


def test_the_other_callbacks_of_the_fit_hear_nothing_of_the_sweep():
    heard = []
    others = keras.callbacks.LambdaCallback(
        on_train_begin=lambda logs: heard.append("train"),
        on_epoch_begin=lambda epoch, logs: heard.append("epoch"),
        on_train_batch_end=lambda batch, logs: heard.append("batch"),
    )
    of_arrays().fit(epochs=1, callbacks=[others, LRRangeTest(X, Y, batch_size=BATCH, **SWEEP)])
    assert heard == ["train", "epoch", *["batch"] * 10]


def test_a_callback_without_the_data_says_that_it_needs_them():
    with pytest.raises(OptionError, match="nothing to train on"):
        of_arrays().fit(callbacks=[LRRangeTest()])
    with pytest.raises(OptionError, match="aply"):
        of_arrays().fit(callbacks=[LRRangeTest(X, Y, aply=False)])
    with pytest.raises(OptionError, match="neither True nor False"):
        LRRangeTest(X, Y, apply="yes")
    with pytest.raises(OptionError, match="whole number of steps"):
        LRRangeTest(X, Y, verify_steps=-1)


def test_both_callbacks_work_together_and_in_a_second_fit():
    training = of_arrays()
    finding = LRRangeTest(X, Y, batch_size=BATCH, **SWEEP)
    training.fit(callbacks=[finding])
    watch = VerifyRate(finding.result)
    training.fit(callbacks=[watch])
    assert watch.proved
    first = finding.result
    training.fit(callbacks=[finding])
    assert finding.result is not first


def test_a_name_of_another_finder_is_answered_with_the_one_here():
    import lrrange_keras

    with pytest.raises(AttributeError, match=r"LRRangeTest\(x=x, y=y\)"):
        lrrange_keras.LRFinder  # noqa: B018  the access is what is tested
    assert "keras" in {plugin.name for plugin in lrrange.list_plugins() if plugin.problem is None}
