import math

import pytest

import lrrange
from lrrange.cyclical import OneCycle
from lrrange.errors import NoWinner, OptionError, PlanError, RateNotInForce, TargetError, UnknownName
from tests.compare.training import Descent, compare, make, make_failing, make_without_held_out_data, untimed
from tests.core.training import Late


def test_every_policy_trains_from_every_seed_at_its_own_rates():
    rates = []

    class NotesRates(Descent):
        def step(self, lr):
            rates.append((self.run_seed, lr))
            return super().step(lr)

    comparison = compare(lambda seed: NotesRates(seed), {"low": 0.1, "decay": lambda step: 0.5 / (1 + step)}, steps=3)
    assert [(run.policy, run.seed) for run in comparison.runs] == [("low", 0), ("low", 1), ("decay", 0), ("decay", 1)]
    assert [lr for seed, lr in rates if seed == 1] == [0.1, 0.1, 0.1, 0.5, 0.25, 0.5 / 3]


def test_the_better_rate_wins_and_a_rate_that_diverges_comes_last():
    comparison = compare(policies=[0.01, 0.3, 3.0], repeats=3)
    assert comparison.winner == "0.3"
    assert comparison.table[-1].policy == "3"
    assert all(run.diverged and run.final == math.inf for run in comparison.of("3"))


def test_runs_of_one_seed_start_alike_and_other_seeds_elsewhere():
    first = {(run.seed, run.losses[0]) for run in compare().runs}
    assert len(first) == 2


def test_the_same_comparison_twice_has_the_same_numbers():
    assert untimed(compare()) == untimed(compare())


def test_seeds_are_counted_from_the_one_that_is_given():
    comparison = compare(seed=5)
    assert comparison.seeds == (5, 6)
    assert untimed(comparison)[0] == untimed(compare(repeats=6))[5]


def test_runs_are_judged_by_held_out_loss_at_their_end():
    run = compare().runs[0]
    assert [checkpoint.step for checkpoint in run.held_out] == [30]
    assert run.final == run.held_out[-1].loss


def test_held_out_losses_are_measured_during_the_run_with_evaluate_every():
    comparison = compare(evaluate_every=10)
    assert [checkpoint.step for checkpoint in comparison.runs[0].held_out] == [10, 20, 30]


def test_without_held_out_data_a_run_is_judged_by_the_mean_loss_of_its_last_tenth():
    comparison = compare(make_without_held_out_data)
    run = comparison.runs[0]
    assert run.held_out == ()
    assert run.final == pytest.approx(sum(run.losses[-3:]) / 3)
    assert "last tenth" in comparison.judged_by


def test_evaluate_every_without_held_out_data_is_refused_before_training():
    comparison = compare(make_without_held_out_data, evaluate_every=10, retries=0)
    assert "OptionError: evaluate_every=10 needs held-out data, and the training has none" in comparison.failed[0].error


def test_the_target_is_put_back_after_each_run():
    shared = Descent(0)
    before = shared.snapshot()
    compare(lambda seed: shared)
    assert shared.snapshot() == before


def test_the_range_test_is_run_once_on_the_first_seed_and_its_cost_is_kept():
    seeds = []

    def counted(seed):
        seeds.append(seed)
        return Descent(seed), {"num_steps": 150, "start_lr": 1e-3}

    comparison = compare(counted, ["found", "clr", "one-cycle"], seed=4)
    assert seeds == [4, 4, 4, 4, 5, 5, 5]
    assert comparison.range_test.provenance.steps_run > 20
    assert comparison.range_test.provenance.seed == 4
    assert comparison.range_test.plan.num_steps == 150
    assert comparison.policy("found").lr[0] == comparison.range_test.lr


def test_a_range_test_that_is_given_is_not_run_again(range_test):
    comparison = compare(policies=["found"], result=range_test)
    assert comparison.range_test == range_test
    assert comparison.policy("found").lr[0] == range_test.lr


def test_fixed_rates_need_no_range_test(range_test):
    assert compare(result=range_test).range_test is None


