"""Set the rate of an estimator as a parameter, and prove that its steps use it."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from lrrange.errors import OptionError, RateNotInForce
from lrrange.protocol import ProvedRate
from lrrange_sklearn.estimator_step import EstimatorStep
from lrrange_sklearn.targets import Swept, swept_of, why_no_rate

__all__ = ["apply_to_estimator", "prove_estimator"]


def apply_to_estimator(target: Any, lr: float, details: Mapping[str, Any]) -> dict[str, float]:
    """Set the parameter that `fit` and `partial_fit` read, and the copy of it that a fitted perceptron keeps.

    Args:
        target: an estimator, or a pipeline that ends in one.
        lr: the rate.
        details: what the sweep that it is from has reported; empty for any other rate.
    Returns: the parameters that were set, by name.
    Raises: RateNotInForce, and changes nothing, if the estimator computes its rate itself.
    """
    if not 0 < lr < math.inf:
        raise OptionError(f"lr={lr!r} is not a positive, finite rate.", lr=lr)
    swept = _swept_with_a_rate(target, lr)
    lr = _base_rate(swept, lr, details)
    optimizer = vars(swept.estimator).get("_optimizer")
    if optimizer is not None:
        # Its schedule may hold the rate at a part of the initial one.
        optimizer.learning_rate *= lr / optimizer.learning_rate_init
        optimizer.learning_rate_init = lr
    target.set_params(**{swept.parameter: lr})
    return {swept.parameter: lr}


def _base_rate(swept: Swept, lr: float, details: Mapping[str, Any]) -> float:
    """Return the value of the rate's parameter with which a training at `lr`, as swept, has its schedule.

    With `"invscaling"`, the rate of a linear model falls from sample to sample: it shall be `lr` after the first pass
    over the data. A perceptron makes the whole first pass at the rate that it is given.
    """
    estimator = swept.estimator
    if swept.is_mlp or estimator.learning_rate != "invscaling":
        return lr
    return float(lr * details.get("samples", 1) ** estimator.power_t)


def _swept_with_a_rate(target: Any, lr: float) -> Swept:
    swept = swept_of(target)
    assert swept is not None  # the hook has asked already
    why = why_no_rate(swept)
    if why is not None:
        raise RateNotInForce(f"{why} Nothing was changed.", wanted=lr, actual=None)
    return swept


def prove_estimator(lr: float, steps: int, details: Mapping[str, Any]) -> Callable[..., ProvedRate]:
    """Return a function of a target and its data that proves that the target trains at `lr`; see `proof_of`."""

    def prove(
        target: Any,
        X: Any,  # noqa: N803  as scikit-learn writes it
        y: Any = None,
        batch_size: int | None = None,
        classes: Any = None,
        sample_weight: Any = None,
    ) -> ProvedRate:
        swept = _swept_with_a_rate(target, lr)
        step = EstimatorStep(target, X, y, batch_size, classes, sample_weight)
        return proof_of(swept, step, _base_rate(swept, lr, details), steps)

    return prove


def proof_of(swept: Swept, step: EstimatorStep, lr: float, steps: int) -> ProvedRate:
    """Prove that an estimator trains at `lr`, by steps that are taken on copies of what it holds.

    They are taken twice, the second time at twice the rate, which must give other weights.
    Raises: RateNotInForce if the parameter has another value, before the steps or after them; if a fitted perceptron
        has kept another; or if the rate changes nothing.
    """
    estimator, name = swept.estimator, swept.parameter
    kind = type(estimator).__name__
    before = float(getattr(estimator, swept.rate_name))
    if not _same(before, lr):
        raise RateNotInForce(
            f"{name} of this {kind} is {before:.6g}, not {lr:.6g}. Call result.apply on it first.",
            wanted=lr,
            actual=before,
        )
    state = step.snapshot()
    try:
        for _ in range(steps):
            step.train()
        trained = _weights_of(estimator)
        kept_by = vars(estimator).get("_optimizer")
        used = float(getattr(estimator, swept.rate_name) if kept_by is None else kept_by.learning_rate_init)
        step.restore(state)
        state = step.snapshot()
        setattr(estimator, swept.rate_name, 2 * lr)
        optimizer = vars(estimator).get("_optimizer")
        if optimizer is not None:
            optimizer.learning_rate_init, optimizer.learning_rate = 2 * lr, 2 * optimizer.learning_rate
        for _ in range(steps):
            step.train()
        differs = any(
            not np.array_equal(one, other) for one, other in zip(trained, _weights_of(estimator), strict=True)
        )
    finally:
        step.restore(state)
    if not _same(used, lr):
        raise RateNotInForce(
            f"this {kind} trains at {used:.6g}, not at the {lr:.6g} in its {name}: "
            + (
                "something sets it during partial_fit."
                if kept_by is None
                else "its optimizer was made by an earlier partial_fit and keeps the rate of that time. result.apply "
                "reaches it, and set_params does not."
            ),
            wanted=lr,
            actual=used,
            steps_seen=steps,
        )
    if not differs:
        raise RateNotInForce(
            f"{steps} steps of this {kind} give the same weights at {lr:.6g} and at twice that: it does not read its "
            f"{name}. Check its partial_fit, and that X is not zero.",
            wanted=lr,
            actual=None,
            steps_seen=steps,
        )
    return ProvedRate(lr, steps)


def _weights_of(estimator: Any) -> list[Any]:
    held = vars(estimator)
    return [np.copy(part) for name in ("coef_", "coefs_", "intercepts_") for part in _parts(held.get(name))]


def _parts(weights: Any) -> list[Any]:
    if weights is None:
        return []
    return weights if isinstance(weights, list) else [weights]


def _same(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=1e-9)
