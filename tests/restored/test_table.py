"""A training with an object of each class of PyTorch is as before after a sweep, to the bit."""

import functools
import inspect

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, prune

from tests.restored import modules, page, rows


@functools.cache
def outcome(package: str, name: str) -> rows.Outcome:
    return rows.run(rows.TRAININGS[package, name])


@pytest.mark.parametrize(("package", "name"), rows.TRAININGS)
def test_everything_is_as_before(package: str, name: str) -> None:
    assert outcome(package, name).after == "as before"


def test_the_page_shows_the_table() -> None:
    assert page.shown() == page.table({key: outcome(*key) for key in rows.TRAININGS}), (
        "run python -m tests.restored.report"
    )


def test_every_module_of_torch_has_a_row_or_a_reason() -> None:
    classes = {name for name in dir(nn) if inspect.isclass(getattr(nn, name))}
    classes = {name for name in classes if issubclass(getattr(nn, name), nn.Module)}
    named = {name for package, name in rows.TRAININGS if package == "torch.nn"}
    assert classes == named | modules.WITHOUT_A_ROW.keys()


def test_every_optimizer_of_torch_has_a_row_or_a_reason() -> None:
    classes = {name for name in dir(torch.optim) if inspect.isclass(getattr(torch.optim, name))}
    named = {name for package, name in rows.TRAININGS if package == "torch.optim"}
    assert classes == named | rows.OPTIMIZERS_WITHOUT_A_ROW.keys()


def test_every_data_set_and_sampler_of_torch_has_a_row_or_a_reason() -> None:
    module = torch.utils.data
    classes = {name for name in module.__all__ if inspect.isclass(getattr(module, name)) and name[0] != "_"}
    helpers = {"functional_datapipe", "non_deterministic", "guaranteed_datapipes_determinism"}
    helpers |= {"runtime_validation_disabled"}
    assert classes - helpers == rows.DATA.keys() - {"random_split"} | rows.DATA_WITHOUT_A_ROW.keys()


def test_every_way_to_compute_weights_has_a_row() -> None:
    pruning = {name for name, value in vars(prune).items() if inspect.isfunction(value) and name[0] != "_"}
    pruning -= {"remove", "is_pruned", "abstractmethod"}
    wanted = {f"prune.{name}" for name in pruning} | {f"parametrizations.{name}" for name in parametrizations.__all__}
    assert wanted <= rows.UTILS.keys()


def test_the_steps_change_what_the_table_is_about() -> None:
    """Otherwise nothing would be shown by its being as before."""
    for key in rows.TRAININGS:
        if key[0] != "torch.nn" and key != ("torch.utils.data", "StackDataset"):
            assert outcome(*key).changed or key[1] == "TensorDataset", key
    assert {"running_mean", "running_var", "num_batches_tracked"} < set(outcome("torch.nn", "BatchNorm2d").changed)
    assert {"exp_avg", "exp_avg_sq", "step"} < set(outcome("torch.optim", "Adam").changed)
