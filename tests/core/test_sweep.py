import math
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from lrrange import Curve, Divergence, StopReason, Sweep, SweepPlan
from lrrange.errors import LossError, PlanError, SweepStateError, UnknownName
from lrrange.sweep.smoothing import smooth
from tests.core.strategies import PLAN, Landscape, finite_losses, losses, non_finite_losses, plans, replay, rubbish

OUTSIDE = [StopReason.DATA_EXHAUSTED, StopReason.INTERRUPTED]
INSIDE = [StopReason.COMPLETED, StopReason.DIVERGED, StopReason.NON_FINITE]


def short(**options):
    return Sweep(SweepPlan(start_lr=1e-3, end_lr=1.0, num_steps=4), **options)


def seen(sweep):
    """Return everything that a sweep shows of its state."""
    return sweep.points, sweep.running, sweep.stop_reason, sweep.curve, repr(sweep), sweep.running and sweep.lr


@given(plans(), st.data())
def test_each_rate_is_paired_with_the_loss_of_its_step(plan, data):
    sweep, pairs = Sweep(plan, divergence=None), []
    while sweep.running:
        pairs.append((sweep.lr, data.draw(finite_losses) if len(pairs) < 20 else float(len(pairs))))
        sweep.tell(pairs[-1][1])
    assert [(point.lr, point.loss) for point in sweep.points] == pairs
    assert [point.step for point in sweep.points] == list(range(plan.num_steps))
    assert sweep.curve.lr == plan.rates
    assert sweep.stop_reason is StopReason.COMPLETED


@given(plans(max_steps=40), st.lists(losses, max_size=60))
def test_replayed_losses_replay_the_curve_and_the_end(plan, replayed):
    first, second = (replay(Sweep(plan), replayed) for _ in range(2))
    assert (second.curve, second.stop_reason) == (first.curve, first.stop_reason)


@given(st.lists(losses, max_size=60))
def test_losses_read_back_from_a_curve_give_that_curve(replayed):
    first = replay(Sweep(PLAN), replayed)
    assert replay(Sweep(PLAN), first.curve.loss).curve == first.curve


def test_one_tell_appends_one_point_with_rate_loss_and_smoothed_loss():
    sweep = short()
    assert sweep.tell(0.5) is True
    (point,) = sweep.points
    assert (point.step, point.lr, point.loss, point.smoothed) == (0, 1e-3, 0.5, 0.5)


@given(st.lists(losses, max_size=6))
def test_reading_a_sweep_changes_nothing(replayed):
    sweep = replay(short(), replayed)
    before = seen(sweep)
    assert [seen(sweep) for _ in range(3)] == [before] * 3


def test_tell_returns_whether_another_step_follows():
    sweep = short()
    assert [sweep.tell(1.0) for _ in range(4)] == [True, True, True, False]


def test_the_points_of_a_running_sweep_are_a_copy_that_does_not_grow():
    sweep = short()
    before = sweep.points
    sweep.tell(1.0)
    assert before == ()


@pytest.mark.parametrize("loss", [1, True, Fraction(1, 2), Decimal("0.5")])
def test_any_number_is_a_loss(loss):
    sweep = short()
    sweep.tell(loss)
    assert sweep.points[0].loss == float(loss)


def test_a_tensor_is_detached_from_its_graph_before_it_is_read():
    class Tensor:
        def __init__(self, graph):
            self.graph = graph

        def detach(self):
            return Tensor(graph=False)

        def __float__(self):
            assert not self.graph, "read with its graph"
            return 0.25

    sweep = short()
    sweep.tell(Tensor(graph=True))
    assert sweep.points[0].loss == 0.25


@given(rubbish)
def test_what_is_not_one_number_is_refused_with_what_it_was_and_changes_nothing(loss):
    sweep = short()
    sweep.tell(1.0)
    before = seen(sweep)
    with pytest.raises(LossError, match="the training step returned") as caught:
        sweep.tell(loss)
    assert caught.value.loss is loss
    assert seen(sweep) == before
    assert sweep.tell(1.0)


