"""Several optimizers for one model, such as Muon with AdamW, in the loader step."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import lrrange
from lrrange import testing
from lrrange.errors import OptionError, RateNotInForce, TargetError
from tests.backend_torch.observing import of_module, of_optimizer, of_random_states, plain
from tests.backend_torch.rigs import data, loader_of, rounds, seed_all

# The steps here draw from a generator, which cannot be put back.
pytestmark = pytest.mark.filterwarnings("ignore::lrrange.errors.NotKeptWarning")


def network() -> nn.Sequential:
    seed_all()
    return nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 1))


def muon_and_adamw(model: nn.Module) -> list[torch.optim.Optimizer]:
    parameters = list(model.parameters())
    return [
        torch.optim.Muon([p for p in parameters if p.dim() == 2], lr=0.02),
        torch.optim.AdamW([p for p in parameters if p.dim() != 2], lr=0.001),
    ]


def pair_rig(scaled: bool = False) -> testing.Rig:
    model = network()
    optimizers = muon_and_adamw(model)
    loader = loader_of(data())
    scaler = torch.amp.GradScaler("cpu", init_scale=256.0, growth_interval=4) if scaled else None
    more: dict[str, Any] = (
        {"grad_scaler": scaler, "autocast": torch.bfloat16, "clip_norm": 0.5, "accumulate": 2} if scaled else {}
    )

    def train(steps: int) -> list[float]:
        batches, losses = rounds(loader), []
        for _ in range(steps):
            for optimizer in optimizers:
                optimizer.zero_grad()
            with torch.autocast("cpu", torch.bfloat16, enabled=scaled):
                inputs, targets = next(batches)
                loss = F.mse_loss(model(inputs), targets)
            if scaler is None:
                loss.backward()
                for optimizer in optimizers:
                    optimizer.step()
            else:
                scaler.scale(loss).backward()
                for optimizer in optimizers:
                    scaler.step(optimizer)
                scaler.update()
            losses.append(float(loss.detach()))
        return losses

    return testing.Rig(
        target=model,
        options={"optimizer": optimizers, "loss_fn": nn.MSELoss(), "loader": loader, **more},
        observe=lambda: {
            "model": of_module(model),
            "optimizers": [of_optimizer(optimizer) for optimizer in optimizers],
            "scaler": None if scaler is None else plain(scaler.state_dict()),
            "random": of_random_states(loader.generator),
        },
        train=train,
        sweep={"start_lr": 1e-5, "end_lr": 1.0},
    )


@pytest.mark.parametrize("make_rig", [pair_rig, lambda: pair_rig(scaled=True)], ids=["plain", "scaled and clipped"])
@pytest.mark.parametrize("check", testing.CHECKS, ids=lambda check: check.__name__)
def test_a_pair_of_optimizers_keeps_the_contract(
    check: Callable[[testing.MakeRig], None], make_rig: testing.MakeRig
) -> None:
    check(make_rig)


def test_each_optimizer_keeps_its_ratio_and_the_result_names_all() -> None:
    model = network()
    optimizers = muon_and_adamw(model)
    seen: list[list[float]] = [[], []]
    for rates, optimizer in zip(seen, optimizers, strict=True):
        optimizer.register_step_pre_hook(
            lambda one, *_, rates=rates: rates.append(one.param_groups[0]["lr"])  # type: ignore[misc]
        )
    result = lrrange.find_lr(
        model, optimizer=optimizers, loss_fn=nn.MSELoss(), loader=loader_of(data()), num_steps=20, end_lr=0.1
    )
    assert seen[0] == list(result.curve.lr)
    assert seen[1] == pytest.approx([lr / 20 for lr in result.curve.lr])
    details = result.provenance.details
    assert (details["optimizer"], details["group_ratios"]) == ("Muon, AdamW", pytest.approx([1.0, 0.05]))
    assert [optimizer.param_groups[0]["lr"] for optimizer in optimizers] == [0.02, 0.001]


def test_the_curve_is_that_of_the_same_loop_written_by_hand() -> None:
    def by_hand() -> lrrange.RangeTestResult:
        rig = pair_rig()
        model: Any = rig.target
        batches = rounds(rig.options["loader"])

        def step() -> torch.Tensor:
            for optimizer in rig.options["optimizer"]:
                optimizer.zero_grad()
            inputs, targets = next(batches)
            loss = F.mse_loss(model(inputs), targets)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 0.5)
            for optimizer in rig.options["optimizer"]:
                optimizer.step()
            return loss

        return lrrange.find_lr(step, optimizer=rig.options["optimizer"], restore=model, num_steps=40, end_lr=1.0)

    rig = pair_rig()
    result = lrrange.find_lr(rig.target, **rig.options, clip_norm=0.5, num_steps=40, end_lr=1.0, paired=False)
    assert result.curve.loss == by_hand().curve.loss


def test_a_single_optimizer_in_a_list_and_one_given_twice_are_that_optimizer() -> None:
    curves = []
    for wrap in (lambda one: one, lambda one: [one], lambda one: (one, one), lambda one: iter([one])):
        model = network()
        optimizer = torch.optim.Adam(model.parameters())
        result = lrrange.find_lr(
            model, optimizer=wrap(optimizer), loss_fn=nn.MSELoss(), loader=loader_of(data()), num_steps=20
        )
        assert result.provenance.details["group_ratios"] == [1.0]
        curves.append(result.curve.loss)
    assert all(curve == curves[0] for curve in curves)


def test_gradients_of_every_optimizer_are_dropped_before_a_step() -> None:
    calls: list[str] = []

    class Counted(torch.optim.SGD):
        def zero_grad(self, set_to_none: bool = True) -> None:
            calls.append("zero_grad")
            super().zero_grad(set_to_none)

    model = network()
    first = Counted(model[0].parameters(), 0.1)
    last = torch.optim.SGD(model[2].parameters(), 0.1)
    norms: list[float] = []
    last.register_step_pre_hook(lambda *_: norms.append(float(model[2].weight.grad.norm())))
    lrrange.find_lr(
        model,
        optimizer=[first, last],
        loss_fn=nn.MSELoss(),
        loader=[tuple(part[:16] for part in data().tensors)],
        num_steps=20,
        start_lr=1e-9,
        end_lr=1e-8,
        heuristic=lambda curve: lrrange.Suggestion(lr=curve.lr[0], index=0, heuristic="first"),
    )
    assert len(calls) == 20
    assert norms == pytest.approx([norms[0]] * 20, rel=1e-3)  # none is added to another


def test_an_optimizer_without_parameters_of_the_model_is_named() -> None:
    model = network()
    stray = torch.optim.SGD(nn.Linear(2, 2).parameters(), 0.1)
    with pytest.raises(TargetError, match=r"the SGD among the optimizers holds none of the 4 trainable parameters"):
        lrrange.find_lr(
            model,
            optimizer=[torch.optim.Adam(model.parameters()), stray],
            loss_fn=nn.MSELoss(),
            loader=loader_of(data()),
        )


def test_a_closure_optimizer_among_several_is_refused() -> None:
    model = network()
    with pytest.raises(OptionError, match=r"Adam, LBFGS: a LBFGS evaluates the loss itself.*step of your own"):
        lrrange.find_lr(
            model,
            optimizer=[torch.optim.Adam(model[0].parameters()), torch.optim.LBFGS(model[2].parameters())],
            loss_fn=nn.MSELoss(),
            loader=loader_of(data()),
        )


def test_a_rate_set_in_the_second_optimizer_is_found() -> None:
    model = network()
    optimizers = muon_and_adamw(model)
    model.register_forward_pre_hook(lambda *_: optimizers[1].param_groups[0].update(lr=0.5))
    with pytest.raises(RateNotInForce, match=r"AdamW 1, param group 0 .*it is 0.5"):
        lrrange.find_lr(model, optimizer=optimizers, loss_fn=nn.MSELoss(), loader=loader_of(data()))


def test_several_optimizers_are_not_taken_side_by_side_and_the_reason_is_given() -> None:
    rig = pair_rig()
    result = lrrange.find_lr(rig.target, **rig.options, repeats=3, num_steps=60, end_lr=1.0, parallel="vmap")
    assert "there are several optimizers" in str(result.provenance.details["parallel"])


def test_confirm_and_repeats_work_with_several_optimizers() -> None:
    rig = pair_rig()
    before = rig.observe()
    result = lrrange.find_lr(
        rig.target,
        **rig.options,
        val_loader=list(loader_of(data(count=32))),
        repeats=2,
        confirm=True,
        confirm_steps=90,
        verify_restore=True,
    )
    assert result.confirmation is not None
    assert rig.observe() == before


def test_steps_that_a_scaler_skips_for_one_of_two_optimizers_are_counted() -> None:
    model = network()

    class Overflows(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
            return x.clone()

        @staticmethod
        def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
            return gradient * torch.inf

    model.insert(2, _Applied(Overflows))  # gradients below it are infinite, those above it are not
    result = lrrange.find_lr(
        model,
        optimizer=[torch.optim.SGD(model[0].parameters(), 0.1), torch.optim.SGD(model[3].parameters(), 0.1)],
        loss_fn=nn.MSELoss(),
        loader=loader_of(data()),
        grad_scaler=torch.amp.GradScaler("cpu"),
        autocast=torch.bfloat16,
        num_steps=20,
    )
    assert result.provenance.details["skipped_steps"] == 20


class _Applied(nn.Module):
    def __init__(self, function: Any) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: torch.Tensor) -> Any:
        return self.function.apply(x)
