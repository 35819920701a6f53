"""What has no rate of the user's is refused before the first step, with the line to write instead."""

import warnings
from typing import Any

import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression, Perceptron, SGDClassifier, SGDOneClassSVM, SGDRegressor
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import lrrange
from lrrange.errors import OptionError, RateNotInForce, TargetError
from tests.frameworks.sklearn.trainings import DIGIT, DIGITS

RESULT = lrrange.find_lr(
    SGDClassifier(learning_rate="constant", random_state=0), X=DIGITS, y=DIGIT, progress=False, num_steps=60
)


def passive_aggressive() -> Any:
    """Deprecated, and removed in scikit-learn 1.10."""
    from sklearn import linear_model

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return linear_model.PassiveAggressiveClassifier()


NOT_THE_USERS = [
    (SGDClassifier(), "Write estimator.set_params(learning_rate='adaptive') first"),
    (SGDRegressor(learning_rate="optimal"), "computes the rate from alpha"),
    (SGDClassifier(loss="hinge", learning_rate="pa1"), "from the loss of each sample"),
    (passive_aggressive(), "has no learning rate"),
    (MLPClassifier(solver="lbfgs"), "Write estimator.set_params(solver='adam') first"),
    (Perceptron(), "changes no prediction"),
    (SGDClassifier(loss="perceptron", learning_rate="constant"), "changes no prediction"),
    (SGDOneClassSVM(learning_rate="constant"), "Compare fits at a few values of eta0"),
    (
        make_pipeline(StandardScaler(), SGDClassifier()),
        "Write pipeline.set_params(sgdclassifier__learning_rate='adaptive') first",
    ),
]


@pytest.mark.shows("scikit-learn", "refuses")
@pytest.mark.parametrize(("estimator", "words"), NOT_THE_USERS, ids=lambda value: type(value).__name__)
def test_a_rate_that_is_not_the_users_is_refused(estimator: Any, words: str) -> None:
    before = repr(estimator.get_params())
    with pytest.raises(TargetError) as refused:
        lrrange.find_lr(estimator, X=DIGITS, y=DIGIT, progress=False)
    assert words in str(refused.value)
    with pytest.raises(RateNotInForce) as refused_to_set:
        RESULT.apply(estimator)
    assert words in str(refused_to_set.value)
    with pytest.raises(RateNotInForce) as refused_to_prove:
        RESULT.verify(estimator, X=DIGITS, y=DIGIT)
    assert words in str(refused_to_prove.value)
    assert repr(estimator.get_params()) == before


CONSTANT = SGDClassifier(learning_rate="constant")


@pytest.mark.parametrize(
    ("estimator", "words"),
    [
        (GridSearchCV(CONSTANT, {"alpha": [1e-4]}), "get_params()['estimator']"),
        (GridSearchCV(make_pipeline(StandardScaler(), CONSTANT), {}), "estimator__sgdclassifier__eta0=result.lr"),
        (OneVsRestClassifier(CONSTANT), "set_params(estimator__eta0=result.lr)"),
        (CalibratedClassifierCV(MLPClassifier()), "estimator__learning_rate_init=result.lr"),
        (VotingClassifier([("a", CONSTANT)]), "set_params(a__eta0=result.lr)"),
        (TransformedTargetRegressor(SGDRegressor()), "set_params(regressor__eta0=result.lr)"),
        (RandomForestClassifier(), "not trained in steps at a learning rate"),
        (GradientBoostingClassifier(), "not trained in steps at a learning rate"),
        (GaussianNB(), "not trained in steps at a learning rate"),
        (LogisticRegression(), "SGDClassifier(loss='log_loss'"),
        (make_pipeline(StandardScaler(), LogisticRegression()), "a LogisticRegression is not trained in steps"),
        (make_pipeline(StandardScaler(), make_pipeline(CONSTANT)), "one pipeline of all steps"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_estimator_that_is_not_trained_in_steps_is_refused_with_what_to_sweep(estimator: Any, words: str) -> None:
    for call in (
        lambda: lrrange.find_lr(estimator, X=DIGITS, y=DIGIT, progress=False),
        lambda: RESULT.apply(estimator),
        lambda: RESULT.verify(estimator, X=DIGITS, y=DIGIT),
    ):
        with pytest.raises(TargetError) as refused:
            call()
        assert words in str(refused.value)


def test_an_estimator_of_another_package_is_left_to_others() -> None:
    from sklearn.base import BaseEstimator

    class OwnEstimator(BaseEstimator):
        pass

    with pytest.raises(TargetError, match="nothing installed can train"):
        lrrange.find_lr(OwnEstimator(), X=DIGITS, y=DIGIT, progress=False)


def test_a_scheduler_is_refused_because_the_estimator_has_its_own() -> None:
    estimator = SGDClassifier(learning_rate="constant")
    for call in (RESULT.apply, lambda *args, **named: RESULT.verify(*args, X=DIGITS, y=DIGIT, **named)):
        with pytest.raises(OptionError, match="learning_rate of what you gave"):
            call(estimator, scheduler=object())