def test_a_loss_of_several_numbers_is_refused_with_its_shape():
    class Batch:
        shape = (2, 3)

        def __float__(self):
            raise ValueError("only one element tensors can be converted")

    with pytest.raises(LossError, match=r"a Batch of shape \(2, 3\).*\.mean\(\)"):
        short().tell(Batch())


def test_the_error_for_a_step_that_returns_none_says_to_return_the_loss():
    with pytest.raises(LossError, match="returned None instead of its loss"):
        short().tell(None)


@pytest.mark.parametrize("reason", OUTSIDE)
def test_a_running_sweep_is_closed_from_outside_as(reason):
    sweep = replay(short(), [1.0, 2.0])
    sweep.close(reason)
    assert (sweep.running, sweep.stop_reason, len(sweep.points)) == (False, reason, 2)


@pytest.mark.parametrize("reason", [*INSIDE, None, "interrupted"])
def test_a_sweep_is_not_closed_for_a_reason_that_only_losses_can_bring_about(reason):
    sweep = replay(short(), [1.0])
    before = seen(sweep)
    with pytest.raises(SweepStateError, match="only as DATA_EXHAUSTED or INTERRUPTED"):
        sweep.close(reason)
    assert seen(sweep) == before


def ended_sweeps():
    closed = {reason: replay(short(), [1.0]) for reason in OUTSIDE}
    for reason, sweep in closed.items():
        sweep.close(reason)
    return {
        **closed,
        StopReason.COMPLETED: replay(short(), [1.0] * 4),
        StopReason.NON_FINITE: replay(short(), [math.nan] * 4),
        StopReason.DIVERGED: Landscape().sweep(),
        StopReason.RAISED: raised_sweep(),
    }


def raised_sweep():
    sweep = replay(Sweep(SweepPlan(start_lr=0.1, end_lr=1.0, num_steps=30)), [20.0 - step for step in range(20)])
    assert sweep.fail(ValueError("from the training"))
    return sweep


@pytest.mark.parametrize("reason", StopReason)
def test_every_end_has_its_name_and_after_it_no_move_is_legal(reason):
    sweep = ended_sweeps()[reason]
    before = seen(sweep)
    assert sweep.stop_reason is reason
    moves = (lambda: sweep.lr, lambda: sweep.tell(1.0), lambda: sweep.fail(ValueError()))
    for move in (*moves, *(lambda r=r: sweep.close(r) for r in StopReason)):
        with pytest.raises(SweepStateError, match=f"ended after {len(sweep.points)} steps .{reason.name}.") as caught:
            move()
        assert caught.value.stop_reason is reason
    assert seen(sweep) == before


@given(st.lists(finite_losses, min_size=4, max_size=40), st.data())
def test_non_finite_losses_among_finite_ones_are_gaps_and_move_no_other_point(finite, data):
    """The finite losses keep their rates, and are smoothed as if there were no gaps."""
    steps = range(len(finite) + 4)
    gaps = data.draw(st.sets(st.sampled_from(steps), min_size=4, max_size=4))
    assume(not any({step, step + 1, step + 2} <= gaps for step in steps))
    readings = iter(finite)
    replayed = [data.draw(non_finite_losses) if step in gaps else next(readings) for step in steps]
    sweep = replay(Sweep(PLAN, divergence=None), replayed)
    without = Curve(lr=[PLAN.rates[k] for k in steps if k not in gaps], loss=finite)
    assert (sweep.running, len(sweep.points)) == (True, len(steps))
    assert sweep.curve.finite == without
    assert [math.isnan(value) for value in sweep.curve.smoothed] == [step in gaps for step in steps]


@given(st.lists(finite_losses, max_size=30), st.lists(non_finite_losses, min_size=3, max_size=3))
def test_three_non_finite_losses_in_a_row_end_the_sweep_and_keep_the_points_before_them(finite, bad):
    sweep = replay(Sweep(PLAN, divergence=None), [*finite, *bad, 1.0])
    assert sweep.stop_reason is StopReason.NON_FINITE
    assert sweep.curve.loss[: len(finite)] == tuple(finite)
    assert len(sweep.points) == len(finite) + 3


