"""Where a rate is written, and the proof that the fit which follows trains at it."""

import inspect

import keras
import pytest
from lrrange_keras import VerifyRate

import lrrange
from lrrange.errors import OptionError, RateNotInForce, TargetError
from tests.frameworks.keras.trainings import (
    BATCH,
    SAMPLES,
    Subclassed,
    X,
    Y,
    compiled,
    of_arrays,
    plain_layers,
    seeded,
    sequential,
    warm_then_cosine,
    with_a_loss_scale,
    with_a_schedule,
)

schedules = keras.optimizers.schedules


@pytest.fixture(scope="module")
def result() -> lrrange.RangeTestResult:
    training = of_arrays()
    return lrrange.find_lr(training.model, **training.data, num_steps=80, progress=False, seed=1)


@pytest.mark.shows("Keras (torch)", "applied and proved")
@pytest.mark.shows("Keras (JAX)", "applied and proved")
def test_a_fit_at_the_applied_rate_is_the_fit_of_a_model_compiled_with_it_and_is_proved(result):
    expected = seeded(lambda: sequential(keras.optimizers.SGD(result.lr, momentum=0.9))).fit()
    training = of_arrays()
    assert result.apply(training.model) == {"learning_rate": result.lr}
    with result.verify(training.model) as proof:
        assert training.fit() == expected
    assert proof.proved
    assert proof.steps_seen == 20


@pytest.mark.shows("Keras (torch)", "applied and proved")
@pytest.mark.shows("Keras (JAX)", "applied and proved")
def test_a_rate_that_a_callback_of_the_fit_overwrites_is_named_from_the_step_that_uses_it(result):
    training = of_arrays()
    result.apply(training.model)
    overwriting = keras.callbacks.LearningRateScheduler(lambda epoch: 1e-4 if epoch else result.lr)
    with pytest.raises(RateNotInForce, match="LearningRateScheduler") as caught, result.verify(training.model):
        training.fit(callbacks=[overwriting])
    assert caught.value.steps_seen == SAMPLES // BATCH
    assert caught.value.actual == pytest.approx(1e-4)


def test_a_model_that_is_compiled_again_has_lost_its_rate(result):
    training = of_arrays()
    result.apply(training.model)
    compiled(training.model, keras.optimizers.SGD(1e-4))
    with pytest.raises(RateNotInForce, match=r"result\.apply\(model\) was not called"), result.verify(training.model):
        training.fit()


def test_a_watch_that_saw_no_step_is_no_proof(result):
    training = of_arrays()
    result.apply(training.model)
    with pytest.raises(RateNotInForce, match="was in no fit"), result.verify(training.model):
        pass
    proof = result.verify(training.model)
    proof.close()
    assert not proof.proved
    training.fit()
    assert "fit" not in vars(training.model)
    assert not proof.proved


def test_a_watch_leaves_fit_as_it_was_and_sees_several_fits(result):
    training = of_arrays()
    result.apply(training.model)
    signature = inspect.signature(training.model.fit)
    with result.verify(training.model, steps=25) as proof:
        assert inspect.signature(training.model.fit) == signature
        training.fit(epochs=1)
        assert proof.steps_seen == 10
        keras_list = keras.callbacks.CallbackList([], model=training.model)
        training.fit(epochs=1, callbacks=keras_list)
        lrrange.find_lr(training.model, **training.data, num_steps=20, progress=False)  # which it does not see
        assert proof.steps_seen == 20
        training.fit(epochs=1, callbacks=keras.callbacks.Callback())
    assert proof.proved
    assert proof.steps_seen == 25
    assert "fit" not in vars(training.model)


class OfItsOwn(Subclassed):
    """A model that trains by an optimizer other than the compiled one."""

    def __init__(self) -> None:
        super().__init__()
        self.of_mine = keras.optimizers.SGD(0.01)

    def train_step(self, *arguments):
        compiled_with, self.optimizer = self.optimizer, self.of_mine
        try:
            return super().train_step(*arguments)
        finally:
            self.optimizer = compiled_with


@pytest.mark.skipif(keras.config.backend() == "jax", reason="a step on JAX has the state of one optimizer")
def test_a_train_step_by_another_optimizer_is_found_out(result):
    training = seeded(lambda: compiled(OfItsOwn()))
    result.apply(training.model)
    with pytest.raises(RateNotInForce, match="took no step in 20 batches"), result.verify(training.model):
        training.fit()
    with pytest.raises(RateNotInForce):
        lrrange.find_lr(training.model, **training.data, num_steps=20, progress=False)
    assert result.apply(training.model.of_mine) == {"learning_rate": result.lr}


def test_accumulated_steps_are_counted_as_steps():
    training = seeded(lambda: sequential(keras.optimizers.SGD(0.01, gradient_accumulation_steps=4)))
    watch = VerifyRate(0.01, steps=3)
    training.fit(callbacks=[watch])
    assert watch.proved
    assert watch.steps_seen == 3


