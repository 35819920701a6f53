import math

import pytest

from lrrange.comparison.policies import name_policies, needs_range_test, write_out
from lrrange.cyclical import OneCycle
from lrrange.errors import NoSuggestion, PlanError, UnknownName
from lrrange.policy import Policy


def written(policies, steps=60, result=None):
    return {policy.name: policy for policy in write_out(name_policies(policies), steps, result)}


def test_a_number_or_its_text_is_a_fixed_rate():
    policies = written([0.001, "1e-4"], steps=3)
    assert policies["0.001"].lr == (0.001,) * 3
    assert policies["1e-4"].lr == (1e-4,) * 3
    assert not needs_range_test(name_policies([0.001, "1e-4"]))


def test_found_is_the_rate_of_the_range_test_throughout(range_test):
    assert set(written(["found"], result=range_test)["found"].lr) == {range_test.lr}


@pytest.mark.parametrize("name", ["clr", "triangular", "triangular2"])
def test_cycles_run_over_the_range_that_smith_reads_three_times_and_end_near_its_base(range_test, name):
    policy = written([name], steps=60, result=range_test)[name]
    bounds = range_test.range_by("smith")
    peaks = [step for step in range(1, 59) if policy.lr[step - 1] < policy.lr[step] > policy.lr[step + 1]]
    assert peaks == [10, 30, 50]
    assert policy.lr[0] == bounds.base_lr
    assert policy.lr[10] == pytest.approx(bounds.max_lr, rel=1e-3)
    assert policy.lr[-1] - bounds.base_lr < (policy.lr[50] - bounds.base_lr) / 5
    assert policy.momentum is None  # the paper cycles the rate alone


def test_clr_is_triangular2_whose_peaks_halve(range_test):
    policies = written(["clr", "triangular2", "triangular"], result=range_test)
    assert policies["clr"].lr == policies["triangular2"].lr
    base = policies["clr"].lr[0]
    assert policies["clr"].lr[30] - base == pytest.approx((policies["clr"].lr[10] - base) / 2)
    assert policies["triangular"].lr[30] == policies["triangular"].lr[10]


def test_one_cycle_has_its_peak_at_the_default_range_and_cycles_momentum_the_other_way(range_test):
    policy = written(["one-cycle"], result=range_test)["one-cycle"]
    peak = policy.lr.index(max(policy.lr))
    assert policy.lr[peak] == pytest.approx(range_test.range.max_lr)
    assert policy.lr[-1] < policy.lr[0] < policy.lr[peak]
    assert policy.momentum.index(min(policy.momentum)) == peak


def test_a_mapping_names_schedules_functions_and_rates(range_test):
    cycle = OneCycle(max_lr=1.0, total_steps=10, base_momentum=None, max_momentum=None)
    policies = written({"mine": cycle, "decay": lambda step: 1 / (1 + step), "low": 1e-4}, steps=10)
    assert policies["mine"].lr == tuple(map(cycle.lr_at, range(10)))
    assert policies["mine"].momentum is None
    assert policies["decay"].lr[:2] == (1.0, 0.5)
    assert policies["low"].lr == (1e-4,) * 10


def test_the_table_says_where_a_policy_comes_from(range_test):
    policies = written(["found", "clr", "one-cycle"], result=range_test)
    assert "the range test's rate" in policies["found"].about
    assert "3 cycles of 20 steps" in policies["clr"].about
    assert "the smith range" in policies["clr"].about
    assert "the midway range" in policies["one-cycle"].about


@pytest.mark.parametrize(
    ("policies", "error", "text"),
    [
        ([], PlanError, "no policy"),
        ("found", PlanError, r"Give a list, such as \['found'"),
        (["found", "found"], PlanError, "two policies are called 'found'"),
        (["fuond"], UnknownName, "neither a rate nor one of found, clr, triangular"),
        ([lambda step: 0.1], PlanError, "has no name. Give a mapping"),
        ({"mine": object()}, PlanError, "a object is not a policy"),
    ],
)
def test_what_is_no_policy_is_refused_with_what_to_give(policies, error, text):
    with pytest.raises(error, match=text):
        name_policies(policies)


class RatesOnly:
    """A schedule without momentum, which `lrrange.cyclical.Schedule` would have."""

    def lr_at(self, step):
        return 0.1 / (1 + step)


def test_a_schedule_without_momentum_is_a_policy():
    policy = written({"mine": RatesOnly()}, steps=3)["mine"]
    assert policy.lr == (0.1, 0.05, 0.1 / 3)
    assert policy.momentum is None


@pytest.mark.parametrize("rate", [-0.1, math.nan, math.inf, None])
def test_a_schedule_that_gives_no_rate_is_refused_with_its_step(rate):
    with pytest.raises(PlanError, match="policy 'mine' gives the rate .* at step 2"):
        written({"mine": lambda step: 0.1 if step < 2 else rate}, steps=5)


def test_a_schedule_may_give_numbers_of_any_kind():
    """As NumPy and torch have them."""

    class Number:
        def __float__(self):
            return 0.25

    policy = written({"mine": lambda step: Number()}, steps=2)["mine"]
    assert policy.lr == (0.25, 0.25)


def test_a_range_test_without_an_answer_gives_its_reason(range_test):
    import attrs

    from lrrange import Curve
    from lrrange.advice.heuristics import HEURISTICS
    from lrrange.advice.readings import read_answers, read_ranges

    flat = Curve(lr=range_test.curve.lr, loss=[1.0] * len(range_test.curve))
    nothing = attrs.evolve(range_test, curve=flat, answers=read_answers(flat, HEURISTICS), ranges=read_ranges(flat))
    for name in ("found", "clr", "one-cycle"):
        with pytest.raises(NoSuggestion):
            written([name], result=nothing)


def test_a_policy_is_a_plan_of_as_many_steps_as_rates():
    policy = Policy(name="two", lr=(0.1, 0.2))
    assert (policy.num_steps, policy.lr_at(1)) == (2, 0.2)


@pytest.mark.parametrize(
    "policies",
    [[0, 0.1], ["0", 0.1], {"warm-up": lambda step: step / 10, "low": 0.1}, {"none": 0.0}],
    ids=["number", "text", "schedule", "mapping"],
)
def test_a_policy_that_begins_at_rate_0_is_refused_and_says_how_to_begin(policies):
    with pytest.raises(PlanError, match=r"gives the rate 0 at its first step.*Begin above 0") as caught:
        written(policies, steps=5)
    assert caught.value.step == 0


def test_a_policy_may_end_at_rate_0():
    assert written({"linear": lambda step: 1 - step / 4}, steps=5)["linear"].lr[-1] == 0.0
