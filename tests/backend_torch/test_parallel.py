"""Runs taken together have the same losses as one after another, whatever the training consists of."""

import math
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.backend_torch.rigs import data, loader_of
from tests.backend_torch.side_by_side import TOGETHER, assert_together_is_as_off, find, mlp, sgd, training, ways

o = torch.optim
OPTIMIZERS: dict[str, Callable[[Any], torch.optim.Optimizer]] = {
    "SGD": lambda p: o.SGD(p, 0.01),
    "SGD with everything": lambda p: o.SGD(p, 0.01, momentum=0.9, nesterov=True, weight_decay=0.1),
    "SGD with dampening": lambda p: o.SGD(p, 0.01, momentum=0.9, dampening=0.5, foreach=True),
    "fused SGD": lambda p: o.SGD(p, 0.01, momentum=0.9, fused=True),
    "Adam": lambda p: o.Adam(p, 0.01),
    "fused Adam": lambda p: o.Adam(p, 0.01, weight_decay=0.1, fused=True),
    "Adam at a rate in a tensor": lambda p: o.Adam(p, torch.tensor(0.01), foreach=False),
    "fused Adam at a rate in a tensor": lambda p: o.Adam(p, torch.tensor(0.01), fused=True),
    "AdamW": lambda p: o.AdamW(p, 0.01, amsgrad=True, foreach=True),
    "Adagrad": lambda p: o.Adagrad(p, 0.01, initial_accumulator_value=0.5, lr_decay=0.01),
    "Adadelta": lambda p: o.Adadelta(p, 0.01),
    "RMSprop": lambda p: o.RMSprop(p, 0.01, centered=True, momentum=0.5),
    "Rprop": lambda p: o.Rprop(p, 0.01),
    "NAdam": lambda p: o.NAdam(p, 0.01),
    "RAdam": lambda p: o.RAdam(p, 0.01, decoupled_weight_decay=True, weight_decay=0.1),
    "Adamax": lambda p: o.Adamax(p, 0.01),
    "ASGD": lambda p: o.ASGD(p, 0.01, t0=5),
    "Adafactor": lambda p: o.Adafactor(p, 0.01),
    "Muon": lambda p: o.Muon([one for one in p if one.dim() == 2], 0.01),
}
# One needs closures, one sparse gradients: both are taken one by one.
NOT_TOGETHER = {o.Optimizer, o.LBFGS, o.SparseAdam}


@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_repeats_and_trials_have_the_same_losses_with_every_optimizer(optimizer: Any) -> None:
    _, together = assert_together_is_as_off(training(optimizer=optimizer), confirm=True, confirm_steps=90)
    assert ways(together) == [TOGETHER, "2 runs together"]


def test_these_are_all_optimizers_of_pytorch() -> None:
    of_pytorch = {one for one in vars(o).values() if isinstance(one, type) and issubclass(one, o.Optimizer)}
    assert {type(make(mlp().parameters())) for make in OPTIMIZERS.values()} == of_pytorch - NOT_TOGETHER


@pytest.mark.parametrize("optimizer", [sgd, OPTIMIZERS["AdamW"], OPTIMIZERS["ASGD"], OPTIMIZERS["Adafactor"]])
def test_an_optimizer_that_has_trained_goes_on_with_its_momenta(optimizer: Any) -> None:
    def make() -> tuple[nn.Module, dict[str, Any]]:
        model, options = training(optimizer=optimizer)()
        for inputs, targets in loader_of(data()):
            options["optimizer"].zero_grad()
            F.mse_loss(model(inputs), targets).backward()
            options["optimizer"].step()
        return model, options  # with the gradients of the last step

    assert_together_is_as_off(make)


def in_groups(parameters: Any) -> torch.optim.Optimizer:
    first, second, *rest = parameters
    groups = [{"params": [first], "lr": 1e-3}, {"params": [second], "lr": 0.0}, {"params": rest, "momentum": 0.5}]
    return o.SGD(groups, 0.01, weight_decay=0.1)


def test_param_groups_keep_their_proportions_and_their_options() -> None:
    off, together = assert_together_is_as_off(training(optimizer=in_groups))
    assert off.provenance.details["group_ratios"] == together.provenance.details["group_ratios"] == [1.0, 0.0, 10.0]


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.last = nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(6, 1)
        self.second.weight = self.first.weight
        self.unused = nn.Parameter(torch.ones(3))
        self.register_buffer("scale", torch.full((6,), 2.0), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.second(torch.tanh(self.first(x))) * self.scale)