@pytest.mark.parametrize(
    "schedule",
    [
        schedules.CosineDecay(0.05, 100),
        warm_then_cosine(0.05),
        schedules.CosineDecayRestarts(0.05, 100),
        schedules.ExponentialDecay(0.05, 100, 0.9),
        schedules.InverseTimeDecay(0.05, 100, 0.9),
        schedules.PolynomialDecay(0.05, 100, 0.005),
        schedules.PiecewiseConstantDecay([10, 20], [0.05, 0.01, 0.001]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_all_rates_of_a_schedule_follow_and_its_shape_stays(result, schedule):
    model = sequential(keras.optimizers.SGD(schedule))
    result.apply(model)
    factor = result.lr_for(schedule).lr / 0.05
    scaled = model.optimizer._learning_rate
    assert type(scaled) is type(schedule)
    assert scaled is not schedule
    for step in (0, 1, 5, 11, 30, 99):
        expected = factor * float(schedule(step))
        assert float(scaled(step)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.shows("Keras (torch)", "applied and proved")
@pytest.mark.shows("Keras (JAX)", "applied and proved")
def test_a_schedule_is_in_force_in_a_model_that_has_compiled_another(result):
    def move_of_one_step() -> float:
        model.set_weights(weights)
        model.optimizer.iterations.assign(0)
        model.fit(X, Y, batch_size=SAMPLES, verbose=0)
        return max(abs(after - before).max() for after, before in zip(model.get_weights(), weights, strict=True))

    plain = [keras.layers.Input((8,)), keras.layers.Dense(3)]
    model = compiled(keras.Sequential(plain), keras.optimizers.SGD(schedules.CosineDecay(0.001, 100)))
    weights = model.get_weights()
    before = move_of_one_step()
    result.apply(model)
    assert move_of_one_step() / before == pytest.approx(result.lr_for("cosine").lr / 0.001, rel=1e-3)
    result.apply(model, lr=0.002)
    with result.verify(model, lr=0.002) as proof:
        assert move_of_one_step() / before == pytest.approx(2, rel=1e-3)
    assert proof.proved
    # Otherwise the step that JAX has compiled would keep the schedule that it was compiled with.
    model.optimizer.learning_rate = schedules.CosineDecay(0.004, 100)
    with result.verify(model, lr=0.004):
        assert move_of_one_step() / before == pytest.approx(4, rel=1e-3)
    with pytest.raises(RateNotInForce, match=r"CosineDecay, whose highest rate is .*lr=0\.004"), result.verify(model):
        move_of_one_step()


def test_a_schedule_of_ones_own_is_refused_with_the_line_to_write(result):
    class OfMine(schedules.LearningRateSchedule):
        def __call__(self, step):
            return 0.01

        def get_config(self):
            return {}

    training = seeded(lambda: sequential(keras.optimizers.SGD(OfMine())))
    with pytest.raises(RateNotInForce, match=r"OfMine.*model\.optimizer\.learning_rate = OfMine\(\.\.\.\)") as caught:
        result.apply(training.model)
    assert caught.value.scheduler == "OfMine"
    with pytest.raises(RateNotInForce, match="OfMine.*cannot be seen"):
        training.fit(callbacks=[VerifyRate(result)])


@pytest.mark.shows("Keras (torch)", "refuses")
@pytest.mark.shows("Keras (JAX)", "refuses")
def test_the_place_where_writing_has_no_effect_is_named_and_nothing_is_changed(result):
    of_a_function = sequential(keras.optimizers.SGD(lambda: 0.01))
    with pytest.raises(RateNotInForce, match="takes its rate from the function"):
        result.apply(of_a_function)
    scheduled = sequential(keras.optimizers.SGD(warm_then_cosine()))
    schedule = scheduled.optimizer._learning_rate
    with pytest.raises(RateNotInForce, match=r"Give the model: result\.apply\(model\)"):
        result.apply(scheduled.optimizer)
    assert scheduled.optimizer._learning_rate is schedule

    class Fixed(keras.optimizers.SGD):
        @property
        def learning_rate(self):
            return 0.125

        @learning_rate.setter
        def learning_rate(self, value):
            pass

    with pytest.raises(RateNotInForce, match="0.125 is read there"):
        result.apply(sequential(Fixed(0.01)))
    with pytest.raises(TargetError, match="not compiled"):
        result.apply(keras.Sequential(plain_layers()))
    with pytest.raises(OptionError, match="Leave scheduler= out"):
        result.apply(sequential(), scheduler=warm_then_cosine())
    with pytest.raises(OptionError, match="sheduler"):
        result.verify(sequential(), sheduler=1)
    with pytest.raises(OptionError, match=r"watches your next model\.fit"):
        result.verify(sequential(), x=X, y=Y)


def test_a_loss_scale_passes_the_rate_to_its_optimizer(result):
    training = with_a_loss_scale()
    assert result.apply(training.model) == {"learning_rate": result.lr}
    assert float(training.model.optimizer.inner_optimizer.learning_rate) == pytest.approx(result.lr)
    training.fit(callbacks=[VerifyRate(result, steps=5)])


def test_an_optimizer_alone_takes_a_rate_too(result):
    optimizer = keras.optimizers.Adam(1e-3)
    assert result.apply(optimizer, lr=0.5) == {"learning_rate": 0.5}
    assert float(optimizer.learning_rate) == 0.5


def test_the_callback_refuses_what_is_no_rate():
    with pytest.raises(OptionError, match="neither a rate nor the result"):
        VerifyRate("1e-3")
    with pytest.raises(OptionError, match="whole number of steps"):
        VerifyRate(1e-3, steps=0)


def test_a_schedule_is_scaled_again_by_a_second_apply(result):
    training = with_a_schedule()
    result.apply(training.model)
    first = training.model.optimizer._learning_rate.get_config()
    result.apply(training.model)
    assert training.model.optimizer._learning_rate.get_config() == pytest.approx(first)
