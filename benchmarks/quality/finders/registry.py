"""The registry of finders, and the types that they take and return."""

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import attrs
from torch import nn
from torch.optim import Optimizer

from benchmarks.quality.tasks.task import Problem, Task

T = TypeVar("T")


@attrs.frozen(kw_only=True)
class Answer:
    """The suggestion of a finder.

    Args:
        lr: the rate for training at a constant rate; None if the finder has no answer.
        max_lr: the peak rate for a one-cycle; None if the finder has no answer.
        low, high: the interval in which the best constant rate lies; None if the finder gives no interval.
        confident: whether the finder says that its answer can be trusted; None if it says nothing about that.
    """

    lr: float | None
    max_lr: float | None
    low: float | None = None
    high: float | None = None
    confident: bool | None = None

    @classmethod
    def one_rate(cls, lr: float | None) -> "Answer":
        """Return the answer of a finder that suggests one rate for both protocols."""
        return cls(lr=lr, max_lr=lr)


@attrs.define
class Cost:
    """The cost of a suggestion, counted by hooks on the model and the optimizer.

    Args:
        forwards: forward passes in train mode.
        evaluations: forward passes in evaluation mode.
        optimizer_steps: updates of the weights.
    """

    forwards: int = 0
    evaluations: int = 0
    optimizer_steps: int = 0

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(*(a + b for a, b in zip(attrs.astuple(self), attrs.astuple(other), strict=True)))


class MeteredTask(Task):
    """A task that counts the forward passes and updates of the problems it builds."""

    def __init__(self, task: Task) -> None:
        super().__init__(task.name, task.steps, task.default_lr, task.about, task.make)
        self.cost = Cost()

    def build(self, seed: int) -> Problem:
        """Build a problem, with hooks on its model and optimizers."""
        problem = super().build(seed)
        make_optimizer = problem.optimizer

        def metered_optimizer(lr: float) -> Optimizer:
            optimizer = make_optimizer(lr)
            optimizer.register_step_post_hook(self._count_step)
            return optimizer

        problem.model.register_forward_pre_hook(self._count_forward)
        return attrs.evolve(problem, optimizer=metered_optimizer)

    def _count_forward(self, model: nn.Module, _: Any) -> None:
        if model.training:
            self.cost.forwards += 1
        else:
            self.cost.evaluations += 1

    def _count_step(self, *_: Any) -> None:
        self.cost.optimizer_steps += 1


Finder = Callable[[MeteredTask, int], Answer]

FINDERS: dict[str, Finder] = {}

# The distribution that each finder belongs to, if any.
PACKAGES: dict[str, str] = {}


def finder(name: str, package: str | None = None) -> Callable[[Finder], Finder]:
    """Register the decorated function as a finder.

    It is called with a task and a seed, and starts from `task.build(seed)`. It may raise.

    Args:
        name: name of the finder.
        package: the distribution it belongs to, whose version is stored with its suggestions.
    """

    def register(function: Finder) -> Finder:
        FINDERS[name] = function
        if package:
            PACKAGES[name] = package
        return function

    return register


def shared(function: Callable[..., T]) -> Callable[..., T]:
    """Run the decorated function once for all finders that call it. Each finder is charged its whole cost."""
    results: dict[tuple[Any, ...], tuple[T, Cost]] = {}

    @functools.wraps(function)
    def once(task: MeteredTask, *arguments: Any) -> T:
        key = (task.name, *arguments)
        if key not in results:
            before, task.cost = task.cost, Cost()
            results[key] = function(task, *arguments), task.cost
            task.cost = before
        result, cost = results[key]
        task.cost += cost
        return result

    return once
