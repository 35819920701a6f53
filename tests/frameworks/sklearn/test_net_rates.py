"""`result.apply(net)` sets the rate that `fit` makes its optimizer with, and `result.verify(net)` watches the fit."""

from typing import Any

import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import (
    LRScheduler,
    WarmRestartLR,
)
from skorch.classifier import NeuralNetClassifier
from torch.optim import optimizer as optimizer_module
from torch.optim.lr_scheduler import OneCycleLR

import lrrange
from lrrange.errors import RateNotInForce
from tests.frameworks.sklearn.trainings import (
    LABELS,
    PIXELS,
    Classifier,
    classifier,
)

QUIET: dict[str, Any] = {"progress": False}
SHORT: dict[str, Any] = {**QUIET, "num_steps": 30, "start_lr": 1e-4, "end_lr": 1.0, "paired": False}


@pytest.fixture(scope="module")
def result() -> lrrange.RangeTestResult:
    return lrrange.find_lr(classifier(), X=PIXELS, y=LABELS, **QUIET)


@pytest.mark.shows("skorch", "applied and proved")
@pytest.mark.parametrize("fitted_before", [False, True])
def test_the_rate_survives_fit_and_clone_and_the_fit_is_watched(
    result: lrrange.RangeTestResult, fitted_before: bool
) -> None:
    net = classifier(lr=1e-5)
    if fitted_before:
        net.fit(PIXELS, LABELS)
    assert result.apply(net) == {"lr": result.lr}
    assert net.get_params()["lr"] == clone(net).lr == result.lr
    if fitted_before:
        assert net.optimizer_.param_groups[0]["lr"] == result.lr
    with result.verify(net) as proof:
        net.fit(PIXELS, LABELS)
    assert proof.proved
    assert net.optimizer_.param_groups[0]["lr"] == result.lr
    assert set(net.get_params()) == set(classifier().get_params())


def test_rates_of_param_groups_keep_their_ratios(result: lrrange.RangeTestResult) -> None:
    net = classifier(lr=0.1, optimizer__param_groups=[("head*", {"lr": 0.01}), ("body.1*", {"weight_decay": 0.1})])
    set_ = result.apply(net)
    assert set_ == {"lr": pytest.approx(10 * result.lr), "optimizer__param_groups head*": pytest.approx(result.lr)}
    with result.verify(net) as proof:
        net.fit(PIXELS, LABELS)
    assert proof.proved
    rates = [group["lr"] for group in net.optimizer_.param_groups]
    assert rates == pytest.approx([result.lr, 10 * result.lr, 10 * result.lr])
    result.apply(net, lr=0.02)
    assert [group["lr"] for group in net.optimizer_.param_groups] == pytest.approx([0.02, 0.2, 0.2])


def test_a_rate_among_the_arguments_of_the_optimizer_is_the_one_that_counts(result: lrrange.RangeTestResult) -> None:
    net = classifier(lr=0.5, optimizer__lr=0.1)
    assert result.apply(net) == {"optimizer__lr": result.lr}
    with result.verify(net):
        net.fit(PIXELS, LABELS)


@pytest.mark.parametrize(
    ("policy", "schedule"),
    [
        ("CosineAnnealingLR", "cosine"),
        (torch.optim.lr_scheduler.ExponentialLR, "exponential"),
        ("LambdaLR", "constant"),
    ],
)
def test_a_schedule_gets_the_rate_that_fits_it(result: lrrange.RangeTestResult, policy: Any, schedule: str) -> None:
    arguments = {"T_max": 2} if schedule == "cosine" else {"gamma": 0.5} if schedule == "exponential" else {}
    if policy == "LambdaLR":
        arguments = {"lr_lambda": lambda epoch: 1.0 / (1 + epoch)}
    net = classifier(callbacks=[("schedule", LRScheduler(policy, **arguments))])
    assert result.apply(net) == {"lr": result.lr_for(schedule).lr}
    with result.verify(net) as proof:
        net.fit(PIXELS, LABELS)
    assert proof.proved


def test_a_pipeline_is_swept_applied_to_and_watched() -> None:
    raw = PIXELS * 40 + 7
    steps = make_pipeline(StandardScaler(), classifier(lr=1e-5))
    result = lrrange.find_lr(steps, X=raw, y=LABELS, **QUIET)
    assert result.apply(steps) == {"neuralnetclassifier__lr": result.lr}
    with result.verify(steps) as proof:
        steps.fit(raw, LABELS)
    assert proof.proved


def test_a_rate_that_fit_does_not_use_is_caught_from_its_first_step(result: lrrange.RangeTestResult) -> None:
    net = classifier(lr=0.001).initialize()
    result.apply(net.optimizer_)
    with pytest.raises(RateNotInForce, match=r"gone in the next fit") as raised, result.verify(net):
        net.fit(PIXELS, LABELS)
    assert (raised.value.wanted, raised.value.actual) == (result.lr, 0.001)
    assert len(net.history) == 1
    assert len(net.history[-1, "batches"]) == 1


def test_a_watch_without_a_fit_or_over_a_copy_has_proved_nothing(result: lrrange.RangeTestResult) -> None:
    net = classifier(lr=result.lr)
    with pytest.raises(RateNotInForce, match="A grid search fits copies"), result.verify(net):
        GridSearchCV(net, {"max_epochs": [1]}, cv=2, scoring="accuracy").fit(PIXELS, LABELS).cv_results_  # noqa: B018
    assert not optimizer_module._global_optimizer_pre_hooks


class OwnOptimizer(NeuralNetClassifier):  # type: ignore[misc]
    """Its optimizer's rate is a constant of its own."""

    def initialize_optimizer(self, *_: Any, **__: Any) -> Any:
        self.optimizer_ = torch.optim.SGD(self.module_.parameters(), lr=0.05)
        return self


@pytest.mark.shows("skorch", "refuses")
@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: classifier(callbacks=[LRScheduler()]), "set_params(callbacks__LRScheduler__max_lr="),
        (
            lambda: classifier(callbacks=[("s", LRScheduler(WarmRestartLR, max_lr=0.1))]),
            "set_params(callbacks__s__max_lr=",
        ),
        (
            lambda: classifier(callbacks=[LRScheduler(OneCycleLR, max_lr=0.1, total_steps=9)]).initialize(),
            "sets the rates of OneCycleLR itself, from its max_lr",
        ),
        (lambda: OwnOptimizer(Classifier, verbose=0), "makes its optimizer at 0.05"),
        (lambda: OwnOptimizer(Classifier, verbose=0).fit(PIXELS, LABELS), "Nothing was changed"),
    ],
)
def test_a_rate_that_would_not_be_used_is_not_set(make: Any, words: str, result: lrrange.RangeTestResult) -> None:
    net = make()
    before = {name: id(value) for name, value in vars(net).items()}
    with pytest.raises(RateNotInForce) as refused:
        result.apply(net)
    assert words in str(refused.value)
    assert {name: id(value) for name, value in vars(net).items()} == before