class Attention(nn.Module):
    """The gradient of its keys' bias is zero but for rounding."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value = nn.Linear(1, 16), nn.Linear(1, 16), nn.Linear(1, 16)
        self.norm, self.last = nn.LayerNorm(16), nn.Linear(16, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x.unsqueeze(-1)
        attended = F.scaled_dot_product_attention(self.query(x), self.key(x), self.value(x))
        return self.last(self.norm(attended).mean(1))


def convolutional() -> nn.Module:
    return nn.Sequential(
        nn.Unflatten(1, (1, 6)), nn.Conv1d(1, 4, 3), nn.GroupNorm(2, 4), nn.ReLU(), nn.Flatten(), nn.Linear(16, 1)
    )


def frozen_at_the_bottom() -> nn.Module:
    model = mlp()
    model[0].requires_grad_(False)
    return model


def normed_by_batches() -> nn.Module:
    return nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8, track_running_stats=False), nn.Linear(8, 1))


def weight_normed() -> nn.Module:
    return nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(6, 8)), nn.Tanh(), nn.Linear(8, 1))


MODELS = {
    "tied": Tied,
    "attention": Attention,
    "convolutional": convolutional,
    "frozen at the bottom": frozen_at_the_bottom,
    "normed by batches": normed_by_batches,
    "weight normed": weight_normed,
    "in eval mode": lambda: mlp().eval(),
    "in double precision": lambda: mlp(dtype=torch.float64),
    "with dropout of nothing": lambda: nn.Sequential(mlp(), nn.Dropout(0.0)),
}


def as_double(model: nn.Module, batch: Any) -> torch.Tensor:
    dtype = next(model.parameters()).dtype
    return F.mse_loss(model(batch[0].to(dtype)), batch[1].to(dtype))


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_repeats_have_the_same_losses_with_every_model(model: Any) -> None:
    assert_together_is_as_off(training(model, loss_fn=as_double, batch_form="whole"))


def test_losses_keep_the_precision_of_the_training() -> None:
    make = training(MODELS["in double precision"], loss_fn=as_double, batch_form="whole")
    assert_together_is_as_off(make, rel=1e-11)


def test_a_model_in_bfloat16_is_taken_together() -> None:
    def loss(model: nn.Module, batch: Any) -> torch.Tensor:
        return F.mse_loss(model(batch[0].bfloat16()).float(), batch[1])

    make = training(lambda: mlp(dtype=torch.bfloat16), loss_fn=loss, batch_form="whole")
    assert_together_is_as_off(make, rel=0.02, end_lr=1e-2)


def accuracy(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return ((output > 0) == (target > 0)).float().mean()


def of_dict(model: nn.Module, batch: Any) -> torch.Tensor:
    return F.mse_loss(model(batch["more"]["x"]), batch["y"]) * batch["weight"]


def dicts() -> Any:
    return [{"more": {"x": x}, "y": y, "weight": 2.0, "name": "a batch"} for x, y in loader_of(data())]


def penalised(model: nn.Module, batch: Any) -> torch.Tensor:
    return F.mse_loss(model(batch[0]), batch[1]) + 0.1 * sum(one.square().sum() for one in model.parameters())


STEPS: dict[str, dict[str, Any]] = {
    "accumulated": {"accumulate": 2},
    "clipped": {"clip_norm": 0.1},
    "accumulated and clipped": {"accumulate": 3, "clip_norm": 0.5},
    "a part of the parameters clipped": {"clip_norm": 0.1, "optimizer": lambda p: sgd(list(p)[2:])},
    "a metric to raise": {"metric": accuracy},
    "a metric to lower": {"metric": F.l1_loss, "metric_mode": "min"},
    "a dict for a batch": {"loss_fn": of_dict, "batch_form": "whole", "loader": dicts},
    "a metric of a dict": {"loss_fn": of_dict, "batch_form": "whole", "loader": dicts, "metric": of_dict},
    "a loss of shape (1,)": {"loss_fn": lambda output, target: F.mse_loss(output, target).reshape(1)},
    "weights that the loss asks for": {"loss_fn": penalised, "batch_form": "whole"},
}


@pytest.mark.parametrize("options", STEPS.values(), ids=STEPS)
def test_repeats_and_trials_have_the_same_losses_with_every_kind_of_step(options: dict[str, Any]) -> None:
    assert_together_is_as_off(training(**options), confirm=True, confirm_steps=90)


def test_an_autocast_is_in_force_in_batched_passes() -> None:
    make = training(autocast=torch.bfloat16)
    _, together = assert_together_is_as_off(make, rel=0.02, end_lr=1e-2)
    exact = find(training(), "vmap", end_lr=1e-2)
    assert together.sweeps[1].loss != pytest.approx(exact.sweeps[1].loss, rel=1e-4)


def test_where_gradients_are_switched_off_they_are_switched_on_for_the_runs() -> None:
    with torch.no_grad():
        assert_together_is_as_off(training(), confirm=True, confirm_steps=90)
        assert not torch.is_grad_enabled()


def test_a_run_whose_weights_blow_up_ends_alone() -> None:
    def make() -> tuple[nn.Module, dict[str, Any]]:
        model, options = training(optimizer=lambda p: o.SGD(p, 0.01))()

        def reset() -> None:
            with torch.no_grad():
                for one in model.parameters():
                    one.copy_(torch.randn_like(one) * 10 ** (2.5 * torch.rand(()).round()))

        return model, {**options, "reset": reset}

    off, together = (find(make, parallel, repeats=6, end_lr=1.0) for parallel in ("off", "vmap"))
    lengths = [len(curve) for curve in off.sweeps]
    assert len(set(lengths)) > 2
    assert [len(curve) for curve in together.sweeps] == lengths
    for curve, another in zip(off.sweeps, together.sweeps, strict=True):
        # After that, rounding errors grow with the losses.
        assert another.loss[:18] == pytest.approx(curve.loss[:18], rel=1e-4)


def test_a_loss_that_is_nan_moves_the_weights_of_its_run_no_more_than_alone() -> None:
    def with_a_gap() -> Any:
        dataset = data()
        dataset.tensors[1][11] = math.nan
        return loader_of(dataset)

    off, together = assert_together_is_as_off(training(loader=with_a_gap), repeats=4)
    gaps = [[math.isnan(loss) for loss in curve.loss] for curve in together.sweeps]
    assert gaps[1] != gaps[2]
    assert together.provenance.details["skipped_steps"] == off.provenance.details["skipped_steps"] > 0


def test_other_initial_weights_are_made_as_alone() -> None:
    calls: list[float] = []

    def make() -> tuple[nn.Module, dict[str, Any]]:
        model, options = training(lambda: nn.Sequential(*mlp(), nn.Linear(1, 1)))()
        model[3].requires_grad_(False)  # a stack has these for each run if weights are reset

        def reset() -> None:
            for layer in (model[0], model[2], model[3]):
                layer.reset_parameters()
            calls.append(float(model[3].bias))

        return model, {**options, "reset": reset}

    assert_together_is_as_off(make)
    assert calls[2:] == calls[:2]
    assert calls[0] != calls[1]


def test_a_reset_that_starts_from_the_present_weights_finds_those_of_the_model() -> None:
    def make() -> tuple[nn.Module, dict[str, Any]]:
        model, options = training()()

        def reset() -> None:
            with torch.no_grad():
                for one in model.parameters():
                    one.add_(torch.rand_like(one))

        return model, {**options, "reset": reset}

    assert_together_is_as_off(make, repeats=4)


def test_the_held_out_loss_of_a_trial_is_that_of_its_own_weights() -> None:
    held_out = list(loader_of(data(count=48)))
    _, together = assert_together_is_as_off(training(val_loader=held_out), confirm=True, confirm_steps=90)
    assert together.confirmation is not None
    assert together.confirmation.held_out
    reached = [trial.loss for trial in together.confirmation.trials]
    assert len(set(reached)) == len(reached)


def test_held_out_batches_that_are_drawn_at_random_are_the_same_for_all_trials() -> None:
    def shuffled() -> Any:
        # The smaller last batch makes the mean depend on the order.
        return torch.utils.data.DataLoader(data(count=40), batch_size=16, shuffle=True)

    def make() -> tuple[nn.Module, dict[str, Any]]:
        model, options = training()()
        return model, {**options, "val_loader": shuffled()}

    assert_together_is_as_off(make, rel=1e-5, confirm=True, confirm_steps=90)


def test_a_learning_rate_scheduler_takes_no_step() -> None:
    def make() -> tuple[nn.Module, dict[str, Any]]:
        model, options = training()()
        return model, {**options, "scheduler": o.lr_scheduler.StepLR(options["optimizer"], 2)}

    off, _ = assert_together_is_as_off(make)
    assert off.sweeps[1].lr[-1] == pytest.approx(0.1)


def test_a_warning_of_the_loss_function_does_not_come_with_every_step() -> None:
    def told(parallel: str) -> int:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("default")
            find(training(loss_fn=lambda output, target: F.mse_loss(output, target.squeeze(1))), parallel)
        return sum("target size" in str(one.message) for one in caught)

    assert told("off") >= 1
    assert told("vmap") <= 4
