"""The options of the callback are those of `find_lr`, apart from what this list gives a reason for."""

import inspect
from typing import Any

import pytest
import torch
from lrrange_lightning import LRRangeTest
from lrrange_lightning.fit_step import FitStep

from lrrange.errors import PlanError
from lrrange.finder import Settings
from tests.lightning.trainings import loader, plain, trainer

# Options of `find_lr` that the callback does not take.
NOT_TAKEN = {
    "backend": "it is always the Lightning backend",
    "verify_restore": "a fit is put back by its parts, and has no digest() to compare before and after",
}

# Options of the callback that `find_lr` does not have.
OWN = {
    "apply": "find_lr leaves that to result.apply",
    "at_epochs": "find_lr runs when it is called",
    "verify_steps": "find_lr takes no steps after the sweep",
}

# Arguments of a FitStep that only `find_lr(trainer, ...)` needs.
NOT_FROM_THE_USER = {"trainer", "module", "first_hooks", "within"}


def parameters(function: Any) -> dict[str, inspect.Parameter]:
    return dict(inspect.signature(function).parameters)


def test_the_callback_takes_the_options_of_find_lr_and_of_the_backend() -> None:
    theirs = parameters(Settings).keys() - NOT_TAKEN.keys()
    backends = parameters(FitStep).keys() - NOT_FROM_THE_USER
    assert parameters(LRRangeTest).keys() == theirs | backends | OWN.keys()
    assert NOT_TAKEN.keys() <= parameters(Settings).keys()


@pytest.mark.parametrize("name", sorted(parameters(Settings).keys() - NOT_TAKEN.keys()))
def test_an_option_of_the_callback_has_the_default_of_find_lr(name: str) -> None:
    assert parameters(LRRangeTest)[name].default == parameters(Settings)[name].default


def test_every_option_of_a_sweep_reaches_find_lr() -> None:
    given: dict[str, Any] = {
        "start_lr": 1e-6,
        "end_lr": 2.0,
        "num_steps": 30,
        "shape": "linear",
        "heuristic": "valley",
        "progress": True,
        "seed": 3,
        "repeats": 2,
        "reset": loader,
        "confirm": True,
        "confirm_steps": 200,
        "smoothing": "none",
        "divergence": None,
        "non_finite_limit": 5,
        "watchers": (loader,),
        "parallel": "vmap",
        "train_steps": 300,
        "paired": True,
    }
    assert given.keys() == parameters(Settings).keys() - NOT_TAKEN.keys()
    assert all(parameters(Settings)[name].default != value for name, value in given.items())
    expected = Settings(**given, backend="lightning")
    assert LRRangeTest(**given)._settings == expected


def test_a_wrong_option_is_refused_where_the_callback_is_made() -> None:
    with pytest.raises(PlanError, match="start_lr=2"):
        LRRangeTest(start_lr=2.0, end_lr=1.0)


def test_reset_gives_the_later_sweeps_other_weights_and_the_fit_keeps_its_own(pl: Any) -> None:
    def reset() -> None:
        calls.append(1)
        for layer in model.modules():
            if isinstance(layer, torch.nn.Linear):
                layer.reset_parameters()

    class After(pl.Callback):
        def on_train_epoch_start(self, *_: Any) -> None:
            after.extend(parameter.detach().clone() for parameter in model.parameters())

    calls: list[int] = []
    after: list[torch.Tensor] = []
    model = plain(pl)
    before = [parameter.detach().clone() for parameter in model.parameters()]
    callback = LRRangeTest(apply=False, start_lr=1e-5, end_lr=1.0, num_steps=20, repeats=3, reset=reset)
    trainer(pl, callbacks=[callback, After()], max_epochs=1).fit(model, loader())
    assert len(calls) == 2
    assert len({sweep.loss[0] for sweep in callback.result.sweeps}) == 3
    assert all(torch.equal(*pair) for pair in zip(before, after, strict=True))
