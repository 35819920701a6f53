"""A training without a framework that can take several runs side by side."""

from tests.core.training import SeededLoop


class SideBySide(SeededLoop):
    """A training that takes a step of each run in turn. Each run has its own state.

    Args:
        landscape: the loss at each rate.
        reason: why runs cannot be taken side by side, known without a step; None if they can.
        given_up: why the attempt is given up; None if it is not.
        leaves: error in the weights after a restore of several runs.
        fails: number of the round in which it raises an error.
        stops: number of the round in which it ends without a stop reason.

    Attributes:
        asked: arguments of every call of `why_alone`.
        taken: number of runs in each group that was taken side by side.
    """

    def __init__(self, landscape=None, *, reason=None, given_up=None, leaves=0.0, fails=None, stops=None):
        super().__init__(landscape)
        self.reason, self.given_up, self.leaves, self.fails, self.stops = reason, given_up, leaves, fails, stops
        self.asked, self.taken = [], []

    def why_alone(self, count, measure):
        self.asked.append((count, measure))
        return self.reason

    def replica(self, sweep, seed, reset):
        return Twin(self, sweep, seed, reset)

    def digest(self):
        yield "weights", self.weights
        yield "random numbers", hash(self.random.getstate())


class Twin:
    """One of several runs; see `lrrange.protocol.Replica`."""

    def __init__(self, loop, sweep, seed, reset):
        self.loop, self.sweep, self.seed, self.reset = loop, sweep, seed, reset

    def together(self, others, measure, begin):
        twins = [self, *others]
        if self.loop.given_up is not None:
            return self.loop.given_up
        starts = [twin.loop.snapshot() for twin in twins]
        try:
            begin()
            self.loop.taken.append(len(twins))
            for twin in twins:
                twin.start()
            self.rounds(twins)
        finally:
            for twin, start in zip(twins, starts, strict=True):
                twin.loop.restore(start)
            self.loop.weights += self.loop.leaves
        return None

    def start(self):
        if self.seed is not None:
            self.loop.seed(self.seed)
        if self.reset is not None:
            self.reset()
        self.state = self.loop.state

    def rounds(self, twins):
        number = 0
        while any(twin.sweep.running for twin in twins):
            if number == self.loop.fails:
                raise ArithmeticError("in a round")
            if number == self.loop.stops:
                return
            for twin in twins:
                if twin.sweep.running:
                    twin.loop.restore(twin.state)
                    loss = twin.loop.step(twin.sweep.lr)
                    twin.state = twin.loop.state
                    twin.sweep.tell(loss)
            number += 1
