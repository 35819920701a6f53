"""The probe of the rate: a step that ignores the rate it is given is found out, and nothing else is."""

import random

import pytest

from lrrange import StopReason, find_lr, grid, hookimpl, testing
from lrrange.errors import RateNotInForce
from lrrange.protocol import LoopDriver
from tests.core.strategies import Landscape
from tests.core.training import Loop, OwnLoop, SeededLoop


class Line:
    """y = 3x by stochastic gradient descent, at the rate that `rate_of` makes of the one given."""

    def __init__(self, rate_of=lambda lr, step: lr, accumulate=1):
        self.rate_of, self.accumulate = rate_of, accumulate
        self.w, self.gradient, self.steps = 0.0, 0.0, 0
        self.random = random.Random(0)
        self.calls = 0

    def step(self, lr):
        self.calls += 1
        x = self.random.uniform(0.5, 1.5)
        error = (self.w - 3.0) * x
        self.gradient += 2 * error * x / self.accumulate
        self.steps += 1
        if self.steps % self.accumulate == 0:
            self.w -= self.rate_of(lr, self.steps) * self.gradient
            self.gradient = 0.0
        return error**2

    def snapshot(self):
        return self.w, self.gradient, self.steps, self.random.getstate()

    def restore(self, state):
        self.w, self.gradient, self.steps, random_state = state
        self.random.setstate(random_state)


def own_schedule(_, step):
    return 0.3 / (1 + step)


class LineDriver(LoopDriver):
    """The same in a loop of its own."""

    def __init__(self, *args):
        self.line = Line(*args)
        self.snapshot, self.restore = self.line.snapshot, self.line.restore

    snapshot = restore = None  # set in `__init__`

    def train(self, sweep):
        while sweep.running:
            sweep.tell(self.line.step(sweep.lr))


class BareDriver:
    """The same without the guarded base class."""

    def __init__(self, *args):
        self.line = Line(*args)

    def run(self, sweep):
        before = self.line.snapshot()
        try:
            while sweep.running:
                sweep.tell(self.line.step(sweep.lr))
        finally:
            self.line.restore(before)


KINDS = [Line, LineDriver, BareDriver]


