"""Alarms at random moments of a sweep, whose handler raises, and what must hold after each of them.

`python -m tests.faults.alarms` provokes more of them than the tests do.
"""

import contextlib
import random
import signal
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import attrs
import torch

from lrrange import find_lr
from lrrange.testing import Rig
from tests.backend_torch import side_by_side
from tests.core.training import Loop
from tests.faults.trainings import BACKENDS, Triggers

# Seconds until an alarm is raised a second time: never, and so soon that it comes in the same step.
AGAIN = (0.0, 2e-4)


class TimedOut(TimeoutError):
    """Raised by the handler of the alarm."""


@attrs.define
class Watchdog:
    """A handler of SIGALRM that raises, `times` times at most, and counts how often it did."""

    times: int = 1
    raised: int = 0

    def __call__(self, number: int, frame: Any) -> None:
        if self.raised < self.times:
            self.raised += 1
            raise TimedOut(f"alarm {self.raised}")


@contextlib.contextmanager
def watched(watchdog: Watchdog) -> Iterator[None]:
    """Install the handler for the block."""
    before = signal.signal(signal.SIGALRM, watchdog)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@attrs.frozen
class Swept:
    """A training, its sweep, everything that must be restored, and the optimizers that must have no hooks left."""

    sweep: Callable[[], object]
    observe: Callable[[], Any]
    optimizers: Callable[[], list[torch.optim.Optimizer]]


def core() -> Swept:
    loop = Loop()
    return Swept(lambda: find_lr(loop, num_steps=60), lambda: loop.state, list)


def _of_rig(rig: Rig, optimizers: Callable[[], list[torch.optim.Optimizer]]) -> Swept:
    rig.train(3)
    return Swept(rig.find, rig.observe, optimizers)


def loader_step() -> Swept:
    rig = BACKENDS["loader step"](Triggers())
    return _of_rig(rig, lambda: [rig.options["optimizer"]])


def own_step() -> Swept:
    rig = BACKENDS["own step"](Triggers())
    return _of_rig(rig, lambda: [rig.options["optimizer"]])


def together() -> Swept:
    model, options = side_by_side.training()()

    def sweep() -> None:
        result = find_lr(model, **side_by_side.SWEEP, **options, parallel="vmap")
        assert side_by_side.ways(result) == [side_by_side.TOGETHER]

    return Swept(sweep, lambda: side_by_side.observed(model, options), lambda: [options["optimizer"]])


def lightning() -> Swept:
    rig = BACKENDS["Lightning"](Triggers())
    trainer: Any = rig.target
    return _of_rig(rig, lambda: list(trainer.strategy.optimizers))


TRAININGS = {
    "core": core,
    "loader step": loader_step,
    "own step": own_step,
    "together": together,
    "Lightning": lightning,
}


def provoke(swept: Swept, alarms: int, seed: int, again: float = 0.0) -> tuple[int, list[str]]:
    """Sweep under an alarm until `alarms` of them have been raised.

    Args:
        swept: the training.
        alarms: number of sweeps that an alarm must have ended.
        seed: of the moments.
        again: seconds until the alarm is raised a second time; 0 for never.
    Returns: the number of sweeps that an alarm has ended, and what was wrong.
    """
    moments, problems, ended = random.Random(seed), [], 0
    swept.sweep()
    began = time.perf_counter()
    swept.sweep()
    took = time.perf_counter() - began
    before = swept.observe()
    while ended < alarms and len(problems) < 5:
        delay = max(moments.random() * took, 1e-5)
        watchdog = Watchdog(times=2 if again else 1)
        caught = False
        with watched(watchdog):
            try:
                try:
                    signal.setitimer(signal.ITIMER_REAL, delay, again)
                    swept.sweep()
                finally:
                    watchdog.times = 0
            except TimedOut:
                caught = True
        ended += caught
        if watchdog.raised and not caught:
            problems.append(f"after {delay:.6f} s the exception was lost")
        if swept.observe() != before:
            problems.append(f"after {delay:.6f} s the state is another")
        if any(opt._optimizer_step_pre_hooks or opt._optimizer_step_post_hooks for opt in swept.optimizers()):
            problems.append(f"after {delay:.6f} s the optimizer has a hook")
    return ended, problems


# Alarms of each kind in a long run.
MANY = {"core": 1000, "loader step": 300, "own step": 300, "together": 150, "Lightning": 100}


def main(*arguments: str) -> None:
    """Provoke many alarms in trainings of every kind, or of one kind and as many as is said. Print what was found."""
    counts = {arguments[0]: int(arguments[1])} if arguments else MANY
    total = 0
    for kind, alarms in counts.items():
        for again in AGAIN:
            ended, problems = provoke(TRAININGS[kind](), alarms, seed=2, again=again)
            total += ended
            sys.stdout.write(f"{kind}, again after {again:g} s: {ended} alarms; {problems or 'nothing was wrong'}\n")
    sys.stdout.write(f"{total} alarms\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
