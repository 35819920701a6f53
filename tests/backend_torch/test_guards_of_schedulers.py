"""What verify makes of schedulers, of several guards, of wrappers and of several optimizers."""

import copy
import math
from collections.abc import Callable
from typing import Any

import numpy
import pytest
import torch
from lrrange_torch import verify
from lrrange_torch.optimizer import GroupRates, apply_rate, set_rate
from torch import nn
from torch.optim import lr_scheduler
from torch.optim.lr_scheduler import LRScheduler
from torch.optim.swa_utils import SWALR

from lrrange.errors import OptionError, RateNotInForce, TargetError


def made(lr: Any = 0.008, count: int = 1, kind: Any = torch.optim.SGD, **options: Any) -> Any:
    layers = [nn.Linear(2, 2) for _ in range(count)]
    for layer in layers:
        for parameter in layer.parameters():
            parameter.grad = torch.zeros_like(parameter)
    return kind([{"params": layer.parameters()} for layer in layers], lr=lr, **options)


def train(optimizer: torch.optim.Optimizer, scheduler: Any = None, steps: int = 20) -> None:
    for _ in range(steps):
        optimizer.step()
        if scheduler is not None:
            scheduler.step()


class Absolute(LRScheduler):
    first = 0.05

    def get_lr(self) -> list[float]:
        return [self.first * 0.9**self.last_epoch for _ in self.optimizer.param_groups]


class AbsoluteBelow(Absolute):
    first = 0.001


class FloorInCode(LRScheduler):
    def get_lr(self) -> list[float]:
        return [max(0.05, base * 0.9**self.last_epoch) for base in self.base_lrs]


class MaxLR(LRScheduler):
    """Its own name for what it starts from."""

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        self.eta_max = 0.5
        super().__init__(optimizer)

    def get_lr(self) -> list[float]:
        return [self.eta_max * 0.9**self.last_epoch for _ in self.optimizer.param_groups]


ELSEWHERE: dict[str, Callable[[Any], Any]] = {
    "a floor above the rate": lambda o: lr_scheduler.CosineAnnealingLR(o, 15, eta_min=0.05),
    "a floor above the rate, after restarts": lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 7, eta_min=0.05),
    "a floor above the rate, in a sequence": lambda o: lr_scheduler.SequentialLR(
        o, [lr_scheduler.LinearLR(o, 0.1, total_iters=3), lr_scheduler.CosineAnnealingLR(o, 15, eta_min=0.05)], [3]
    ),
    "a floor above the rate, chained": lambda o: lr_scheduler.ChainedScheduler(
        [lr_scheduler.ConstantLR(o, 0.5, 3), lr_scheduler.CosineAnnealingLR(o, 15, eta_min=0.05)], o
    ),
    "a target above the rate": lambda o: SWALR(o, 0.05, anneal_epochs=5),
    "rates of its own": Absolute,
    "rates of its own, below": AbsoluteBelow,
    "a floor in the code": FloorInCode,
    "another name for its base": MaxLR,
}


@pytest.mark.parametrize("name", ELSEWHERE)
def test_a_scheduler_that_moves_the_rate_elsewhere_is_caught(name: str) -> None:
    optimizer = made()
    scheduler = ELSEWHERE[name](optimizer)
    with pytest.raises(RateNotInForce, match=type(scheduler).__name__), verify(optimizer, 0.008):
        train(optimizer, scheduler)


IN_FORCE: dict[str, Callable[[Any], Any]] = {
    "a floor below": lambda o: lr_scheduler.CosineAnnealingLR(o, 15, eta_min=1e-5),
    "at its floor": lambda o: lr_scheduler.CosineAnnealingLR(o, 4, eta_min=1e-3),
    "a plateau with a floor above": lambda o: _with_metric(lr_scheduler.ReduceLROnPlateau(o, patience=1, min_lr=0.05)),
    "a plateau": lambda o: _with_metric(lr_scheduler.ReduceLROnPlateau(o, patience=1)),
    "one cycle": lambda o: lr_scheduler.OneCycleLR(o, 0.2, 30, cycle_momentum=False),
    "a cycle": lambda o: lr_scheduler.CyclicLR(o, 0.008, 0.08, 4, cycle_momentum=False),
    "a lambda above 1": lambda o: lr_scheduler.LambdaLR(o, lambda step: 1 + step),
    "a target below": lambda o: SWALR(o, 0.001, anneal_epochs=5),
}


def _with_metric(scheduler: Any) -> Any:
    class Stepped:
        def step(self) -> None:
            scheduler.step(1.0)

    return Stepped()