@pytest.mark.parametrize("limit", [1, 2, 5])
def test_non_finite_limit_says_how_many_in_a_row_end_the_sweep(limit):
    sweep = replay(Sweep(PLAN, non_finite_limit=limit), [1.0, *[math.nan] * 10])
    assert (sweep.stop_reason, len(sweep.points)) == (StopReason.NON_FINITE, 1 + limit)


def test_a_finite_loss_in_between_restarts_the_count():
    sweep = replay(Sweep(PLAN), [math.nan, math.nan, 1.0, math.inf, math.nan, 1.0])
    assert sweep.running


@pytest.mark.parametrize("last", [math.nan, 1.0])
def test_the_last_step_completes_the_plan_even_if_its_loss_is_a_gap(last):
    assert replay(short(), [1.0, 1.0, 1.0, last]).stop_reason is StopReason.COMPLETED


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_under_one_is_refused_with_its_value(limit):
    with pytest.raises(PlanError, match=f"non_finite_limit={limit}") as caught:
        short(non_finite_limit=limit)
    assert caught.value.non_finite_limit == limit


def test_a_smoothing_that_does_not_exist_is_refused_before_the_first_loss():
    with pytest.raises(UnknownName, match="ema, median, none"):
        short(smoothing="gauss")


def test_the_curve_has_the_chosen_smoothing():
    readings = Landscape(noise=0.1).losses()
    for kind in ("ema", "median", "none"):
        curve = replay(Sweep(PLAN, smoothing=kind), readings).curve
        assert curve.smoothed == smooth(curve.lr, curve.loss, kind)


def test_without_a_divergence_rule_no_finite_loss_ends_a_sweep():
    assert replay(Sweep(PLAN, divergence=None), [1.0] * 20 + [1e30 * k for k in range(180)]).stop_reason is (
        StopReason.COMPLETED
    )


def test_on_advance_is_called_once_with_each_point_after_it_was_appended():
    heard = []
    sweep = Sweep(PLAN, on_advance=lambda point: heard.append((point, sweep.points[-1])))
    replay(sweep, [1.0, math.nan, 2.0])
    assert [point for point, _ in heard] == list(sweep.points)
    assert all(point is appended for point, appended in heard)


def test_on_advance_sees_the_last_point_of_a_sweep_that_has_ended():
    heard = []
    sweep = short(on_advance=lambda point: heard.append(sweep.stop_reason))
    replay(sweep, [1.0] * 4)
    assert heard == [None, None, None, StopReason.COMPLETED]


@pytest.mark.parametrize("step", range(4))
def test_an_on_advance_that_raises_leaves_a_sweep_that_can_go_on(step):
    def raises(point):
        if point.step == step:
            raise RuntimeError("the watcher's own")

    watched, unwatched = short(on_advance=raises), short()
    for loss in (1.0, 2.0, 3.0, 4.0):
        unwatched.tell(loss)
        if len(watched.points) == step:
            with pytest.raises(RuntimeError, match="the watcher's own"):
                watched.tell(loss)
        else:
            watched.tell(loss)
        assert seen(watched) == seen(unwatched)


def test_the_repr_of_a_sweep_shows_how_far_it_is():
    sweep = short()
    assert repr(sweep) == "<Sweep: 0 of 4 steps, running, lr=0.001>"
    sweep.close(StopReason.INTERRUPTED)
    assert repr(sweep) == "<Sweep: 0 of 4 steps, INTERRUPTED>"


@pytest.mark.parametrize("name", ["drops", "noises", "min_points"])
@pytest.mark.parametrize("value", [-1.0, math.nan, math.inf])
def test_a_divergence_rule_of_numbers_that_are_not_zero_or_more_is_refused(name, value):
    with pytest.raises(PlanError, match=f"{name}=") as caught:
        Divergence(**{name: value})
    assert repr(caught.value.value) == repr(value)
