"""What docs/frameworks/recipes.md says of every recipe: exact, applied, proved, and short."""

import re

import pytest
import torch

import lrrange
from lrrange.errors import OptionError, RateNotInForce, TargetError
from tests.frameworks.recipes.conftest import RECIPES, Recipe


def test_every_recipe_has_a_training_a_sweep_and_a_training_at_its_rate() -> None:
    assert {name: len(parts) for name, parts in RECIPES.items()} == dict.fromkeys(RECIPES, 3)


def test_no_recipe_needs_more_than_15_lines() -> None:
    for name, (_, sweep, _) in RECIPES.items():
        lines = [line for line in sweep.splitlines() if line and line not in ("print(result)", "result.plot()")]
        assert len(lines) <= 15, name


def test_the_20_steps_after_the_sweep_are_those_of_a_training_that_was_never_swept(recipe: Recipe) -> None:
    assert isinstance(recipe.result, lrrange.RangeTestResult)
    assert recipe.result.provenance.details["not_kept"] == {}
    assert recipe.losses() == recipe.never_swept


def test_the_training_that_follows_is_seen_to_use_the_rate(recipe: Recipe) -> None:
    trained = recipe.paste(2)
    details = recipe.result.provenance.details
    if recipe.name == "fastai":
        assert max(trained["learn"].recorder.lrs) == pytest.approx(trained["rate"], rel=1e-3)
        assert details["rate_in_force"] == "probed"
    else:
        assert trained["proof"].proved
        assert details["rate_in_force"] == "proved by the backend"


PARTS = "find_lr(model, optimizer=optimizer, loss_fn=loss_fn, loader=loader)"
SCALED = "find_lr(model, optimizer=optimizer, loss_fn=loss_fn, loader=loader, grad_scaler=torch.amp.GradScaler('cpu'))"
TOGETHER = "find_lr(model, optimizer=[optimizer, torch.optim.SGD(model.parameters())], loss_fn=loss_fn, loader=loader)"

# For each recipe: calls, their errors, and what these say.
REFUSED: dict[str, list[tuple[str, type[Exception], str]]] = {
    "fastai": [
        ("find_lr(learn)", TargetError, r"Give a step: find_lr\(step, set_lr="),
        ("find_lr(step, set_lr=lambda lr: None, restore=learn, num_steps=20)", RateNotInForce, "taken again at lr="),
    ],
    "Ignite": [("find_lr(trainer)", TargetError, r"Give its parts: find_lr\(")],
    "MONAI": [("find_lr(trainer)", TargetError, r"Give its parts: find_lr\(")],
    "PyTorch Geometric": [(PARTS, TargetError, "set batch_form='whole' and give a loss_fn")],
    "torchvision detection": [(PARTS, AssertionError, "set batch_form='whole' and give a loss_fn")],
    "SAM": [
        (SCALED, OptionError, "cannot be used with a GradScaler"),
        (TOGETHER, OptionError, "Write a step of your own"),
    ],
    "LBFGS": [(SCALED, OptionError, "cannot be used with a GradScaler"), (TOGETHER, OptionError, "step of your own")],
}


def test_what_a_recipe_says_is_refused_is_refused_with_what_to_write(recipe: Recipe) -> None:
    for call, kind, text in REFUSED.get(recipe.name, ()):
        with pytest.raises(kind) as raised:
            eval(f"lrrange.{call}", recipe.namespace)
        assert re.search(text, "\n".join([str(raised.value), *getattr(raised.value, "__notes__", ())]))


def test_ignite_steps_in_every_fourth_iteration_of_the_sweep_under_accumulation() -> None:
    recipe = Recipe("Ignite")
    steps = "supervised_training_step(model, optimizer, loss_fn"
    swept = recipe.paste(0)
    swept["update"] = eval(f"{steps}, gradient_accumulation_steps=4)", swept)
    recipe.paste(1)
    details = recipe.result.provenance.details
    assert details["calls"] == 4 * details["optimizer_steps"]
    assert swept["trainer"].state.iteration == 0


def test_monai_steps_in_every_second_iteration_of_the_sweep_under_accumulation() -> None:
    recipe = Recipe("MONAI")
    trainer = recipe.paste(0)["trainer"]
    trainer.accumulation_steps = 2
    recipe.paste(1)
    details = recipe.result.provenance.details
    assert details["calls"] == 2 * details["optimizer_steps"]
    assert trainer.state.iteration == 0


def test_a_step_of_your_own_with_sam_is_the_sweep_of_the_model() -> None:
    options = {"seed": 1, "num_steps": 40, "end_lr": 1.0, "paired": False}
    of_model = Recipe("SAM").paste(0)
    parts = {name: of_model[name] for name in ("optimizer", "loss_fn", "loader")}
    result = lrrange.find_lr(of_model["model"], **parts, **options)
    own = Recipe("SAM").paste(0)
    model, optimizer, loss_fn, drawn = own["model"], own["optimizer"], own["loss_fn"], own["batches"](own["loader"])

    def step() -> torch.Tensor:
        inputs, targets = next(drawn)
        loss = loss_fn(model(inputs), targets)
        loss.backward()
        optimizer.first_step()
        loss_fn(model(inputs), targets).backward()
        optimizer.second_step()
        return loss

    of_step = lrrange.find_lr(step, optimizer=optimizer, restore=model, **options)
    assert of_step.curve.loss == pytest.approx(result.curve.loss, rel=1e-4)