@pytest.mark.parametrize("name", IN_FORCE)
def test_a_scheduler_of_the_users_design_may_move_the_rate(name: str) -> None:
    optimizer = made()
    scheduler = IN_FORCE[name](optimizer)
    with verify(optimizer, 0.008) as guard:
        train(optimizer, scheduler)
    assert guard.proved


def test_a_plateau_excuses_no_rate_that_it_has_not_set() -> None:
    optimizer = made(0.1)
    scheduler = lr_scheduler.ReduceLROnPlateau(optimizer)
    with pytest.raises(RateNotInForce, match="lr=0.1, not at the 0.03"), verify(optimizer, 0.03):
        train(optimizer)
    del scheduler


def test_a_scheduler_whose_state_is_loaded_after_apply_is_caught() -> None:
    optimizer = made(0.5)
    scheduler = lr_scheduler.CyclicLR(optimizer, 0.5, 1.0, 4, cycle_momentum=False)
    state = copy.deepcopy(scheduler.state_dict())
    apply_rate(optimizer, 0.008)
    scheduler.load_state_dict(state)
    with pytest.raises(RateNotInForce, match="its CyclicLR starts from 0.5"), verify(optimizer, 0.008):
        train(optimizer, scheduler)


SCHEDULES: dict[str, Callable[[Any], Any]] = {
    "step": lambda o: lr_scheduler.StepLR(o, 100),
    "cosine": lambda o: lr_scheduler.CosineAnnealingLR(o, 60),
    "exponential": lambda o: lr_scheduler.ExponentialLR(o, 0.9),
}


@pytest.mark.parametrize("steps_before", [0, 5])
@pytest.mark.parametrize("name", SCHEDULES)
def test_a_group_that_was_added_after_the_scheduler_follows_and_is_verified(name: str, steps_before: int) -> None:
    optimizer = made(1e-3, kind=torch.optim.Adam)
    scheduler = SCHEDULES[name](optimizer)
    train(optimizer, scheduler, steps_before)
    optimizer.add_param_group({"params": nn.Linear(2, 2).parameters(), "lr": 1e-4})
    for parameter in optimizer.param_groups[1]["params"]:
        parameter.grad = torch.zeros_like(parameter)
    before = [group["lr"] for group in optimizer.param_groups]
    apply_rate(optimizer, 0.008, scheduler)
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([8 * rate for rate in before])
    with verify(optimizer, 0.008, steps=15) as guard:
        train(optimizer, scheduler, 15)
    assert guard.proved


def test_a_scheduler_that_cannot_take_its_next_step_is_refused_with_its_own_error() -> None:
    optimizer = made(1e-3)
    scheduler = lr_scheduler.LambdaLR(optimizer, lambda _: 1.0)
    optimizer.add_param_group({"params": nn.Linear(2, 2).parameters()})
    with pytest.raises(RateNotInForce, match=r"LambdaLR will set: it cannot take its next step \(ValueError"):
        apply_rate(optimizer, 0.008)
    assert optimizer.param_groups[0]["lr"] == scheduler.base_lrs[0] == 1e-3


def test_a_group_that_is_added_while_a_guard_watches_is_left_alone() -> None:
    optimizer = made()
    with verify(optimizer, 0.008) as guard:
        train(optimizer, steps=2)
        optimizer.add_param_group({"params": nn.Linear(2, 2).parameters(), "lr": 1.0})
        train(optimizer, steps=2)
    assert guard.proved


def test_rates_of_zero_under_a_scheduler_are_refused() -> None:
    optimizer = made(0.0)
    scheduler = lr_scheduler.StepLR(optimizer, 10)
    with pytest.raises(RateNotInForce, match="StepLR would set them to 0 again"):
        apply_rate(optimizer, 0.008)
    del scheduler
    apply_rate(made(0.0), 0.008)


def test_a_group_at_zero_stays_there_and_its_scheduler_is_verified() -> None:
    optimizer = made(count=2)
    optimizer.param_groups[0]["lr"] = 0.0
    scheduler = lr_scheduler.CosineAnnealingLR(optimizer, 10, eta_min=1e-3)
    apply_rate(optimizer, 0.08)
    assert scheduler.eta_min == pytest.approx(1e-2)
    with verify(optimizer, 0.08) as guard:
        train(optimizer, scheduler)
    assert guard.proved


@pytest.mark.parametrize("dtype", [torch.int64, torch.bool, torch.complex64])
def test_a_tensor_that_cannot_hold_a_rate_is_refused(dtype: torch.dtype) -> None:
    optimizer = made(torch.tensor(0.1))
    optimizer.param_groups[0]["lr"] = torch.ones((), dtype=dtype)
    for use in (lambda: GroupRates([optimizer]), lambda: apply_rate(optimizer, 1e-3), lambda: verify(optimizer, 1e-3)):
        with pytest.raises(TargetError, match="cannot hold a rate such as 0.001"):
            use()


