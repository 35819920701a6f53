"""scikit-learn's own checks of estimators, on estimators that are swept before every `fit` and `partial_fit`."""

import contextlib
from collections import Counter
from typing import Any

import pytest
from sklearn.linear_model import SGDClassifier, SGDRegressor
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.utils.estimator_checks import parametrize_with_checks

import lrrange
from lrrange.errors import LRRangeError

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.DataConversionWarning"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning"),
    pytest.mark.filterwarnings("ignore:.*batch_size.*:UserWarning"),
]

SWEEPS: Counter[str] = Counter()


def sweep(estimator: Any, x: Any, y: Any, sample_weight: Any) -> None:
    """Sweep it on data that the check may have broken on purpose: what is wrong with them, `fit` shall say itself."""
    with contextlib.suppress(Exception):
        options = {} if sample_weight is None else {"sample_weight": sample_weight}
        lrrange.find_lr(estimator, X=x, y=y, num_steps=3, progress=False, paired=False, **options)
        SWEEPS[type(estimator).__name__] += 1


class SweptBeforeFit:
    """Estimators that are swept before they are fitted."""

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:  # noqa: N803  checks look at these names
        sweep(self, X, y, sample_weight)
        return super().fit(X, y, **({} if sample_weight is None else {"sample_weight": sample_weight}))  # type: ignore[misc]


class Classifier(SweptBeforeFit, SGDClassifier):  # type: ignore[misc]  # scikit-learn has no types
    """An SGDClassifier."""


class Regressor(SweptBeforeFit, SGDRegressor):  # type: ignore[misc]
    """An SGDRegressor."""


class PerceptronClassifier(SweptBeforeFit, MLPClassifier):  # type: ignore[misc]
    """An MLPClassifier."""


class PerceptronRegressor(SweptBeforeFit, MLPRegressor):  # type: ignore[misc]
    """An MLPRegressor."""


CHECKED = [
    Classifier(learning_rate="constant"),
    Regressor(),
    PerceptronClassifier(max_iter=100),
    PerceptronRegressor(max_iter=100),
]


@parametrize_with_checks(CHECKED)
def test_an_estimator_that_is_swept_before_each_fit_passes(estimator: Any, check: Any) -> None:
    name = getattr(check, "func", check).__name__
    if name.startswith("check_sample_weight") and "equivalen" in name:
        pytest.skip("scikit-learn expects it to fail for these estimators, swept or not")
    check(estimator)


def test_the_checks_have_swept_each_kind_many_times() -> None:
    assert all(SWEEPS[type(estimator).__name__] > 20 for estimator in CHECKED), SWEEPS


@pytest.mark.parametrize("kind", [SGDClassifier, MLPRegressor])
def test_a_sweep_and_a_rate_leave_an_estimator_that_can_be_cloned_and_printed(kind: Any) -> None:
    from sklearn.base import clone
    from sklearn.datasets import make_classification

    x, y = make_classification(200, random_state=0)
    estimator = kind(random_state=0).set_params(**({"learning_rate": "constant"} if kind is SGDClassifier else {}))
    result = lrrange.find_lr(estimator, X=x, y=y, progress=False)
    with contextlib.suppress(LRRangeError):
        result.apply(estimator)
    assert repr(clone(estimator)) == repr(estimator)
