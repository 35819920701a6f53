"""An optimizer under a schedule: its param groups, its momentum, its tensors, and other schedulers."""

import pytest
import torch
from lrrange_clr import ScheduleLR, cyclical, one_cycle
from torch.optim.lr_scheduler import LRScheduler, SequentialLR

from lrrange.cyclical import Cycle
from lrrange.errors import FlatCurve, OptionError, PlanError, TargetError
from tests.clr.rigs import BOUNDS, now, parameters, result, result_of, sgd, train_step
from tests.core.strategies import Landscape


def rates_of(scheduler: LRScheduler, steps: int) -> list[list[float]]:
    """Return the rate of each group at each optimizer step."""
    seen = []
    for _ in range(steps):
        seen.append([float(group["lr"]) for group in scheduler.optimizer.param_groups])
        train_step(scheduler.optimizer)
        scheduler.step()
    return seen


# Which range, and how long


@pytest.mark.parametrize("mode", ["triangular", "triangular2", "exp_range"])
def test_cycles_run_over_the_range_that_smith_reads(mode: str) -> None:
    found = result()
    scheduler = cyclical(sgd(), found, mode, steps_per_half_cycle=4)
    assert isinstance(scheduler, LRScheduler)
    assert scheduler.get_last_lr() == [found.range_by("smith").base_lr]
    assert scheduler.schedule.max_lr == found.range_by("smith").max_lr
    assert scheduler.schedule.mode == mode


def test_a_single_cycle_peaks_at_the_maximum_of_the_default_range() -> None:
    found = result()
    scheduler = one_cycle(sgd(), found, total_steps=10)
    assert max(rates_of(scheduler, 10)) == [found.range.max_lr]


def test_a_result_without_a_range_raises_its_reason_and_leaves_the_optimizer() -> None:
    optimizer = sgd()
    level = result_of(Landscape(drop=1e-6, noise=1e4, blow_up=3.0))
    with pytest.raises(FlatCurve):
        cyclical(optimizer, level, steps_per_half_cycle=4)
    with pytest.raises(FlatCurve):
        one_cycle(optimizer, level, total_steps=9)
    assert now(optimizer) == [(0.1, 0.0)]
    assert "initial_lr" not in optimizer.param_groups[0]


def test_half_a_cycle_is_two_epochs_of_the_loader_by_default_and_a_warning_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    loader = torch.utils.data.DataLoader(torch.zeros(100, 1), batch_size=10)
    scheduler = cyclical(sgd(), BOUNDS, loader=loader)
    assert (scheduler.schedule.steps_up, scheduler.schedule.steps_down) == (20, 20)
    assert "2 epochs (20 steps)" in caplog.text
    assert "20 steps up" in repr(scheduler)


def test_a_length_in_epochs_counts_the_optimizer_steps_that_the_user_counts(caplog: pytest.LogCaptureFixture) -> None:
    scheduler = cyclical(sgd(), BOUNDS, epochs_per_half_cycle=8, steps_per_epoch=500)
    assert scheduler.schedule.steps_up == 4000
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, "Give steps_per_epoch="),
        ({"epochs_per_half_cycle": 2}, "Give steps_per_epoch="),
        ({"loader": (batch for batch in range(3))}, "a loader= that has a length"),
        ({"epochs_per_half_cycle": 2, "steps_per_half_cycle": 9}, "are both lengths"),
        ({"mode": "one_cycle", "steps_per_half_cycle": 9}, r"exp_range\. For a single cycle call one_cycle\(\)"),
        ({"gamma": 0.9, "steps_per_half_cycle": 9}, "belongs to mode 'exp_range', and the mode is 'triangular2'"),
        ({"bounds": (0.1, 1.0), "steps_per_half_cycle": 9}, "neither a RangeTestResult nor an LRRange"),
    ],
)
def test_arguments_that_cannot_be_used_are_refused_before_the_optimizer_is_touched(options, says) -> None:
    optimizer = sgd()
    with pytest.raises(OptionError, match=says):
        cyclical(optimizer, **{"bounds": BOUNDS, **options})
    assert "initial_lr" not in optimizer.param_groups[0]