@pytest.mark.parametrize("name", ["cosine", "exponential"])
def test_a_rate_in_a_tensor_follows_its_scheduler(name: str) -> None:
    rate = torch.tensor(0.5)
    optimizer = made(rate, kind=torch.optim.Adam, foreach=False)
    scheduler = SCHEDULES[name](optimizer)
    train(optimizer, scheduler, 3)
    apply_rate(optimizer, 0.008)
    assert optimizer.param_groups[0]["lr"] is rate
    with verify(optimizer, 0.008) as guard:
        train(optimizer, scheduler)
    assert guard.proved


ORDERS = {
    "first in, first out": lambda one, two: (one.close(), two.close()),
    "last in, first out": lambda one, two: (two.close(), one.close()),
}


def is_as_before(optimizer: torch.optim.Optimizer, groups: list[Any]) -> bool:
    return len(groups) == len(optimizer.param_groups) and all(
        now is group and type(now) is dict for now, group in zip(optimizer.param_groups, groups, strict=True)
    )


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("how", ["after a step", "inside a step", "after a step that raised"])
def test_two_guards_leave_the_optimizers_own_groups(how: str, order: str) -> None:
    class Closing(torch.optim.SGD):
        def step(self, closure: Any = None) -> None:
            for group in self.param_groups:
                group["seen"] = group.get("seen", 0) + 1
                if how == "inside a step":
                    ORDERS[order](one, two)
                group["seen"] += 1
                assert group["lr"] == 0.008
            if how == "after a step that raised":
                raise ZeroDivisionError

    optimizer = made(count=2, kind=Closing)
    groups = list(optimizer.param_groups)
    one, two = verify(optimizer, 0.008), verify(optimizer, 0.008)
    if how == "after a step that raised":
        with pytest.raises(ZeroDivisionError):
            optimizer.step()
    else:
        optimizer.step()
    ORDERS[order](one, two)
    assert is_as_before(optimizer, groups)
    assert [group["seen"] for group in groups] == [2, 2]
    assert not optimizer._optimizer_step_pre_hooks
    assert one.proved is two.proved is (how == "after a step")


def test_a_second_guard_may_come_and_go_while_the_first_one_watches() -> None:
    class Late(torch.optim.SGD):
        def step(self, closure: Any = None) -> None: ...

    optimizer = made(kind=Late)
    groups = list(optimizer.param_groups)
    first = verify(optimizer, 0.008)
    with pytest.raises(RateNotInForce, match="never read"), verify(optimizer, 0.008):
        optimizer.step()
    assert is_as_before(optimizer, groups)
    optimizer.step()
    assert is_as_before(optimizer, groups)
    assert first.steps_seen == 2
    first.close()


def test_a_guard_that_raises_inside_a_step_leaves_no_group_of_its_own_behind() -> None:
    optimizer = made(count=2)
    groups = list(optimizer.param_groups)
    with pytest.raises(RateNotInForce), verify(optimizer, 0.008), verify(optimizer, 0.02):
        optimizer.step()
    assert is_as_before(optimizer, groups)


def test_what_is_saved_inside_a_step_is_a_plain_group() -> None:
    class Saving(torch.optim.SGD):
        def step(self, closure: Any = None) -> None:
            saved.append(copy.deepcopy(self.state_dict()["param_groups"]))
            saved.append([copy.deepcopy(group) for group in self.param_groups])

    saved: list[Any] = []
    optimizer = made(kind=Saving)
    with verify(optimizer, 0.008):
        optimizer.step()
    assert [type(group) for groups in saved for group in groups] == [dict, dict]


class Lookahead(torch.optim.Optimizer):
    """A wrapper that never calls `super().__init__`."""

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        self.optimizer = optimizer
        self.param_groups = optimizer.param_groups
        self.state: Any = {}

    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        self.optimizer.step()


def test_a_wrapper_and_the_optimizer_inside_are_one() -> None:
    inner = made(0.5)
    wrapper = Lookahead(inner)
    scheduler = lr_scheduler.CosineAnnealingLR(inner, 60, eta_min=0.05)
    apply_rate(wrapper, 0.008)
    assert scheduler.eta_min == pytest.approx(0.0008)
    with verify(wrapper, 0.008) as guard:
        train(wrapper, scheduler)
    assert guard.proved


