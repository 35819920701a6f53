"""The objects that `find_lr` takes from frameworks, described for type checkers and editors by what they have.

They are no imports of the frameworks' own types, so that the core knows no framework. Nothing is checked against them
while the program runs.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol


class Model(Protocol):
    """A `torch.nn.Module`."""

    training: bool

    def parameters(self, recurse: bool = True) -> Any:
        """Return the parameters."""

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Reset the gradients."""


class Optimizer(Protocol):
    """A `torch.optim.Optimizer`."""

    @property
    def param_groups(self) -> Any:
        """The param groups."""

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Reset the gradients."""


class Trainer(Protocol):
    """A `Trainer` of PyTorch Lightning, of either package."""

    @property
    def fit_loop(self) -> Any:
        """The loop of a fit."""

    @property
    def callback_metrics(self) -> Any:
        """The metrics that callbacks can read."""


class HuggingFaceTrainer(Protocol):
    """A `Trainer` of transformers, or one that is derived from it."""

    @property
    def callback_handler(self) -> Any:
        """Its callbacks."""

    @property
    def compute_loss(self) -> Any:
        """The method that computes the loss of a batch."""


class KerasModel(Protocol):
    """A `Model` of Keras 3."""

    @property
    def train_on_batch(self) -> Any:
        """The method that trains one batch."""

    @property
    def compile(self) -> Any:
        """The method that gives it an optimizer."""


Optimizers = Optimizer | Sequence[Optimizer]
# What torch.compile returns is a callable to type checkers.
CallableModel = Model | Callable[..., Any]
