"""The contract for backends: after a sweep, nothing shows that it took place.

Run its checks on your backend, in any test framework:

    import pytest
    from lrrange import testing

    @pytest.mark.parametrize("check", testing.CHECKS, ids=lambda check: check.__name__)
    def test_the_backend_keeps_the_contract(check):
        check(make_rig)

`make_rig()` returns a new `Rig`: a small training, the same at every call, and how to sweep, observe and train it. A
check that fails raises AssertionError.
"""

import math
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import attrs

from lrrange.errors import LRRangeError, NotPairedWarning, OptionError, RateNotInForce
from lrrange.finder.lr_finder import find_lr
from lrrange.hookspecs import hookimpl
from lrrange.result import RangeTestResult
from lrrange.sweep.planned_steps import Point, StopReason
from lrrange.sweep.sweep import Sweep

__all__ = [
    "CHECKS",
    "MakeRig",
    "Rig",
    "check_a_paired_sweep_sees_its_batches_again",
    "check_a_second_sweep_gives_the_same_curve",
    "check_an_unknown_option_is_refused_before_the_first_step",
    "check_a_seeded_sweep_is_repeatable_and_leaves_no_trace",
    "check_backend",
    "check_state_is_back_after_a_sweep",
    "check_state_is_back_after_an_error",
    "check_state_is_back_after_ctrl_c",
    "check_state_is_back_after_training_has_begun",
    "check_the_rate_has_an_effect",
    "check_training_after_a_sweep_equals_training_without_one",
    "check_training_changes_what_is_observed",
]


# A rate that moves no weight, and one up to which that holds for many steps.
_NO_RATE, _LOW_RATE = 1e-30, 1e-20


@attrs.frozen(kw_only=True)
class Rig:
    """A small training that the checks can sweep, observe and train.

    Args:
        target: the target for `find_lr`.
        options: options of the backend.
        observe: returns everything that a sweep could change: parameters, optimizer state, modes, random states. The
            values must compare by `==`, bit for bit: bytes, numbers, and containers of these.
        train: takes this many ordinary training steps and returns their losses. After `make_rig()`, the first steps
            must be reproducible.
        sweep: arguments of `find_lr`, such as `start_lr` and `end_lr`, where the defaults do not fit.
    """

    target: object
    options: Mapping[str, Any] = attrs.field(factory=dict)
    observe: Callable[[], Any]
    train: Callable[[int], list[float]]
    sweep: Mapping[str, Any] = attrs.field(factory=dict)

    def find(self, *watchers: object, **changes: Any) -> RangeTestResult:
        """Run a range test on the target, of 20 steps by default."""
        arguments = {"num_steps": 20, **self.sweep, **changes}
        return find_lr(self.target, watchers=watchers, **{"progress": False, **arguments, **self.options})


MakeRig = Callable[[], Rig]


class _Raises:
    """A watcher that raises an error at one step of the sweep."""

    def __init__(self, error: BaseException, step: int) -> None:
        self.error = error
        self.step = step
        self.reason: StopReason | None = None

    @hookimpl
    def lrrange_advanced(self, point: Point) -> None:
        """Raise the error at its step."""
        if point.step == self.step:
            raise self.error

    @hookimpl
    def lrrange_finished(self, sweep: Sweep) -> None:
        """Record why the sweep ended."""
        self.reason = sweep.stop_reason


