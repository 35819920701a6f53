"""`result.lr_for`: the constant rate, the peak, or a rate between them, by what the schedule does with it."""

import enum
import math

import pytest

import lrrange
from lrrange import NoSuggestion
from lrrange.errors import OptionError
from tests.core.strategies import Landscape
from tests.core.training import Loop

GOOD = lrrange.find_lr(Loop())

CONSTANT = ["constant", "constant_with_warmup", "reduce_lr_on_plateau", "ReduceLROnPlateau"]
DECAY = [
    *("linear", "cosine", "cosine_with_restarts", "polynomial", "inverse_sqrt", "cosine_with_min_lr"),
    *("CosineAnnealingLR", "ExponentialDecay", "CosineDecayRestarts", "PolyLRScheduler", "CosineLRScheduler"),
    *("StepLR", "MultiStepLR", "PiecewiseConstantDecay"),
]
CYCLE = [
    *("warmup_stable_decay", "get_linear_schedule_with_warmup", "warmup_cosine_decay_schedule"),
    *("one_cycle", "OneCycleLR", "CyclicLR", "triangular", "triangular2", "exp_range", "cosine_onecycle_schedule"),
]


def cosine_decay_schedule():
    def schedule(count):
        return 0.1 * count

    return schedule


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *((name, "constant") for name in CONSTANT),
        *((name, "decay") for name in DECAY),
        *((name, "cycle") for name in CYCLE),
    ],
)
def test_a_schedule_is_known_by_the_name_that_its_library_gives_it(name, kind):
    assert GOOD.lr_for(name).kind == kind


def test_what_holds_its_rate_gets_the_suggested_rate_and_a_cycle_the_top_of_its_range():
    assert GOOD.lr_for("constant").lr == GOOD.lr_for(None).lr == GOOD.lr
    assert GOOD.lr_for("one_cycle").lr == GOOD.range.max_lr
    assert GOOD.lr_for("triangular").lr == GOOD.range_by("smith").max_lr


def test_what_decays_from_its_rate_gets_one_between_the_two():
    low, high = sorted([GOOD.lr, GOOD.range.max_lr])
    assert low < GOOD.lr_for("cosine").lr < high
    assert math.isclose(GOOD.lr_for("cosine").lr ** 2, low * high)


def test_what_climbs_before_it_decays_gets_the_peak_of_a_cycle():
    assert GOOD.lr_for("cosine", warmup=True).lr == GOOD.lr_for("get_cosine_schedule_with_warmup").lr
    assert GOOD.lr_for("cosine", warmup=True).lr == GOOD.range.max_lr
    assert GOOD.lr_for("constant", warmup=True).lr == GOOD.lr


def test_it_says_which_rate_it_is_and_why():
    assert "between result.lr and result.range.max_lr" in str(GOOD.lr_for("cosine"))
    assert "so it gets result.lr" in GOOD.lr_for("constant").reason
    assert float(GOOD.lr_for("constant")) == GOOD.lr


def test_schedules_of_lrrange_and_scheduler_objects_are_known_by_their_class():
    class CosineAnnealingLR:
        pass

    class Kind(enum.StrEnum):
        LINEAR = "linear"

    assert GOOD.lr_for(lrrange.one_cycle(0.1, total_steps=10)).kind == "cycle"
    assert GOOD.lr_for(lrrange.triangular(GOOD, steps_per_half_cycle=10)).lr == GOOD.range_by("smith").max_lr
    assert GOOD.lr_for(CosineAnnealingLR()).kind == "decay"
    assert GOOD.lr_for(cosine_decay_schedule()) == GOOD.lr_for(cosine_decay_schedule)
    assert GOOD.lr_for(Kind.LINEAR) == GOOD.lr_for("linear")


@pytest.mark.parametrize("schedule", ["linearly", "LambdaLR", "SequentialLR", "LinearLR", 0.1, 3])
def test_a_schedule_that_can_be_of_any_kind_is_refused_with_the_names_to_give(schedule):
    with pytest.raises(OptionError, match="linear"):
        GOOD.lr_for(schedule)


def test_without_a_rate_the_reason_is_raised():
    refused = lrrange.find_lr(Loop(Landscape(drop=0.0, noise=0.0)))
    for schedule in ("constant", "linear", "one_cycle"):
        with pytest.raises(NoSuggestion):
            refused.lr_for(schedule)
