"""What a sweep over an own step copies, and that it also restores what changed unexpectedly."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from lrrange_torch import own_step
from torch import nn
from torch.nn import functional as F

import lrrange
from tests.backend_torch.observing import of_module, of_optimizer
from tests.backend_torch.test_snapshot_lazy import Table, batches, bytes_of, wide, words

Step = Callable[[], torch.Tensor]


def sweep(step: Step, optimizers: Any, model: nn.Module, **options: Any) -> dict[str, Any]:
    """Sweep, check that everything is as before, addresses included, and return the provenance's details."""
    several = optimizers if isinstance(optimizers, list) else [optimizers]
    before = of_module(model), [of_optimizer(one) for one in several]
    result = lrrange.find_lr(
        step, optimizer=optimizers, restore=model, start_lr=1e-4, end_lr=0.1, num_steps=12, divergence=None, **options
    )
    assert (of_module(model), [of_optimizer(one) for one in several]) == before
    assert len(set(result.curve.loss)) > 4, "the sweep trained nothing"
    return result.provenance.details


def step_of(model: nn.Module, optimizer: torch.optim.Optimizer, data: Any, **swap: Any) -> Step:
    taken = 0
    loss_of = swap.get("loss_of", lambda x, y: F.mse_loss(model(x), y))
    update = swap.get("update", optimizer.step)

    def step() -> torch.Tensor:
        nonlocal taken
        x, y = data[taken % len(data)]
        taken += 1
        optimizer.zero_grad()
        loss = loss_of(x, y)
        loss.backward()
        update()
        return loss

    return step


def test_all_that_is_trained_is_copied_and_no_more_than_once() -> None:
    model = wide()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    details = sweep(step_of(model, optimizer, batches()), optimizer, model)
    assert details["snapshot"] == "lazy"
    assert details["copied_bytes"] == bytes_of(model)


def test_frozen_weights_are_not_copied() -> None:
    model = wide()
    model[2].requires_grad_(False)
    optimizer = torch.optim.SGD([one for one in model.parameters() if one.requires_grad], 0.1)
    details = sweep(step_of(model, optimizer, batches()), optimizer, model)
    assert details["copied_bytes"] == bytes_of(model) - model[2].weight.nbytes


def test_of_a_sparse_table_only_touched_rows_are_copied() -> None:
    model = Table()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    details = sweep(step_of(model, optimizer, words()), optimizer, model)
    assert details["copied_bytes"] < 0.05 * bytes_of(model)


def test_each_of_several_optimizers_has_its_own_copied_when_it_steps() -> None:
    model = wide()
    first = torch.optim.SGD(model[:2].parameters(), 0.1)
    second = torch.optim.Adam(model[2:].parameters(), 0.1)
    take_one = step_of(model, first, batches())

    def alternate() -> torch.Tensor:
        second.zero_grad()
        loss = take_one()
        second.step()
        return loss

    assert sweep(alternate, [first, second], model)["copied_bytes"] == bytes_of(model)


def test_what_an_optimizer_holds_that_takes_no_step_is_not_copied() -> None:
    model = wide()
    first, idle = torch.optim.SGD(model[:2].parameters(), 0.1), torch.optim.SGD(model[2:].parameters(), 0.1)
    copied = sweep(step_of(model, first, batches()), [first, idle], model)["copied_bytes"]
    assert copied == bytes_of(model) - model[2].weight.nbytes


@pytest.mark.parametrize("of", ["loss", "loss and optimizer"])
def test_a_compiled_step_of_a_large_model_is_put_back_to_its_addresses(of: str) -> None:
    model = wide()
    optimizer = torch.optim.SGD(model.parameters(), torch.tensor(0.1), momentum=0.9, foreach=True)
    compiled = torch.compile(lambda x, y: F.mse_loss(model(x), y), backend="aot_eager")
    update = torch.compile(optimizer.step, backend="eager") if "optimizer" in of else optimizer.step
    details = sweep(step_of(model, optimizer, batches(), loss_of=compiled, update=update), optimizer, model)
    assert details["snapshot"] == "lazy"


def test_weights_that_the_step_writes_by_itself_are_put_back() -> None:
    model, average = wide(), wide()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    both = nn.ModuleList([model, average])
    train = step_of(model, optimizer, batches())

    def step() -> torch.Tensor:
        loss = train()
        with torch.no_grad():
            for mean, one in zip(average.parameters(), model.parameters(), strict=True):
                mean.lerp_(one, 0.1)
        return loss

    details = sweep(step, optimizer, both)
    assert details["copied_bytes"] == bytes_of(both)


def test_on_cuda_it_is_copied_in_full_because_it_may_replay_a_graph() -> None:
    on_cuda: Any = SimpleNamespace(is_cuda=True)
    assert own_step.why_not_lazy_in((), [on_cuda]) == "the step is your own, and may replay a captured CUDA graph"
    assert own_step.why_not_lazy_in((wide(),), list(wide().parameters())) is None


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")  # as the compiler looks at it
def test_a_compiled_model_is_copied_in_full_and_the_result_says_so() -> None:
    model = wide()
    model[2].compile(backend="eager")
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    details = sweep(step_of(model, optimizer, batches()), optimizer, model)
    assert details["snapshot"] == "full: the model is compiled"
    assert details["copied_bytes"] == bytes_of(model)
