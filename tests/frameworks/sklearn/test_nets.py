"""`find_lr(net, X=X, y=y)` on nets of skorch."""

import contextlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from skorch.callbacks import (
    Callback,
    Checkpoint,
    EpochScoring,
    Freezer,
    GradientNormClipping,
    InputShapeSetter,
    LRScheduler,
)
from skorch.classifier import NeuralNetClassifier
from skorch.dataset import ValidSplit
from skorch.helper import predefined_split
from torch.utils.data import TensorDataset

import lrrange
from lrrange.errors import NoData, OptionError, TargetError
from tests.frameworks.sklearn.trainings import (
    DIGIT,
    LABELS,
    PATIENTS,
    PIXELS,
    PROGRESS,
    Classifier,
    binary,
    classifier,
    plain_net,
    regressor,
    seed,
)

QUIET: dict[str, Any] = {"progress": False}
SHORT: dict[str, Any] = {**QUIET, "num_steps": 30, "start_lr": 1e-4, "end_lr": 1.0, "paired": False}

NUMBERS = PATIENTS.astype("float32")
TARGETS = PROGRESS.astype("float32").reshape(-1, 1)


class Untouchable(Callback):  # type: ignore[misc]  # skorch has no types
    """A callback whose every method fails."""

    def _fail(self, *_: Any, **__: Any) -> None:
        raise AssertionError("a sweep has called a callback of the user's")

    initialize = on_train_begin = on_train_end = on_epoch_begin = on_epoch_end = _fail
    on_batch_begin = on_batch_end = on_grad_computed = _fail

    def __deepcopy__(self, _: Any) -> "Untouchable":
        raise AssertionError("a sweep has copied a callback of the user's")


class Accumulating(NeuralNetClassifier):  # type: ignore[misc]
    """As the FAQ of skorch has it: the optimizer steps after every third batch."""

    def get_loss(self, *args: Any, **named: Any) -> Any:
        return super().get_loss(*args, **named) / 3

    def train_step(self, batch: Any, **fit_params: Any) -> Any:
        step = self.train_step_single(batch, **fit_params)
        if len(self.history[-1, "batches"]) % 3 == 0:
            self.optimizer_.step()
            self.optimizer_.zero_grad()
        return step


@pytest.mark.shows("skorch", "finds")
@pytest.mark.parametrize(
    ("net", "X", "y"),
    [
        (classifier(), PIXELS, LABELS),
        (classifier(optimizer=torch.optim.Adam), PIXELS, LABELS),
        (regressor(), NUMBERS, TARGETS),
        (binary(), PIXELS, (DIGIT < 5).astype("float32")),
        (plain_net(), NUMBERS, TARGETS),
    ],
    ids=["classifier", "classifier with Adam", "regressor", "binary", "plain"],
)
def test_an_answer_is_a_rate_at_which_a_fit_is_nearly_as_good_as_at_any_other(net: Any, X: Any, y: Any) -> None:  # noqa: N803
    seed()
    result = lrrange.find_lr(net, X=X, y=y, **QUIET)
    assert result.provenance.details["rate_in_force"] == "proved by the backend"

    def loss_at(lr: float) -> float:
        seed()
        losses = clone(net).set_params(lr=lr, max_epochs=6).fit(X, y).history[:, "train_loss"]
        return float(np.nan_to_num(losses[-1], nan=np.inf))

    losses = [loss_at(result.lr * factor) for factor in (1.0, 1e-3, 0.1, 10.0)]
    assert losses[0] < losses[1]
    assert losses[0] < min(losses) + 0.5 * (losses[1] - min(losses))


def test_the_length_of_the_training_is_known_from_max_epochs() -> None:
    result = lrrange.find_lr(classifier(max_epochs=7), X=PIXELS, y=LABELS, **SHORT)
    assert result.facts.train_steps == 7 * 15  # 480 of 600 samples, 32 at a time


