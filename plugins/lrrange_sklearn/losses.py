"""The losses that linear models of scikit-learn train on. An `SGDClassifier` computes them and does not return them."""

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.utils.class_weight import compute_class_weight

__all__ = ["linear_loss"]

Array = Any

# Of a margin: the decision times the class, which is -1 or 1. Shapes stay as they are.
_OF_MARGIN: dict[str, Callable[[Array], Array]] = {
    "hinge": lambda margin: np.maximum(0.0, 1.0 - margin),
    "squared_hinge": lambda margin: np.maximum(0.0, 1.0 - margin) ** 2,
    "modified_huber": lambda margin: np.where(margin < -1.0, -4.0 * margin, np.maximum(0.0, 1.0 - margin) ** 2),
    "log_loss": lambda margin: np.logaddexp(0.0, -margin),
}


def _huber(distance: Array, epsilon: float) -> Array:
    return np.where(distance <= epsilon, 0.5 * distance**2, epsilon * (distance - 0.5 * epsilon))


# Of the distance between decision and target, with the estimator's epsilon.
_OF_DISTANCE: dict[str, Callable[[Array, float], Array]] = {
    "squared_error": lambda distance, _: 0.5 * distance**2,
    "huber": _huber,
    "epsilon_insensitive": lambda distance, epsilon: np.maximum(0.0, distance - epsilon),
    "squared_epsilon_insensitive": lambda distance, epsilon: np.maximum(0.0, distance - epsilon) ** 2,
}


def linear_loss(
    estimator: Any,
    X: Any,  # noqa: N803  as scikit-learn writes it
    y: Array,
    sample_weight: Array | None,
    classes: Array | None,
    *,
    averaged: bool,
) -> float:
    """Return the mean loss of some samples, without the penalty.

    Args:
        estimator: an SGDClassifier or SGDRegressor, fitted or not.
        X: n samples.
        y: their targets, shape (n,).
        sample_weight: shape (n,), or None.
        classes: of a classifier, all of them; None for a regressor. The losses of one-versus-all problems are added up.
        averaged: whether to take the averaged weights, with which an estimator with `average` predicts. Its steps are
            taken at others.
    """
    outputs = 0 if classes is None else 1 if len(classes) == 2 else len(classes)
    decision = _decision(estimator, X, outputs, averaged)
    if classes is None:
        each = _OF_DISTANCE[estimator.loss](np.abs(decision - y), estimator.epsilon)
        return float(np.average(each, weights=sample_weight))
    one_class = classes[1:] if len(classes) == 2 else classes
    is_class = np.equal.outer(y, one_class)
    signs = np.where(is_class, 1.0, -1.0)
    scores = decision.reshape(signs.shape)
    loss = estimator.loss
    if loss in _OF_MARGIN:
        each = _OF_MARGIN[loss](scores * signs)
    else:
        each = _OF_DISTANCE[loss](np.abs(scores - signs), estimator.epsilon)
    if estimator.class_weight is not None:
        weights = compute_class_weight(estimator.class_weight, classes=classes, y=y)
        rest = weights[0] if len(classes) == 2 else 1.0
        each = each * np.where(is_class, weights[-len(one_class) :], rest)
    return float(np.average(each.sum(axis=1), weights=sample_weight))


def _decision(estimator: Any, X: Any, outputs: int, averaged: bool) -> Array:  # noqa: N803
    """Return the decision function, or the prediction of a regressor; zeros before the first step."""
    if vars(estimator).get("coef_") is None:
        return np.zeros(X.shape[0] * max(outputs, 1))
    if estimator.average and not averaged:
        own = copy.copy(estimator)
        own.coef_ = np.reshape(own._standard_coef, np.shape(own.coef_))
        own.intercept_ = np.reshape(own._standard_intercept, np.shape(own.intercept_))
        estimator = own
    return estimator.predict(X) if outputs == 0 else estimator.decision_function(X)
