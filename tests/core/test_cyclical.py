"""The rates of the schedules, and the range that each takes. `tests/clr` compares them with torch."""

import ast
import logging
import math
import subprocess
import sys
from itertools import pairwise

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrrange import LRRange, Provenance, RangeTestResult, StopReason
from lrrange.advice.heuristics import HEURISTICS
from lrrange.advice.readings import read_answers, read_ranges
from lrrange.cyclical import (
    Cycle,
    OneCycle,
    bounds_for,
    exp_range,
    half_cycle_steps,
    one_cycle,
    triangular,
    triangular2,
)
from lrrange.errors import FlatCurve, PlanError
from tests.core.strategies import PLAN, Landscape

MINE = LRRange(base_lr=0.001, max_lr=0.006, rule="mine", source="Smith 2017, section 3.3, CIFAR-10")

modes = st.sampled_from(["triangular", "triangular2", "exp_range"])


def result_of(landscape: Landscape) -> RangeTestResult:
    curve = landscape.curve()
    return RangeTestResult(
        plan=PLAN,
        curve=curve,
        stop_reason=StopReason.COMPLETED,
        provenance=Provenance(backend="test"),
        answers=read_answers(curve, HEURISTICS),
        ranges=read_ranges(curve),
    )


@st.composite
def cycles(draw: st.DrawFn) -> Cycle:
    base = draw(st.floats(1e-8, 1.0))
    return Cycle(
        base_lr=base,
        max_lr=base * draw(st.floats(1.01, 1e4)),
        steps_up=draw(st.integers(1, 50)),
        steps_down=draw(st.integers(1, 50)),
        mode=draw(modes),
        gamma=draw(st.floats(0.9, 1.0)),
    )


@st.composite
def one_cycles(draw: st.DrawFn) -> OneCycle:
    return OneCycle(
        max_lr=draw(st.floats(1e-6, 10.0)),
        total_steps=draw(st.integers(20, 200)),
        pct_start=draw(st.floats(0.1, 0.45)),
        div_factor=draw(st.floats(1.1, 100.0)),
        final_div_factor=draw(st.floats(1.1, 1e5)),
        anneal=draw(st.sampled_from(["cosine", "linear"])),
        three_phase=draw(st.booleans()),
    )


# The cycles of Smith 2017


def test_a_triangle_meets_its_base_and_its_peak_exactly_in_every_cycle() -> None:
    cycle = triangular(0.1, 0.7, steps_per_half_cycle=3)
    assert [cycle.lr_at(step) for step in (0, 6, 12)] == [0.1, 0.1, 0.1]
    assert [cycle.lr_at(step) for step in (3, 9, 15)] == [0.7, 0.7, 0.7]


def test_the_first_figure_of_the_paper_by_its_own_numbers() -> None:
    # Table 2: base_lr 0.001, max_lr 0.006, stepsize 2000, "triangular2".
    cycle = triangular2(MINE, steps_per_half_cycle=2000)
    peaks = [cycle.lr_at(step) for step in (2000, 6000, 10000)]
    assert peaks == pytest.approx([0.006, 0.0035, 0.00225], rel=1e-15)
    assert cycle.lr_at(4000) == cycle.lr_at(8000) == 0.001


def test_exp_range_shrinks_the_distance_to_the_base_and_not_the_base_as_the_paper_has_it() -> None:
    cycle = exp_range(1.0, 2.0, steps_per_half_cycle=10, gamma=0.99)
    assert cycle.lr_at(10) == pytest.approx(1 + 0.99**10, rel=1e-15)
    assert cycle.lr_at(20) == 1.0  # and not 0.99**20


def test_a_cycle_may_fall_slower_than_it_climbs() -> None:
    cycle = Cycle(base_lr=1.0, max_lr=3.0, steps_up=1, steps_down=4)
    assert [cycle.lr_at(step) for step in range(6)] == [1.0, 3.0, 2.5, 2.0, 1.5, 1.0]


