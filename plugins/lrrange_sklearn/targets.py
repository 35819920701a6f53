"""Which estimators are trained in steps at a rate of the user's, where it is, and what to write for the others."""

import sys
from typing import Any

import attrs
from sklearn.base import clone
from sklearn.linear_model import SGDClassifier, SGDRegressor
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import Pipeline

from lrrange.errors import OptionError, TargetError
from lrrange.protocol import kept_random_state

__all__ = ["Swept", "check_has_no_scheduler", "is_net", "last_step", "swept_of", "why_no_rate"]

_SGD = (SGDClassifier, SGDRegressor)
_MLP = (MLPClassifier, MLPRegressor)

_NO_BEST_RATE = (
    "has no best rate: its weights begin at zero, so another rate scales them and their loss, and changes no "
    "prediction. An SGDClassifier with loss='hinge' or 'log_loss' has one"
)

# Estimators that take steps, and why no rate can be found for them. They are known by their names, because scikit-learn
# removes two of them in its version 1.10.
_NO_RATE_OF = {
    **dict.fromkeys(
        ("PassiveAggressiveClassifier", "PassiveAggressiveRegressor"),
        "has no learning rate: the loss of a sample decides how far its step goes, up to C. An SGDClassifier or "
        "SGDRegressor with learning_rate='adaptive' has one",
    ),
    "SGDOneClassSVM": "has no loss that could be read while its rate rises: at its first weights it is the same for "
    "every sample, and later it may fall without end. Compare fits at a few values of eta0",
    "Perceptron": _NO_BEST_RATE,
}


def is_net(target: object) -> bool:
    """Return whether this is a net of skorch."""
    skorch = sys.modules.get("skorch")
    return skorch is not None and isinstance(target, skorch.NeuralNet)


@attrs.frozen
class Swept:
    """What of a target is trained in steps: the target itself, or the last step of a pipeline.

    Args:
        estimator: the estimator or the net.
        prefix: of the names of its parameters among those of the target, such as `"sgdclassifier__"`.
        pipeline: the pipeline whose last step it is; None for none.
    """

    estimator: Any
    prefix: str = ""
    pipeline: Any = None

    @classmethod
    def of(cls, target: Any) -> "Swept":
        """Return the last step of a pipeline, or any other target itself."""
        if not isinstance(target, Pipeline):
            return cls(target)
        inner = cls.of(target.steps[-1][1])
        if inner.pipeline is not None:
            raise TargetError("the last step of the pipeline is a pipeline. Make one pipeline of all steps.")
        return cls(inner.estimator, f"{target.steps[-1][0]}__", target)

    @property
    def rate_name(self) -> str:
        """Name of the estimator's parameter that holds the rate."""
        if is_net(self.estimator):
            return "lr"
        return "learning_rate_init" if self.is_mlp else "eta0"

    @property
    def parameter(self) -> str:
        """Name of that parameter among those of the target."""
        return self.prefix + self.rate_name

    @property
    def is_mlp(self) -> bool:
        """Whether it is a multi-layer perceptron, which keeps its optimizer between the calls of `partial_fit`."""
        return isinstance(self.estimator, _MLP)

    def transformed(self, X: Any, y: Any, *others: Any) -> tuple[Any, ...]:  # noqa: N803  as scikit-learn writes it
        """Return X and further data as the steps before the last one transform them, which are fitted on X."""
        if self.pipeline is None:
            return X, *others
        with kept_random_state():
            for _, step in self.pipeline.steps[:-1]:
                if step is None or step == "passthrough":
                    continue
                transformer = clone(step)
                X = transformer.fit_transform(X, y)  # noqa: N806
                others = tuple(None if other is None else transformer.transform(other) for other in others)
        return X, *others

    def line(self, **parameters: object) -> str:
        """Return the line that sets parameters of the estimator, for an error message."""
        name = "estimator" if self.pipeline is None else "pipeline"
        return f"{name}.set_params({', '.join(f'{self.prefix}{key}={value!r}' for key, value in parameters.items())})"


def swept_of(target: Any) -> Swept | None:
    """Return what of a target is trained in steps at a rate; None for what is not of scikit-learn and unknown.

    Raises: TargetError for an estimator of scikit-learn that is not trained so, or only through copies of another.
    """
    swept = Swept.of(target)
    estimator = swept.estimator
    if _is_sweepable(estimator) or _reason_of_class(estimator) is not None:
        return swept
    kind = type(estimator).__name__
    if not type(estimator).__module__.startswith("sklearn."):
        return None
    for path, inside in estimator.get_params(deep=True).items():
        if _is_sweepable(inside):
            raise TargetError(
                f"a {kind} trains copies of the {type(inside).__name__} in it. Sweep that one: "
                f"result = find_lr(model.get_params()[{path!r}], X=X, y=y). Then set the rate, with "
                f"model.set_params({path}__{Swept.of(inside).parameter}=result.lr), or search around it.",
                target_type=kind,
            )
    raise TargetError(
        f"a {kind} is not trained in steps at a learning rate. Those that are: SGDClassifier, SGDRegressor, "
        f"MLPClassifier, MLPRegressor, nets of skorch, and pipelines that end in one of them. "
        f"SGDClassifier(loss='log_loss', learning_rate='adaptive') is a logistic regression in steps.",
        target_type=kind,
    )


def _is_sweepable(value: object) -> bool:
    final = last_step(value)
    return isinstance(final, (*_SGD, *_MLP)) or is_net(final)


def last_step(target: object) -> Any:
    """Return the last step of a pipeline; any other target unchanged."""
    return Swept.of(target).estimator


def why_no_rate(swept: Swept) -> str | None:
    """Return why the estimator does not train at a rate of the user's, and what to write; None if it does."""
    estimator = swept.estimator
    kind = type(estimator).__name__
    reason = _reason_of_class(estimator)
    if reason is not None:
        return f"a {kind} {reason}."
    if swept.is_mlp:
        if estimator.solver in ("sgd", "adam"):
            return None
        return (
            f"solver={estimator.solver!r} of this {kind} finds its own step lengths and does not read "
            f"learning_rate_init. Write {swept.line(solver='adam')} first."
        )
    if estimator.loss == "perceptron":
        return f"a {kind} with loss='perceptron' {_NO_BEST_RATE}."
    if estimator.learning_rate in ("constant", "adaptive", "invscaling"):
        return None
    of_what = "from alpha" if estimator.learning_rate == "optimal" else "from the loss of each sample"
    return (
        f"learning_rate={estimator.learning_rate!r} of this {kind} computes the rate {of_what}, and eta0 is not the "
        f"rate it trains at. Write {swept.line(learning_rate='adaptive')} first: it trains at eta0 until the loss "
        f"stops falling."
    )


def _reason_of_class(estimator: object) -> str | None:
    kinds = (kind.__name__ for kind in type(estimator).__mro__ if kind.__module__.startswith("sklearn."))
    return next((_NO_RATE_OF[name] for name in kinds if name in _NO_RATE_OF), None)


def check_has_no_scheduler(scheduler: object, parameter: str) -> None:
    """Raise OptionError if a scheduler is given: an estimator or a net has its own."""
    if scheduler is not None:
        raise OptionError(f"the schedule is in the {parameter} of what you gave. Leave scheduler= out.")
