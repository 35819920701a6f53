import math
import random

import pytest

from lrrange.comparison.paired_t import Difference, t_critical

INF = math.inf


def difference(*gaps):
    return Difference(better="clr", other="fixed", gaps=gaps)


# From any printed table of Student's t, two-sided, 95 %.
@pytest.mark.parametrize(
    ("degrees", "value"), [(1, 12.706), (2, 4.303), (3, 3.182), (4, 2.776), (9, 2.262), (30, 2.042), (120, 1.980)]
)
def test_critical_values_are_those_of_the_printed_tables(degrees, value):
    assert t_critical(degrees) == pytest.approx(value, abs=5e-4)


def test_a_gap_that_is_much_the_same_on_every_seed_is_shown_to_be_there():
    gap = difference(0.10, 0.11, 0.12)
    assert gap.reason is None
    assert (gap.mean, gap.wins) == (pytest.approx(0.11), 3)
    # 4.303 times a standard error of 0.01 / sqrt(3)
    assert gap.interval == pytest.approx((0.11 - 0.02484, 0.11 + 0.02484), abs=1e-5)


def test_a_gap_that_changes_with_the_seed_is_not_shown_though_it_is_won_on_every_seed():
    gap = difference(0.01, 0.10, 0.40)
    assert gap.wins == 3
    assert "the seeds' spread is too wide to tell clr from fixed" in gap.reason


def test_a_gap_the_other_way_is_not_a_win():
    assert difference(-0.10, -0.11, -0.12).reason is not None


def test_one_seed_says_nothing_of_the_spread():
    gap = difference(0.5)
    assert gap.interval is None
    assert "1 seed is not enough" in gap.reason


def test_no_seed_in_common_is_said():
    gap = difference()
    assert math.isnan(gap.mean)
    assert gap.reason == "no seed finished under both"
    assert "share no finished seed" in str(gap)


def test_policies_that_end_exactly_alike_are_a_tie():
    assert difference(0.0, 0.0, 0.0).reason == "clr and fixed end exactly alike"


def test_the_same_gap_on_every_seed_is_a_seed_that_is_not_used():
    assert "the seeds changed nothing" in difference(0.25, 0.25, 0.25).reason


def test_an_opponent_that_always_diverges_is_beaten():
    gap = difference(INF, INF)
    assert (gap.reason, gap.interval, gap.wins) == (None, None, 2)


@pytest.mark.parametrize("gaps", [(INF, 0.1, 0.1), (INF, -INF, 0.1)])
def test_divergence_on_some_seeds_alone_is_not_enough_to_tell(gaps):
    assert "diverged on some seeds and not on others" in difference(*gaps).reason


@pytest.mark.parametrize("policies", [2, 5])
def test_of_policies_that_are_all_alike_a_winner_is_confirmed_once_in_twenty_times_or_less(policies):
    """Check the claim in the docstring of `Difference`: picking the winner first needs no correction."""
    luck, trials, wrong = random.Random(0), 2000, 0
    for _ in range(trials):
        seeds = [luck.gauss(0, 3) for _ in range(3)]
        ends = sorted(([seed + luck.gauss(0, 1) for seed in seeds] for _ in range(policies)), key=sum)
        gap = difference(*(second - first for first, second in zip(*ends[:2], strict=True)))
        wrong += gap.reason is None
    assert wrong / trials < 0.06
    assert wrong > 0  # otherwise a rule that never confirms a winner would pass
