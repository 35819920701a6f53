"""The schedules through `lrrange.make_schedule`, and the schedules that another plug-in can add."""

import subprocess
import sys
from collections.abc import Iterator

import pytest
import torch
from lrrange_clr import ScheduleLR

import lrrange
from lrrange.errors import OptionError
from tests.clr.rigs import BOUNDS, result, sgd

OPTIONS = {
    "triangular": {"steps_per_half_cycle": 4},
    "triangular2": {"epochs_per_half_cycle": 2, "steps_per_epoch": 10},
    "exp_range": {"steps_per_half_cycle": 4, "gamma": 0.9},
    "one_cycle": {"total_steps": 40, "three_phase": True},
}


@pytest.mark.parametrize("mode", OPTIONS)
def test_every_mode_is_made_over_the_range(mode: str) -> None:
    scheduler = lrrange.make_schedule(sgd(), BOUNDS, mode, **OPTIONS[mode])
    assert isinstance(scheduler, ScheduleLR)
    assert scheduler.schedule.base_lr == pytest.approx(0.001)
    assert scheduler.schedule.max_lr == 0.01


def test_the_hook_reads_a_result_by_the_rule_of_its_mode() -> None:
    found = result()
    triangle = lrrange.make_schedule(sgd(), found, "triangular2", steps_per_half_cycle=4)
    assert triangle.schedule.max_lr == found.range_by("smith").max_lr
    assert lrrange.make_schedule(sgd(), found, "one_cycle", total_steps=40).schedule.max_lr == found.range.max_lr


def test_a_mode_that_no_plug_in_offers_is_an_error_that_names_the_modes() -> None:
    with pytest.raises(OptionError, match="'sine' is not one of triangular, triangular2, exp_range, one_cycle"):
        lrrange.make_schedule(sgd(), BOUNDS, "sine")


@pytest.mark.parametrize(
    ("mode", "options", "says"),
    [
        ("triangular", {"colour": 5}, "epochs_per_half_cycle=, steps_per_half_cycle=, steps_per_epoch=, loader="),
        ("one_cycle", {"colour": 5}, "The options here are total_steps=, pct_start="),
        ("one_cycle", {}, "mode 'one_cycle': .*total_steps= is missing"),
    ],
)
def test_options_of_another_mode_are_an_error_that_names_the_options(
    mode: str, options: dict[str, int], says: str
) -> None:
    with pytest.raises(OptionError, match=says):
        lrrange.make_schedule(sgd(), BOUNDS, mode, **options)


def test_what_is_no_torch_optimizer_is_left_to_others() -> None:
    with pytest.raises(OptionError, match="no plug-in makes a 'triangular2' scheduler for an object"):
        lrrange.make_schedule(object(), BOUNDS, steps_per_half_cycle=4)


class Warmth:
    """A third party's plug-in, with a mode of its own and another version of a known mode."""

    @lrrange.hookimpl
    def lrrange_schedule(self, optimizer, bounds, mode, options):
        if mode == "warmth":
            return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, (step + 1) / options["steps"]))
        return f"the third party's {mode}" if mode == "exp_range" else None


@pytest.fixture
def third_party() -> Iterator[None]:
    lrrange.register(Warmth(), "warmth")
    yield
    lrrange.unregister("warmth")


@pytest.mark.usefixtures("third_party")
def test_a_third_party_offers_a_mode_of_its_own() -> None:
    optimizer = sgd()
    scheduler = lrrange.make_schedule(optimizer, BOUNDS, "warmth", steps=4)
    assert scheduler.get_last_lr() == [0.025]


@pytest.mark.usefixtures("third_party")
def test_a_third_party_comes_first_and_other_modes_are_unchanged() -> None:
    assert lrrange.make_schedule(sgd(), BOUNDS, "exp_range") == "the third party's exp_range"
    assert isinstance(lrrange.make_schedule(sgd(), BOUNDS, steps_per_half_cycle=2), ScheduleLR)


def test_the_plug_in_is_found_without_importing_torch() -> None:
    program = (
        "import sys, lrrange; found = {one.name: one.problem for one in lrrange.list_plugins()}; "
        "print(found['clr'], 'torch' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["None", "False"]
