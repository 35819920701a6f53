"""The schedules against torch's own schedulers, step by step, over the arguments that both take.

Rates agree to 1e-9 of the peak, and momenta to 1e-9: torch computes the position in a cycle as a fraction that grows
with the step, and loses digits as it grows. The schedules here count whole steps.
"""

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from lrrange_clr import ScheduleLR
from torch.optim.lr_scheduler import CyclicLR, LRScheduler, OneCycleLR

from lrrange.cyclical import Cycle, OneCycle, Schedule
from tests.clr.rigs import now, sgd

momenta = st.tuples(st.floats(0.0, 0.98), st.floats(0.0, 0.98)).map(sorted)


def adam() -> torch.optim.Adam:
    return torch.optim.Adam([torch.nn.Parameter(torch.ones(1))])


optimizers = st.sampled_from([lambda: sgd(momentum=0.9), adam])


def in_force(scheduler: LRScheduler, steps: int) -> list[tuple[float, float | None]]:
    """Return the rate and the momentum at each optimizer step."""
    seen = []
    for _ in range(steps):
        seen += now(scheduler.optimizer)
        scheduler.optimizer.step()  # without gradients, so it costs nothing
        scheduler.step()
    return seen


def compare(schedule: Schedule, torchs: LRScheduler, ours: ScheduleLR, steps: int, peak: float) -> None:
    pure = [(schedule.lr_at(step), schedule.momentum_at(step)) for step in range(steps)]
    assert in_force(ours, steps) == pure
    lrs, momenta_ = zip(*pure, strict=True)
    torchs_lrs, torchs_momenta = zip(*in_force(torchs, steps), strict=True)
    assert lrs == pytest.approx(torchs_lrs, rel=0, abs=1e-9 * peak)
    assert momenta_ == pytest.approx(torchs_momenta, rel=0, abs=1e-9)


@given(
    make=optimizers,
    base=st.floats(1e-7, 1.0),
    factor=st.floats(1.01, 1e4),
    up=st.integers(1, 60),
    down=st.integers(1, 60),
    mode=st.sampled_from(["triangular", "triangular2", "exp_range"]),
    gamma=st.floats(0.9, 1.0),
    momentum=momenta,
    steps=st.integers(1, 200),
)
def test_a_cycle_is_torchs_cyclic_lr(make, base, factor, up, down, mode, gamma, momentum, steps) -> None:
    low, high = momentum
    schedule = Cycle(
        base_lr=base,
        max_lr=base * factor,
        steps_up=up,
        steps_down=down,
        mode=mode,
        gamma=gamma,
        base_momentum=low,
        max_momentum=high,
    )
    torchs = CyclicLR(
        make(),
        base_lr=base,
        max_lr=base * factor,
        step_size_up=up,
        step_size_down=down,
        mode=mode,
        gamma=gamma,
        base_momentum=low,
        max_momentum=high,
    )
    compare(schedule, torchs, ScheduleLR(make(), schedule), steps, base * factor)


@given(
    make=optimizers,
    peak=st.floats(1e-6, 10.0),
    total=st.integers(5, 200),
    pct_start=st.floats(0.02, 0.98),
    div_factor=st.floats(1.01, 1e3),
    final_div_factor=st.floats(1.01, 1e6),
    anneal=st.sampled_from(["cosine", "linear"]),
    three_phase=st.booleans(),
    momentum=momenta,
)
def test_one_cycle_is_torchs_one_cycle_lr(
    make, peak, total, pct_start, div_factor, final_div_factor, anneal, three_phase, momentum
) -> None:
    low, high = momentum
    up = pct_start * total - 1
    # Torch divides by zero if a phase has no length, and leaves its curve if the length is negative.
    assume(up > 1e-6 and (2 * up if three_phase else up) < total - 1 - 1e-6)
    schedule = OneCycle(
        max_lr=peak,
        total_steps=total,
        pct_start=pct_start,
        div_factor=div_factor,
        final_div_factor=final_div_factor,
        anneal=anneal,
        three_phase=three_phase,
        base_momentum=low,
        max_momentum=high,
    )
    torchs = OneCycleLR(
        make(),
        max_lr=peak,
        total_steps=total,
        pct_start=pct_start,
        div_factor=div_factor,
        final_div_factor=final_div_factor,
        anneal_strategy={"cosine": "cos", "linear": "linear"}[anneal],
        three_phase=three_phase,
        base_momentum=low,
        max_momentum=high,
    )
    compare(schedule, torchs, ScheduleLR(make(), schedule), total, peak)


# Faults of torch that the docstrings and the documentation mention


def test_torch_leaves_momentum_in_an_sgd_that_was_made_without_it_and_refuses_one_that_cannot_have_any() -> None:
    optimizer = sgd()
    CyclicLR(optimizer, base_lr=0.1, max_lr=1.0)
    assert now(optimizer) == [(0.1, 0.9)]
    for torchs in (CyclicLR, OneCycleLR):
        arguments = {"base_lr": 0.1} if torchs is CyclicLR else {"total_steps": 10}
        with pytest.raises(ValueError, match="must support momentum"):
            torchs(torch.optim.Adagrad([torch.nn.Parameter(torch.ones(1))]), max_lr=1.0, **arguments)


def test_torchs_straight_line_ends_on_a_negative_rate_and_then_raises() -> None:
    torchs = OneCycleLR(sgd(momentum=0.9), max_lr=1.0, total_steps=10, anneal_strategy="linear")
    in_force(torchs, 10)
    assert torchs.get_last_lr()[0] < 0
    with pytest.raises(ValueError, match="Tried to step 11 times"):
        torchs.step()


def test_torchs_exp_range_comes_back_to_its_base_where_the_papers_shrinks_it_and_is_triangular_by_default() -> None:
    bounds = {"base_lr": 0.1, "max_lr": 1.0, "step_size_up": 4}
    shrinking = CyclicLR(sgd(momentum=0.9), mode="exp_range", gamma=0.9, **bounds)
    assert in_force(shrinking, 9)[8][0] == pytest.approx(0.1)  # the paper: 0.1 * 0.9**8
    default, triangle = (CyclicLR(sgd(momentum=0.9), mode=mode, **bounds) for mode in ("exp_range", "triangular"))
    assert in_force(default, 30) == in_force(triangle, 30)


def test_torch_cannot_load_one_state_twice() -> None:
    state = CyclicLR(sgd(momentum=0.9), base_lr=0.1, max_lr=1.0).state_dict()
    CyclicLR(sgd(momentum=0.9), base_lr=0.1, max_lr=1.0).load_state_dict(state)
    with pytest.raises(KeyError):
        CyclicLR(sgd(momentum=0.9), base_lr=0.1, max_lr=1.0).load_state_dict(state)
