"""Losses without the noise of their batches.

A loss differs from the next one mostly because its batch does. What a batch, with its dropout masks, does to the loss
is known at the initial weights, too: the *baseline* of a step is the loss of the initial weights on the batch of that
step, with the same random numbers. It is a *control variate* that shares its *common random numbers* with the loss (P.
Glasserman, "Monte Carlo Methods in Financial Engineering", Springer 2003, sections 4.1 and 4.2).
"""

import math
from collections.abc import Sequence

from lrrange.averages import mean, standard_deviation
from lrrange.sweep.noise import second_difference

# Where the second difference of a baseline is smaller than this part of its range, it has no noise to learn from.
_NO_NOISE = 1e-9


def paired_losses(loss: Sequence[float], baseline: Sequence[float]) -> list[float]:
    """Return each loss without the part of it that its batch explains.

    That part is a coefficient times how far the baseline lies above its mean. The level of the losses stays. In a sweep
    the coefficient is 1 where the weights have not moved, so that no noise of the batches is left there, and falls to 0
    where the loss has nothing to do any more with what the initial weights made of that batch, so that pairing adds no
    noise there.

    Args:
        loss: n losses in sweep order, shape (n,).
        baseline: n losses of the initial weights on the same batches, shape (n,).
    Returns: n losses. One that is not finite stays as it is, and one without a finite baseline becomes NaN.
    """
    pairs = list(zip(loss, baseline, strict=True))
    kept = [i for i, (value, base) in enumerate(pairs) if math.isfinite(value) and math.isfinite(base)]
    paired = [math.nan if math.isfinite(value) and not math.isfinite(base) else value for value, base in pairs]
    if not kept:
        return paired
    level = mean([baseline[i] for i in kept])
    for i, part in zip(kept, coefficients([loss[i] for i in kept], [baseline[i] for i in kept]), strict=True):
        if part > 0.0:
            paired[i] = loss[i] - part * (baseline[i] - level)
    return paired


def coefficients(loss: Sequence[float], baseline: Sequence[float]) -> list[float]:
    """Return, for each step, the part of the baseline's noise that the loss still has.

    It is the regression coefficient of the loss on the baseline, both without their trend, as a function of the step
    that lies between 0 and 1 and never rises: the further the weights have moved, the less the initial loss explains.
    Second differences take the trend out. Their ratio is a coefficient for each step, whose weight in the regression is
    the square of the baseline's, and an isotonic regression makes these fall. It has no width to choose, and it is
    exactly 1 over the steps in which loss and baseline are equal.

    A ratio beyond 1 or -1 counts as 1 or -1. So the steps of a blow-up weigh no more than others, and an unrelated
    baseline still averages to 0.

    Args:
        loss, baseline: n finite numbers each, shape (n,).
    Returns: n parts; all 0 if n is under 3, or if the baseline is constant or another line without noise.
    Source: the regression is the one of control variates; for the pools of adjacent violators see R. Barlow et al.,
        "Statistical Inference under Order Restrictions", Wiley 1972, chapter 1.
    """
    causes = list(map(second_difference, baseline, baseline[1:], baseline[2:]))
    largest = max(map(abs, causes), default=0.0)
    if not causes or not math.isfinite(largest):
        return [0.0] * len(loss)
    no_noise = _NO_NOISE * (max(baseline) - min(baseline))
    pools: list[tuple[float, float, int]] = []  # the sums of ratio times weight and of weight, and the number of steps
    for effect, cause in zip(map(second_difference, loss, loss[1:], loss[2:]), causes, strict=True):
        weight = (cause / largest) ** 2 if abs(cause) > no_noise and math.isfinite(effect) else 0.0
        total = weight * max(-1.0, min(effect / cause, 1.0)) if weight else 0.0
        steps = 1
        while pools and pools[-1][0] * weight <= total * pools[-1][1]:  # the pool before is not above this one
            before = pools.pop()
            total, weight, steps = before[0] + total, before[1] + weight, before[2] + steps
        pools.append((total, weight, steps))
    parts = [max(0.0, total / weight) if weight else 0.0 for total, weight, steps in pools for _ in range(steps)]
    return [parts[0], *parts, parts[-1]]


def level_errors(loss: Sequence[float], baseline: Sequence[float]) -> list[float]:
    """Return the standard error of the level of each paired loss, compared with the level of the first.

    The mean of the baseline is known from n batches only. Where the coefficient has fallen, an error of that mean is no
    longer in the paired loss, and so the level shifts without any training.

    Args:
        loss, baseline: n finite numbers each, shape (n,), as measured.
    """
    if len(loss) < 2:
        return [0.0] * len(loss)
    error = standard_deviation(baseline) / math.sqrt(len(baseline))
    parts = coefficients(loss, baseline)
    return [error * (parts[0] - part) for part in parts]
