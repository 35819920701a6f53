"""The pace of a default sweep: few steps a decade while nothing moves, many where the curve turns."""

import math
import random
import statistics
from itertools import pairwise

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrrange import Refusal, StopReason, Sweep, SweepPlan, find_lr, load
from lrrange.errors import EndedEarly
from lrrange.protocol import DeferredLoss, StepDriver
from lrrange.sweep.pace import MOST_LATE, MOVING, QUIET_BELOW, denser, further, plan_to_begin_with
from lrrange.sweep.plan import AdaptivePlan
from tests.core.strategies import PLAN, Landscape, constants, exact_sequences, factors, replay
from tests.core.training import Late, Loop, SeededLoop

DEFAULT = plan_to_begin_with(1e-7, 10.0)

# Nothing moves below 1e-4, and the loss has moved by 1e-3.
LANDSCAPE = Landscape(fall=-2.5, blow_up=0.0, noise=0.02)

# More losses than any sweep from 1e-7 to 10 takes.
_MOST_STEPS = 210


class Constant(Loop):
    """A training that does not move at all."""

    def loss(self, lr):
        return 2.3


class Learns(Loop):
    """A training whose loss falls with all that was trained so far, and blows up at a rate, as real ones do."""

    def loss(self, lr):
        landscape, growth = self.landscape, 10 ** (1 / 25) - 1
        floor = 10**landscape.blow_up
        fallen = landscape.at(min(self.weights * growth, floor))
        climbed = landscape.at(max(lr, floor)) - landscape.at(floor)
        return fallen + climbed + self.random.gauss(0.0, landscape.noise * landscape.drop)


class Told(Loop):
    """A training with given losses, which are told late.

    Args:
        series: the loss of each step.
        late: number of steps; None to return floats.
    """

    def __init__(self, series, late=None):
        super().__init__()
        self.series, self.late = series, late

    def step(self, lr):
        loss = self.series[len(self.rates)]
        self.log.append(lr)
        if self.late is None:
            return loss
        deferred = Late(loss)
        deferred.steps_late = self.late
        assert isinstance(deferred, DeferredLoss)
        return deferred


@st.composite
def series(draw):
    """Draw noise that moves from some step on, upwards or downwards, with some gaps."""
    random_ = random.Random(draw(st.integers(0, 2**32)))
    begin, slope = draw(st.integers(0, 100)), draw(st.sampled_from([-0.5, -0.05, 0.0, 0.02]))
    noise, gaps = draw(st.sampled_from([0.0, 0.1, 1.0])), draw(st.sets(st.integers(0, 100), max_size=3))
    losses = [5.0 + slope * max(step - begin, 0) + random_.gauss(0.0, noise) for step in range(_MOST_STEPS)]
    return [math.nan if step in gaps else loss for step, loss in enumerate(losses)]


def distances(rates):
    """Return the distances between neighbouring rates, in decades."""
    return [math.log10(after / before) for before, after in pairwise(rates)]


def sweeps(target):
    return target.log.count("snapshot")


# The rates.


def test_few_steps_are_taken_where_nothing_moves_and_20_a_decade_from_where_it_moves():
    result = find_lr(Loop(LANDSCAPE), divergence=None)
    rates = result.plan.rates
    steps = distances(rates)
    dense = next(index for index, distance in enumerate(steps) if distance == pytest.approx(1 / 20))
    assert LANDSCAPE.falls_to(0.001) < math.log10(rates[dense]) < LANDSCAPE.falls_to(0.3)
    quiet = rates.index(next(lr for lr in rates if lr >= QUIET_BELOW * (1 - 1e-9)))
    assert steps[:quiet] == pytest.approx([1 / 4] * 12)
    assert steps[quiet:dense] == pytest.approx([1 / 16] * (dense - quiet))
    assert steps[dense:-1] == pytest.approx([1 / 20] * (len(steps) - dense - 1))
    assert result.curve.lr == rates
    assert len(rates) < 130


def test_a_loss_that_is_exactly_constant_stays_sparse_to_the_end_and_is_swept_once():
    target = Constant()
    result = find_lr(target)
    assert result.plan == DEFAULT
    assert target.rates == list(DEFAULT.rates)
    assert len(target.rates) == 3 * 4 + 5 * 16 + 1
    assert result.stop_reason is StopReason.COMPLETED
    assert sweeps(target) == 1


@pytest.mark.parametrize("slope", [-0.03, 0.03])
@pytest.mark.parametrize("begin", [20, 40])
def test_a_loss_without_noise_is_dense_some_steps_after_it_moves_either_way(slope, begin):
    sweep = replay(Sweep(DEFAULT, divergence=None), [5.0 + slope * max(step - begin, 0) for step in range(_MOST_STEPS)])
    # The first loss that moves is that of step `begin + 1`, and `MOST_LATE` more steps are taken at the rates planned.
    kept = begin + 2 + MOST_LATE
    assert sweep.plan.rates[:kept] == DEFAULT.rates[:kept]
    assert distances(sweep.plan.rates[kept - 1 : -1]) == pytest.approx([1 / 20] * (sweep.plan.num_steps - kept - 1))


