import attrs
import pytest

import lrrange
from lrrange.advice.heuristics import HEURISTICS
from lrrange.advice.readings import read_answers, read_ranges
from lrrange.policy import Checkpoint, Policy, Run


@pytest.fixture
def range_test():
    """A range test of a parabola: the loss falls from 1e-2 on and blows up above 2."""
    plan = lrrange.SweepPlan(start_lr=1e-4, end_lr=10.0, num_steps=125)
    weight, losses = 3.0, []
    for lr in plan.rates:
        losses.append(min(weight**2 / 2, 1e3))
        weight -= lr * weight
    curve = lrrange.Curve(lr=plan.rates, loss=losses)
    return lrrange.RangeTestResult(
        plan=plan,
        curve=curve,
        stop_reason=lrrange.StopReason.COMPLETED,
        provenance=lrrange.Provenance(backend="test", steps_run=125),
        answers=read_answers(curve, HEURISTICS),
        ranges=read_ranges(curve),
    )


@pytest.fixture
def compared():
    """Make a comparison from final losses by policy: infinite for a run that diverged, None for one that failed."""

    def make(held_out=True, **finals):
        seeds = tuple(range(max(map(len, finals.values()))))
        steps = 4
        policies = [Policy(name=name, lr=(0.1 * (i + 1),) * steps, about="given") for i, name in enumerate(finals)]
        comparison = lrrange.Comparison(make_run="train:make", policies=tuple(policies), steps=steps, seeds=seeds)
        runs = [
            _run(name, seed, final, held_out) for name, by_seed in finals.items() for seed, final in enumerate(by_seed)
        ]
        return attrs.evolve(comparison, runs=tuple(runs))

    return make


def _run(policy, seed, final, held_out):
    if final is None:
        return Run(policy=policy, seed=seed, error="OSError: gone (train.py:3)", attempts=2)
    losses = (2.0 + seed / 10, 1.5, 1.2, final)
    checkpoints = (Checkpoint(step=2, loss=1.4), Checkpoint(step=4, loss=final)) if held_out else ()
    return Run(policy=policy, seed=seed, losses=losses, held_out=checkpoints, final=final, wall_time=0.5)