def _check_same(before: Any, after: Any, path: str = "state") -> None:
    """Raise AssertionError if two observations differ. The message says where."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        if before.keys() != after.keys():
            raise AssertionError(f"{path} has keys {sorted(map(str, after))}; it had {sorted(map(str, before))}")
        for key in before:
            _check_same(before[key], after[key], f"{path}[{key!r}]")
    elif isinstance(before, (list, tuple)) and isinstance(after, (list, tuple)) and len(before) == len(after):
        for index, (item_before, item_after) in enumerate(zip(before, after, strict=True)):
            _check_same(item_before, item_after, f"{path}[{index}]")
    elif type(before) is not type(after) or (before != after and not _both_nan(before, after)):
        raise AssertionError(f"the sweep changed {path} from {before!r:.80} to {after!r:.80}")


def _both_nan(before: Any, after: Any) -> bool:
    return isinstance(before, float) and math.isnan(before) and math.isnan(after)


def check_training_changes_what_is_observed(make_rig: MakeRig) -> None:
    """Check that `observe` sees what training changes. Otherwise the other checks would prove nothing."""
    rig = make_rig()
    before = rig.observe()
    rig.train(2)
    try:
        _check_same(before, rig.observe())
    except AssertionError:
        return
    raise AssertionError("two training steps change nothing that observe() returns, so it cannot prove a restore")


def check_state_is_back_after_a_sweep(make_rig: MakeRig) -> None:
    """Check that a sweep takes its steps and leaves everything as it was."""
    rig = make_rig()
    before = rig.observe()
    result = rig.find()
    if not 1 < len(result.curve) <= result.provenance.steps_run:  # which counts the probe of the rate, too
        raise AssertionError(f"the sweep took {result.provenance.steps_run} steps for {len(result.curve)} points")
    _check_same(before, rig.observe())


def check_state_is_back_after_training_has_begun(make_rig: MakeRig) -> None:
    """Check the same in the middle of a training, where the optimizer has state and the parameters have gradients."""
    rig = make_rig()
    rig.train(3)
    before = rig.observe()
    rig.find()
    _check_same(before, rig.observe())


def check_state_is_back_after_an_error(make_rig: MakeRig) -> None:
    """Check that an error during the sweep passes through unchanged and leaves everything as it was."""
    for step in (0, 5):
        _raise_in_sweep(make_rig, RuntimeError("raised on purpose"), step)


def check_state_is_back_after_ctrl_c(make_rig: MakeRig) -> None:
    """Check that Ctrl-C passes through, leaves everything as it was, and ends the sweep as INTERRUPTED."""
    watcher = _raise_in_sweep(make_rig, KeyboardInterrupt(), 5)
    if watcher.reason is not StopReason.INTERRUPTED:
        raise AssertionError(f"after Ctrl-C the sweep's stop reason is {watcher.reason}, not INTERRUPTED")


def _raise_in_sweep(make_rig: MakeRig, error: BaseException, step: int) -> _Raises:
    """Raise this error at this step of a sweep, and check that it passes through and leaves everything as it was."""
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
    """Check that a second sweep gives the same curve as the first."""
    rig = make_rig()
    first, second = rig.find(), rig.find()
    _check_same(first.curve.lr, second.curve.lr, "curve.lr")
    _check_same(first.curve.loss, second.curve.loss, "curve.loss")


def check_a_seeded_sweep_is_repeatable_and_leaves_no_trace(make_rig: MakeRig) -> None:
    """Check the same for sweeps with a seed, and that the state is back. A backend without seeds passes."""
    rig = make_rig()
    before = rig.observe()
    try:
        first = rig.find(seed=3)
    except OptionError:
        return
    _check_same(before, rig.observe())
    second = rig.find(seed=3)
    _check_same(before, rig.observe())
    _check_same(first.curve.loss, second.curve.loss, "curve.loss")


def check_a_paired_sweep_sees_its_batches_again(make_rig: MakeRig) -> None:
    """Check that steps without updates have the batches and random numbers of the sweep, and that the state is back.

    The first rates of this sweep are so low that no weight moves. So the losses of these steps must be equal.
    """
    rig = make_rig()
    before = rig.observe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotPairedWarning)
        result = rig.find(start_lr=_NO_RATE, num_steps=60, paired=True)
    _check_same(before, rig.observe())
    curve = result.curve
    if curve.baseline is None:
        reason = result.provenance.details["paired"].removeprefix("no: ")
        if "raised" in reason:
            return  # a rate of zero is refused, which a backend may do
        raise AssertionError(f"the sweep cannot be paired: {reason}")
    for step, (lr, loss, again) in enumerate(zip(curve.lr, curve.unpaired.loss, curve.baseline, strict=True)):
        if lr < _LOW_RATE and not (_both_nan(loss, again) or math.isclose(loss, again, rel_tol=1e-5, abs_tol=1e-9)):
            raise AssertionError(
                f"step {step + 1} at lr={lr:.0e} gave the loss {loss!r}, and {again!r} without an update: its batch or "
                f"its random numbers were others"
            )


def check_the_rate_has_an_effect(make_rig: MakeRig) -> None:
    """Check that steps at other rates give other losses. Otherwise the backend ignores the rate that it is given."""
    try:
        low = make_rig().find()
        lr = low.curve.lr[len(low.curve) // 2]
        high = make_rig().find(start_lr=lr, end_lr=2 * lr)
    except RateNotInForce as error:
        raise AssertionError(str(error)) from error
    if all(map(_same_loss, low.curve.loss, high.curve.loss)):
        raise AssertionError(f"steps from lr={low.curve.lr[0]:.2g} and from lr={lr:.2g} give the same losses")


def _same_loss(first: float, second: float) -> bool:
    return first == second or _both_nan(first, second)


def check_training_after_a_sweep_equals_training_without_one(make_rig: MakeRig) -> None:
    """Check that 20 training steps give the same losses, to the last bit, with and without a sweep before them.

    This is the strongest check: it also sees changes that `observe` does not.
    """
    losses = make_rig().train(20)
    rig = make_rig()
    rig.find()
    _check_same(losses, rig.train(20), "losses")


def check_an_unknown_option_is_refused_before_the_first_step(make_rig: MakeRig) -> None:
    """Check that a misspelt option raises an error that names it, before the first step."""
    rig = make_rig()
    before = rig.observe()
    try:
        rig.find(an_option_nobody_has=1)
    except LRRangeError as error:
        if "an_option_nobody_has" not in str(error):
            raise AssertionError(f"the error does not name the option: {error}") from error
    else:
        raise AssertionError("the backend accepted an option that does not exist")
    _check_same(before, rig.observe())


CHECKS: tuple[Callable[[MakeRig], None], ...] = (
    check_training_changes_what_is_observed,
    check_state_is_back_after_a_sweep,
    check_state_is_back_after_training_has_begun,
    check_state_is_back_after_an_error,
    check_state_is_back_after_ctrl_c,
    check_a_second_sweep_gives_the_same_curve,
    check_a_seeded_sweep_is_repeatable_and_leaves_no_trace,
    check_a_paired_sweep_sees_its_batches_again,
    check_the_rate_has_an_effect,
    check_training_after_a_sweep_equals_training_without_one,
    check_an_unknown_option_is_refused_before_the_first_step,
)


def check_backend(make_rig: MakeRig) -> None:
    """Run every check of the contract. Raises: AssertionError at the first that fails."""
    for check in CHECKS:
        check(make_rig)