@given(cycles(), st.integers(0, 500))
def test_a_cycle_stays_within_its_bounds(cycle: Cycle, step: int) -> None:
    assert cycle.base_lr * (1 - 1e-12) <= cycle.lr_at(step) <= cycle.max_lr * (1 + 1e-12)


@given(cycles(), st.integers(0, 500))
def test_momentum_moves_against_the_rate_in_the_same_parts(cycle: Cycle, step: int) -> None:
    up = (cycle.lr_at(step) - cycle.base_lr) / (cycle.max_lr - cycle.base_lr)
    down = (0.9 - cycle.momentum_at(step)) / (0.9 - 0.8)
    assert down == pytest.approx(up, abs=1e-9)


@given(cycles().filter(lambda cycle: cycle.mode == "triangular"), st.integers(0, 200))
def test_a_triangle_repeats_itself(cycle: Cycle, step: int) -> None:
    assert cycle.lr_at(step) == cycle.lr_at(step + cycle.steps_up + cycle.steps_down)


@given(cycles().filter(lambda cycle: cycle.mode == "triangular2"), st.integers(0, 200))
def test_triangular2_halves_what_it_stands_above_its_base(cycle: Cycle, step: int) -> None:
    now, next_time = (cycle.lr_at(at) - cycle.base_lr for at in (step, step + cycle.steps_up + cycle.steps_down))
    assert next_time == pytest.approx(now / 2, abs=1e-12 * cycle.max_lr)


def test_a_cycle_far_into_training_rests_at_its_base() -> None:
    cycle = triangular2(MINE, steps_per_half_cycle=1)
    assert cycle.lr_at(10**7 + 1) == 0.001


# The single cycle of Smith & Topin


def test_one_cycle_begins_at_its_base_meets_its_peak_and_ends_far_below() -> None:
    cycle = OneCycle(max_lr=1.0, total_steps=100, pct_start=0.3, div_factor=10, final_div_factor=1000)
    assert (cycle.lr_at(0), cycle.lr_at(29), cycle.lr_at(99)) == (0.1, 1.0, 0.0001)


def test_three_phases_come_back_to_the_base_in_as_many_steps_as_they_went_up() -> None:
    cycle = OneCycle(max_lr=1.0, total_steps=101, pct_start=0.45, anneal="linear", three_phase=True)
    up = 0.45 * 101 - 1
    assert cycle.lr_at(math.floor(up)) > cycle.lr_at(math.floor(up) - 1)
    assert cycle.lr_at(math.ceil(2 * up)) < cycle.base_lr < cycle.lr_at(math.floor(2 * up))
    assert cycle.lr_at(100) == cycle.final_lr


def test_the_last_rate_is_held_after_the_last_step() -> None:
    cycle = OneCycle(max_lr=1.0, total_steps=10)
    assert cycle.lr_at(9) == cycle.lr_at(10) == cycle.lr_at(10_000) == cycle.final_lr
    assert cycle.momentum_at(10_000) == 0.95


@given(one_cycles())
def test_one_cycle_climbs_up_to_its_peak_and_falls_from_there(cycle: OneCycle) -> None:
    rates = [cycle.lr_at(step) for step in range(cycle.total_steps)]
    top = rates.index(max(rates))
    slack = 1e-12 * cycle.max_lr
    assert all(later >= earlier - slack for earlier, later in pairwise(rates[: top + 1]))
    assert all(later <= earlier + slack for earlier, later in pairwise(rates[top:]))


@given(one_cycles(), st.integers(0, 250))
def test_one_cycle_stays_between_its_last_rate_and_its_peak(cycle: OneCycle, step: int) -> None:
    assert cycle.final_lr * (1 - 1e-9) <= cycle.lr_at(step) <= cycle.max_lr * (1 + 1e-12)
    assert 0.85 - 1e-12 <= cycle.momentum_at(step) <= 0.95 + 1e-12


