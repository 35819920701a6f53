"""What editors, notebooks and `help` show of the front door."""

import inspect
import pydoc
from collections.abc import Callable
from typing import Any, get_overloads

import attrs
import jedi
import pytest
from lrrange_lightning.driver import TrainerDriver
from lrrange_torch.loader_step import LoaderStep
from lrrange_torch.own_rate_step import OwnRateStep
from lrrange_torch.own_step import OwnStep

import lrrange
from lrrange.finder.lr_finder import find_lr
from lrrange.finder.settings import Settings, SweepOptions

SETTINGS = {field.name: field.default for field in attrs.fields(Settings)}
# Those in the middle are compared with their adapters in tests/frameworks, because these import their frameworks.
FOR_A_MODEL, FOR_A_STEP, FOR_A_RATE, FOR_A_TRAINER, *FOR_FRAMEWORKS, FOR_OTHERS, _ = get_overloads(find_lr)


def parameters_of(function: Callable[..., Any]) -> dict[str, object]:
    """Return the parameters of a function after the first one, each with its default."""
    parameters = list(inspect.signature(function).parameters.values())[1:]
    return {each.name: each.default for each in parameters if each.kind is not each.VAR_KEYWORD}


def completed(typed: str, namespace: dict[str, object] | None = None) -> list[str]:
    """Return what jedi offers after this text: in an editor, or in a notebook with these names."""
    if namespace is not None:
        return [found.name for found in jedi.Interpreter(typed, [namespace]).complete()]
    lines = typed.splitlines()
    return [found.name for found in jedi.Script(typed).complete(len(lines), len(lines[-1]))]


@pytest.mark.parametrize(
    ("typed", "adapter"),
    [
        (FOR_A_MODEL, LoaderStep),
        (FOR_A_STEP, OwnStep),
        (FOR_A_RATE, OwnRateStep),
        (FOR_A_TRAINER, TrainerDriver),
    ],
    ids=["model", "step", "rate", "trainer"],
)
def test_the_signature_for_each_kind_of_target_is_that_of_its_adapter(typed, adapter) -> None:
    assert parameters_of(typed) == parameters_of(adapter)


def test_every_signature_takes_the_settings_of_a_sweep() -> None:
    assert SweepOptions.__annotations__.keys() == SETTINGS.keys()
    assert parameters_of(FOR_OTHERS) == SETTINGS
    assert parameters_of(find_lr).items() >= SETTINGS.items()
    for typed in (FOR_A_MODEL, FOR_A_STEP, FOR_A_RATE, FOR_A_TRAINER, *FOR_FRAMEWORKS):
        *_, rest = inspect.signature(typed).parameters.values()
        assert rest.kind is rest.VAR_KEYWORD
        assert rest.annotation.__args__ == (SweepOptions,)


@pytest.mark.parametrize("namespace", [None, {"lrrange": lrrange, "model": object()}], ids=["editor", "notebook"])
def test_the_options_for_every_kind_of_target_are_completed(namespace) -> None:
    offered = completed("import lrrange\nlrrange.find_lr(model, ", namespace)
    kinds = (FOR_A_MODEL, FOR_A_STEP, FOR_A_RATE, FOR_A_TRAINER, *FOR_FRAMEWORKS)
    for name in {*SETTINGS, *(name for kind in kinds for name in parameters_of(kind))}:
        assert f"{name}=" in offered
    assert "num_steps=" in completed("import lrrange\nlrrange.find_lr(model, num_s", namespace)


def test_in_a_notebook_the_package_completes_its_public_names_alone() -> None:
    assert sorted(dir(lrrange)) == sorted(lrrange.__all__)
    offered = completed("lrrange.", {"lrrange": lrrange})
    assert set(offered) == set(lrrange.__all__)


def test_help_shows_every_option_with_its_type_and_an_example() -> None:
    text = pydoc.plain(pydoc.render_doc(lrrange.find_lr))
    signature, _, body = text.partition("Raise the learning rate")
    for name in parameters_of(find_lr):
        assert f"{name}:" in signature.replace(" ", ""), name
        assert name in body, name
    assert "lrrange.find_lr(model, optimizer, loss_fn, loader" in body
    assert "optimizer (Optimizer" in body
    assert "accumulate (int)" in body
