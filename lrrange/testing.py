"""The contract that every backend must keep: after a sweep, nothing shows that there was one.

A plug-in's author runs it on theirs, in any test framework:

    import pytest
    from lrrange import testing

    @pytest.mark.parametrize("check", testing.CHECKS, ids=lambda check: check.__name__)
    def test_the_backend_keeps_the_contract(check):
        check(make_rig)

where `make_rig()` makes a small training from nothing, the same one at each call, and says how to sweep, observe and
train it. A check that fails raises AssertionError.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import attrs

from lrrange.errors import LRRangeError
from lrrange.finder.range_test import find_lr
from lrrange.hookspecs import hookimpl
from lrrange.result import RangeTestResult
from lrrange.sweep.planned_steps import Point, StopReason
from lrrange.sweep.sweep import Sweep

__all__ = [
    "CHECKS",
    "MakeRig",
    "Rig",
    "check_a_second_sweep_gives_the_same_curve",
    "check_an_unknown_option_is_refused_before_the_first_step",
    "check_backend",
    "check_state_is_back_after_a_sweep",
    "check_state_is_back_after_an_error",
    "check_state_is_back_after_ctrl_c",
    "check_state_is_back_after_training_has_begun",
    "check_training_after_a_sweep_equals_training_without_one",
    "check_training_changes_what_is_observed",
]


@attrs.frozen(kw_only=True)
class Rig:
    """One small training, new and always the same.

    Args:
        target: what `find_lr` is given.
        options: the backend's options for it.
        observe: everything a sweep could have changed, as values that compare by `==`, bit for bit (bytes, numbers,
            containers of these): parameters, optimizer state, modes, random states.
        train: take this many ordinary training steps and return their losses. The first ones after `make_rig()` must
            be reproducible.
        sweep: arguments of `find_lr` such as `start_lr` and `end_lr`, if the usual ones do not fit.
    """

    target: object
    options: Mapping[str, Any] = attrs.field(factory=dict)
    observe: Callable[[], Any]
    train: Callable[[int], list[float]]
    sweep: Mapping[str, Any] = attrs.field(factory=dict)

    def find(self, *watchers: object, **changes: Any) -> RangeTestResult:
        """Run a sweep of 20 steps on it."""
        arguments = {"num_steps": 20, **self.sweep, **changes}
        return find_lr(self.target, watchers=watchers, **arguments, **self.options)


MakeRig = Callable[[], Rig]


class _Raises:
    """A watcher that raises at one step of the sweep."""

    def __init__(self, error: BaseException, step: int) -> None:
        self.error = error
        self.step = step
        self.reason: StopReason | None = None

    @hookimpl
    def lrrange_advanced(self, point: Point) -> None:
        """Raise."""
        if point.step == self.step:
            raise self.error

    @hookimpl
    def lrrange_finished(self, sweep: Sweep) -> None:
        """Note how the sweep ended."""
        self.reason = sweep.stop_reason


def _check_same(before: Any, after: Any, path: str = "state") -> None:
    """Raise AssertionError, saying where, if two observations differ."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        if before.keys() != after.keys():
            raise AssertionError(f"{path} has keys {sorted(map(str, after))}, and had {sorted(map(str, before))}")
        for key in before:
            _check_same(before[key], after[key], f"{path}[{key!r}]")
    elif isinstance(before, (list, tuple)) and isinstance(after, (list, tuple)) and len(before) == len(after):
        for index, (was, now) in enumerate(zip(before, after, strict=True)):
            _check_same(was, now, f"{path}[{index}]")
    elif type(before) is not type(after) or (before != after and not _both_nan(before, after)):
        raise AssertionError(f"the sweep changed {path} from {before!r:.80} to {after!r:.80}")


def _both_nan(before: Any, after: Any) -> bool:
    return isinstance(before, float) and math.isnan(before) and math.isnan(after)


