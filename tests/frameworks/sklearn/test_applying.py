"""`result.apply(estimator)` sets a parameter that `fit` reads, and `result.verify` proves that it does."""

from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import SGDClassifier, SGDRegressor
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import lrrange
from lrrange.errors import OptionError, RateNotInForce
from tests.frameworks.sklearn.trainings import DIGIT, DIGITS, PATIENTS, PROGRESS

SHORT: dict[str, Any] = {"progress": False, "num_steps": 60, "paired": False}


def result_of(estimator: Any, X: Any = DIGITS, y: Any = DIGIT) -> lrrange.RangeTestResult:  # noqa: N803
    return lrrange.find_lr(estimator, X=X, y=y, **SHORT)


@pytest.mark.shows("scikit-learn", "applied and proved")
@pytest.mark.parametrize(
    ("estimator", "name"),
    [
        (SGDClassifier(learning_rate="constant", random_state=0), "eta0"),
        (SGDClassifier(learning_rate="adaptive", random_state=0), "eta0"),
        (MLPClassifier(random_state=0, max_iter=2), "learning_rate_init"),
        (MLPClassifier(random_state=0, max_iter=2, solver="sgd", learning_rate="invscaling"), "learning_rate_init"),
        (
            make_pipeline(StandardScaler(), SGDClassifier(learning_rate="constant", random_state=0)),
            "sgdclassifier__eta0",
        ),
    ],
    ids=repr,
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_rate_survives_fit_and_clone_and_is_proved_without_a_trace(estimator: Any, name: str) -> None:
    estimator = clone(estimator)
    result = result_of(estimator)
    assert result.apply(estimator) == {name: result.lr}
    before = {key: id(value) for key, value in vars(estimator).items()}
    with result.verify(estimator, X=DIGITS, y=DIGIT) as proof:
        assert proof.proved
    assert {key: id(value) for key, value in vars(estimator).items()} == before
    assert clone(estimator).get_params()[name] == result.lr
    given = clone(estimator).set_params(**{name: result.lr})
    assert np.array_equal(estimator.fit(DIGITS, DIGIT).predict(DIGITS), given.fit(DIGITS, DIGIT).predict(DIGITS))
    assert estimator.get_params()[name] == result.lr


def test_a_fitted_perceptron_goes_on_at_the_new_rate_in_partial_fit_too() -> None:
    result = result_of(MLPClassifier(random_state=0))
    fitted, fresh = (MLPClassifier(random_state=0, batch_size=600, learning_rate_init=lr) for lr in (1e-5, result.lr))
    for each in (fitted, fresh):
        each.partial_fit(DIGITS, DIGIT, classes=np.unique(DIGIT))
    fresh.coefs_, fresh.intercepts_ = ([part.copy() for part in each] for each in (fitted.coefs_, fitted.intercepts_))
    result.apply(fitted)
    assert result.verify(fitted, X=DIGITS, y=DIGIT).proved
    for each in (fitted, fresh):
        each.partial_fit(DIGITS, DIGIT)
    assert all(map(np.array_equal, fitted.coefs_, fresh.coefs_))


def test_set_params_does_not_reach_the_copy_that_a_fitted_perceptron_keeps_and_that_is_seen() -> None:
    result = result_of(MLPClassifier(random_state=0))
    fitted = MLPClassifier(random_state=0).partial_fit(DIGITS, DIGIT, classes=np.unique(DIGIT))
    fitted.set_params(learning_rate_init=result.lr)
    with pytest.raises(RateNotInForce, match="keeps the rate of that time") as raised:
        result.verify(fitted, X=DIGITS, y=DIGIT)
    assert (raised.value.wanted, raised.value.actual) == (result.lr, 0.001)


def test_a_rate_that_was_never_applied_is_seen() -> None:
    estimator = SGDClassifier(learning_rate="constant", random_state=0)
    result = result_of(estimator)
    with pytest.raises(RateNotInForce, match=r"eta0 of this SGDClassifier is 0.01") as raised:
        result.verify(estimator, X=DIGITS, y=DIGIT)
    assert raised.value.actual == 0.01


class OwnRate(SGDClassifier):
    """It trains at a rate of its own, whatever eta0 is."""

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Any:  # noqa: N803
        eta0, self.eta0 = self.eta0, 0.001
        try:
            return super().partial_fit(X, y, classes, sample_weight)
        finally:
            self.eta0 = eta0


class Overwritten(SGDClassifier):
    """It sets eta0 in its steps."""

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Any:  # noqa: N803
        self.eta0 = 0.001
        return super().partial_fit(X, y, classes, sample_weight)


@pytest.mark.parametrize(("kind", "words"), [(OwnRate, "does not read its eta0"), (Overwritten, "trains at 0.001")])
def test_a_class_that_does_not_train_at_its_parameter_is_caught_by_the_sweep_and_by_the_proof(
    kind: type[SGDClassifier], words: str
) -> None:
    with pytest.raises(RateNotInForce, match="does not train at the rate"):
        result_of(kind(learning_rate="constant", random_state=0))
    result = result_of(SGDClassifier(learning_rate="constant", random_state=0))
    estimator = kind(learning_rate="constant", random_state=0)
    result.apply(estimator)
    with pytest.raises(RateNotInForce, match=words):
        result.verify(estimator, X=DIGITS, y=DIGIT)
    assert estimator.eta0 == result.lr


def test_a_rate_that_falls_with_every_sample_is_the_found_one_after_the_first_pass() -> None:
    estimator = SGDRegressor(random_state=0)
    assert (estimator.learning_rate, estimator.power_t) == ("invscaling", 0.25)
    result = result_of(estimator, PATIENTS, PROGRESS)
    assert result.apply(estimator) == {"eta0": pytest.approx(result.lr * len(PATIENTS) ** 0.25)}
    assert result.verify(estimator, X=PATIENTS, y=PROGRESS).proved
    assert result.apply(estimator, lr=0.02) == {"eta0": 0.02}
    assert result.verify(estimator, X=PATIENTS, y=PROGRESS, lr=0.02).proved


def test_the_schedule_of_a_fitted_perceptron_keeps_its_present_part_of_the_rate() -> None:
    result = result_of(MLPClassifier(random_state=0, solver="sgd"))
    fitted = MLPClassifier(random_state=0, solver="sgd", learning_rate="invscaling", learning_rate_init=0.1)
    fitted.partial_fit(DIGITS, DIGIT, classes=np.unique(DIGIT))
    part = fitted._optimizer.learning_rate / 0.1
    assert part == pytest.approx((len(DIGITS) + 1) ** -0.5)
    result.apply(fitted)
    assert fitted._optimizer.learning_rate == pytest.approx(result.lr * part)


@pytest.mark.parametrize("lr", [0.0, -1.0, float("nan"), float("inf")])
def test_a_rate_that_is_none_is_not_set(lr: float) -> None:
    estimator = SGDClassifier(learning_rate="constant", random_state=0)
    result = result_of(estimator)
    with pytest.raises((OptionError, lrrange.errors.PlanError)):
        result.apply(estimator, lr=lr)
    assert estimator.eta0 == 0.01


def test_an_unknown_option_of_the_proof_is_named() -> None:
    estimator = SGDClassifier(learning_rate="constant", random_state=0)
    result = result_of(estimator)
    with pytest.raises(OptionError, match="batchsize"):
        result.verify(estimator, X=DIGITS, y=DIGIT, batchsize=3)
    with pytest.raises(OptionError, match="X= is missing"):
        result.verify(estimator)
