"""Trainings without a framework: one that lrrange runs, and one that runs itself."""

import random

from lrrange import StopReason
from tests.core.strategies import Landscape


class Loop:
    """A `TrainingStep` over a landscape. Everything that a step changes is in `state`, and `log` says what was done."""

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
        """Of every step there was."""
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
    def seed(self, value):
        self.log.append(f"seed {value}")
        self.random.seed(value)


class OwnLoop:
    """A `Driver`: it owns its loop, and puts itself back."""

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
        return sweep.curve


class SeededOwnLoop(OwnLoop):
    def seed(self, value):
        self.loop.log.append(f"seed {value}")
        self.next_seed = value

    def run(self, sweep):
        before = self.loop.state
        if hasattr(self, "next_seed"):
            self.loop.random.seed(self.next_seed)
        try:
            return super().run(sweep)
        finally:
            self.loop.restore(before)
