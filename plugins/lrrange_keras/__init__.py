"""Keras 3 for lrrange: `find_lr(model, x=x, y=y)` for a compiled model, and callbacks for its `fit`.

It works on the backends torch, JAX and TensorFlow. The hooks are here, and import Keras only when they are called with
something of it: a user who has a model has imported Keras already.
"""

import sys
from collections.abc import Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from lrrange import Driver, RangeTestResult, hookimpl
from lrrange.errors import MissingExtra, TargetError
from lrrange.spelling import attribute_error

if TYPE_CHECKING:
    from lrrange.protocol import RateProof
    from lrrange_keras.callbacks import LRRangeTest, VerifyRate

__all__ = ["LRRangeTest", "VerifyRate"]

if find_spec("keras") is None:
    raise MissingExtra("the keras backend needs Keras 3. Install it with: pip install 'lrrange[keras]'", extra="keras")

_EXAMPLE = "find_lr(model, x=x, y=y, batch_size=32)"

# What to use in place of the names of the finders for Keras 2.
_OF_OTHERS = {
    **dict.fromkeys(("lrfinder", "learningratefinder"), "lrrange_keras.LRRangeTest(x=x, y=y)"),
    **dict.fromkeys(("lrfind", "findlr", "find"), "lrrange.find_lr(model, x=x, y=y)"),
}

# What to do about options that models of other frameworks have.
_OF_COMPILE = {
    **dict.fromkeys(("optimizer", "loss_fn", "criterion", "loss"), "the model has it: model.compile(optimizer, loss)"),
    **dict.fromkeys(("loader", "train_loader", "data", "generator"), "give what fit takes as x: dataset=loader"),
    **dict.fromkeys(("accumulate", "gradient_accumulation_steps"), "the optimizer has it, and is found"),
    "callbacks": "the callbacks of your fit hear nothing of a sweep",
    "validation_split": "give the held-out part itself: validation_data=(x_val, y_val)",
    "metrics": "the model has them, and monitor= names one",
}


def _is(target: object, *names: str) -> bool:
    """Return whether a target is of one of these classes of Keras."""
    keras = sys.modules.get("keras")
    if keras is None or not hasattr(keras, "optimizers"):  # as while Keras is being imported
        return False
    kinds = {"Model": keras.Model, "Optimizer": keras.optimizers.Optimizer}
    return isinstance(target, tuple(kinds[name] for name in names))


@hookimpl(tryfirst=True)  # on the torch backend each model is a module of torch, too
def lrrange_adapt(target: object, options: Mapping[str, Any]) -> Driver | None:
    """Make a driver of `model.fit` for a Keras model; one with an optimizer of torch is left to the torch plug-in."""
    keras, torch = sys.modules.get("keras"), sys.modules.get("torch")
    if keras is not None and isinstance(target, type) and _is_model_class(target, keras):
        raise TargetError(
            f"the target is the class {target.__name__}, which has not been called. Make a model of it and compile it: "
            f"model = {target.__name__}(...); model.compile(optimizer, loss). Then {_EXAMPLE}.",
            target_type=target.__name__,
        )
    if not _is(target, "Model"):
        return None
    if torch is not None and isinstance(options.get("optimizer"), torch.optim.Optimizer):
        return None
    from lrrange.protocol import with_options
    from lrrange_keras.fit_driver import FitDriver

    return with_options(FitDriver, target, options, example=_EXAMPLE, hints=_OF_COMPILE)


def _is_model_class(target: type, keras: Any) -> bool:
    return hasattr(keras, "Model") and issubclass(target, keras.Model)


@hookimpl(tryfirst=True)
def lrrange_apply(
    optimizer: object, lr: float, scheduler: object | None, result: RangeTestResult | None
) -> Mapping[str, Any] | None:
    """Set the rate of a compiled model or of an optimizer; of a schedule, where it starts or its peak."""
    if not _is(optimizer, "Model", "Optimizer"):
        return None
    from lrrange_keras.apply_rate import apply_rate

    return apply_rate(optimizer, lr, scheduler, result)


@hookimpl(tryfirst=True)
def lrrange_verify(target: object, lr: float, steps: int, options: Mapping[str, Any]) -> "RateProof | None":
    """Watch the steps of the next fit of a model."""
    if not _is(target, "Model"):
        return None
    from lrrange.protocol import OPTIONS_OF_VERIFY, with_options
    from lrrange_keras.verification import watch_fit

    return with_options(
        lambda model: watch_fit(model, lr, steps),
        target,
        options,
        example="result.verify(model, steps=20)",
        hints=dict.fromkeys(("x", "y", "dataset", "epochs"), "it watches your next model.fit, which has the data"),
        also=OPTIONS_OF_VERIFY,
    )


if not TYPE_CHECKING:  # a type checker would take any name for one that exists

    def __getattr__(name: str) -> Any:
        if name not in __all__:
            raise attribute_error("module 'lrrange_keras'", name, __all__, _OF_OTHERS)
        from lrrange_keras import callbacks

        return vars(callbacks)[name]
