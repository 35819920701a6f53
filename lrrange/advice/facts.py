"""Facts about a training that its curve does not show: its optimizer, and how long it has trained and will train."""

import math
import operator
from collections.abc import Mapping
from typing import Any

import attrs

from lrrange.errors import PlanError


def _number(value: Any) -> float | None:
    number = None if value is None else float(value)
    if number is not None and not math.isfinite(number):
        raise ValueError(f"{number} is not finite")
    return number


def _whole(value: Any) -> int | None:
    return None if value is None else operator.index(value)


def _checked(
    facts: "TrainingFacts",  # noqa: ARG001  the signature of a validator
    field: "attrs.Attribute[Any]",
    value: Any,
) -> None:
    least = {"steps_taken": 0, "train_steps": 1}.get(field.name)
    if value is not None and least is not None and value < least:
        raise PlanError(f"{field.name}={value} is under {least}. Give {least} or more.", name=field.name, value=value)
    if field.name == "optimizer" and not isinstance(value, (str, type(None))):
        raise PlanError(f"optimizer={value!r} is not the name of a kind of optimizer.", name="optimizer", value=value)


@attrs.frozen(kw_only=True)
class TrainingFacts:
    """What is known of a training beside its curve. None stands for what is not known.

    Args:
        optimizer: kind of the optimizer: `"sgd"`, `"adam"`, `"rmsprop"`, `"adagrad"`, `"adadelta"`, `"adafactor"`,
            `"sign"` (Lion, Rprop, signSGD), `"muon"`, `"lbfgs"`, or a kind that a backend knows.
        momentum: its momentum; for Adam, the first of its `betas`.
        weight_decay: its weight decay.
        steps_taken: number of updates that it has taken already: above 0, a training goes on.
        train_steps: number of optimizer steps that the user will train.
    """

    optimizer: str | None = attrs.field(default=None, validator=_checked)
    momentum: float | None = attrs.field(default=None, converter=_number)
    weight_decay: float | None = attrs.field(default=None, converter=_number)
    steps_taken: int | None = attrs.field(default=None, converter=_whole, validator=_checked)
    train_steps: int | None = attrs.field(default=None, converter=_whole, validator=_checked)

    @classmethod
    def known(cls, found: Mapping[str, Any], train_steps: int | None = None) -> "TrainingFacts":
        """Return the facts that a backend found, without those that this version of lrrange does not know.

        Args:
            found: facts by name.
            train_steps: what the user gave, which counts more than what the backend found.
        Raises: PlanError, TypeError or ValueError for a value that the fact of this name cannot have.
        """
        names = [field.name for field in attrs.fields(cls)]
        facts = {name: found[name] for name in names if name in found}
        return cls(**facts | ({} if train_steps is None else {"train_steps": train_steps}))
