"""A training without a framework that takes several runs side by side."""

from tests.core.training import SeededLoop


class SideBySide(SeededLoop):
    """A training that takes runs step by step side by side, each in a state of its own.

    Args:
        reason: against it, known without a step.
        given_up: a reason that shows when it is tried.
        leaves: what a restore after several runs leaves behind.
        fails: the number of the round in which it raises.
        stops: the number of the round in which it ends without saying why.
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
    """One run of several; see `lrrange.finder.together.Replica`."""

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
        taken = 0
        while any(twin.sweep.running for twin in twins):
            if taken == self.loop.fails:
                raise ArithmeticError("in a round")
            if taken == self.loop.stops:
                return
            for twin in twins:
                if twin.sweep.running:
                    twin.loop.restore(twin.state)
                    loss = twin.loop.step(twin.sweep.lr)
                    twin.state = twin.loop.state
                    twin.sweep.tell(loss)
            taken += 1