def test_several_optimizers_are_applied_and_verified_together() -> None:
    first, second = made(0.02), made(0.001, count=2, kind=torch.optim.Adam)
    scheduler = lr_scheduler.CosineAnnealingLR(second, 60)
    applied = apply_rate([first, second], 0.2)
    assert applied == pytest.approx(
        {"SGD 0, param group 0": 0.2, "Adam 1, param group 0": 0.01, "Adam 1, param group 1": 0.01}
    )
    assert scheduler.base_lrs == pytest.approx([0.01, 0.01])
    with verify([first, second], 0.2) as guard:
        train(first, steps=3)
        assert guard.steps_seen == 0
        train(second, scheduler, 5)
    assert guard.proved
    assert guard.steps_seen == 3


def test_one_of_several_that_cannot_follow_leaves_all_unchanged() -> None:
    first, second = made(0.02), made(0.001)
    scheduler = Absolute(second)
    with pytest.raises(RateNotInForce, match="Absolute"):
        apply_rate([first, second], 0.2)
    assert (first.param_groups[0]["lr"], second.param_groups[0]["initial_lr"]) == (0.02, 0.001)
    del scheduler


def test_the_one_of_several_that_trains_at_another_rate_is_named() -> None:
    first, second = made(0.02), made(0.001, kind=torch.optim.Adam)
    with pytest.raises(RateNotInForce, match=r"Adam 1, param group 0 trains at lr=0.5"), verify([first, second], 0.02):
        train(first)
        second.param_groups[0]["lr"] = 0.5
        train(second)


def test_apply_leaves_momentum_and_random_state_and_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    optimizer = made(0.5, momentum=0.9)
    scheduler = lr_scheduler.OneCycleLR(optimizer, 12.5, 200)
    train(optimizer, scheduler, 10)
    momentum, state = optimizer.param_groups[0]["momentum"], torch.get_rng_state()
    assert not math.isclose(momentum, 0.95)
    apply_rate(optimizer, 0.008)
    assert optimizer.param_groups[0]["momentum"] == momentum
    assert torch.equal(torch.get_rng_state(), state)
    assert capsys.readouterr() == ("", "")


def test_a_scheduler_without_attributes_to_follow_is_refused() -> None:
    class Slotted:
        __slots__ = ("optimizer",)

        def step(self) -> None: ...

    scheduler = Slotted()
    scheduler.optimizer = optimizer = made()  # type: ignore[attr-defined]
    with pytest.raises(OptionError, match="without __slots__"):
        apply_rate(optimizer, 0.1, scheduler)


@pytest.mark.parametrize("keep", [list, tuple, torch.tensor, numpy.array], ids=["list", "tuple", "tensor", "array"])
def test_the_base_of_a_scheduler_in_the_middle_of_its_schedule_is_what_the_optimizer_was_made_with(keep: Any) -> None:
    class Own:
        def __init__(self, optimizer: Any) -> None:
            self.optimizer, self.starts, self.t = optimizer, keep([0.5]), 0

        def step(self) -> None:
            self.t += 1
            self.optimizer.param_groups[0]["lr"] = float(self.starts[0]) * 0.9**self.t

    optimizer = made(0.5)
    scheduler = Own(optimizer)
    train(optimizer, scheduler, 3)
    apply_rate(optimizer, 0.008, scheduler)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.008 * 0.9**3)
    with verify(optimizer, 0.008, scheduler=scheduler) as guard:
        train(optimizer, scheduler)
    assert guard.proved


def test_the_fields_of_a_scheduler_that_is_gone_follow_too() -> None:
    optimizer = made(0.5)
    lr_scheduler.OneCycleLR(optimizer, 1.0, 100, cycle_momentum=False)
    apply_rate(optimizer, 0.008)
    assert optimizer.param_groups[0]["max_lr"] == pytest.approx(0.2)


@pytest.mark.parametrize("rate", [0.5, torch.tensor(0.5)], ids=["number", "tensor"])
def test_a_scheduler_that_reaches_the_optimizer_by_a_name_is_refused_and_the_rates_stay(rate: Any) -> None:
    class ByName(LRScheduler):
        def get_lr(self) -> list[float]:
            set_rate(optimizer.param_groups[0], "lr", 0.1)
            return [group["lr"] for group in self.optimizer.param_groups]

    optimizer = made(rate)
    scheduler = ByName(optimizer)
    group = optimizer.param_groups[0]
    set_rate(group, "lr", 0.5)
    with pytest.raises(RateNotInForce, match="sets the rates of the original optimizer"):
        apply_rate(optimizer, 0.008, scheduler)
    assert group["lr"] == group["initial_lr"] == 0.5