def test_options_of_find_lr_do_not_reach_the_training():
    def with_options(seed):
        return Descent(seed), {"start_lr": 1e-3, "progress": False, "heuristic": "steepest"}

    assert compare(with_options).failed == ()


def test_a_run_that_raises_is_reported_with_policy_seed_and_place_and_the_others_are_kept():
    comparison = compare(make_failing, retries=0)
    assert {(run.policy, run.seed) for run in comparison.failed} == {("0.1", 1), ("0.5", 1), ("3", 1)}
    assert comparison.failed[0].error.startswith("AttributeError: 'Descent' object has no attribute 'no_such_thing'")
    assert "training.py:" in comparison.failed[0].error
    assert [run.seed for run in comparison.finished] == [0, 0, 0]


def test_a_run_is_tried_again_as_often_as_retries_allows():
    calls = []

    def flaky(seed):
        calls.append(seed)
        if len(calls) < 3:
            raise OSError("the disk was not there yet")
        return Descent(seed)

    comparison = compare(flaky, [0.1], repeats=1, retries=2)
    assert comparison.runs[0].attempts == 3
    assert untimed(comparison) == untimed(compare(policies=[0.1], repeats=1))


def test_a_run_that_goes_on_failing_is_given_up_after_its_retries():
    calls = []

    def broken(seed):
        calls.append(seed)
        raise OSError("never there")

    comparison = compare(broken, [0.1], repeats=1, retries=2)
    assert len(calls) == 3
    assert comparison.runs[0].attempts == 3
    with pytest.raises(NoWinner, match="never there"):
        _ = comparison.winner


def test_data_that_run_out_are_a_failed_run():
    class Short(Descent):
        def step(self, lr):
            if self.taken == 7:
                raise StopIteration
            return super().step(lr)

    comparison = compare(lambda seed: Short(seed), retries=0)
    assert "the data ran out after 7 of 30 steps" in comparison.failed[0].error


def test_a_driver_that_stops_without_a_reason_is_a_failed_run():
    class Lazy:
        def run(self, sweep):
            sweep.tell(1.0)

    assert "ended after 1 of 30 steps without saying why" in compare(lambda seed: Lazy(), retries=0).failed[0].error


def test_a_framework_that_owns_its_loop_is_trained_too():
    class Owner:
        def __init__(self, seed):
            self.inner = Descent(seed)

        def run(self, sweep):
            state = self.inner.snapshot()
            while sweep.running:
                sweep.tell(self.inner.step(sweep.lr))
            self.inner.restore(state)

        def seed(self, value):
            self.inner.seed(value)

        def evaluate(self):
            return self.inner.evaluate()

    assert untimed(compare(lambda seed: Owner(seed))) == untimed(compare())


class WithMomentum(Descent):
    """A training that notes rate and momentum of each step. `has_momentum` is whether its optimizer has one."""

    def __init__(self, seed, has_momentum=True):
        super().__init__(seed)
        self.has_momentum, self.momentum, self.used = has_momentum, None, []

    def set_momentum(self, value):
        self.momentum = value
        return self.has_momentum

    def step(self, lr):
        self.used.append((lr, self.momentum))
        return super().step(lr)


def one_cycle(steps=30):
    return {"one": OneCycle(max_lr=0.5, total_steps=steps)}


def test_momentum_is_set_before_each_step_where_the_schedule_cycles_it():
    targets = []

    def make_run(seed):
        targets.append(WithMomentum(seed))
        return targets[-1]

    comparison = compare(make_run, one_cycle(), repeats=1)
    schedule = one_cycle()["one"]
    assert targets[0].used == [(schedule.lr_at(step), schedule.momentum_at(step)) for step in range(30)]
    assert comparison.runs[0].momentum
    assert comparison.table[0].momentum


class WithLateLosses(WithMomentum):
    def step(self, lr):
        return Late(super().step(lr))


