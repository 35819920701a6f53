"""What a range test of a Keras model finds, and with which abilities of lrrange it works."""

import keras
import numpy
import pytest
import torch

import lrrange
from tests.frameworks.keras.trainings import (
    BATCH,
    SAMPLES,
    Subclassed,
    Training,
    X,
    Y,
    arrays,
    compiled,
    of_a_generator,
    of_a_loader,
    of_arrays,
    one_layer,
    plain_layers,
    seeded,
    sequential,
    warm_then_cosine,
    with_accumulation,
    with_two_optimizers,
)

IN_ORDER = {"x": X, "y": Y, "batch_size": BATCH, "shuffle": False}


def find(training: Training, **options: object) -> lrrange.RangeTestResult:
    return lrrange.find_lr(training.model, **training.data, **{"progress": False, **options})


def losses_by_hand(training: Training, rates: list[float], batches: int = 1) -> list[float]:
    """The losses of steps by `train_on_batch`, at these rates, on the batches in their order."""
    losses = []
    for step, rate in enumerate(rates):
        training.model.optimizer.learning_rate = rate
        of_step = []
        for batch in range(batches):
            start = (step * batches + batch) * BATCH % SAMPLES
            training.model.reset_metrics()
            values = training.model.train_on_batch(X[start : start + BATCH], Y[start : start + BATCH])
            of_step.append(float(values[0]))
        losses.append(sum(of_step) / batches)
    return losses


@pytest.mark.shows("Keras (torch)", "finds")
@pytest.mark.shows("Keras (JAX)", "finds")
def test_each_loss_is_that_of_one_step_at_its_rate():
    curve = find(seeded(one_layer, **IN_ORDER), start_lr=1e-4, end_lr=0.1, num_steps=12, divergence=None).curve
    by_hand = losses_by_hand(seeded(one_layer), list(curve.lr))
    assert curve.loss == pytest.approx(by_hand, rel=1e-5)


@pytest.mark.shows("Keras (torch)", "finds")
@pytest.mark.shows("Keras (JAX)", "finds")
def test_accumulated_batches_are_one_step_at_one_rate():
    def model():
        return one_layer(keras.optimizers.SGD(0.01, gradient_accumulation_steps=4))

    training = seeded(model, **IN_ORDER)
    found = find(training, start_lr=1e-3, end_lr=0.1, num_steps=10, divergence=None, epochs=8)
    by_hand = losses_by_hand(seeded(model), list(found.curve.lr), batches=4)
    # The logs of fit begin again with each epoch, of 10 batches, so in the third step they are those of two batches.
    assert [found.curve.loss[step] for step in (0, 1, 3)] == pytest.approx(
        [by_hand[step] for step in (0, 1, 3)], rel=1e-5
    )
    assert found.facts.train_steps == 8 * 10 // 4


@pytest.mark.shows("Keras (torch)", "finds")
@pytest.mark.shows("Keras (JAX)", "finds")
def test_the_rate_found_trains_better_than_a_tenth_and_than_a_hundred_times_it():
    def loss_at(rate: float) -> float:
        training = seeded(lambda: sequential(keras.optimizers.Adam(rate)))
        history, _ = training.fit(epochs=3)
        return history["loss"][-1]

    rate = find(seeded(lambda: sequential(keras.optimizers.Adam(1e-3))), epochs=3, num_steps=100, seed=1).lr
    at = {factor: loss_at(factor * rate) for factor in (0.1, 1, 100)}
    assert at[1] < min(at[0.1], at[100])


def test_the_facts_of_the_training_are_known():
    training = with_accumulation()
    facts = find(training, num_steps=20).facts
    assert (facts.optimizer, facts.momentum, facts.weight_decay, facts.steps_taken) == ("adam", 0.9, 0.004, 0)
    training.fit(epochs=2)
    assert find(training, num_steps=20).facts.steps_taken == 5
    assert find(of_arrays(), epochs=4, num_steps=20).facts.train_steps == 40
    assert find(of_arrays(), epochs=4, train_steps=7, num_steps=20).facts.train_steps == 7


def test_several_optimizers_keep_their_proportions():
    training = with_two_optimizers()
    seen = []

    class Watch:
        @lrrange.hookimpl
        def lrrange_advanced(self, point):
            seen.append([float(o.learning_rate) for o in training.model.optimizer.optimizers])

    find(training, num_steps=12, start_lr=1e-3, end_lr=0.1, divergence=None, watchers=[Watch()])
    assert all(second == pytest.approx(first * 10) for first, second in seen)
    assert len(seen) >= 12
    result = find(training, num_steps=60, start_lr=1e-4, end_lr=10)
    applied = result.apply(training.model, lr=0.5)
    assert sorted(applied.values()) == pytest.approx([0.5, 5.0])


def test_the_best_rate_of_adafactor_is_not_above_those_it_trains_at():
    training = seeded(lambda: sequential(keras.optimizers.Adafactor(0.01)))
    assert find(training, num_steps=30).curve.lr[-1] <= 1.0


@pytest.mark.shows("Keras (torch)", "confirm")
@pytest.mark.shows("Keras (JAX)", "confirm")
def test_confirmation_judges_by_the_held_out_loss_and_leaves_no_trace():
    expected = of_arrays().fit()
    training = of_arrays()
    x, y = arrays(seed=7, samples=48)
    found = find(training, num_steps=60, confirm=True, confirm_steps=120, validation_data=(x, y), start_lr=1e-4)
    assert found.confirmation is not None
    assert found.confirmation.held_out
    assert training.fit() == expected