def fit_of(net: Any, sweeps: int, X: Any = PIXELS, y: Any = LABELS) -> tuple[Any, ...]:  # noqa: N803
    seed()
    for _ in range(sweeps):
        lrrange.find_lr(net, X=X, y=y, verify_restore=True, **SHORT)
    net.fit(X, y)
    weights = {name: value.numpy().tobytes() for name, value in net.module_.state_dict().items()}
    return weights, [[row[key] for key in sorted(row) if key != "dur"] for row in net.history]


@pytest.mark.shows("skorch", "exact")
@pytest.mark.parametrize("sweeps", [1, 2])
@pytest.mark.parametrize(
    "make",
    [
        lambda: classifier(),
        lambda: classifier(
            optimizer=torch.optim.Adam, callbacks=[LRScheduler("CosineAnnealingLR", T_max=2), EpochScoring("accuracy")]
        ),
        lambda: classifier(train_split=ValidSplit(0.25, stratified=True, random_state=np.random.RandomState(2))),
        lambda: classifier(callbacks=[Freezer("body*"), GradientNormClipping(0.1)], optimizer__momentum=0.9),
        lambda: classifier(iterator_train__generator=torch.Generator().manual_seed(5), train_split=None),
        lambda: classifier(optimizer=torch.optim.LBFGS, batch_size=200),
        lambda: classifier(max_epochs=1).fit(PIXELS, LABELS).set_params(warm_start=True),
    ],
    ids=[
        *("plain", "Adam and a scheduler", "split by a RandomState", "frozen and clipped", "own generator", "LBFGS"),
        "warm start",
    ],
)
def test_the_fit_that_follows_is_the_one_that_never_swept(make: Any, sweeps: int) -> None:
    assert fit_of(make(), sweeps) == fit_of(make(), 0)


