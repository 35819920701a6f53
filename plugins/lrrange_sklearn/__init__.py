"""scikit-learn and skorch for lrrange: `find_lr(estimator, X=X, y=y)`.

It sweeps the estimators that `partial_fit` trains in steps at a learning rate (SGDClassifier, SGDRegressor,
MLPClassifier, MLPRegressor), the nets of skorch, and pipelines that end in one of these. The hooks are
here. They import scikit-learn or skorch only if the user has done so.
"""

import sys
from collections.abc import Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from lrrange import TrainingStep, hookimpl
from lrrange.errors import MissingExtra

if TYPE_CHECKING:
    from lrrange.protocol import RateProof

__all__: list[str] = []

if find_spec("sklearn") is None:
    raise MissingExtra(
        "the sklearn backend needs scikit-learn. Install it with: pip install 'lrrange[sklearn]'", extra="sklearn"
    )

_EXAMPLE = "find_lr(estimator, X=X, y=y)"
_VERIFY_EXAMPLE = "result.verify(estimator, X=X, y=y)"

# What to do about options of other backends.
_OF_OTHERS = {
    **dict.fromkeys(
        ("optimizer", "loss_fn", "loader", "x", "data"),
        f"the data are X= and y=, and the estimator has the rest: {_EXAMPLE}",
    ),
    "scheduler": "the estimator has it",
    **dict.fromkeys(("val_loader", "validation_data"), "held-out data are X_val= and y_val="),
}
_OF_NETS = {
    **_OF_OTHERS,
    **dict.fromkeys(
        ("X_val", "y_val", "val_loader", "validation_data"),
        "the net's train_split makes the held-out data; predefined_split(dataset) of skorch.helper gives it yours",
    ),
    "batch_size": "the net has it: net.set_params(batch_size=...)",
    **dict.fromkeys(("classes", "sample_weight"), "skorch has no such argument; give fit_params= what fit takes"),
}


@hookimpl
def lrrange_adapt(target: object, options: Mapping[str, Any]) -> TrainingStep | None:
    """Make a training step of an estimator or a net, or a pipeline that ends in one. Refuse scikit-learn's others."""
    if not _is_estimator(target):
        return None
    from lrrange.protocol import with_options
    from lrrange_sklearn.targets import is_net, last_step, swept_of

    final = last_step(target)
    if is_net(final):
        from lrrange_sklearn.net_step import NetStep

        return with_options(NetStep, target, options, example="find_lr(net, X=X, y=y)", hints=_OF_NETS)
    if swept_of(target) is None:
        return None
    from lrrange_sklearn.estimator_step import EstimatorStep

    return with_options(EstimatorStep, target, options, example=_EXAMPLE, hints=_OF_OTHERS)


@hookimpl
def lrrange_apply(
    optimizer: object, lr: float, scheduler: object | None, details: Mapping[str, Any], result: Any
) -> Mapping[str, Any] | None:
    """Set the rate as a parameter of an estimator or a net, which `fit` reads and `clone` copies."""
    if not _is_estimator(optimizer):
        return None
    from lrrange_sklearn.targets import check_has_no_scheduler, is_net, last_step, swept_of

    if is_net(last_step(optimizer)):
        from lrrange_sklearn.net_rate import apply_to_net

        check_has_no_scheduler(scheduler, "callbacks")
        return apply_to_net(optimizer, lr, result)
    if swept_of(optimizer) is None:
        return None
    from lrrange_sklearn.estimator_rate import apply_to_estimator

    check_has_no_scheduler(scheduler, "learning_rate")
    return apply_to_estimator(optimizer, lr, details)


@hookimpl
def lrrange_verify(
    target: object,
    lr: float,
    steps: int,
    scheduler: object | None,
    options: Mapping[str, Any],
    details: Mapping[str, Any],
    result: Any,
) -> "RateProof | None":
    """Train a copy of an estimator for some steps, or watch the next fit of a net."""
    if not _is_estimator(target):
        return None
    from lrrange.protocol import OPTIONS_OF_VERIFY, with_options
    from lrrange_sklearn.targets import check_has_no_scheduler, is_net, last_step, swept_of

    if is_net(last_step(target)):
        from lrrange_sklearn.net_rate import NetGuard

        check_has_no_scheduler(scheduler, "callbacks")
        return with_options(
            lambda net: NetGuard(net, lr, steps, result), target, options, example="result.verify(net)",
            also=OPTIONS_OF_VERIFY, hints=dict.fromkeys(("X", "y"), "the next fit of the net is watched"),
        )  # fmt: skip
    if swept_of(target) is None:
        return None
    from lrrange_sklearn.estimator_rate import prove_estimator

    check_has_no_scheduler(scheduler, "learning_rate")
    return with_options(
        prove_estimator(lr, steps, details), target, options, example=_VERIFY_EXAMPLE, also=OPTIONS_OF_VERIFY
    )


def _is_estimator(target: object) -> bool:
    base = sys.modules.get("sklearn.base")
    return base is not None and isinstance(target, base.BaseEstimator)
