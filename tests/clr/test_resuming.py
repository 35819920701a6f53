"""A saved scheduler goes on as if nothing had happened, to the last bit."""

import copy
import io

import pytest
import torch
from lrrange_clr import cyclical, one_cycle
from torch.optim.lr_scheduler import CyclicLR

from lrrange.errors import TargetError
from tests.clr.rigs import BOUNDS, now, parameters, result, sgd, train_step

MAKERS = {
    "triangular": lambda optimizer: cyclical(optimizer, BOUNDS, "triangular", steps_per_half_cycle=7),
    "triangular2": lambda optimizer: cyclical(optimizer, BOUNDS, "triangular2", steps_per_half_cycle=7),
    "exp_range": lambda optimizer: cyclical(optimizer, BOUNDS, "exp_range", gamma=0.97, steps_per_half_cycle=7),
    "one_cycle": lambda optimizer: one_cycle(optimizer, BOUNDS, total_steps=40),
    "three phases": lambda optimizer: one_cycle(optimizer, BOUNDS, total_steps=40, three_phase=True, anneal="linear"),
}
OPTIMIZERS = {
    "sgd": lambda: sgd({"lr": 0.3}, {"lr": 0.1, "momentum": 0.3}, momentum=0.9),
    "sgd without momentum": sgd,
    "adam": lambda: torch.optim.Adam(parameters(), lr=0.1),
    "a tensor as rate": lambda: torch.optim.Adam(parameters(), lr=torch.tensor(0.1), foreach=False),
}


def go_on(optimizer, scheduler, steps):
    seen = []
    for _ in range(steps):
        seen.append(now(optimizer))
        train_step(optimizer)
        scheduler.step()
    return seen, [parameter.detach().clone() for group in optimizer.param_groups for parameter in group["params"]]


def through_a_file(state):
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


@pytest.mark.parametrize("optimizer_name", OPTIMIZERS)
@pytest.mark.parametrize("mode", MAKERS)
def test_a_resumed_scheduler_equals_the_uninterrupted_one(mode: str, optimizer_name: str) -> None:
    make, make_optimizer = MAKERS[mode], OPTIMIZERS[optimizer_name]
    optimizer = make_optimizer()
    scheduler = make(optimizer)
    go_on(optimizer, scheduler, 11)
    saved = through_a_file({"optimizer": optimizer.state_dict(), "scheduler": scheduler.state_dict()})
    weights = [p.detach().clone() for group in optimizer.param_groups for p in group["params"]]
    uninterrupted = go_on(optimizer, scheduler, 25)

    resumed = make_optimizer()
    with torch.no_grad():
        for parameter, weight in zip((p for g in resumed.param_groups for p in g["params"]), weights, strict=True):
            parameter.copy_(weight)
    again = make(resumed)
    resumed.load_state_dict(saved["optimizer"])
    again.load_state_dict(saved["scheduler"])
    rates, final_weights = go_on(resumed, again, 25)
    assert rates == uninterrupted[0]
    assert all(torch.equal(one, other) for one, other in zip(final_weights, uninterrupted[1], strict=True))


def test_the_order_of_making_and_loading_does_not_matter() -> None:
    optimizer = sgd(momentum=0.9)
    scheduler = MAKERS["triangular2"](optimizer)
    go_on(optimizer, scheduler, 5)
    resumed = sgd(momentum=0.9)
    resumed.load_state_dict(optimizer.state_dict())
    again = MAKERS["triangular2"](resumed)  # sets the first rate again
    again.load_state_dict(scheduler.state_dict())
    assert now(resumed) == now(optimizer)
    assert go_on(resumed, again, 20)[0] == go_on(optimizer, scheduler, 20)[0]


def test_the_state_has_the_schedule_so_that_other_arguments_do_not_change_it() -> None:
    optimizer = sgd()
    scheduler = one_cycle(optimizer, BOUNDS, total_steps=40)
    go_on(optimizer, scheduler, 5)
    other = sgd()
    again = cyclical(other, BOUNDS, steps_per_half_cycle=3)
    again.load_state_dict(scheduler.state_dict())
    assert again.schedule == scheduler.schedule
    assert go_on(other, again, 10)[0] == go_on(optimizer, scheduler, 10)[0]


def test_a_state_can_be_loaded_twice_and_is_not_changed_by_it() -> None:
    scheduler = MAKERS["exp_range"](sgd())
    state = scheduler.state_dict()
    before = copy.deepcopy(state)
    for _ in range(2):
        MAKERS["exp_range"](sgd()).load_state_dict(state)
    assert state == before


def test_a_rate_that_apply_set_is_saved_too() -> None:
    optimizer = sgd(momentum=0.9)
    scheduler = MAKERS["triangular"](optimizer)
    go_on(optimizer, scheduler, 3)
    result().apply(optimizer, lr=0.005)
    resumed = sgd(momentum=0.9)
    again = MAKERS["triangular"](resumed)
    again.load_state_dict(through_a_file(scheduler.state_dict()))
    assert go_on(resumed, again, 20)[0] == go_on(optimizer, scheduler, 20)[0]
    assert resumed.param_groups[0]["initial_lr"] == optimizer.param_groups[0]["initial_lr"] == 0.005


def test_a_state_of_other_groups_is_refused_and_nothing_changes() -> None:
    optimizer = sgd({}, {})
    scheduler = MAKERS["triangular"](optimizer)
    before = scheduler.state_dict()
    with pytest.raises(TargetError, match="has 1 param groups, and this SGD has 2"):
        scheduler.load_state_dict(MAKERS["triangular"](sgd()).state_dict())
    assert scheduler.state_dict() == before


def test_a_state_of_torchs_own_scheduler_is_refused() -> None:
    state = CyclicLR(sgd(momentum=0.9), base_lr=0.1, max_lr=1.0).state_dict()
    with pytest.raises(TargetError, match="from another class of scheduler"):
        MAKERS["triangular"](sgd()).load_state_dict(state)
