"""A sweep that continues with a longer plan when its own plan is done."""

import attrs
import pytest

from lrrange import Curve, StopReason, Sweep, SweepPlan

PLAN = SweepPlan(start_lr=1e-4, end_lr=1.0, num_steps=41)
LONGER = attrs.evolve(PLAN, end_lr=100.0, num_steps=61)


def run(sweep: Sweep) -> list[float]:
    rates = []
    while sweep.running:
        rates.append(sweep.lr)
        sweep.tell(1.0 - sweep.lr / 1000)
    return rates


def test_it_takes_the_rates_that_the_longer_plan_would_have_had_from_the_start() -> None:
    rates = run(Sweep(PLAN, extend=lambda curve: LONGER))
    assert rates == pytest.approx(LONGER.rates)
    assert rates[:41] == list(PLAN.rates)


def test_extend_is_called_once_with_the_measured_curve_and_the_sweep_may_end_there() -> None:
    curves: list[Curve] = []
    sweep = Sweep(PLAN, extend=lambda curve: curves.append(curve))  # type: ignore[func-returns-value]
    run(sweep)
    assert [curve.lr for curve in curves] == [PLAN.rates]
    assert (sweep.plan, sweep.stop_reason) == (PLAN, StopReason.COMPLETED)


def test_a_longer_plan_is_not_extended_again() -> None:
    lengths: list[int] = []

    def longer(curve: Curve) -> SweepPlan:
        lengths.append(len(curve))
        return LONGER

    sweep = Sweep(PLAN, extend=longer)
    run(sweep)
    assert (lengths, len(sweep.points), sweep.plan) == ([41], 61, LONGER)


def test_a_sweep_that_stops_early_is_not_extended() -> None:
    sweep = Sweep(PLAN, extend=lambda curve: LONGER, divergence=None)
    for _ in range(3):
        sweep.tell(float("nan"))
    assert (sweep.stop_reason, sweep.plan) == (StopReason.NON_FINITE, PLAN)
