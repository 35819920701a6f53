"""`LoopDriver`: a driver with the guard of lrrange's own steps."""

import pytest

from lrrange import StopReason, Sweep, SweepPlan, find_lr, testing
from lrrange.errors import OptionError, TargetError
from lrrange.protocol import LoopDriver
from tests.core.strategies import Landscape
from tests.core.training import OwnLoop, SeededLoop

LANDSCAPE = Landscape(noise=0.05)


class Trainer:
    """A framework whose `fit` calls back after each step."""

    def __init__(self, landscape=None):
        self.loop = SeededLoop(landscape)

    def fit(self, rate, on_step):
        while on_step(self.loop.step(rate())):
            pass


class TrainerDriver(LoopDriver):
    """The driver of a `Trainer`."""

    def __init__(self, landscape=None):
        self.trainer = Trainer(landscape)

    @property
    def state(self):
        return self.trainer.loop.state

    def train(self, sweep):
        self.trainer.fit(rate=lambda: sweep.lr, on_step=sweep.tell)

    def snapshot(self):
        return self.trainer.loop.snapshot()

    def restore(self, state):
        self.trainer.loop.restore(state)

    def seed(self, value):
        self.trainer.loop.seed(value)


def rig():
    driver = TrainerDriver(LANDSCAPE)
    return testing.Rig(
        target=driver,
        observe=lambda: driver.state,
        train=lambda steps: [driver.trainer.loop.step(1e-3) for _ in range(steps)],
        sweep={"start_lr": 1e-5, "end_lr": 1e-1},
    )


@pytest.mark.parametrize("check", testing.CHECKS, ids=lambda check: check.__name__)
def test_it_keeps_the_contract(check):
    check(rig)


def test_the_same_loop_without_the_guard_leaves_the_reason_out_on_ctrl_c():
    def make():
        own = OwnLoop(LANDSCAPE)
        return testing.Rig(target=own, observe=lambda: own.state, train=list, sweep={"end_lr": 1e-1})

    with pytest.raises(AssertionError, match="stop reason is None, not INTERRUPTED"):
        testing.check_state_is_back_after_ctrl_c(make)


def test_its_three_methods_must_be_written():
    with pytest.raises(TypeError, match="restore.*snapshot.*train"):
        LoopDriver()


def test_seed_and_reset_come_between_the_snapshot_and_the_first_step():
    driver = TrainerDriver(LANDSCAPE)
    driver.proves_rate = True
    log = driver.trainer.loop.log
    before = driver.state
    result = find_lr(driver, seed=3, repeats=2, reset=lambda: log.append("reset"), num_steps=50)
    assert len(result.sweeps) == 2
    first, second = log[: log.index("restore") + 1], log[log.index("restore") + 1 :]
    assert [entry for entry in first if isinstance(entry, str)] == ["snapshot", "seed 3", "restore"]
    assert [entry for entry in second if isinstance(entry, str)] == ["snapshot", "seed 4", "reset", "restore"]
    assert driver.state == before


def test_reset_is_refused_for_a_driver_that_guards_itself_and_the_base_class_is_named():
    with pytest.raises(OptionError, match=r"a OwnLoop restores itself.*lrrange\.protocol\.LoopDriver"):
        find_lr(SeededOwn(), repeats=2, reset=list)


class SeededOwn(OwnLoop):
    """An `OwnLoop` with a seed."""

    def seed(self, value):
        self.loop.random.seed(value)


SeededOwn.__name__ = "OwnLoop"


@pytest.mark.parametrize("at", ["seed", "train", "reset"])
def test_it_restores_wherever_it_was_interrupted(at):
    class Interrupted(TrainerDriver):
        pass

    def interrupt(*_):
        driver.trainer.loop.weights = 5.0
        raise KeyboardInterrupt

    if at != "reset":
        setattr(Interrupted, at, interrupt)
    driver = Interrupted(LANDSCAPE)
    before = driver.state
    with pytest.raises(KeyboardInterrupt):
        find_lr(driver, seed=1, repeats=2, reset=interrupt if at == "reset" else list)
    assert driver.state == before


def test_an_error_at_a_high_rate_ends_it_as_raised_and_the_points_before_it_are_kept():
    class Refuses(TrainerDriver):
        def train(self, sweep):
            while sweep.running:
                if sweep.lr > 1.0:
                    raise ValueError("the weights are not finite")
                sweep.tell(self.trainer.loop.step(sweep.lr))

    driver = Refuses(LANDSCAPE)
    before = driver.state
    result = find_lr(driver, start_lr=1e-5, end_lr=100.0, divergence=None)
    assert result.stop_reason is StopReason.RAISED
    assert result.curve.lr[-1] <= 1.0
    assert result.provenance.details["raised"][0]["text"] == "the weights are not finite"
    assert driver.state == before


def test_an_error_that_no_rate_causes_passes_through_it():
    class Broken(TrainerDriver):
        def train(self, sweep):
            while sweep.lr < 1e-2:
                sweep.tell(self.trainer.loop.step(sweep.lr))
            raise TypeError("a mistake in the code")

    with pytest.raises(TypeError, match="a mistake in the code"):
        find_lr(Broken(LANDSCAPE), start_lr=1e-5, end_lr=100.0)


def test_data_that_run_out_end_it_with_the_reason_that_it_gives():
    class Short(TrainerDriver):
        def train(self, sweep):
            for _ in range(30):
                if not sweep.tell(self.trainer.loop.step(sweep.lr)):
                    return
            sweep.close(StopReason.DATA_EXHAUSTED)

    assert find_lr(Short(LANDSCAPE)).stop_reason is StopReason.DATA_EXHAUSTED


def test_a_loop_that_ends_without_a_reason_is_refused():
    class Leaves(TrainerDriver):
        def train(self, sweep):
            sweep.tell(self.trainer.loop.step(sweep.lr))

    with pytest.raises(TargetError, match="ended its training after 1 of 200 steps without saying why"):
        find_lr(Leaves(LANDSCAPE), num_steps=200)


def test_its_run_may_be_called_alone():
    driver = TrainerDriver(LANDSCAPE)
    before, sweep = driver.state, Sweep(SweepPlan(end_lr=1e-2, num_steps=20))
    driver.run(sweep)
    assert sweep.stop_reason is StopReason.COMPLETED
    assert driver.state == before
