"""The proof that a training of JAX uses its rate: steps on a copy, at this rate and at others."""

from collections.abc import Callable, Sequence
from typing import Any

from lrrange.errors import NoData, RateNotInForce
from lrrange.protocol import ProvedRate, deferred_interrupts
from lrrange_jax.arrays import bits_of
from lrrange_jax.jax_step import JaxStep

# Other rates, as multiples of the one in the state. A rate that is too low may move no weight at all in bfloat16.
_FACTORS = (2.0, 64.0)


def prove(step: JaxStep, lr: float, steps: int) -> ProvedRate:
    """Take steps of a training, put everything back, and return the proof that they use the rate in its state.

    The steps are taken at the rate as it is in the state. Then the same steps are taken again with the rate of one
    group changed, once for each group and until a weight differs.

    Args:
        step: the training.
        lr: the rate that should be in its state.
        steps: number of steps.
    Returns: the proof. Its `proved` is False if the same steps at the same rate do not give the same weights, to the
        last bit, so that nothing follows from other weights at another rate.
    Raises: RateNotInForce if the state has another rate, if the steps change it, or if the rate of a group has no
        effect; NoData if the batches end before.
    """
    rates = step.training.rates
    in_place = step.training.form == "objects"
    rates.check(
        step.training.start_leaves(),
        lr,
        "the state",
        "Set it first: result.apply(optimizer)." if in_place else "Train with state = result.applied(state).",
    )
    own = [float(value) for value in rates.values]
    weights: list[list[object]] = []

    def record(leaves: list[Any]) -> bool:
        rates.check(leaves, lr, f"after step {len(weights) + 1}, the state", "The step sets it. Let it keep the rate.")
        weights.append(_weights(step, leaves))
        return True

    def is_same(leaves: list[Any]) -> bool:
        seen.append(_weights(step, leaves))
        return seen[-1] == weights[len(seen) - 1]

    _run(step, None, steps, record)
    seen: list[list[object]] = []
    proof = ProvedRate(lr, steps)
    proof.proved = _run(step, None, steps, is_same)
    for group, name in enumerate(rates.names):
        for factor in _FACTORS if own[group] != 0 else ():
            seen.clear()
            if not _run(
                step, [rate * factor if each == group else rate for each, rate in enumerate(own)], steps, is_same
            ):
                break
        else:
            if own[group] != 0:
                raise RateNotInForce(
                    f"{steps} steps with {name} = {own[group] * _FACTORS[-1]:.3g} give the same weights as with "
                    f"{own[group]:.3g}: this rate has no effect. The step takes its rate from elsewhere, or the "
                    f"optimizer that holds it moves no weight.",
                    group=name,
                    wanted=own[group],
                    actual=None,
                    steps_seen=steps,
                )
    return proof


def _run(step: JaxStep, rates: Sequence[float] | None, steps: int, goes_on: Callable[[list[Any]], bool]) -> bool:
    """Take steps from the start of the training, and put everything back.

    Args:
        step: the training.
        rates: of each group, written once before the first step; None for those of the state.
        steps: number of steps.
        goes_on: called with the leaves of the state after each step.
    Returns: whether all steps were taken.
    """
    training = step.training
    with deferred_interrupts() as interrupts:
        kept = step.snapshot()
        try:
            if rates is not None:
                training.load(training.rates.replaced(training.leaves(), rates))
            for number in range(steps):
                interrupts.deliver()
                try:
                    batch = step.draw()
                except StopIteration:
                    raise NoData(f"the batches ended after {number} of {steps} steps. Give fewer steps=.") from None
                step.output_for(batch, training.step_as_it_is)
                if not goes_on(training.leaves()):
                    return False
            return True
        finally:
            interrupts.handled = "at the end"
            try:
                interrupts.hold()
            finally:
                step.restore(kept)


def _weights(step: JaxStep, leaves: Sequence[Any]) -> list[object]:
    """Return checksums of everything in a state but the rates."""
    positions = step.training.rates.positions
    return [bits_of(leaf) for position, leaf in enumerate(leaves) if position not in positions]
