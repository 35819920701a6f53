"""Confirmation on recorded training runs, and the choice of its constants."""

import math

import pytest

np = pytest.importorskip("numpy")
pytest.importorskip("torch")

from benchmarks.quality.fitted_trials import candidates, held_out_choices, summary  # noqa: E402
from benchmarks.quality.simulated_trials import RecordedRuns, play, recorded_cases  # noqa: E402
from benchmarks.quality.store import Store  # noqa: E402
from lrrange.advice.evidence import CONSTANTS  # noqa: E402


def runs(**fields):
    lr = np.array([1e-3, 1e-2, 1e-1])
    loss = np.array([np.linspace(2.0, end, 100) for end in (1.5, 0.5, 0.2)])
    loss[2, 50:] = math.inf
    return RecordedRuns(lr, loss, 2.0, **fields)


def test_a_recorded_rate_has_its_own_losses_and_a_rate_between_two_has_the_middle_of_theirs():
    recorded = runs()
    assert recorded.at(1e-2) == pytest.approx(recorded.loss[1])
    assert recorded.at(10**-2.5) == pytest.approx((recorded.loss[0] + recorded.loss[1]) / 2)


def test_between_a_run_and_one_that_blew_up_the_nearer_one_counts_from_there_on():
    assert math.isfinite(runs().at(10**-1.6)[-1])
    assert not math.isfinite(runs().at(10**-1.4)[-1])


def test_far_below_the_recorded_rates_nothing_is_learnt():
    assert runs().at(1e-8)[-1] == pytest.approx(2.0, abs=0.05)


def test_held_out_losses_are_read_between_the_steps_after_which_they_were_measured():
    held_out = np.array([[2.0, 1.8, 1.6]] * 3)
    assert runs(every=50, held_out=held_out).held_out_at(1e-2, 75) == pytest.approx(1.7)


@pytest.mark.parametrize("held_out", [False, True])
def test_confirmation_is_better_than_the_sweep_from_answers_that_are_off_and_stays_within_its_budget(held_out):
    cases = [case for case in recorded_cases(Store(), held_out) if case.task in ("vae_digits", "deep_relu", "logistic")]
    outcomes = play(cases)
    found = summary(outcomes)
    assert {one.task for one in outcomes} >= {"vae_digits", "deep_relu"}
    assert found["constant after"] < 0.5 * found["constant before"]
    assert found["most steps"] <= 500
    assert found["steps"] < 420
    assert found["covered"] > 0.8


def test_a_choice_is_judged_on_the_group_it_was_made_without():
    regrets = np.array([[0.1, 0.1, 0.9], [0.2, 0.2, 0.0]])
    # Without the last task the first candidate is best, which is bad on the last.
    assert held_out_choices(regrets, ["a", "b", "c"]) == (pytest.approx((0.2 + 0.2 + 0.9) / 3), [1, 1, 0])


def test_the_first_candidate_is_the_present_choice_and_no_other_is():
    first, *others = candidates(two_at_a_time=False)
    assert first == CONSTANTS
    assert CONSTANTS not in others
    assert len(candidates(two_at_a_time=True)) > 5 * len(others)