@given(one_cycles().filter(lambda cycle: cycle.three_phase))
def test_momentum_stays_at_its_maximum_in_a_third_phase(cycle: OneCycle) -> None:
    begin = math.ceil(2 * (cycle.pct_start * cycle.total_steps - 1))
    assert {cycle.momentum_at(step) for step in range(begin, cycle.total_steps)} <= {0.95}


# Values that make no schedule


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"base_lr": 0.0}, "rising pair"),
        ({"base_lr": 2.0}, "base_lr=2 and max_lr=1 are not a rising pair"),
        ({"max_lr": math.nan}, "rising pair"),
        ({"max_lr": math.inf}, "rising pair"),
        ({"max_lr": None}, "max_lr=None is not a number"),
        ({"base_lr": "low"}, "base_lr='low' is not a number"),
        ({"steps_up": 0}, "steps_up=0"),
        ({"steps_down": -1}, "steps_down=-1"),
        ({"steps_up": 2.5}, "steps_up=2.5 is not a whole number"),
        ({"mode": "sine"}, "triangular, triangular2, exp_range"),
        ({"gamma": 1.1}, "gamma=1.1"),
        ({"gamma": 0.0}, "gamma=0"),
        ({"base_momentum": None}, "base_momentum=None"),
        ({"max_momentum": 1.0}, "max_momentum=1.0"),
        ({"base_momentum": 0.95}, "base_momentum=0.95"),
    ],
)
def test_what_makes_no_cycle_is_refused_with_its_numbers(change: dict[str, object], says: str) -> None:
    cycle = Cycle(base_lr=0.1, max_lr=1.0, steps_up=10, steps_down=10)
    with pytest.raises(PlanError, match=says):
        attrs.evolve(cycle, **change)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"max_lr": 0.0}, "max_lr=0"),
        ({"max_lr": math.nan}, "max_lr=nan"),
        ({"max_lr": 1e-320}, "are not positive"),
        ({"div_factor": 1.0}, "div_factor=1"),
        ({"final_div_factor": 0.5}, "final_div_factor=0.5"),
        ({"anneal": "cos"}, "cosine, linear"),
        ({"pct_start": 0.0}, "leave a phase without steps"),
        ({"pct_start": 1.0}, "leave a phase without steps"),
        ({"total_steps": 3}, "total_steps=3"),
        ({"three_phase": True, "pct_start": 0.51}, r"phases end at \(50.0, 100.0, 99.0\)"),
        ({"total_steps": 100.5}, "total_steps=100.5 is not a whole number"),
        ({"max_momentum": None}, "max_momentum=None"),
    ],
)
def test_what_makes_no_single_cycle_is_refused_with_its_numbers(change: dict[str, object], says: str) -> None:
    cycle = OneCycle(max_lr=1.0, total_steps=100)
    with pytest.raises(PlanError, match=says):
        attrs.evolve(cycle, **change)


@pytest.mark.parametrize("schedule", [triangular(MINE, steps_per_half_cycle=5), one_cycle(MINE, total_steps=50)])
def test_there_is_no_step_before_the_first(schedule: Cycle | OneCycle) -> None:
    with pytest.raises(IndexError, match="step -1"):
        schedule.lr_at(-1)
    with pytest.raises(IndexError, match="step -1"):
        schedule.momentum_at(-1)


@pytest.mark.parametrize("make", [triangular, triangular2, exp_range])
def test_without_momentum_bounds_momentum_is_left_alone(make: object) -> None:
    cycle = make(MINE, steps_per_half_cycle=5, base_momentum=None, max_momentum=None)
    assert {cycle.momentum_at(step) for step in range(20)} == {None}
    alone = one_cycle(MINE, total_steps=50, base_momentum=None, max_momentum=None)
    assert alone.momentum_at(0) is None


# From a range test to a schedule