@pytest.mark.shows("Keras (torch)", "repeats")
@pytest.mark.shows("Keras (JAX)", "repeats")
def test_repeats_have_other_batches_and_other_dropout_and_leave_no_trace():
    expected = of_arrays().fit()
    training = of_arrays()
    found = find(training, num_steps=15, repeats=3, seed=5, start_lr=1e-4, end_lr=1.0, divergence=None)
    losses = {sweep.loss for sweep in found.sweeps}
    assert len(losses) == 3
    assert training.fit() == expected


@pytest.mark.shows("Keras (torch)", "repeats")
@pytest.mark.shows("Keras (JAX)", "repeats")
def test_repeats_can_begin_from_other_weights():
    expected = of_arrays().fit()
    training = of_arrays()

    def reset() -> None:
        for layer in training.model.layers:
            if isinstance(layer, keras.layers.Dense):
                layer.kernel.assign(keras.random.normal(layer.kernel.shape, seed=len(made)))
        made.append(1)

    made: list[int] = []
    find(training, num_steps=40, repeats=2, seed=5, reset=reset)
    assert made
    assert training.fit() == expected


def test_the_data_may_be_a_loader_of_torch_or_a_function_that_makes_a_generator():
    for training in (of_a_loader(), of_a_generator()):
        assert len(find(training, num_steps=25, divergence=None).curve) == 25


def test_a_generator_that_ends_is_made_again_until_the_sweep_is_over():
    made = []

    def four_batches():
        made.append(1)
        yield from ((X[:BATCH], Y[:BATCH]) for _ in range(4))

    curve = find(seeded(sequential, dataset=four_batches), num_steps=20, divergence=None).curve
    assert len(curve) == 20
    assert len(made) >= 5


def test_a_loss_of_another_name_can_be_read():
    class Named(Subclassed):
        def train_step(self, *arguments):
            logs = super().train_step(*arguments)
            if isinstance(logs, tuple):  # on JAX, with the new state
                return {"total": logs[0]["loss"]}, *logs[1:]
            return {"total": logs["loss"]}

    def model():
        return compiled(Named(), keras.optimizers.Adam(1e-3))

    assert len(find(seeded(model), monitor="total", num_steps=20, divergence=None).curve) == 20
    with pytest.raises(lrrange.errors.TargetError, match="no 'loss', but 'total'.*monitor="):
        find(seeded(model), num_steps=20)


def test_a_loss_scale_that_skips_steps_does_not_hold_the_sweep_up():
    def model():
        inner = keras.optimizers.SGD(0.01, gradient_accumulation_steps=2)
        return sequential(keras.optimizers.LossScaleOptimizer(inner, initial_scale=2.0**127))

    assert len(find(seeded(model), num_steps=20, divergence=None, heuristic=str).curve) == 20


def test_a_sweep_replaces_a_schedule_and_a_function_that_gives_the_rate():
    for rate in (warm_then_cosine(), lambda: 0.01):
        training = seeded(lambda rate=rate: sequential(keras.optimizers.SGD(rate)))
        curve = find(training, num_steps=30, start_lr=1e-4, end_lr=10.0, divergence=None).curve
        assert max(curve.loss) > 2 * curve.loss[0]
        assert training.model.optimizer._learning_rate is rate


def test_the_metrics_of_the_model_and_its_stored_compile_are_as_before():
    training = of_arrays()
    before = training.model.get_compile_config()
    find(training, num_steps=20)
    assert training.model.get_compile_config() == before
    assert not training.model._compile_metrics.built
    assert training.model.metrics_names == ["loss", "compile_metrics"]


def test_torch_is_left_to_train_a_keras_model_with_an_optimizer_of_its_own():
    if keras.config.backend() == "torch":
        model = keras.Sequential([keras.layers.Input((8,)), *plain_layers()])
        optimizer = torch.optim.SGD(model.parameters(), 0.01)
        with pytest.raises(lrrange.errors.OptionError, match="loader"):
            lrrange.find_lr(model, optimizer=optimizer, loss_fn=torch.nn.CrossEntropyLoss())


def test_a_sweep_prints_nothing_and_warns_of_nothing(capsys):
    find(of_arrays(), num_steps=20)
    assert capsys.readouterr().out == ""


def test_a_verified_restore_compares_the_variables():
    assert find(of_arrays(), num_steps=20, verify_restore=True).provenance.details["restore_verified"] is True


def test_a_dataset_that_keeps_its_numbers_in_an_array_gets_them_back():
    class InPlace(keras.utils.PyDataset):
        def __init__(self):
            super().__init__()
            self.x, self.rows = X.copy(), numpy.arange(SAMPLES)

        def __len__(self):
            return 10

        def __getitem__(self, index):
            self.x *= 1.01
            rows = self.rows[index * BATCH : (index + 1) * BATCH]
            return self.x[rows], Y[rows]

        def on_epoch_end(self):
            numpy.random.shuffle(self.rows)

    expected = seeded(sequential, dataset=InPlace()).fit()
    training = seeded(sequential, dataset=InPlace())
    find(training, num_steps=20)
    assert training.fit() == expected


@pytest.mark.skipif(keras.config.backend() != "jax", reason="only JAX compiles the step of these models")
def test_jax_compiles_the_step_once_for_all_sweeps_of_a_test():
    traced = []

    class Counting(Subclassed):
        def train_step(self, *arguments):
            traced.append(1)
            return super().train_step(*arguments)

    training = seeded(lambda: compiled(Counting(), keras.optimizers.SGD(warm_then_cosine())))
    found = find(training, num_steps=20, repeats=3, seed=1, divergence=None)
    assert len(found.sweeps) == 3
    assert len(traced) == 1
