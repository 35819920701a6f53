"""What a sweep records: the loss, or a metric in its place together with the loss."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import attrs

from lrrange.printable import brief


@attrs.frozen(kw_only=True)
class Quantity:
    """A quantity that a sweep records.

    Args:
        name: its name in tables, plots and files.
        higher_is_better: whether training raises it, as it does an accuracy.
    """

    name: str = "loss"
    higher_is_better: bool = False

    @property
    def sign(self) -> int:
        """The factor between a value and the number that falls while the model learns: -1 if higher is better."""
        return -1 if self.higher_is_better else 1

    def oriented(self, values: Iterable[float]) -> tuple[float, ...]:
        """Return values in the sign in which they fall while the model learns; and back again, in their own sign."""
        return tuple(-value for value in values) if self.higher_is_better else tuple(values)

    @property
    def subject(self) -> str:
        """What messages call it: "the loss", "the metric" if it has no name of its own, or its name."""
        return f"the {self.name}" if self.name in ("loss", "metric") else brief(self.name)

    @property
    def values(self) -> str:
        """What messages call several of its values: "losses", or "values of" a metric."""
        return "losses" if self.name == "loss" else f"values of {brief(self.name)}"

    @property
    def fall(self) -> str:
        """What messages call its way while the model learns: "fall" or "rise"."""
        return "rise" if self.higher_is_better else "fall"

    @property
    def rise(self) -> str:
        """What messages call its way while training breaks down: "rise" or "fall"."""
        return "fall" if self.higher_is_better else "rise"

    @property
    def best(self) -> str:
        """What messages call its best value: "lowest" or "highest"."""
        return "highest" if self.higher_is_better else "lowest"

    def shown(self, value: float) -> str:
        """Return a number of a curve as messages show it: in its own sign, with four digits."""
        return f"{self.sign * value:.4g}"


LOSS = Quantity()


def loss_beside(metric: Quantity) -> Quantity:
    """Return the loss as a quantity whose name differs from this metric's, even if that is called "loss"."""
    return Quantity(name="training loss") if metric.name == LOSS.name else LOSS


@attrs.frozen(kw_only=True)
class MetricValue:
    """A metric of one step, which a training step returns in place of its loss. The sweep records both.

    As a number it is what advice is read from: the metric, or its negative if higher is better.

    Args:
        quantity: name and direction of the metric, the same at each step.
        value: the metric in its own sign, one number or a `DeferredLoss`.
        loss: the loss of the same step; None if it is not known.
    """

    quantity: Quantity
    value: Any
    loss: Any = None

    def __float__(self) -> float:
        return self.quantity.sign * float(self.value)


def mean_recorded(values: Sequence[Any], mean: Callable[[Sequence[Any]], Any]) -> Any:
    """Return the mean of what several micro-batches of a step recorded: of their losses, or of metrics and losses.

    Args:
        values: a loss of each, or a `MetricValue` of each.
        mean: returns the mean of several numbers.
    """
    if not isinstance(values[0], MetricValue):
        return mean(values)
    losses = [metric.loss for metric in values]
    loss = None if any(loss is None for loss in losses) else mean(losses)
    return MetricValue(quantity=values[0].quantity, value=mean([metric.value for metric in values]), loss=loss)
