"""A training that needs no framework, and whose runs can be counted, made to fail, and killed.

Everything is at the top of this module, and told what to do by the environment, so that other processes can import it.
"""

import math
import os
import random
import signal
import time
from pathlib import Path

import lrrange

# One generator for the whole process, as frameworks have. Not Python's own, from which Dask's workers draw as well.
NOISE = random.Random()


class Descent:
    """Gradient descent on a noisy parabola."""

    def __init__(self, seed):
        self.place = random.Random(seed).uniform(2, 3)
        self.run_seed, self.taken = seed, 0

    def seed(self, value):
        NOISE.seed(value)

    def step(self, lr):
        self.lr = lr
        loss = self.place**2 / 2 + NOISE.gauss(0, 0.01)
        time.sleep(0)  # lets another thread draw a number in between, if there is one
        self.place -= lr * (self.place + NOISE.gauss(0, 0.3))
        if abs(self.place) > 1e6:
            loss = self.place = math.inf
        self.taken += 1
        if (kill := os.environ.get("KILL_AT")) is not None and kill == f"{self.run_seed} {lr:g} {self.taken}":
            os.kill(os.getpid(), signal.SIGKILL)
        return loss

    def snapshot(self):
        return self.place, NOISE.getstate()

    def restore(self, state):
        self.place, generator = state
        NOISE.setstate(generator)

    def evaluate(self):
        if (log := os.environ.get("RUN_LOG")) is not None:
            with open(log, "a") as file:
                file.write(f"{self.run_seed} {self.lr:g}\n")
        return self.place**2 / 2


class WithoutHeldOutData(Descent):
    evaluate = property()  # which hasattr does not find


def make(seed=0):
    return Descent(seed)


def make_without_held_out_data(seed=0):
    return WithoutHeldOutData(seed)


class Telling(Descent):
    def report(self):
        time.sleep(0.05)  # so that the other worker takes the next run
        return {"process": os.getpid()}


def make_telling(seed=0):
    return Telling(seed)


def make_failing(seed=0):
    """Raises for seed 1 in the middle of the run."""
    run = Descent(seed)
    if seed == 1:
        run.snapshot = lambda: run.no_such_thing
    return run


def make_dying(seed=0):
    """For seed 1, ends the process it is in."""
    if seed == 1:
        os._exit(3)
    return Descent(seed)


def make_recovering(seed=0):
    """Raises the first time that it is called for a seed, in whatever process."""
    try:
        (Path(os.environ["MARKS"]) / str(seed)).touch(exist_ok=False)
    except FileExistsError:
        return Descent(seed)
    raise OSError("the disk was not there yet")


def untimed(comparison):
    """What must be the same wherever the runs are made."""
    return [(run.policy, run.seed, run.losses, run.held_out, run.final, run.error) for run in comparison.runs]


def compare(make_run=make, policies=(0.1, 0.5, 3.0), *, steps=30, repeats=2, **options):
    return lrrange.compare(make_run, policies, steps=steps, repeats=repeats, **options)