@pytest.mark.parametrize("steps", [0, 2.5])
def test_a_length_that_is_not_a_positive_whole_number_is_refused(steps: float) -> None:
    with pytest.raises(PlanError):
        cyclical(sgd(), BOUNDS, steps_per_half_cycle=steps)


def test_what_is_no_torch_optimizer_is_refused_by_its_name() -> None:
    with pytest.raises(TargetError, match="a list is not a torch optimizer"):
        cyclical([sgd()], BOUNDS, steps_per_half_cycle=2)


# Groups


def test_the_first_rate_is_in_force_before_the_first_step() -> None:
    optimizer = sgd(momentum=0.5)
    cyclical(optimizer, BOUNDS, steps_per_half_cycle=4)
    assert now(optimizer) == [(0.001, 0.9)]
    assert optimizer.param_groups[0]["initial_lr"] == 0.001


def test_groups_keep_the_proportions_of_their_rates_at_every_step() -> None:
    scheduler = cyclical(sgd({"lr": 0.2}, {"lr": 0.02}, {"lr": 0.0}), BOUNDS, "triangular", steps_per_half_cycle=4)
    seen = rates_of(scheduler, 20)
    assert [first for first, _, _ in seen] == [scheduler.schedule.lr_at(step) for step in range(20)]
    assert [second / first for first, second, _ in seen] == pytest.approx([0.1] * 20, rel=1e-12)
    assert {third for _, _, third in seen} == {0.0}


def test_a_second_schedule_keeps_the_proportions_that_the_optimizer_was_made_with() -> None:
    optimizer = sgd({"lr": 0.2}, {"lr": 0.02})
    rates_of(one_cycle(optimizer, BOUNDS, total_steps=5), 5)
    again = cyclical(optimizer, BOUNDS, steps_per_half_cycle=4)
    assert again.get_last_lr() == pytest.approx([0.001, 0.0001])
    assert [group["initial_lr"] for group in optimizer.param_groups] == again.base_lrs


def test_a_rate_that_is_a_tensor_is_set_in_place() -> None:
    rate = torch.tensor(0.1)
    optimizer = torch.optim.Adam(parameters(), lr=rate, capturable=False, foreach=False)
    scheduler = cyclical(optimizer, BOUNDS, steps_per_half_cycle=4)
    assert rate.item() == pytest.approx(0.001)
    optimizer.step()
    scheduler.step()
    assert optimizer.param_groups[0]["lr"] is rate
    assert rate.item() == pytest.approx(scheduler.schedule.lr_at(1))


def test_a_group_without_a_rate_is_refused() -> None:
    optimizer = sgd()
    optimizer.param_groups[0]["lr"] = None
    with pytest.raises(TargetError, match="param group 0 has lr=None"):
        cyclical(optimizer, BOUNDS, steps_per_half_cycle=4)


# Momentum


def test_momentum_falls_as_the_rate_climbs() -> None:
    optimizer = sgd(momentum=0.9)
    scheduler = cyclical(optimizer, BOUNDS, steps_per_half_cycle=2)
    seen = []
    for _ in range(5):
        seen.append(optimizer.param_groups[0]["momentum"])
        train_step(optimizer)
        scheduler.step()
    assert seen == pytest.approx([0.9, 0.85, 0.8, 0.85, 0.9])


def test_adams_first_beta_is_cycled_and_its_second_stays() -> None:
    optimizer = torch.optim.AdamW(parameters(), betas=(0.9, 0.98))
    scheduler = one_cycle(optimizer, BOUNDS, total_steps=11)
    rates_of(scheduler, 3)
    assert optimizer.param_groups[0]["betas"] == (scheduler.schedule.momentum_at(3), 0.98)


def test_a_beta_that_is_a_tensor_is_set_in_place() -> None:
    betas = (torch.tensor(0.9), torch.tensor(0.99))
    optimizer = torch.optim.Adam(parameters(), lr=torch.tensor(0.1), betas=betas, capturable=True, foreach=False)
    scheduler = cyclical(optimizer, BOUNDS, steps_per_half_cycle=2)
    optimizer.step()
    scheduler.step()
    assert optimizer.param_groups[0]["betas"][0] is betas[0]
    assert betas[0].item() == pytest.approx(0.85)
    assert betas[1].item() == pytest.approx(0.99)