def check_training_changes_what_is_observed(make_rig: MakeRig) -> None:
    """A contract on a rig that observes nothing would prove nothing."""
    rig = make_rig()
    before = rig.observe()
    rig.train(2)
    try:
        _check_same(before, rig.observe())
    except AssertionError:
        return
    raise AssertionError("two training steps change nothing that observe() sees, so it cannot show a restore")


def check_state_is_back_after_a_sweep(make_rig: MakeRig) -> None:
    """Everything is as it was, and the sweep did take its steps."""
    rig = make_rig()
    before = rig.observe()
    result = rig.find()
    if not 1 < len(result.curve) == result.provenance.steps_run:
        raise AssertionError(f"the sweep took {result.provenance.steps_run} steps for {len(result.curve)} points")
    _check_same(before, rig.observe())


def check_state_is_back_after_training_has_begun(make_rig: MakeRig) -> None:
    """As above, with an optimizer that has state and gradients that are there."""
    rig = make_rig()
    rig.train(3)
    before = rig.observe()
    rig.find()
    _check_same(before, rig.observe())


def check_state_is_back_after_an_error(make_rig: MakeRig) -> None:
    """An error in the middle passes through, unchanged, and everything is as it was."""
    for step in (0, 5):
        _interrupted(make_rig, RuntimeError("raised on purpose"), step)


def check_state_is_back_after_ctrl_c(make_rig: MakeRig) -> None:
    """Ctrl-C passes through, everything is as it was, and watchers hear that the sweep was interrupted."""
    watcher = _interrupted(make_rig, KeyboardInterrupt(), 5)
    if watcher.reason is not StopReason.INTERRUPTED:
        raise AssertionError(f"after Ctrl-C the sweep's stop reason is {watcher.reason}, not INTERRUPTED")


def _interrupted(make_rig: MakeRig, error: BaseException, step: int) -> _Raises:
    rig = make_rig()
    before = rig.observe()
    watcher = _Raises(error, step)
    try:
        rig.find(watcher)
    except BaseException as raised:
        if raised is not error:
            raise
    else:
        raise AssertionError(f"the sweep swallowed {error!r}")
    _check_same(before, rig.observe())
    return watcher


def check_a_second_sweep_gives_the_same_curve(make_rig: MakeRig) -> None:
    """The first sweep leaves nothing behind that the second could see."""
    rig = make_rig()
    first, second = rig.find(), rig.find()
    _check_same(first.curve.lr, second.curve.lr, "curve.lr")
    _check_same(first.curve.loss, second.curve.loss, "curve.loss")


def check_training_after_a_sweep_equals_training_without_one(make_rig: MakeRig) -> None:
    """The strongest form: 20 steps give the same losses to the last bit, with and without a sweep before them."""
    without = make_rig().train(20)
    rig = make_rig()
    rig.find()
    _check_same(without, rig.train(20), "losses")


def check_an_unknown_option_is_refused_before_the_first_step(make_rig: MakeRig) -> None:
    """A misspelt option is an error that names it, not ignored."""
    rig = make_rig()
    before = rig.observe()
    try:
        rig.find(an_option_nobody_has=1)
    except LRRangeError as error:
        if "an_option_nobody_has" not in str(error):
            raise AssertionError(f"the error does not name the option: {error}") from error
    else:
        raise AssertionError("the backend took an option that does not exist")
    _check_same(before, rig.observe())


CHECKS: tuple[Callable[[MakeRig], None], ...] = (
    check_training_changes_what_is_observed,
    check_state_is_back_after_a_sweep,
    check_state_is_back_after_training_has_begun,
    check_state_is_back_after_an_error,
    check_state_is_back_after_ctrl_c,
    check_a_second_sweep_gives_the_same_curve,
    check_training_after_a_sweep_equals_training_without_one,
    check_an_unknown_option_is_refused_before_the_first_step,
)


def check_backend(make_rig: MakeRig) -> None:
    """Every check of the contract, one after the other."""
    for check in CHECKS:
        check(make_rig)
