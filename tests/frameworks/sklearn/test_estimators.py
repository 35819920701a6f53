"""`find_lr(estimator, X=X, y=y)` on scikit-learn's estimators."""

from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.linear_model import SGDClassifier, SGDRegressor
from sklearn.metrics import log_loss
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import lrrange
from lrrange.errors import NoData, OptionError
from tests.frameworks.sklearn.trainings import DIGIT, DIGITS, PATIENTS, PROGRESS

QUIET: dict[str, Any] = {"progress": False}
SHORT: dict[str, Any] = {**QUIET, "num_steps": 40, "start_lr": 1e-4, "end_lr": 1.0, "paired": False}


def logistic(**parameters: Any) -> SGDClassifier:
    return SGDClassifier(**{"loss": "log_loss", "learning_rate": "constant", "random_state": 0, **parameters})


@pytest.mark.shows("scikit-learn", "finds")
@pytest.mark.parametrize(
    ("estimator", "X", "y"),
    [
        (logistic(), DIGITS, DIGIT),
        (logistic(loss="hinge", learning_rate="adaptive", average=True), DIGITS, DIGIT < 5),
        (SGDRegressor(random_state=0), PATIENTS, PROGRESS),
        (MLPClassifier(random_state=0), DIGITS, DIGIT),
        (MLPClassifier(solver="sgd", random_state=0), DIGITS, DIGIT),
        (MLPRegressor(random_state=0), PATIENTS, PROGRESS),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_answer_is_a_rate_at_which_a_short_fit_is_nearly_as_good_as_at_any_other(
    estimator: Any,
    X: Any,  # noqa: N803
    y: Any,
) -> None:
    result = lrrange.find_lr(estimator, X=X, y=y, **QUIET)
    assert result.provenance.details["rate_in_force"] == "probed"

    def score_at(lr: float) -> float:
        name = "learning_rate_init" if hasattr(estimator, "learning_rate_init") else "eta0"
        tried = clone(estimator).set_params(**{name: lr, "learning_rate": "constant", "shuffle": True})
        for _ in range(6):
            tried.partial_fit(X, y, **({"classes": np.unique(y)} if "Classifier" in type(tried).__name__ else {}))
        return float(tried.score(X, y))

    scores = [score_at(result.lr * factor) for factor in (1.0, 1e-3, 0.1, 10.0)]
    assert scores[0] > scores[1] + 0.05
    assert scores[0] > max(scores) - 0.1


def test_the_first_loss_is_that_of_the_weights_before_any_step() -> None:
    result = lrrange.find_lr(logistic(), X=DIGITS, y=DIGIT == 3, **SHORT)
    assert result.curve.loss[0] == pytest.approx(np.log(2))


@pytest.mark.parametrize(
    "loss",
    [
        *("hinge", "log_loss", "modified_huber", "squared_hinge", "squared_error", "huber"),
        *("epsilon_insensitive", "squared_epsilon_insensitive"),
    ],
)
@pytest.mark.parametrize("y", [DIGIT, DIGIT < 5], ids=["many classes", "two classes"])
def test_the_loss_is_the_one_that_scikit_learn_takes_the_gradient_of(loss: str, y: Any) -> None:
    """A step on one sample, without a penalty, moves the intercept by the rate times the derivative."""
    from lrrange_sklearn.losses import linear_loss

    estimator = logistic(loss=loss, alpha=0.0, penalty=None, eta0=0.01, tol=None, max_iter=1).fit(DIGITS, y)
    sample, classes = DIGITS[:1], np.unique(y)
    target = classes[classes != estimator.predict(sample)][:1]  # a wrong one, whose loss is not zero
    epsilon, before = 1e-6, estimator.intercept_.copy()
    slopes = []
    for output in range(len(before)):
        losses = []
        for shift in (epsilon, -epsilon):
            estimator.intercept_ = before.copy()
            estimator.intercept_[output] += shift
            losses.append(linear_loss(estimator, sample, target, None, classes, averaged=True))
        slopes.append((losses[0] - losses[1]) / (2 * epsilon))
    estimator.intercept_ = before.copy()
    estimator.partial_fit(sample, target)
    assert before - estimator.intercept_ == pytest.approx(0.01 * np.array(slopes), abs=1e-6)
    assert any(slopes)


@pytest.mark.shows("scikit-learn", "confirm")
@pytest.mark.parametrize("estimator", [logistic(), MLPClassifier(random_state=0, solver="sgd")], ids=repr)
def test_confirm_judges_by_held_out_samples(estimator: Any) -> None:
    held_out = {"X_val": DIGITS[400:], "y_val": DIGIT[400:]}
    result = lrrange.find_lr(
        estimator, X=DIGITS[:400], y=DIGIT[:400], **held_out, confirm=True, confirm_steps=180, **QUIET
    )
    assert result.confirmation is not None
    assert result.confirmation.held_out
    assert not [name for name in vars(estimator) if name.endswith("_")]


def test_early_stopping_holds_out_the_fraction_that_fit_would(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    partial_fit = SGDClassifier.partial_fit
    monkeypatch.setattr(
        SGDClassifier,
        "partial_fit",
        lambda self, x, *rest, **named: seen.append(len(x)) or partial_fit(self, x, *rest, **named),
    )
    result = lrrange.find_lr(
        logistic(early_stopping=True, validation_fraction=0.5),
        X=DIGITS[:60], y=DIGIT[:60] < 5, batch_size=1000, confirm=True, confirm_steps=90, **QUIET,
    )  # fmt: skip
    assert set(seen) == {30}
    assert result.confirmation is not None
    assert result.confirmation.held_out


def test_a_held_out_loss_of_a_perceptron_is_the_one_that_it_trains_on() -> None:
    from lrrange_sklearn.estimator_step import EstimatorStep

    estimator = MLPClassifier(alpha=0.0, random_state=0)
    step = EstimatorStep(estimator, DIGITS[:400], DIGIT[:400], X_val=DIGITS[400:], y_val=DIGIT[400:])
    state = step.snapshot()
    step.step(0.01)
    expected = log_loss(DIGIT[400:], estimator.predict_proba(DIGITS[400:]), labels=range(10))
    before = joblib.hash(vars(estimator))
    assert step.evaluate() == pytest.approx(expected)
    assert joblib.hash(vars(estimator)) == before
    step.restore(state)


@pytest.mark.shows("scikit-learn", "repeats")
@pytest.mark.parametrize("estimator", [SGDClassifier(learning_rate="constant"), MLPClassifier()], ids=repr)
def test_repeats_sweep_other_batches_from_other_weights_and_can_be_repeated(estimator: Any) -> None:
    results = [lrrange.find_lr(estimator, X=DIGITS, y=DIGIT, repeats=3, seed=1, **SHORT) for _ in range(2)]
    sweeps = [sweep.loss for sweep in results[0].sweeps]
    assert len(set(sweeps)) == 3
    assert [sweep.loss for sweep in results[1].sweeps] == sweeps


@pytest.mark.shows("scikit-learn", "exact")
@pytest.mark.parametrize(
    "estimator",
    [
        logistic(random_state=None),
        logistic(random_state=np.random.RandomState(4), average=10),
        SGDClassifier(learning_rate="adaptive", class_weight="balanced", early_stopping=True),
        MLPClassifier(max_iter=3, early_stopping=True, verbose=False),
        MLPClassifier(max_iter=3, solver="sgd", warm_start=True),
        make_pipeline(StandardScaler(), MLPClassifier(max_iter=3, random_state=1)),
    ],
    ids=lambda each: repr(each).partition("random_state")[0],
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("sweeps", [0, 1, 2])
def test_the_fit_that_follows_is_the_one_that_never_swept(estimator: Any, sweeps: int) -> None:
    def fitted(count: int) -> str:
        np.random.seed(3)
        own = clone(estimator)
        for _ in range(count):
            lrrange.find_lr(own, X=DIGITS, y=DIGIT, verify_restore=True, **SHORT)
        assert not [name for name in vars(own) if name.endswith("_") and name != "steps_"]
        own.fit(DIGITS, DIGIT)
        final = own[-1] if hasattr(own, "steps") else own
        return str(joblib.hash([final.predict(DIGITS), *(vars(final).get(name) for name in ("coef_", "coefs_", "t_"))]))

    assert fitted(sweeps) == fitted(0)


def test_a_random_state_of_the_users_own_is_the_same_object_in_the_same_state() -> None:
    generator = np.random.RandomState(4)
    before = joblib.hash(generator)
    estimator = MLPClassifier(random_state=generator)
    lrrange.find_lr(estimator, X=DIGITS, y=DIGIT, **SHORT)
    assert estimator.random_state is generator
    assert joblib.hash(generator) == before


def test_what_a_fitted_estimator_holds_are_the_same_objects() -> None:
    estimator = MLPClassifier(random_state=0).partial_fit(DIGITS, DIGIT, classes=np.unique(DIGIT))
    before = dict(vars(estimator))
    lrrange.find_lr(estimator, X=DIGITS, y=DIGIT, **SHORT)
    assert {name: id(value) for name, value in vars(estimator).items()} == {
        name: id(value) for name, value in before.items()
    }


@pytest.mark.parametrize(
    ("X", "y"),
    [
        (pd.DataFrame(DIGITS).rename(columns=str), pd.Series(DIGIT.astype(str), dtype="category")),
        (DIGITS.tolist(), DIGIT.astype(str).tolist()),
        (sparse.coo_matrix(DIGITS), DIGIT.reshape(-1, 1)),
        (sparse.csc_matrix(DIGITS), DIGIT.astype(str).astype(object)),
        (DIGITS, pd.DataFrame({"digit": DIGIT})),
    ],
    ids=[
        "DataFrame and categories",
        "lists of strings",
        "COO and a column",
        "CSC and objects",
        "a column of a DataFrame",
    ],
)
@pytest.mark.parametrize("estimator", [logistic(), MLPClassifier(random_state=0)], ids=lambda each: type(each).__name__)
def test_data_of_every_form_give_the_same_curve(estimator: Any, X: Any, y: Any) -> None:  # noqa: N803
    # A linear model takes smaller steps of its intercept on sparse samples.
    plain = sparse.csr_matrix(DIGITS) if sparse.issparse(X) else DIGITS
    results = [lrrange.find_lr(estimator, X=each, y=own, **SHORT) for each, own in ((plain, DIGIT), (X, y))]
    assert results[1].curve.loss == pytest.approx(results[0].curve.loss)


def test_several_labels_a_sample_and_several_outputs_are_swept() -> None:
    labels = np.stack([DIGIT < 5, DIGIT % 2 == 0], axis=1).astype(int)
    assert lrrange.find_lr(MLPClassifier(random_state=0), X=DIGITS, y=labels, **QUIET).lr > 0
    outputs = np.stack([PROGRESS, -PROGRESS], axis=1)
    assert lrrange.find_lr(MLPRegressor(random_state=0), X=PATIENTS, y=outputs, **QUIET).lr > 0


def test_balanced_class_weights_are_those_of_all_targets_as_in_fit() -> None:
    rare = DIGIT == 3
    weights = {False: 0.5 * len(rare) / np.sum(~rare), True: 0.5 * len(rare) / np.sum(rare)}
    balanced, given = logistic(class_weight="balanced"), logistic(class_weight=weights)
    curves = [lrrange.find_lr(each, X=DIGITS, y=rare, **SHORT).curve.loss for each in (balanced, given, logistic())]
    assert curves[0] == pytest.approx(curves[1])
    assert curves[0] != curves[2]
    assert balanced.class_weight == "balanced"


def test_a_sample_of_weight_zero_is_left_out() -> None:
    kept = np.arange(len(DIGIT)) % 3 == 0
    weighted = lrrange.find_lr(logistic(shuffle=False), X=DIGITS, y=DIGIT, sample_weight=kept * 1.0, **SHORT)
    alone = lrrange.find_lr(logistic(shuffle=False), X=DIGITS[kept], y=DIGIT[kept], **SHORT)
    assert weighted.curve.loss == pytest.approx(alone.curve.loss)


def test_classes_that_are_not_among_the_targets_can_be_named() -> None:
    few = DIGIT < 5
    result = lrrange.find_lr(logistic(), X=DIGITS[few], y=DIGIT[few], classes=range(10), **SHORT)
    assert result.curve.loss[0] == pytest.approx(10 * np.log(2))


def test_a_pipeline_is_swept_as_its_fit_trains_it_from_new_weights_on_transformed_samples() -> None:
    raw = 40.0 * DIGITS + 7.0
    steps = make_pipeline(StandardScaler(), logistic()).fit(raw, DIGIT)
    before = joblib.hash(vars(steps[-1])), joblib.hash(vars(steps[0]))
    of_pipeline = lrrange.find_lr(steps, X=raw, y=DIGIT, **SHORT)
    of_last = lrrange.find_lr(logistic(), X=StandardScaler().fit_transform(raw), y=DIGIT, **SHORT)
    assert of_pipeline.curve.loss == pytest.approx(of_last.curve.loss)
    assert (joblib.hash(vars(steps[-1])), joblib.hash(vars(steps[0]))) == before


@pytest.mark.parametrize("estimator", [logistic(), MLPClassifier(random_state=0)], ids=lambda each: type(each).__name__)
def test_weights_that_overflow_count_as_a_blow_up_and_are_put_back(estimator: Any) -> None:
    from lrrange_sklearn.estimator_step import EstimatorStep

    step = EstimatorStep(estimator, 1e10 * DIGITS, DIGIT)
    state = step.snapshot()
    with pytest.raises(ValueError, match="overflow|non-finite") as raised:
        for _ in range(20):
            step.step(1e300)
    step.restore(state)
    assert step.is_blow_up(raised.value)
    assert not step.is_blow_up(ValueError("Input X contains NaN."))
    assert not [name for name in vars(estimator) if name.endswith("_")]


def test_a_missing_value_is_the_users_own_error_and_leaves_no_trace() -> None:
    broken = DIGITS.copy()
    broken[400:] = np.nan
    estimator = logistic()
    with pytest.raises(ValueError, match="contains NaN"):
        lrrange.find_lr(estimator, X=broken, y=DIGIT, **SHORT)
    assert not [name for name in vars(estimator) if name.endswith("_")]


def test_ctrl_c_that_a_perceptron_swallows_ends_the_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    from sklearn.neural_network._stochastic_optimizers import AdamOptimizer

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    estimator = MLPClassifier()
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(AdamOptimizer, "update_params", interrupted)
        lrrange.find_lr(estimator, X=DIGITS, y=DIGIT, **SHORT)
    assert not [name for name in vars(estimator) if name.endswith("_")]


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({}, OptionError, "X= is missing"),
        ({"X": DIGITS}, OptionError, "y is missing"),
        ({"X": DIGITS, "y": DIGIT[:-1]}, OptionError, "do not fit together"),
        ({"X": DIGITS, "y": DIGIT, "sample_weight": [1.0]}, OptionError, "do not fit together"),
        ({"X": DIGITS, "y": DIGIT, "batch_size": 0}, OptionError, "batch_size=0"),
        ({"X": DIGITS, "y": DIGIT, "X_val": DIGITS}, OptionError, "y_val is missing"),
        ({"X": DIGITS, "y": DIGIT, "y_val": DIGIT}, OptionError, "without X_val"),
        ({"X": DIGITS, "y": DIGIT, "sample_weight": np.zeros(len(DIGIT))}, NoData, "no samples"),
        ({"X": DIGITS[:0], "y": DIGIT[:0]}, NoData, "no samples"),
        ({"X": DIGITS, "y": DIGIT, "validation_data": 1}, OptionError, "X_val="),
        ({"optimizer": DIGITS, "loss_fn": DIGIT}, OptionError, "find_lr(estimator, X=X, y=y)"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else "",
)
def test_wrong_data_and_options_are_refused_with_what_to_write(
    options: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error) as raised:
        lrrange.find_lr(logistic(), **options, **QUIET)
    assert words in str(raised.value)