@given(st.floats(-12, 0), st.floats(2.01, 12), st.integers(1, 200))
def test_a_plan_rises_from_exactly_its_first_rate_to_exactly_its_last(start, decades, taken):
    start_lr, end_lr = 10**start, 10 ** (start + decades)
    plan = plan_to_begin_with(start_lr, end_lr)
    for each in (plan, denser(plan, taken), further(plan, 100 * end_lr)):
        assert each.start_lr == start_lr
        assert each.end_lr == (100 * end_lr if each.end_lr > end_lr else end_lr)
        gaps = distances(each.rates)
        assert min(gaps) >= 0.5 / MOVING * (1 - 1e-6)
        assert max(gaps) <= 1.5 / 4 * (1 + 1e-6)
        assert [each.lr_at(step) for step in range(each.num_steps)] == list(each.rates)
    assert denser(plan, taken).rates[: taken + MOST_LATE] == plan.rates[: taken + MOST_LATE]
    assert further(plan, 100 * end_lr).rates[: plan.num_steps] == plan.rates


@pytest.mark.parametrize(
    ("start_lr", "end_lr"),
    [
        (1e-12, 1e-5),  # seven decades up in steps of a fourth, 1e-5 is met up to rounding only
        (1e-7, 1e-4),
        (1e-7, math.nextafter(1e-4, 1.0)),
        (1e-7, math.nextafter(1e-4, 0.0)),
        (1e-7, 1.01e-4),
        (1e-6, 0.99e-4),
    ],
)
def test_the_last_rate_is_not_met_twice(start_lr, end_lr):
    plan = plan_to_begin_with(start_lr, end_lr)
    assert (plan.start_lr, plan.end_lr) == (start_lr, end_lr)
    assert min(distances(plan.rates)) >= 0.5 / 16


@given(series())
def test_the_rates_of_steps_that_were_taken_never_change(losses):
    """Nor do those of the next few steps, which a training may have taken by the time the loss is told."""
    sweep, taken = Sweep(DEFAULT), []
    for loss in losses:
        if not sweep.running:
            break
        taken.append(sweep.lr)
        planned = sweep.plan.rates[: len(taken) + MOST_LATE]
        sweep.tell(loss)
        assert sweep.plan.rates[: len(planned)] == planned
    assert not sweep.running
    assert sweep.plan.rates[: len(taken)] == sweep.curve.lr == tuple(taken)
    assert sweep.plan.end_lr == 10.0


@given(series(), st.integers(1, MOST_LATE + 5))
def test_the_same_losses_give_the_same_rates_however_late_they_are_told(losses, late):
    at_once, later = Sweep(DEFAULT), Sweep(DEFAULT)
    StepDriver(Told(losses)).run(at_once)
    target = Told(losses, late)
    StepDriver(target).run(later)
    assert later.plan == at_once.plan
    assert later.curve.lr == at_once.curve.lr
    assert repr(later.points) == repr(at_once.points)  # because NaN does not equal itself
    assert later.stop_reason is at_once.stop_reason
    # Steps beyond the end of the sweep are at planned rates, too.
    assert tuple(target.rates) == later.plan.rates[: len(target.rates)]
    assert 0 <= len(target.rates) - len(later.points) <= MOST_LATE


def test_losses_told_four_steps_late_give_the_same_answer():
    class Deferred(Loop):
        def step(self, lr):
            return Late(super().step(lr))

    result, deferred = find_lr(Loop(LANDSCAPE)), find_lr(Deferred(LANDSCAPE))
    assert isinstance(result.plan, AdaptivePlan)
    assert (deferred.plan, deferred.curve, deferred.lr) == (result.plan, result.curve, result.lr)


@given(exact_sequences(), constants)
def test_adding_a_constant_to_every_loss_changes_no_rate(losses, constant):
    rates = replay(Sweep(DEFAULT), losses).plan.rates
    assert replay(Sweep(DEFAULT), [loss + constant for loss in losses]).plan.rates == rates


@given(exact_sequences(), factors)
def test_multiplying_every_loss_changes_no_rate(losses, factor):
    rates = replay(Sweep(DEFAULT), losses).plan.rates
    assert replay(Sweep(DEFAULT), [loss * factor for loss in losses]).plan.rates == rates


def test_a_sweep_that_shall_not_adapt_takes_the_rates_of_its_plan():
    sweep = replay(Sweep(DEFAULT, divergence=None, adapts=False), LANDSCAPE.losses(DEFAULT.rates))
    assert sweep.curve.lr == DEFAULT.rates
    assert replay(Sweep(DEFAULT, divergence=None), LANDSCAPE.losses(DEFAULT.rates)).plan.num_steps > DEFAULT.num_steps


def test_a_step_outside_the_plan_has_no_rate():
    assert (DEFAULT.lr_at(0), DEFAULT.lr_at(92)) == (1e-7, 10.0)
    for step in (-1, 93):
        with pytest.raises(IndexError, match=f"step {step} is outside this plan's steps 0 to 92"):
            DEFAULT.lr_at(step)