@pytest.mark.parametrize("make", [triangular, triangular2, exp_range])
def test_cycles_that_repeat_take_the_range_that_smith_reads(make: object) -> None:
    result = result_of(Landscape(noise=0.01))
    cycle = make(result, steps_per_half_cycle=10)
    smith = result.range_by("smith")
    assert (cycle.base_lr, cycle.max_lr) == (smith.base_lr, smith.max_lr)
    assert cycle.mode == make.__name__
    assert smith.max_lr != result.range.max_lr  # otherwise this test proves nothing


def test_a_single_cycle_takes_the_default_range_whose_maximum_is_for_its_peak() -> None:
    result = result_of(Landscape(noise=0.01))
    cycle = one_cycle(result, total_steps=100)
    assert cycle.max_lr == result.range.max_lr
    assert cycle.base_lr == pytest.approx(result.range.base_lr, rel=1e-15)


def test_a_range_is_taken_as_it_is_for_every_mode() -> None:
    assert {bounds_for(mode, MINE) for mode in ("triangular", "one_cycle", "somebody's own")} == {MINE}


def test_a_mode_of_somebody_elses_takes_the_default_range() -> None:
    result = result_of(Landscape(noise=0.01))
    assert bounds_for("somebody's own", result) == result.range


def test_a_bare_peak_rate_begins_a_twentyfifth_below_and_a_given_factor_wins() -> None:
    assert one_cycle(0.5, total_steps=100).base_lr == 0.02
    assert one_cycle(MINE, total_steps=100, div_factor=20).base_lr == pytest.approx(0.0003)


@pytest.mark.parametrize("mode", ["triangular", "one_cycle"])
def test_a_result_without_a_range_says_why(mode: str) -> None:
    level = result_of(Landscape(drop=1e-6, noise=1e4, blow_up=3.0))
    with pytest.raises(FlatCurve, match="loss"):
        bounds_for(mode, level)


def test_a_range_beside_a_maximum_is_one_too_many() -> None:
    with pytest.raises(PlanError, match=r"max_lr=0.1 was given together with a range"):
        triangular(MINE, 0.1, steps_per_half_cycle=10)


def test_a_base_rate_alone_is_no_cycle() -> None:
    with pytest.raises(PlanError, match="not a number"):
        triangular(0.1, steps_per_half_cycle=10)


# How long half a cycle is


def test_half_a_cycle_is_two_epochs_and_the_log_says_so(caplog: pytest.LogCaptureFixture) -> None:
    assert half_cycle_steps(500) == 1000
    assert [(record.levelno, record.name) for record in caplog.records] == [(logging.WARNING, "lrrange")]
    assert "2 epochs (1000 steps)" in caplog.text


def test_a_length_of_the_users_own_is_not_announced(caplog: pytest.LogCaptureFixture) -> None:
    assert half_cycle_steps(500, 8) == 4000
    assert half_cycle_steps(3, 0.5) == 2
    assert caplog.text == ""


def test_the_choice_is_said_where_nobody_has_set_up_logging() -> None:
    program = "from lrrange.cyclical import half_cycle_steps; half_cycle_steps(500)"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stderr.startswith("half a cycle takes 2 epochs (1000 steps)")
    assert run.stdout == ""


@pytest.mark.parametrize(("steps", "epochs"), [(0, 2), (500, 0), (10, 0.01), (500, math.inf), (math.nan, 2)])
def test_no_steps_are_no_half_cycle(steps: float, epochs: float) -> None:
    with pytest.raises(PlanError, match="make no half cycle"):
        half_cycle_steps(steps, epochs)


def test_the_schedules_need_no_framework() -> None:
    program = (
        "import sys; from lrrange.cyclical import one_cycle; one_cycle(0.1, total_steps=10).lr_at(3); "
        "print(sorted({'torch', 'numpy', 'matplotlib', 'pytorch_lightning'} & sys.modules.keys()))"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ast.literal_eval(run.stdout) == []