def test_losses_that_are_read_late_change_neither_the_held_out_losses_nor_the_momentum():
    targets = []

    def make_run(kind):
        def make(seed):
            targets.append(kind(seed))
            return targets[-1]

        return make

    late = compare(make_run(WithLateLosses), one_cycle(), repeats=1, evaluate_every=7)
    soon = compare(make_run(WithMomentum), one_cycle(), repeats=1, evaluate_every=7)
    assert untimed(late) == untimed(soon)
    assert targets[0].used == targets[1].used


def test_momentum_is_left_alone_under_a_fixed_rate():
    targets = []

    def make_run(seed):
        targets.append(WithMomentum(seed))
        return targets[-1]

    assert not compare(make_run, [0.1], repeats=1).runs[0].momentum
    assert {momentum for _, momentum in targets[0].used} == {None}


def test_an_optimizer_without_momentum_is_not_said_to_cycle_it():
    comparison = compare(lambda seed: WithMomentum(seed, has_momentum=False), one_cycle(), repeats=1)
    assert not comparison.runs[0].momentum


def test_watchers_hear_of_each_run_when_it_is_over_with_its_policy():
    heard = []

    class Watcher:
        @lrrange.hookimpl
        def lrrange_compared(self, run, policy):
            heard.append((run.seed, run.policy, policy.lr[0]))

    compare(policies=[0.1, 0.5], watchers=[Watcher()])
    assert heard == [(0, "0.1", 0.1), (0, "0.5", 0.5), (1, "0.1", 0.1), (1, "0.5", 0.5)]


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"steps": 1}, PlanError, "steps=1 is under 2. Give 2 or more"),
        ({"repeats": 0}, PlanError, "repeats=0"),
        ({"retries": -1}, PlanError, "retries=-1"),
        ({"evaluate_every": 0}, PlanError, "evaluate_every=0"),
        ({"steps": 2.5}, PlanError, "steps=2.5"),
        ({"seed": -1}, PlanError, "seed=-1"),
        ({"policies": ["fuond"]}, UnknownName, "neither a rate nor one of"),
        ({"make_run": Descent(0)}, TargetError, "make_run is a Descent. Give a function"),
        ({"make_run": lambda: Descent(0)}, OptionError, "make_run.seed=0. does not work"),
        (
            {"make_run": lambda seed, size: Descent(0)},
            OptionError,
            "it takes .seed, size.. Let it take seed and nothing else",
        ),
    ],
)
def test_what_is_wrong_with_the_arguments_is_said_before_the_first_run(arguments, error, text):
    with pytest.raises(error, match=text):
        compare(**{"make_run": make, **arguments})


def test_a_target_that_nothing_can_train_is_a_failed_run_that_says_so():
    error = compare(lambda seed: 3, retries=0).failed[0].error
    assert "nothing installed can train an int" in error
    assert ".py" not in error


class OwnRate(Descent):
    """A training with a rate of its own."""

    def step(self, lr):
        super().step(0.1)
        return self.weight


def test_a_training_that_ignores_its_rates_is_found_out_by_its_second_run():
    made = []
    with pytest.raises(
        RateNotInForce, match=r"from seed 0, 30 steps under the policies '0\.01' and '0\.3' gave exactly"
    ):
        compare(lambda seed: made.append(seed) or OwnRate(seed), [0.01, 0.3, 3.0])
    assert made == [0, 0]


def test_policies_with_some_rates_in_common_may_give_the_same_losses():
    class OwnRateAtFirst(Descent):
        def step(self, lr):
            return super().step(lr if lr > 0.2 else 0.1)

    comparison = compare(lambda seed: OwnRateAtFirst(seed), {"a": lambda s: 0.1 + s * 1e-3, "b": 0.1})
    assert comparison.of("a")[0].losses == comparison.of("b")[0].losses


def test_a_policy_that_begins_at_rate_0_is_refused_before_the_range_test():
    def make_nothing(seed):
        raise AssertionError("trained")

    with pytest.raises(PlanError, match="gives the rate 0 at its first step"):
        compare(make_nothing, {"found": "found", "warm-up": lambda step: step / 10})
