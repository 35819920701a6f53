"""The sweep against a model of it: whichever methods are called, in any order, both end up in the same state."""

import math

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from lrrange import Divergence, StopReason, Sweep
from lrrange.errors import LossError, SweepStateError
from tests.core.strategies import finite_losses, non_finite_losses, plans, rubbish

FROM_OUTSIDE = (StopReason.DATA_EXHAUSTED, StopReason.INTERRUPTED)


class SweepMachine(RuleBasedStateMachine):
    """The model: all losses so far, and how the sweep ended. The sweep itself decides when the loss diverges."""

    @initialize(
        plan=plans(max_steps=25),
        limit=st.integers(1, 4),
        divergence=st.sampled_from([None, Divergence(), Divergence(drops=0.0, noises=0.0, min_points=0)]),
    )
    def new_sweep(self, plan, limit, divergence):
        self.losses, self.advanced, self.end = [], [], None
        self.plan, self.limit, self.divergence = plan, limit, divergence
        self.sweep = Sweep(
            plan, non_finite_limit=limit, divergence=divergence, on_advance=lambda point: self.advanced.append(point)
        )

    def expected_end(self):
        """Return how the last loss must end the sweep, or, for DIVERGED, may end it."""
        if len(self.losses) >= self.limit and not any(map(math.isfinite, self.losses[-self.limit :])):
            return StopReason.NON_FINITE
        if self.sweep.stop_reason is StopReason.DIVERGED:
            assert self.divergence is not None
            assert math.isfinite(self.losses[-1])
            return StopReason.DIVERGED
        return StopReason.COMPLETED if len(self.losses) == self.plan.num_steps else None

    @precondition(lambda self: self.end is None)
    @rule(loss=st.one_of(finite_losses, finite_losses, non_finite_losses))
    def tell_a_loss(self, loss):
        goes_on = self.sweep.tell(loss)
        self.losses.append(loss)
        self.end = self.expected_end()
        assert goes_on == (self.end is None)

    @precondition(lambda self: self.end is None)
    @rule(loss=rubbish)
    def tell_rubbish(self, loss):
        with pytest.raises(LossError):
            self.sweep.tell(loss)

    @precondition(lambda self: self.end is not None)
    @rule(loss=st.one_of(finite_losses, non_finite_losses, rubbish))
    def tell_an_ended_sweep(self, loss):
        with pytest.raises(SweepStateError):
            self.sweep.tell(loss)

    @rule(reason=st.sampled_from(StopReason))
    def close(self, reason):
        if self.end is None and reason in FROM_OUTSIDE:
            self.sweep.close(reason)
            self.end = reason
        else:
            with pytest.raises(SweepStateError):
                self.sweep.close(reason)

    @rule()
    def read_the_next_rate(self):
        if self.end is None:
            assert self.sweep.lr == self.sweep.lr == self.plan.lr_at(len(self.losses))
        else:
            with pytest.raises(SweepStateError):
                _ = self.sweep.lr

    @invariant()
    def points_are_the_losses_at_the_rates_of_the_plan(self):
        points = self.sweep.points
        assert [point.step for point in points] == list(range(len(self.losses)))
        assert [point.lr for point in points] == list(self.plan.rates[: len(self.losses)])
        assert list(map(repr, (point.loss for point in points))) == list(map(repr, self.losses))
        assert [math.isnan(point.smoothed) for point in points] == [not math.isfinite(loss) for loss in self.losses]

    @invariant()
    def the_end_is_the_models(self):
        assert self.sweep.stop_reason is self.end
        assert self.sweep.running == (self.end is None)

    @invariant()
    def on_advance_was_called_once_with_every_point(self):
        assert self.advanced == list(self.sweep.points)

    @invariant()
    def the_curve_holds_every_point(self):
        curve = self.sweep.curve
        assert curve.lr == self.plan.rates[: len(self.losses)]
        assert list(map(repr, curve.loss)) == list(map(repr, self.losses))


SweepMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40)
TestSweepMachine = SweepMachine.TestCase
