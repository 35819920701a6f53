"""Trainings without a framework, whose runs can be counted, made to fail, and killed.

Everything stands at the top of this module and is controlled by environment variables, so that other processes can
import it.
"""

import math
import os
import random
import signal
import time
from pathlib import Path

import lrrange

# One generator for the whole process, as frameworks have. Not Python's own, because Dask's workers draw from that one.
NOISE = random.Random()


class Descent:
    """Gradient descent on a noisy parabola."""

    def __init__(self, seed):
        self.weight = random.Random(seed).uniform(2, 3)
        self.run_seed, self.taken = seed, 0

    def seed(self, value):
        NOISE.seed(value)

    def step(self, lr):
        self.lr = lr
        loss = self.weight**2 / 2 + NOISE.gauss(0, 0.01)
        time.sleep(0)  # lets another thread, if there is one, draw a number in between
        self.weight -= lr * (self.weight + NOISE.gauss(0, 0.3))
        if abs(self.weight) > 1e6:
            loss = self.weight = math.inf
        self.taken += 1
        if (kill := os.environ.get("KILL_AT")) is not None and kill == f"{self.run_seed} {lr:g} {self.taken}":
            os.kill(os.getpid(), signal.SIGKILL)
        return loss

    def snapshot(self):
        return self.weight, NOISE.getstate()

    def restore(self, state):
        self.weight, generator = state
        NOISE.setstate(generator)

    def evaluate(self):
        if (log := os.environ.get("RUN_LOG")) is not None:
            with open(log, "a") as file:
                file.write(f"{self.run_seed} {self.lr:g}\n")
        return self.weight**2 / 2


class WithoutHeldOutData(Descent):
    evaluate = property()  # raises AttributeError, as if there were no such method


def make(seed=0):
    return Descent(seed)


def make_without_held_out_data(seed=0):
    return WithoutHeldOutData(seed)


class ReportsProcess(Descent):
    def report(self):
        time.sleep(0.05)  # so that the other worker takes the next run
        return {"process": os.getpid()}


def make_reporting_process(seed=0):
    return ReportsProcess(seed)


def make_failing(seed=0):
    """Make a training that raises, for seed 1, in the middle of its run."""
    run = Descent(seed)
    if seed == 1:
        run.snapshot = lambda: run.no_such_thing
    return run


def make_dying(seed=0):
    """Make a training; for seed 1, end the process instead."""
    if seed == 1:
        os._exit(3)
    return Descent(seed)


def make_recovering(seed=0):
    """Make a training; raise instead at the first call for each seed, in whatever process."""
    try:
        (Path(os.environ["MARKS"]) / str(seed)).touch(exist_ok=False)
    except FileExistsError:
        return Descent(seed)
    raise OSError("the disk was not there yet")


def untimed(comparison):
    """Return everything about the runs that must not depend on where they were made."""
    return [(run.policy, run.seed, run.losses, run.held_out, run.final, run.error) for run in comparison.runs]


def compare(make_run=make, policies=(0.1, 0.5, 3.0), *, steps=30, repeats=2, **options):
    return lrrange.compare(make_run, policies, steps=steps, repeats=repeats, **options)
