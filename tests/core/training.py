"""Trainings without a framework: one whose loop lrrange owns, and one that owns its loop."""

import random

from lrrange import StopReason
from tests.core.strategies import Landscape


class Loop:
    """A `TrainingStep` over a landscape. `state` holds everything that a step changes, and `log` every call.

    Args:
        landscape: the loss at each rate.
        batches: number of steps until the data run out; None for never.
    """

    proves_rate = True  # so that its steps are those of sweeps and trials; `test_rate_probe` is about the others

    def __init__(self, landscape=None, *, batches=None):
        self.landscape = landscape or Landscape(noise=0.02)
        self.random = random.Random(self.landscape.seed)
        self.weights = 0.0
        self.batches = batches
        self.log = []

    @property
    def state(self):
        return self.weights, self.random.getstate()

    @property
    def rates(self):
        """The rate of every step so far."""
        return [entry for entry in self.log if isinstance(entry, float)]

    def step(self, lr):
        if self.batches is not None and len(self.rates) >= self.batches:
            raise StopIteration
        self.log.append(lr)
        self.weights += lr
        return self.loss(lr)

    def loss(self, lr):
        noise = self.landscape.noise * self.landscape.drop
        return self.landscape.at(lr) + self.random.gauss(0.0, noise)

    def snapshot(self):
        self.log.append("snapshot")
        return self.state

    def restore(self, state):
        self.log.append("restore")
        self.weights = state[0]
        self.random.setstate(state[1])


class SeededLoop(Loop):
    """A `Loop` that can be seeded."""

    def seed(self, value):
        self.log.append(f"seed {value}")
        self.random.seed(value)


class OwnLoop:
    """A `Driver`: it owns its loop, and restores its own state.

    Args:
        landscape: the loss at each rate.
        ends: the stop reason that it gives when the data run out; None to give none.
        batches: number of steps until the data run out; None for never.
    """

    proves_rate = True

    def __init__(self, landscape=None, *, ends=StopReason.DATA_EXHAUSTED, batches=None):
        self.loop = Loop(landscape)
        self.ends, self.batches = ends, batches

    @property
    def state(self):
        return self.loop.state

    def run(self, sweep):
        before = self.loop.snapshot()
        try:
            while sweep.running:
                if self.batches is not None and len(sweep.points) >= self.batches:
                    if self.ends is not None:
                        sweep.close(self.ends)
                    break
                sweep.tell(self.loop.step(sweep.lr))
        finally:
            self.loop.restore(before)


class SeededOwnLoop(OwnLoop):
    """An `OwnLoop` that can be seeded."""

    def seed(self, value):
        self.loop.log.append(f"seed {value}")
        self.next_seed = value

    def run(self, sweep):
        before = self.loop.state
        if hasattr(self, "next_seed"):
            self.loop.random.seed(self.next_seed)
        try:
            super().run(sweep)
        finally:
            self.loop.restore(before)


class Late:
    """A loss that a device is still computing, which is read some steps late."""

    steps_late = 4

    def __init__(self, loss):
        self.loss = loss

    def __float__(self):
        return self.loss
