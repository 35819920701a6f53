"""The cells of a grid of PyTorch trainings, taken together."""

import itertools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import lrrange
from tests.backend_torch.rigs import data, loader_of, seed_all
from tests.backend_torch.side_by_side import SWEEP, assert_same_losses, mlp, ways

ALONE = {**SWEEP, "repeats": 1}


def make(
    weight_decay: float = 0.0, momentum: float = 0.9, batch_size: int = 16, width: int = 12, slope: float = 0.0
) -> tuple[nn.Module, dict[str, Any]]:
    seed_all()
    model = nn.Sequential(nn.Linear(6, width), nn.LeakyReLU(slope), nn.Linear(width, 1))
    optimizer = torch.optim.SGD(model.parameters(), 0.01, momentum=momentum, weight_decay=weight_decay)
    return model, {"optimizer": optimizer, "loss_fn": F.mse_loss, "loader": loader_of(data(), batch_size)}


def assert_same_cells(
    make: Callable[..., Any], settings: Any, rel: float = 1e-4, parallel: Any = "vmap", **options: Any
) -> lrrange.Grid:
    options = {**ALONE, "verify_restore": True, **options}
    off, other = (lrrange.grid(make, settings, parallel=way, **options) for way in ("off", parallel))
    assert [cell.setting for cell in other.cells] == [cell.setting for cell in off.cells]
    for one, another in zip(off.cells, other.cells, strict=True):
        assert_same_losses(one.result, another.result, rel)
    return other


def test_every_cell_has_the_losses_that_it_has_alone() -> None:
    grid = assert_same_cells(make, {"weight_decay": [0, 0.1], "momentum": [0, 0.5, 0.9]})
    assert [ways(cell.result) for cell in grid.cells] == [["6 runs together"]] * 6
    assert len({cell.result.curve for cell in grid.cells}) == 6


def test_the_runs_within_a_cell_are_taken_together_as_well() -> None:
    grid = assert_same_cells(make, {"momentum": [0, 0.9]}, repeats=3, confirm=True, confirm_steps=90)
    assert ways(grid[1].result) == ["2 runs together", "2 runs together", "2 runs together"]


def test_what_is_made_once_for_each_cell_is_taken_together_without_another() -> None:
    calls: list[float] = []

    def counted(momentum: float) -> Any:
        calls.append(momentum)
        return make(momentum=momentum)

    lrrange.grid(counted, {"momentum": [0, 0.5, 0.9]}, parallel="vmap", **ALONE)
    assert calls == [0, 0.5, 0.9]


def test_each_cell_begins_with_the_random_numbers_that_its_own_make_left() -> None:
    def unseeded(momentum: float) -> Any:
        model, options = make(momentum=momentum)
        torch.manual_seed(int(100 * momentum))
        options["loader"] = torch.utils.data.DataLoader(data(), batch_size=16, shuffle=True)
        return model, options

    grid = assert_same_cells(unseeded, {"momentum": [0, 0.9]}, seed=None)
    assert ways(grid[0].result) == ["2 runs together"]


def test_sweeps_that_go_on_above_the_usual_rates_do_so_together() -> None:
    def flat(weight_decay: float) -> Any:
        model, options = make(weight_decay=weight_decay, momentum=0.0, batch_size=96)
        options["loss_fn"] = little
        return model, options

    options = {"end_lr": None, "num_steps": None, "start_lr": None, "divergence": None}
    grid = assert_same_cells(flat, {"weight_decay": [0, 1e-6]}, **options)
    assert {cell.result.plan.end_lr for cell in grid.cells} == {1000.0}


