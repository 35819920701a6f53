"""`lrrange.testing` itself: a correct training passes every check, and each check fails on one that breaks it."""

import math

import pytest

from lrrange import StopReason, hookimpl, testing
from lrrange.errors import OptionError
from lrrange.testing import Rig
from tests.core.strategies import Landscape
from tests.core.training import Loop, OwnLoop

LANDSCAPE = Landscape(noise=0.05)


def rig_of(training, **options):
    """Return a function that makes the rig of this training."""

    def make():
        target = training(LANDSCAPE)
        loop = target.loop if isinstance(target, OwnLoop) else target
        return Rig(
            target=target,
            observe=lambda: target.state,
            train=lambda steps: [loop.step(1e-3) for _ in range(steps)],
            sweep={"start_lr": 1e-5, "end_lr": 1e-1},
            **options,
        )

    return make


class Forgets(Loop):
    """Forgets to restore its weights or its random state."""

    forgets = ("weights",)

    def restore(self, state):
        weights, random_state = state
        if "random" not in self.forgets:
            self.random.setstate(random_state)
        if "weights" not in self.forgets:
            self.weights = weights


class ForgetsAfterTraining(Loop):
    """Behaves like an optimizer whose state appears at the first step, and is reset by a restore."""

    def restore(self, state):
        super().restore(state)
        if self.weights:
            self.weights = 0.0


class ForgetsAfterAnError(OwnLoop):
    """Restores at the end of its loop instead of in `finally`."""

    def run(self, sweep):
        before = self.loop.snapshot()
        while sweep.running:
            sweep.tell(self.loop.step(sweep.lr))
        self.loop.restore(before)


class Swallows(OwnLoop):
    """Swallows an error, as if the training had ended."""

    swallowed: tuple[type[BaseException], ...] = (RuntimeError,)

    def run(self, sweep):
        try:
            super().run(sweep)
        except self.swallowed:
            sweep.close(StopReason.DATA_EXHAUSTED)


class NoReason(OwnLoop):
    """Does not close the sweep as interrupted. Its restore is correct."""


class Deaf(OwnLoop):
    """A driver that trains at a rate of its own, whatever the sweep says."""

    def __init__(self, landscape):
        super().__init__(landscape)
        self.loop.loss = lambda lr: Loop.loss(self.loop, 1e-3)


class LeavesATrace(Loop):
    """Restores everything that it shows, and leaves a trace in something that it does not show."""

    def restore(self, state):
        super().restore(state)
        self.swept = True

    def loss(self, lr):
        return super().loss(lr) + (0.5 if hasattr(self, "swept") else 0.0)


class ShowsNothing(Loop):
    """Shows only what training does not change."""

    @property
    def state(self):
        return 0.0, self._fixed

    _fixed = None

    def snapshot(self):
        return self.weights, self.random.getstate()


class LooksAhead(Loop):
    """Computes the loss of a batch with a random number more than its step draws."""

    def forward(self):
        loss = self.loss(1e-30)
        self.random.gauss(0.0, 1.0)
        return loss


class LooksElsewhere(Loop):
    """Computes the loss of another batch."""

    def forward(self):
        self.random.random()
        return self.loss(1e-30)


class RefusesZero(Loop):
    """Takes no step at rate zero, as some optimizers do."""

    def step(self, lr):
        if lr == 0:
            raise ValueError("lr must be positive")
        return super().step(lr)


class TakesAnything(Loop):
    """Stands for a backend that ignores its options."""


@pytest.mark.parametrize("check", testing.CHECKS, ids=lambda check: check.__name__)
def test_a_training_step_that_keeps_the_contract_passes(check):
    check(rig_of(Loop))


def test_every_check_is_run_by_check_backend():
    testing.check_backend(rig_of(Loop))
    with pytest.raises(AssertionError):
        testing.check_backend(rig_of(Forgets))


def test_every_check_has_a_name_and_says_what_it_is():
    defined = {name for name in vars(testing) if name.startswith("check_")} - {"check_backend"}
    assert {check.__name__ for check in testing.CHECKS} == defined
    assert all(check.__doc__ for check in testing.CHECKS)


