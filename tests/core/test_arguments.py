"""Arguments that `find_lr` refuses before the first step."""

import pytest

from lrrange import LRRangeError, find_lr, hookimpl
from lrrange.errors import BackendNotFound, OptionError, PlanError, TargetError, UnknownName
from tests.core.training import Loop, SeededLoop

BAD_ARGUMENTS = {
    "start_lr above end_lr": ({"start_lr": 1.0, "end_lr": 0.1}, PlanError),
    "start_lr zero": ({"start_lr": 0.0}, PlanError),
    "end_lr negative": ({"end_lr": -1.0}, PlanError),
    "start_lr above the default end": ({"start_lr": 100.0}, PlanError),
    "one step": ({"num_steps": 1}, PlanError),
    "half a step": ({"num_steps": 10.5}, PlanError),
    "shape": ({"shape": "cosine"}, PlanError),
    "heuristic": ({"heuristic": "best"}, UnknownName),
    "heuristic that cannot be called": ({"heuristic": 3}, LRRangeError),
    "backend": ({"backend": "theano"}, BackendNotFound),
    "smoothing": ({"smoothing": "gauss"}, UnknownName),
    "no repeat": ({"repeats": 0}, PlanError),
    "repeats that are text": ({"repeats": "2"}, LRRangeError),
    "repeats that are not whole": ({"repeats": 1.5}, LRRangeError),
    "seed of a target that cannot be seeded": ({"seed": 3}, OptionError),
    "repeats of a target that cannot be seeded": ({"repeats": 2}, OptionError),
    "reset without repeats": ({"reset": list}, OptionError),
    "budget": ({"confirm": True, "confirm_steps": 89}, PlanError),
    "budget that is text": ({"confirm": True, "confirm_steps": "648"}, LRRangeError),
    "limit": ({"non_finite_limit": 0}, PlanError),
    "limit that is text": ({"non_finite_limit": "3"}, LRRangeError),
    "divergence that is not a Divergence": ({"divergence": "never"}, LRRangeError),
    "option": ({"loader": [1, 2]}, OptionError),
}


@pytest.mark.parametrize(("arguments", "reason"), BAD_ARGUMENTS.values(), ids=BAD_ARGUMENTS)
def test_a_wrong_argument_is_refused_before_the_first_step(arguments, reason):
    target = Loop() if reason is OptionError else SeededLoop()
    with pytest.raises(reason):
        find_lr(target, **arguments)
    assert target.rates == []


def test_an_unknown_option_is_named():
    with pytest.raises(OptionError, match="loader= is unknown here. optimiser= is unknown here. The options") as caught:
        find_lr(Loop(), loader=[], optimiser=None)
    assert caught.value.options == ("loader", "optimiser")


@pytest.mark.parametrize("target", [None, 3, "model", object()])
def test_a_target_that_nothing_can_train_is_refused_with_its_type(target):
    with pytest.raises(TargetError, match=f"nothing installed can train an? {type(target).__name__}") as caught:
        find_lr(target)
    assert caught.value.target_type == type(target).__name__


def test_a_watcher_whose_hook_has_an_unknown_argument_is_refused_before_the_first_step():
    class Odd:
        @hookimpl
        def lrrange_advanced(self, banana):
            raise AssertionError(banana)

    target = Loop()
    with pytest.raises(LRRangeError, match="banana"):
        find_lr(target, watchers=[Odd()])
    assert target.rates == []


def test_a_watcher_with_an_unknown_hook_is_refused_before_the_first_step():
    class Misspelt:
        @hookimpl
        def lrrange_advance(self, point):
            raise AssertionError(point)

    target = Loop()
    with pytest.raises(LRRangeError, match="lrrange_advance"):
        find_lr(target, watchers=[Misspelt()])
    assert target.rates == []
