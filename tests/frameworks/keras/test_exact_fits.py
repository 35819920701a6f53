"""The fit after a sweep is the one without a sweep: history, metrics and weights to the last bit."""

from collections.abc import Callable

import keras
import pytest

import lrrange
from tests.frameworks.keras.trainings import TRAININGS, Training, observed, of_arrays


def swept(training: Training, **options: object) -> lrrange.RangeTestResult:
    given = {"start_lr": 1e-5, "end_lr": 1.0, "num_steps": 20, "progress": False, **options}
    return lrrange.find_lr(training.model, **training.data, **given)


@pytest.mark.shows("Keras (torch)", "exact")
@pytest.mark.shows("Keras (JAX)", "exact")
@pytest.mark.parametrize("make", TRAININGS, ids=lambda make: make.__name__)
def test_a_fit_is_the_same_after_sweeps_before_it_and_between_its_epochs(make: Callable[[], Training]) -> None:
    plain, training = make(), make()
    expected = [plain.fit(), plain.fit()]
    training = make()
    before = observed(training)
    swept(training)
    assert observed(training) == before
    first = training.fit()
    between = observed(training)
    swept(training)
    assert observed(training) == between
    assert [first, training.fit()] == expected


@pytest.mark.shows("Keras (torch)", "exact")
@pytest.mark.shows("Keras (JAX)", "exact")
def test_a_loop_of_train_on_batch_is_the_same_after_a_sweep() -> None:
    def losses(training: Training) -> list[float]:
        x, y = training.data["x"], training.data["y"]
        return [float(training.model.train_on_batch(x[i : i + 16], y[i : i + 16])[0]) for i in range(0, 96, 16)]

    training = of_arrays()
    swept(training)
    assert losses(training) == losses(of_arrays())


def test_evaluation_and_prediction_are_the_same_after_a_sweep() -> None:
    def after(training: Training, *, sweeping: bool) -> object:
        training.fit()
        x, y = training.data["x"], training.data["y"]
        if sweeping:
            swept(training, validation_data=(x, y), confirm=True, confirm_steps=90)
        return training.model.evaluate(x, y, verbose=0), training.model.predict(x, verbose=0).tobytes()

    assert after(of_arrays(), sweeping=True) == after(of_arrays(), sweeping=False)


class Fails(keras.losses.Loss):  # type: ignore[misc]
    """A loss of the user's that raises after some calls, if it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        self.left: int | None = None
        self.error: BaseException = ValueError("the loss of the user's")

    def call(self, y: object, predicted: object) -> object:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise self.error
        return self.inner(y, predicted)


@pytest.mark.shows("Keras (torch)", "exact")
@pytest.mark.shows("Keras (JAX)", "exact")
@pytest.mark.parametrize("error", [TypeError("of the user's"), KeyboardInterrupt()], ids=["an error", "Ctrl-C"])
def test_an_error_in_a_loss_of_ones_own_passes_and_leaves_the_fit_as_it_was(error: BaseException) -> None:
    expected = of_arrays()
    expected.model.compile("sgd", Fails(), metrics=["accuracy"], run_eagerly=True)
    keras.utils.set_random_seed(3)
    history = expected.fit()

    training = of_arrays()
    loss = Fails()
    training.model.compile("sgd", loss, metrics=["accuracy"], run_eagerly=True)
    keras.utils.set_random_seed(3)
    before = observed(training)
    loss.left, loss.error = 7, error
    with pytest.raises(type(error)):
        swept(training)
    loss.left = None
    assert observed(training) == before
    assert training.fit() == history