@pytest.mark.parametrize("steps", [24, 93, 133, 200])
def test_a_given_number_of_steps_is_taken_exactly_and_evenly(steps):
    target = Loop(LANDSCAPE)
    result = find_lr(target, num_steps=steps, divergence=None)
    assert result.plan == SweepPlan(start_lr=1e-7, end_lr=10.0, num_steps=steps)
    assert target.rates == list(result.plan.rates)


# The whole range test.


def test_the_curve_has_the_first_rates_of_its_plan():
    target = Loop(LANDSCAPE)
    result = find_lr(target)
    assert result.stop_reason is StopReason.DIVERGED
    assert result.plan.rates[: len(result.curve)] == result.curve.lr == tuple(target.rates)
    assert len(result.curve) < result.plan.num_steps
    assert result.plan.end_lr == 10.0


@pytest.mark.parametrize("fall", [-4.5, -5.5])
def test_a_training_that_moves_below_1e_4_is_swept_again_in_even_steps_and_answered_from_these(fall):
    target, even = Loop(Landscape(fall=fall, noise=0.02)), Loop(Landscape(fall=fall, noise=0.02))
    before = target.state
    result, expected = find_lr(target), find_lr(even, num_steps=200)
    assert sweeps(target) == 2
    assert result.plan == expected.plan == PLAN
    assert result.curve == expected.curve
    assert (result.lr, result.interval, result.range) == (expected.lr, expected.interval, expected.range)
    assert result.provenance.steps_run == len(target.rates) > len(even.rates)
    assert target.state == before


def test_one_that_moves_only_above_1e_4_is_not():
    target = Loop(LANDSCAPE)
    assert isinstance(find_lr(target).plan, AdaptivePlan)
    assert sweeps(target) == 1


def test_a_flat_loss_with_noise_is_swept_again_because_more_steps_could_show_a_fall():
    target = Loop(Landscape(fall=math.inf, blow_up=math.inf, noise=0.02))
    result = find_lr(target)
    assert sweeps(target) == 2
    assert result.plan == PLAN
    assert isinstance(result.chosen, Refusal)


def test_the_first_sweep_counts_if_the_data_run_out_in_the_one_in_even_steps():
    landscape = Landscape(fall=-5.0, noise=0.02)
    first = find_lr(Loop(landscape), num_steps=None)
    assert isinstance(first.plan, SweepPlan)
    target = Loop(landscape, batches=150)
    result = find_lr(target)
    assert isinstance(result.plan, AdaptivePlan)
    assert result.stop_reason is StopReason.DIVERGED
    assert result.refusal is None
    assert len(result.curve) < result.provenance.steps_run == len(target.rates) == 150


@pytest.mark.parametrize("batches", [0, 8, 20])
def test_data_that_run_out_are_named_with_the_steps_that_were_planned_by_then(batches):
    target = Constant(batches=batches)
    with pytest.raises(EndedEarly, match=f"there were batches for {batches} of the 93 steps needed") as caught:
        _ = find_lr(target).lr
    assert (caught.value.steps_run, caught.value.num_steps) == (batches, 93)
    assert sweeps(target) == 1


def test_an_adaptive_result_survives_its_file(tmp_path):
    result = find_lr(SeededLoop(LANDSCAPE), repeats=2, seed=0)
    result.save(tmp_path / "result.json")
    loaded = load(tmp_path / "result.json")
    assert loaded == result
    assert isinstance(loaded.plan, AdaptivePlan)
    assert loaded.plan.rates == result.plan.rates
    assert loaded.lr == result.lr


def test_repeats_take_exactly_the_rates_of_the_first_sweep():
    target = SeededLoop(attrs.evolve(LANDSCAPE, noise=0.05))
    result = find_lr(target, repeats=3, seed=0, divergence=None)
    assert isinstance(result.plan, AdaptivePlan)
    assert target.rates == 3 * list(result.plan.rates)
    assert {curve.lr for curve in result.sweeps} == {result.plan.rates}
    assert len({curve.loss for curve in result.sweeps}) == 3


def test_the_answers_hold_at_any_density():
    """The median distance between the answers in 100, 200, 400 and in adaptive steps is under a tenth of a decade."""
    random_ = random.Random(0)
    spreads, taken = [], []
    for seed in range(40):
        landscape = Landscape(
            fall=random_.uniform(-4.0, -2.5),
            decades=random_.uniform(0.5, 1.5),
            blow_up=random_.uniform(-1.5, 0.0),
            noise=random_.uniform(0.0, 0.1),
            seed=seed,
        )
        target = Learns(landscape)
        answers = [find_lr(target).lr, *(find_lr(Learns(landscape), num_steps=steps).lr for steps in (100, 200, 400))]
        spreads.append(math.log10(max(answers) / min(answers)))
        taken.append(len(target.rates))
    assert statistics.median(spreads) < 0.1
    assert max(spreads) < 0.5
    assert statistics.median(taken) < 120
