import math
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrrange import SweepPlan
from lrrange.errors import PlanError
from lrrange.sweep.plan import ConstantPlan
from tests.core.strategies import plans


@given(plans())
def test_rates_rise_at_every_step_and_meet_both_ends_exactly(plan):
    assert len(plan.rates) == plan.num_steps
    assert all(before < after for before, after in pairwise(plan.rates))
    assert (plan.rates[0], plan.rates[-1]) == (plan.start_lr, plan.end_lr)


@given(plans())
def test_every_rate_follows_the_formula_of_the_shape(plan):
    start, end, last = plan.start_lr, plan.end_lr, plan.num_steps - 1
    formula = {
        "exponential": lambda k: start * (end / start) ** (k / last),
        "linear": lambda k: start + (end - start) * k / last,
    }[plan.shape]
    assert plan.rates == pytest.approx([formula(k) for k in range(plan.num_steps)], rel=1e-12)


def test_an_exponential_plan_multiplies_by_one_factor_and_a_linear_one_adds_one_amount():
    assert SweepPlan(start_lr=1e-3, end_lr=1.0, num_steps=4).rates == pytest.approx((1e-3, 1e-2, 1e-1, 1.0))
    linear = SweepPlan(start_lr=1.0, end_lr=4.0, num_steps=4, shape="linear")
    assert linear.rates == (1.0, 2.0, 3.0, 4.0)


def test_two_steps_are_the_two_ends():
    assert SweepPlan(start_lr=1e-3, end_lr=1.0, num_steps=2).rates == (1e-3, 1.0)


@given(plans(), st.data())
def test_a_plan_has_no_step_before_its_first_nor_after_its_last(plan, data):
    outside = data.draw(st.one_of(st.integers(max_value=-1), st.integers(min_value=plan.num_steps)))
    with pytest.raises(IndexError, match=f"0 to {plan.num_steps - 1}"):
        plan.lr_at(outside)


def test_numbers_of_other_types_are_taken_as_numbers():
    plan = SweepPlan(start_lr=Fraction(1, 8), end_lr=1, num_steps=4)
    assert (type(plan.start_lr), type(plan.end_lr)) == (float, float)


def test_a_plan_cannot_be_changed_after_it_was_checked():
    plan = SweepPlan()
    with pytest.raises(AttributeError):
        plan.end_lr = plan.start_lr


@pytest.mark.parametrize("name", ["start_lr", "end_lr"])
@pytest.mark.parametrize("value", [0.0, -1e-3, math.inf, -math.inf, 5e-324])
def test_a_rate_that_is_not_positive_and_finite_is_refused_with_its_value(name, value):
    with pytest.raises(PlanError, match=f"{name}=") as caught:
        SweepPlan(**{name: value})
    assert getattr(caught.value, name) == value


@pytest.mark.parametrize("name", ["start_lr", "end_lr"])
def test_a_rate_that_is_nan_is_refused(name):
    with pytest.raises(PlanError, match=f"{name}=nan"):
        SweepPlan(**{name: math.nan})


@pytest.mark.parametrize("name", ["start_lr", "end_lr"])
@pytest.mark.parametrize("value", [None, "fast", [0.1], 1j])
def test_a_rate_that_is_no_number_is_refused_with_its_name_and_value(name, value):
    with pytest.raises(PlanError, match=f"{name}=.* is not a number") as caught:
        SweepPlan(**{name: value})
    assert caught.value.value is value


@given(plans(), st.floats(1e-3, 1.0))
def test_an_end_that_is_not_above_the_start_is_refused_with_both(plan, part):
    with pytest.raises(PlanError, match="is not above start_lr") as caught:
        SweepPlan(start_lr=plan.start_lr, end_lr=plan.start_lr * part, num_steps=plan.num_steps)
    assert (caught.value.start_lr, caught.value.end_lr) == (plan.start_lr, plan.start_lr * part)


@pytest.mark.parametrize("steps", [1, 0, -5, True])
def test_fewer_than_two_steps_are_refused_with_their_number(steps):
    with pytest.raises(PlanError, match="at least 2") as caught:
        SweepPlan(num_steps=steps)
    assert caught.value.num_steps == steps


@pytest.mark.parametrize("steps", [100.0, "100", None, math.nan])
def test_a_number_of_steps_that_is_not_whole_is_refused_with_its_value(steps):
    with pytest.raises(PlanError, match="num_steps=.* is not a whole number") as caught:
        SweepPlan(num_steps=steps)
    assert caught.value.value is steps


def test_more_steps_than_there_are_floats_between_the_ends_are_refused():
    for steps in (10**14, 10**400):
        with pytest.raises(PlanError, match="too far apart or too close") as caught:
            SweepPlan(start_lr=1e-7, end_lr=10.0, num_steps=steps)
        assert caught.value.num_steps == steps


@pytest.mark.parametrize("shape", ["cosine", "", None, 3])
def test_a_shape_that_does_not_exist_is_refused_and_the_others_are_named(shape):
    with pytest.raises(PlanError, match="exponential, linear") as caught:
        SweepPlan(shape=shape)
    assert caught.value.shape == shape


@given(st.floats(), st.floats(), st.integers())
def test_whatever_the_numbers_a_plan_is_sound_or_refused(start, end, steps):
    try:
        plan = SweepPlan(start_lr=start, end_lr=end, num_steps=steps)
    except PlanError:
        return
    ends = [plan.lr_at(k) for k in (0, 1, plan.num_steps - 2, plan.num_steps - 1)]
    assert ends == sorted(ends)
    assert all(0.0 < lr < math.inf for lr in ends)


@given(st.floats(1e-9, 1e3), st.integers(0, 100))
def test_a_constant_plan_gives_one_rate_at_every_step(lr, step):
    assert ConstantPlan(lr=lr, num_steps=101).lr_at(step) == lr
