"""The hooks of a plug-in for `LogisticRegression`.

lrrange imports this module in every process that loads plug-ins. So it imports nothing heavy. NumPy is imported
once there is a model to train.
"""

import sys
from collections.abc import Mapping
from typing import Any

from lrrange import TrainingStep, hookimpl
from lrrange.protocol import RateProof
from lrrange_logistic.heuristic import twentieth_of_edge


def _is_ours(candidate: object) -> bool:
    # If the user made a model, its module is imported already.
    regression = sys.modules.get("lrrange_logistic.regression")
    return regression is not None and isinstance(candidate, regression.LogisticRegression)


@hookimpl
def lrrange_adapt(target: object, options: Mapping[str, Any]) -> TrainingStep | None:
    """Adapt the model for `find_lr(model, inputs=..., labels=..., batch_size=...)`."""
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
def lrrange_verify(target: Any, lr: float, options: Mapping[str, Any]) -> RateProof | None:
    """Prove for `result.verify(model, inputs=..., labels=...)` that the model trains at the rate."""
    if not _is_ours(target):
        return None
    from lrrange.protocol import OPTIONS_OF_VERIFY, with_options
    from lrrange_logistic.backend import RegressionStep

    return with_options(RegressionStep, target, options, also=OPTIONS_OF_VERIFY).prove(lr)


@hookimpl
def lrrange_offer_heuristics() -> Mapping[str, Any]:
    """Offer a heuristic, which every result then includes, whatever was trained."""
    return {"edge/20": twentieth_of_edge}