BREAKS = {
    "what is observed": (ShowsNothing, testing.check_training_changes_what_is_observed, "change nothing"),
    "a sweep": (Forgets, testing.check_state_is_back_after_a_sweep, r"changed state\[0\] from 0.0 to"),
    "begun": (ForgetsAfterTraining, testing.check_state_is_back_after_training_has_begun, r"changed state\[0\] from"),
    "an error": (ForgetsAfterAnError, testing.check_state_is_back_after_an_error, "changed state"),
    "a swallowed error": (Swallows, testing.check_state_is_back_after_an_error, "swallowed RuntimeError"),
    "Ctrl-C": (ForgetsAfterAnError, testing.check_state_is_back_after_ctrl_c, "changed state"),
    "no reason": (NoReason, testing.check_state_is_back_after_ctrl_c, "stop reason is None, not INTERRUPTED"),
    "the rate": (Deaf, testing.check_the_rate_has_an_effect, "give the same losses"),
    "a second sweep": (LeavesATrace, testing.check_a_second_sweep_gives_the_same_curve, r"curve\.loss\[0\]"),
    "a forward pass with more": (LooksAhead, testing.check_a_paired_sweep_sees_its_batches_again, "step 2 at lr="),
    "another batch": (
        LooksElsewhere,
        testing.check_a_paired_sweep_sees_its_batches_again,
        "cannot be paired: the first",
    ),
    "training": (
        LeavesATrace,
        testing.check_training_after_a_sweep_equals_training_without_one,
        r"changed losses\[0\]",
    ),
}


@pytest.mark.parametrize(("training", "check", "said"), BREAKS.values(), ids=BREAKS)
def test_a_check_fails_on_a_training_that_breaks_it_and_says_how(training, check, said):
    with pytest.raises(AssertionError, match=said):
        check(rig_of(training))


def test_a_training_that_forgets_its_random_state_is_found_out():
    class ForgetsRandom(Forgets):
        forgets = ("random",)

    with pytest.raises(AssertionError, match=r"changed state\[1\]"):
        testing.check_state_is_back_after_a_sweep(rig_of(ForgetsRandom))


def test_a_rate_of_zero_may_be_refused():
    testing.check_backend(rig_of(RefusesZero))


def test_a_swallowed_ctrl_c_is_found_out():
    class SwallowsCtrlC(Swallows):
        swallowed = (KeyboardInterrupt,)

    with pytest.raises(AssertionError, match="swallowed KeyboardInterrupt"):
        testing.check_state_is_back_after_ctrl_c(rig_of(SwallowsCtrlC))


def test_a_sweep_that_takes_no_steps_proves_nothing_and_is_found_out():
    class Empty(OwnLoop):
        def __init__(self, landscape):
            super().__init__(landscape, batches=0)

    with pytest.raises(AssertionError, match="took 0 steps"):
        testing.check_state_is_back_after_a_sweep(rig_of(Empty))


def test_steps_that_the_sweep_does_not_know_of_are_no_matter_if_they_are_put_back():
    class WarmsUp(Loop):
        def step(self, lr):
            super().step(lr)
            return super().step(lr)

    testing.check_state_is_back_after_a_sweep(rig_of(WarmsUp))


def test_a_backend_that_takes_any_option_is_found_out(registered):
    class Careless:
        @hookimpl
        def lrrange_adapt(self, target):
            return target if isinstance(target, TakesAnything) else None

    registered(Careless(), "careless")
    with pytest.raises(AssertionError, match="accepted an option that does not exist"):
        testing.check_an_unknown_option_is_refused_before_the_first_step(rig_of(TakesAnything))


def test_an_error_that_does_not_name_the_option_is_found_out(registered):
    class Terse:
        @hookimpl
        def lrrange_adapt(self, options):
            if options:
                raise OptionError("no")

    registered(Terse(), "terse")
    with pytest.raises(AssertionError, match="does not name the option"):
        testing.check_an_unknown_option_is_refused_before_the_first_step(rig_of(Loop))


def test_nan_in_the_state_equals_nan():
    class HasNan(Loop):
        @property
        def state(self):
            return math.nan if not self.weights else self.weights, self.random.getstate()

        def restore(self, state):
            self.weights = 0.0 if math.isnan(state[0]) else state[0]
            self.random.setstate(state[1])

    testing.check_backend(rig_of(HasNan))


@pytest.mark.parametrize(
    ("before", "after", "where"),
    [
        ({"a": 1}, {"b": 1}, "state has keys"),
        ({"a": [1, 2]}, {"a": [1, 3]}, r"state\['a'\]\[1\] from 2 to 3"),
        ([1], [1, 2], "state from"),
        (1, 1.0, "state from 1 to 1.0"),
        (b"ab", b"ac", "state from b'ab' to b'ac'"),
        (None, 0, "state from None to 0"),
    ],
)
def test_the_difference_is_named_where_it_is(before, after, where):
    states = iter([before, after])

    def make():
        loop = Loop(LANDSCAPE)
        return Rig(target=loop, observe=lambda: next(states), train=loop.step)

    with pytest.raises(AssertionError, match=where):
        testing.check_state_is_back_after_a_sweep(make)