@pytest.mark.parametrize("make", [cyclical, one_cycle])
def test_an_sgd_without_momentum_stays_without(make: object) -> None:
    optimizer = sgd()
    options = {"total_steps": 20} if make is one_cycle else {"steps_per_half_cycle": 3}
    scheduler = make(optimizer, BOUNDS, **options)
    for _ in range(20):
        assert optimizer.param_groups[0]["momentum"] == 0
        train_step(optimizer)
        scheduler.step()
    assert not any(state.get("momentum_buffer") is not None for state in optimizer.state.values())


def test_an_adam_with_a_first_beta_of_zero_keeps_it() -> None:
    optimizer = torch.optim.Adam(parameters(), betas=(0.0, 0.99))
    rates_of(cyclical(optimizer, BOUNDS, steps_per_half_cycle=2), 3)
    assert optimizer.param_groups[0]["betas"] == (0.0, 0.99)


def test_groups_with_different_momenta_keep_their_proportions_and_one_without_stays_without() -> None:
    optimizer = sgd({"momentum": 0.45}, {"momentum": 0.9}, {"momentum": 0.0})
    scheduler = cyclical(optimizer, BOUNDS, steps_per_half_cycle=2)
    for step in range(9):
        full = scheduler.schedule.momentum_at(step)
        assert [group["momentum"] for group in optimizer.param_groups] == pytest.approx([full / 2, full, 0.0])
        train_step(optimizer)
        scheduler.step()


def test_momentum_is_left_alone_if_its_bounds_are_none() -> None:
    optimizer = sgd(momentum=0.77)
    rates_of(cyclical(optimizer, BOUNDS, steps_per_half_cycle=2, base_momentum=None, max_momentum=None), 3)
    assert optimizer.param_groups[0]["momentum"] == 0.77


# With other schedulers, and after the end


def test_after_the_last_step_of_one_cycle_the_last_rate_is_held() -> None:
    scheduler = one_cycle(sgd(), BOUNDS, total_steps=10, anneal="linear")
    seen = rates_of(scheduler, 14)
    assert seen[9:] == [[scheduler.schedule.final_lr]] * 5


def test_apply_moves_the_whole_schedule_and_keeps_its_shape() -> None:
    optimizer = sgd({"lr": 0.2}, {"lr": 0.02}, momentum=0.9)
    scheduler = cyclical(optimizer, BOUNDS, "triangular", steps_per_half_cycle=4)
    rates_of(scheduler, 2)
    result().apply(optimizer, lr=0.003)  # three times the base
    assert scheduler.get_last_lr() == [group["lr"] for group in optimizer.param_groups]
    seen = rates_of(scheduler, 8)
    wanted = [3 * scheduler.schedule.lr_at(step) for step in range(2, 10)]
    assert [first for first, _ in seen] == pytest.approx(wanted)
    assert [second for _, second in seen] == pytest.approx([lr / 10 for lr in wanted])


def test_a_schedule_made_after_apply_has_the_last_word() -> None:
    optimizer = sgd({"lr": 0.2}, {"lr": 0.02})
    result().apply(optimizer, lr=0.5)
    scheduler = cyclical(optimizer, BOUNDS, steps_per_half_cycle=4)
    assert scheduler.get_last_lr() == pytest.approx([0.001, 0.0001])


def test_it_follows_a_warm_up_from_its_own_first_step() -> None:
    optimizer = sgd(momentum=0.9)
    warm_up = torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=0.1, total_iters=3)
    cycles = cyclical(optimizer, BOUNDS, steps_per_half_cycle=4)
    both = SequentialLR(optimizer, [warm_up, cycles], milestones=[3])
    rates = [lr for (lr,) in rates_of(both, 9)]
    assert rates[3:] == [cycles.schedule.lr_at(step) for step in range(6)]


def test_a_schedule_that_the_user_made_is_followed_too() -> None:
    slow_fall = Cycle(base_lr=0.1, max_lr=0.4, steps_up=1, steps_down=3)
    assert rates_of(ScheduleLR(sgd(), slow_fall), 5) == [[slow_fall.lr_at(step)] for step in range(5)]