def test_nothing_of_the_users_notices_a_sweep(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    callbacks = [("mine", Untouchable()), Untouchable, Checkpoint(dirname=str(tmp_path)), EpochScoring("accuracy")]
    with contextlib.suppress(AssertionError):
        net = classifier(callbacks=callbacks[:1] + callbacks[2:], verbose=1)
    before = dict(vars(net))
    lrrange.find_lr(net, X=PIXELS, y=LABELS, confirm=True, confirm_steps=90, **SHORT)
    assert {name: id(value) for name, value in vars(net).items()} == {name: id(value) for name, value in before.items()}
    assert not net.initialized_
    assert not list(tmp_path.iterdir())
    assert capsys.readouterr().out == ""


def test_an_initialized_net_keeps_its_history_and_its_callbacks() -> None:
    net = classifier(callbacks=[("score", EpochScoring("accuracy"))]).fit(PIXELS, LABELS)
    history, callbacks = net.history, net.callbacks_
    before = len(history), repr(history[-1]), [id(each) for _, each in callbacks]
    lrrange.find_lr(net, X=PIXELS, y=LABELS, **SHORT)
    assert net.history is history
    assert net.callbacks_ is callbacks
    assert (len(history), repr(history[-1]), [id(each) for _, each in callbacks]) == before


def test_gradients_are_clipped_and_parameters_frozen_as_in_a_fit() -> None:
    clipped = lrrange.find_lr(classifier(callbacks=[GradientNormClipping(1e-6)]), X=PIXELS, y=LABELS, **SHORT)
    plain = lrrange.find_lr(classifier(), X=PIXELS, y=LABELS, **SHORT)
    assert min(plain.curve.loss) < min(clipped.curve.loss) - 0.3
    frozen = lrrange.find_lr(classifier(callbacks=[Freezer("body*")]), X=PIXELS, y=LABELS, **SHORT)
    assert frozen.curve.loss[0] == plain.curve.loss[0]
    assert min(plain.curve.loss) < min(frozen.curve.loss)


def test_a_callback_that_sets_the_shape_of_the_input_does_so_in_the_sweep_alone() -> None:
    net = classifier(callbacks=[InputShapeSetter(param_name="inputs")], module__inputs=3)
    lrrange.find_lr(net, X=PIXELS, y=LABELS, **SHORT)
    assert net.get_params()["module__inputs"] == 3


def test_a_net_that_accumulates_gets_as_many_batches_as_a_step_needs() -> None:
    seed()
    net = Accumulating(Classifier, max_epochs=1, batch_size=32, verbose=0, train_split=None)
    result = lrrange.find_lr(net, X=PIXELS[:576], y=LABELS[:576], **SHORT)
    seed()
    plain = NeuralNetClassifier(Classifier, max_epochs=1, batch_size=96, verbose=0, train_split=None)
    expected = lrrange.find_lr(plain, X=PIXELS[:576], y=LABELS[:576], **SHORT)
    assert len(result.curve) == len(expected.curve) == 30
    assert result.curve.loss[0] == pytest.approx(expected.curve.loss[0] / 3, rel=0.05)


def test_a_net_whose_optimizer_never_steps_is_refused() -> None:
    class Idle(NeuralNetClassifier):  # type: ignore[misc]
        def train_step(self, batch: Any, **fit_params: Any) -> Any:
            return self.train_step_single(batch, **fit_params)

    with pytest.raises(TargetError, match="no optimizer of the net took a step"):
        lrrange.find_lr(Idle(Classifier, verbose=0), X=PIXELS, y=LABELS, **SHORT)


@pytest.mark.shows("skorch", "confirm")
def test_confirm_judges_by_the_samples_that_train_split_holds_out() -> None:
    held_out = TensorDataset(torch.from_numpy(PIXELS[:40]), torch.from_numpy(LABELS[:40]))
    for split, expected in ((ValidSplit(3), True), (predefined_split(held_out), True), (None, False)):
        net = classifier(train_split=split)
        result = lrrange.find_lr(net, X=PIXELS, y=LABELS, confirm=True, confirm_steps=90, **QUIET)
        assert result.confirmation is not None
        assert result.confirmation.held_out is expected


def test_the_held_out_loss_is_the_one_of_the_nets_own_validation() -> None:
    from lrrange_sklearn.net_step import NetStep

    net = classifier(max_epochs=1, lr=0.05).fit(PIXELS, LABELS)
    step = NetStep(net, PIXELS, LABELS)
    state = step.snapshot()
    assert step.evaluate() == pytest.approx(net.history_.__class__(state._kept["history_"])[-1, "valid_loss"], abs=1e-6)
    step.restore(state)


@pytest.mark.shows("skorch", "repeats")
def test_repeats_sweep_other_batches_from_other_weights_and_can_be_repeated() -> None:
    results = [lrrange.find_lr(classifier(), X=PIXELS, y=LABELS, repeats=3, seed=1, **SHORT) for _ in range(2)]
    sweeps = [sweep.loss for sweep in results[0].sweeps]
    assert len(set(sweeps)) == len({losses[0] for losses in sweeps}) == 3
    assert [sweep.loss for sweep in results[1].sweeps] == sweeps


def test_the_net_inside_a_search_is_named() -> None:
    search = GridSearchCV(classifier(), {"max_epochs": [1]})
    with pytest.raises(TargetError, match="estimator__lr=result.lr"):
        lrrange.find_lr(search, X=PIXELS, y=LABELS, **QUIET)


@pytest.mark.shows("skorch", "refuses")
@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"X": PIXELS, "y": LABELS, "batch_size": 3}, OptionError, "net.set_params(batch_size=...)"),
        ({"X": PIXELS, "y": LABELS, "X_val": 3}, OptionError, "predefined_split(dataset)"),
        ({"y": LABELS}, OptionError, "X= is missing"),
        ({"X": PIXELS}, ValueError, "No y-values are given"),
    ],
    ids=["batch_size", "X_val", "no X", "no y"],
)
def test_wrong_data_and_options_are_refused(options: dict[str, Any], error: type[Exception], words: str) -> None:
    net = classifier()
    with pytest.raises(error) as raised:
        lrrange.find_lr(net, **options, **QUIET)
    assert words in str(raised.value)
    assert not net.initialized_


def test_an_iterator_without_a_batch_is_named() -> None:
    net = classifier(train_split=None, iterator_train__drop_last=True, batch_size=1000)
    with pytest.raises(NoData, match="gives no batch"):
        lrrange.find_lr(net, X=PIXELS, y=LABELS, **QUIET)
