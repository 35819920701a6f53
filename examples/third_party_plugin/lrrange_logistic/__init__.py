"""lrrange for `LogisticRegression`: the hooks, and nothing heavy.

lrrange imports this module in every process that asks for plug-ins, so NumPy waits until there is a model to train.
"""

import sys
from collections.abc import Mapping
from typing import Any

from lrrange import TrainingStep, hookimpl
from lrrange_logistic.heuristic import twentieth_of_edge


def _is_ours(candidate: object) -> bool:
    # A user who made one has imported its module already.
    regression = sys.modules.get("lrrange_logistic.regression")
    return regression is not None and isinstance(candidate, regression.LogisticRegression)


@hookimpl
def lrrange_adapt(target: object, options: Mapping[str, Any]) -> TrainingStep | None:
    """Make the model trainable for `find_lr(model, inputs=..., labels=..., batch_size=...)`."""
    if not _is_ours(target):
        return None
    from lrrange.protocol import with_options
    from lrrange_logistic.backend import RegressionStep

    return with_options(RegressionStep, target, options)


@hookimpl
def lrrange_apply(optimizer: Any, lr: float) -> Mapping[str, Any] | None:
    """Set the rate for `result.apply(model)`. The model is its own optimizer."""
    if not _is_ours(optimizer):
        return None
    optimizer.lr = lr
    return {"lr": lr}


@hookimpl
def lrrange_offer_heuristics() -> Mapping[str, Any]:
    """Add one more answer to every result, whatever was trained."""
    return {"edge/20": twentieth_of_edge}