def probed(target, **options):
    return find_lr(target, **options).provenance.details["rate_in_force"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rate_of", [lambda *_: 0.1, own_schedule, lambda *_: 0.0], ids=["fixed", "schedule", "none"])
def test_a_training_that_ignores_its_rate_is_found_out(kind, rate_of):
    with pytest.raises(RateNotInForce, match=f"gave exactly the same losses: this {kind.__name__}") as caught:
        find_lr(kind(rate_of), num_steps=200)
    assert caught.value.steps_seen == 200
    assert caught.value.wanted == pytest.approx(1e-3, rel=0.1)


def test_a_training_that_trains_at_its_rate_passes_in_six_steps_that_are_counted():
    line = Line()
    result = find_lr(line, num_steps=100)
    assert result.provenance.details["rate_in_force"] == "probed"
    assert result.provenance.steps_run == line.calls == len(result.curve) + 6


@pytest.mark.parametrize("kind", [LineDriver, BareDriver])
def test_so_does_a_driver(kind):
    driver = kind()
    before = driver.line.snapshot()
    result = find_lr(driver, num_steps=100)
    assert result.provenance.details["rate_in_force"] == "probed"
    assert result.provenance.steps_run == driver.line.calls == len(result.curve) + 6
    assert driver.line.snapshot() == before


def test_a_rate_that_only_the_first_step_reads_is_found_out():
    class KeepsTheFirst(Line):
        """As scikit-learn's MLPClassifier, which makes its optimizer in the first step."""

        kept = None

        def step(self, lr):
            self.kept = self.kept or lr
            return super().step(self.kept)

        def restore(self, state):
            super().restore(state)
            self.kept = None

    with pytest.raises(RateNotInForce):
        find_lr(KeepsTheFirst())


def test_a_copy_of_the_rate_made_before_the_sweep_is_found_out():
    class Copies(Line):
        """The optimizer has a rate of its own, and writing to the other is in vain."""

        def __init__(self):
            super().__init__(lambda *_: self.copied)
            self.rate = self.copied = 1e-3

        def step(self, lr):
            self.rate = lr
            return super().step(lr)

    with pytest.raises(RateNotInForce):
        find_lr(Copies())


@pytest.mark.parametrize("accumulate", [4, 64])
def test_accumulation_over_several_calls_is_no_false_alarm(accumulate):
    assert probed(Line(accumulate=accumulate), num_steps=200) == "probed"


def test_a_rate_that_is_in_force_only_after_a_warm_up_of_its_own_is_no_false_alarm():
    assert probed(Line(lambda lr, step: lr if step > 20 else 0.0)) == "probed"


def test_a_loss_that_is_measured_after_the_step_is_told_apart_at_once():
    class After(Line):
        def step(self, lr):
            super().step(lr)
            return (self.w - 3.0) ** 2

    result = find_lr(After(), num_steps=100)
    assert result.provenance.details["rate_in_force"] == "probed"
    assert result.provenance.steps_run == len(result.curve) + 4


@pytest.mark.parametrize("rate_of", [lambda lr, _: lr, lambda *_: 0.1], ids=["in force", "ignored"])
def test_where_the_training_has_noise_of_its_own_nothing_is_claimed(rate_of):
    noise = random.Random(1)

    class Noisy(Line):
        def step(self, lr):
            return super().step(lr) + noise.random()

    assert probed(Noisy(rate_of)) == "not told apart: the same steps again give other losses"


def test_noise_that_begins_with_the_second_step_proves_nothing_either():
    noise = random.Random(1)

    class Later(Line):
        def step(self, lr):
            return super().step(lr) + (noise.random() if self.steps > 1 else 0.0)

    assert probed(Later(lambda *_: 0.1)) == "not told apart: the same steps again give other losses"


def test_data_that_cannot_start_again_prove_nothing_and_the_result_is_there():
    class OneShot(Line):
        def __init__(self, batches):
            super().__init__(lambda *_: 0.1)
            self.batches = iter(range(batches))

        def step(self, lr):
            next(self.batches)
            return super().step(lr)

    assert probed(OneShot(100), num_steps=100) == "not told apart: the data ran out"
    result = find_lr(OneShot(90), num_steps=100)
    assert result.stop_reason is StopReason.DATA_EXHAUSTED
    assert result.provenance.details["rate_in_force"] == "not told apart: the data ran out"


def test_a_loss_that_is_not_finite_in_both_runs_proves_nothing():
    class Broken(Line):
        def step(self, lr):
            loss = super().step(lr)
            return loss if self.steps < 5 else float("nan")

    assert probed(Broken(lambda *_: 0.1)) == "not told apart: the loss is not finite"


def test_a_loss_that_is_finite_at_one_rate_alone_tells_them_apart():
    class Jumps(Line):
        def step(self, lr):
            super().step(lr)
            return 1.0 + 1e-3 * self.steps if lr < 1e-4 else float("inf")

    assert probed(Jumps()) == "probed"


def test_rates_that_are_too_close_to_differ_in_a_short_sweep_are_no_false_alarm():
    class Rounds(Line):
        def step(self, lr):
            loss = round(super().step(lr), 4)
            return loss if self.steps < 8 or lr > 1.0 else 1e9  # which ends the sweep far below the rates that matter

    assert probed(Rounds()) == "probed"


def test_a_constant_loss_is_answered_with_a_refusal_as_ever():
    class Constant(Line):
        def step(self, lr):
            super().step(lr)
            return 1.0

    result = find_lr(Constant(lambda *_: 0.1))
    assert result.chosen.kind == "FlatCurve"
    assert result.provenance.details["rate_in_force"] == "not told apart: the loss is constant"


def test_a_backend_that_proves_the_rate_pays_nothing():
    line = Line()
    line.proves_rate = True
    result = find_lr(line, num_steps=100)
    assert result.provenance.details["rate_in_force"] == "proved by the backend"
    assert result.provenance.steps_run == line.calls == len(result.curve)


@pytest.mark.parametrize("kind", KINDS)
def test_the_probe_leaves_no_trace_and_the_digest_watches_it(kind):
    driver = kind()
    line = driver if kind is Line else driver.line
    driver.digest = lambda: [("line", line.snapshot())]
    before = line.snapshot()
    find_lr(driver, num_steps=50, verify_restore=True)
    with pytest.raises(RateNotInForce):
        line.rate_of = own_schedule
        find_lr(driver, num_steps=50, verify_restore=True)
    assert line.snapshot() == before


def test_watchers_do_not_hear_of_it():
    heard = []

    class Watcher:
        @hookimpl
        def lrrange_started(self):
            heard.append("started")

        @hookimpl
        def lrrange_advanced(self, point):
            heard.append(point.step)

        @hookimpl
        def lrrange_finished(self):
            heard.append("finished")

    result = find_lr(Line(), num_steps=50, watchers=[Watcher()])
    assert heard == ["started", *range(len(result.curve)), "finished"]


def test_it_runs_from_the_seed_of_the_sweep_once_and_not_for_repeats():
    class Seeded(Line):
        seeds = ()

        def seed(self, value):
            self.seeds = (*self.seeds, value)
            self.random.seed(value)

    line = Seeded()
    result = find_lr(line, seed=3, repeats=3)
    assert result.provenance.details["rate_in_force"] == "probed"
    assert line.seeds == (3, 3, 3, 4, 5)


def test_late_losses_are_compared_too():
    class Late(float):
        steps_late = 3

    class LateLine(Line):
        def step(self, lr):
            return Late(super().step(lr))

    assert probed(LateLine()) == "probed"
    with pytest.raises(RateNotInForce):
        find_lr(LateLine(own_schedule))


def test_every_cell_of_a_grid_is_probed():
    with pytest.raises(RateNotInForce):
        grid(lambda rate: Line(lambda lr, _: rate or lr), {"rate": [0, 0.1]})


def test_ctrl_c_during_the_probe_passes_and_everything_is_restored():
    class Interrupted(Line):
        def step(self, lr):
            if self.calls == 51:
                raise KeyboardInterrupt
            return super().step(lr)

    line = Interrupted()
    before = line.snapshot()
    with pytest.raises(KeyboardInterrupt):
        find_lr(line, num_steps=50, end_lr=1e-2)
    assert line.snapshot() == before


def test_an_error_during_the_probe_is_no_proof_and_loses_no_answer():
    class Fails(Line):
        def step(self, lr):
            if self.calls >= 50:
                raise RuntimeError("no more batches")
            return super().step(lr)

    result = find_lr(Fails(), num_steps=50, end_lr=1e-2)
    assert len(result.curve) == 50
    assert result.provenance.details["rate_in_force"].startswith("not told apart")


def rig_of(make):
    def make_rig():
        line = make()
        return testing.Rig(
            target=line,
            observe=line.snapshot,
            train=lambda steps: [line.step(1e-3) for _ in range(steps)],
            sweep={"start_lr": 1e-5, "end_lr": 1e-1},
        )

    return make_rig


def test_the_contract_has_a_check_for_it():
    testing.check_backend(rig_of(Line))
    with pytest.raises(AssertionError, match="gave exactly the same losses"):
        testing.check_the_rate_has_an_effect(rig_of(lambda: Line(own_schedule)))


def test_a_backend_that_claims_a_proof_it_does_not_have_is_found_out_by_the_contract():
    def make():
        line = Line(own_schedule)
        line.proves_rate = True
        return line

    with pytest.raises(AssertionError, match="give the same losses"):
        testing.check_the_rate_has_an_effect(rig_of(make))


def test_a_seed_that_does_not_reach_the_data_is_found_out_by_the_contract():
    class Unseeded(SeededLoop):
        def seed(self, value):
            pass

        def restore(self, state):
            self.weights = state[0]  # and not the random state

    loop = Unseeded(Landscape(noise=0.05))
    rig = testing.Rig(target=loop, observe=lambda: loop.weights, train=list, sweep={"start_lr": 1e-5, "end_lr": 1e-1})
    with pytest.raises(AssertionError, match=r"curve\.loss"):
        testing.check_a_seeded_sweep_is_repeatable_and_leaves_no_trace(lambda: rig)


def test_the_loops_of_the_other_tests_would_pass():
    for made in (Loop(), OwnLoop()):
        made.proves_rate = False
        assert probed(made) == "probed"