def little(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return 1e-3 * F.smooth_l1_loss(output, target)


def test_cells_may_have_plans_of_different_lengths() -> None:
    def planned(num_steps: int) -> Any:
        model, options = make()
        return model, {**options, "num_steps": num_steps}

    options = {key: value for key, value in ALONE.items() if key != "num_steps"}
    off, together = (
        lrrange.grid(planned, {"num_steps": [12, 30, 20]}, parallel=way, **options) for way in ("off", "vmap")
    )
    assert [len(cell.result.curve) for cell in together.cells] == [12, 30, 20]
    for one, another in zip(off.cells, together.cells, strict=True):
        assert_same_losses(one.result, another.result, 1e-4)


def test_each_sweep_takes_more_steps_from_where_its_own_loss_moves() -> None:
    assert_same_adaptive_cells("vmap")


def assert_same_adaptive_cells(parallel: str) -> None:
    options = {"start_lr": None, "end_lr": 0.1, "num_steps": None, "repeats": 3}
    grid = assert_same_cells(make, {"momentum": [0, 0.9, 0.98]}, parallel=parallel, **options)
    plans = [cell.result.plan for cell in grid.cells]
    assert all(isinstance(plan, lrrange.AdaptivePlan) for plan in plans)
    assert len({plan.num_steps for plan in plans}) == 3
    for cell, plan in zip(grid.cells, plans, strict=True):
        assert cell.result.curve.lr == plan.rates[: len(cell.result.curve)]
        assert ways(cell.result) == ["3 runs together", "2 runs together"]


def test_a_cell_that_diverges_ends_and_the_others_go_on() -> None:
    grid = assert_same_cells(scaled, {"scale": [1.0, 30.0]}, rel=1e-2, end_lr=1.0)
    assert len(grid[1].result.curve) < len(grid[0].result.curve)


def scaled(scale: float) -> Any:
    model, options = make(momentum=0.0)
    with torch.no_grad():
        model[2].weight.mul_(scale)
    return model, options


class Scaled(nn.Module):
    def __init__(self, scale: float) -> None:
        super().__init__()
        self.inner = mlp()
        self.scale = scale

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner(x).clamp(max=self.scale)


def made_of(model: nn.Module, loss_fn: Any = F.mse_loss, optimizer: Any = None, **options: Any) -> Any:
    optimizer = optimizer or torch.optim.SGD(model.parameters(), 0.01)
    return model, {"optimizer": optimizer, "loss_fn": loss_fn, "loader": loader_of(data()), **options}


def by_a_hidden_limit(value: int) -> Any:
    seed_all()
    return made_of(Scaled((50.0, 80.0)[value]))  # which the first batch does not come to


def by_optimizer(value: int) -> Any:
    seed_all()
    model = mlp()
    return made_of(model, optimizer=(torch.optim.SGD, torch.optim.Adagrad)[value](model.parameters(), 0.01))


def by_loss_function(value: int) -> Any:
    seed_all()
    return made_of(mlp(), (F.mse_loss, F.l1_loss)[value])


def by_micro_batches(value: int) -> Any:
    seed_all()
    return made_of(mlp(), accumulate=value + 1)


def by_frozen_layer(value: int) -> Any:
    seed_all()
    model = mlp()
    model[0].requires_grad_(bool(value))
    return made_of(model)


def by_hook(value: int) -> Any:
    seed_all()
    model = mlp()
    model[0].register_forward_hook(lambda module, inputs, output: output * (1 + value * (output > 30)))
    return made_of(model)


def by_mode(value: int) -> Any:
    seed_all()
    model = nn.Sequential(mlp(), nn.InstanceNorm1d(1))
    model[1].train(bool(value))
    return made_of(model, batch_form="whole", loss_fn=past_the_norm)


def past_the_norm(model: nn.Module, batch: Any) -> torch.Tensor:
    return F.mse_loss(model[0](batch[0]), batch[1])


def by_dropout(value: int) -> Any:
    seed_all()
    return made_of(nn.Sequential(mlp(), nn.Dropout(0.1 * value)))


def by_data_of_other_shapes(value: int) -> Any:
    return make(batch_size=16 * (value + 1))


def by_width(value: int) -> Any:
    return make(width=8 * (value + 1))


def by_slope(value: int) -> Any:
    return make(slope=0.1 * value)


def by_delta(value: float) -> Any:
    seed_all()
    return made_of(mlp(), nn.HuberLoss(delta=20.0 * (value + 1)))  # which prints no delta


UNLIKE = {
    by_a_hidden_limit: "the models differ",
    by_optimizer: "the optimizers are of different kinds",
    by_loss_function: "the loss functions differ",
    by_micro_batches: "the steps are made of different numbers of batches or in different precision",
    by_frozen_layer: "the models differ",
    by_hook: "the models differ",
    by_mode: "the models differ",
    by_dropout: "Dropout draws random numbers in each pass",
    by_data_of_other_shapes: "the batches have different shapes",
    by_width: "the models differ",
    by_slope: "the models differ",
    by_delta: "the loss functions differ",
}


@pytest.mark.parametrize(("make", "reason"), UNLIKE.items(), ids=[make.__name__ for make in UNLIKE])
def test_cells_that_are_not_alike_are_taken_one_by_one_and_say_why(make: Any, reason: str) -> None:
    off, other = (lrrange.grid(make, {"value": [0, 1]}, parallel=way, **ALONE) for way in ("off", "vmap"))
    assert [ways(cell.result) for cell in other.cells] == [[f"2 runs one by one: {reason}"]] * 2
    assert [cell.result.curve for cell in other.cells] == [cell.result.curve for cell in off.cells]


def test_models_that_hold_objects_of_one_kind_are_alike() -> None:
    class Notes:
        def __init__(self) -> None:
            self.lines: list[str] = []

    def noting(value: float) -> Any:
        seed_all()
        model = mlp()
        model.notes = Notes()
        return made_of(model, nn.MSELoss())

    cells = lrrange.grid(noting, {"value": [0, 1]}, parallel="vmap", **ALONE).cells
    assert [ways(cell.result) for cell in cells] == [["2 runs together"]] * 2


def test_losses_that_print_alike_and_are_not_are_found_out_by_what_they_say() -> None:
    def smoothed(value: float) -> Any:
        seed_all()
        model = mlp()
        return made_of(model, SmoothedLoss(value))

    off, other = (lrrange.grid(smoothed, {"value": [0.0, 0.1]}, parallel=way, **ALONE) for way in ("off", "vmap"))
    assert all("one by one: " in ways(cell.result)[0] for cell in other.cells)
    assert [cell.result.curve for cell in other.cells] == [cell.result.curve for cell in off.cells]


class SmoothedLoss(nn.Module):
    def __init__(self, smoothing: float) -> None:
        super().__init__()
        self.cross_entropy = nn.CrossEntropyLoss(label_smoothing=smoothing)

    def forward(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return self.cross_entropy(torch.cat([output, -output], 1), (target[:, 0] > 0).long())


def test_an_error_in_a_cell_is_raised_and_every_cell_is_as_it_was() -> None:
    made: list[nn.Module] = []
    calls = itertools.count()

    def failing(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        if next(calls) > 10:
            raise ArithmeticError("enough")
        return F.mse_loss(output, target)

    def kept(momentum: float) -> Any:
        model, options = make(momentum=momentum)
        made.append(model)
        return model, {**options, "loss_fn": failing}

    with pytest.raises(ArithmeticError, match="enough"):
        lrrange.grid(kept, {"momentum": [0, 0.9]}, parallel="vmap", **ALONE)
    assert len(made) == 2
    fresh, _ = make()
    for model in made:
        assert all(torch.equal(one, was) for one, was in zip(model.parameters(), fresh.parameters(), strict=True))
        assert all(one.grad is None for one in model.parameters())


def test_cells_that_are_one_and_the_same_model_start_from_the_same_weights() -> None:
    seed_all()
    model = mlp()
    before = [one.detach().clone() for one in model.parameters()]

    def shared(momentum: float) -> Any:
        seed_all()
        return made_of(model, optimizer=torch.optim.SGD(model.parameters(), 0.01, momentum=momentum))

    assert_same_cells(shared, {"momentum": [0, 0.9]})
    assert all(torch.equal(one, was) for one, was in zip(model.parameters(), before, strict=True))
