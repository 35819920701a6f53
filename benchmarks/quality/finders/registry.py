"""Finders by name, and what each asks and answers."""

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
    """What a finder suggests.

    Args:
        lr: the rate for training at it throughout.
        max_lr: the peak rate for a one-cycle.
        low, high: the interval in which the best constant rate lies, if the finder gives one.
    """

    lr: float | None
    max_lr: float | None
    low: float | None = None
    high: float | None = None

    @classmethod
    def one_rate(cls, lr: float | None) -> "Answer":
        """The same rate for both, from a finder that has only one."""
        return cls(lr=lr, max_lr=lr)


@attrs.define
class Cost:
    """What a suggestion cost: counted by hooks, whatever a finder says of itself.

    Args:
        forwards: forward passes of the model in train mode.
        evaluations: forward passes in evaluation mode.
        optimizer_steps: updates of the weights.
    """

    forwards: int = 0
    evaluations: int = 0
    optimizer_steps: int = 0

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(*(a + b for a, b in zip(attrs.astuple(self), attrs.astuple(other), strict=True)))


class MeteredTask(Task):
    """A task that counts what is done with the problems it builds."""

    def __init__(self, task: Task) -> None:
        super().__init__(task.name, task.steps, task.default_lr, task.about, task.make)
        self.cost = Cost()

    def build(self, seed: int) -> Problem:
        """As a task does, with hooks on the model and on its optimizers."""
        problem = super().build(seed)
        make_optimizer = problem.optimizer

        def metered_optimizer(lr: float) -> Optimizer:
            optimizer = make_optimizer(lr)
            optimizer.register_step_post_hook(self._stepped)
            return optimizer

        problem.model.register_forward_pre_hook(self._passed)
        return attrs.evolve(problem, optimizer=metered_optimizer)

    def _passed(self, model: nn.Module, _: Any) -> None:
        if model.training:
            self.cost.forwards += 1
        else:
            self.cost.evaluations += 1

    def _stepped(self, *_: Any) -> None:
        self.cost.optimizer_steps += 1


Finder = Callable[[MeteredTask, int], Answer]

FINDERS: dict[str, Finder] = {}

# The distribution that each finder comes with, where it comes with one.
PACKAGES: dict[str, str] = {}


def finder(name: str, package: str | None = None) -> Callable[[Finder], Finder]:
    """Register the decorated function, which gets a task and a seed, starts from `task.build(seed)`, and may raise.

    Args:
        name: of the finder.
        package: the distribution it comes with, whose version is kept with its suggestions.
    """

    def register(function: Finder) -> Finder:
        FINDERS[name] = function
        if package:
            PACKAGES[name] = package
        return function

    return register


def shared(function: Callable[..., T]) -> Callable[..., T]:
    """Run once what several finders read, such as a sweep; each of them is charged its whole cost."""
    known: dict[tuple[Any, ...], tuple[T, Cost]] = {}

    @functools.wraps(function)
    def once(task: MeteredTask, *arguments: Any) -> T:
        key = (task.name, *arguments)
        if key not in known:
            before, task.cost = task.cost, Cost()
            known[key] = function(task, *arguments), task.cost
            task.cost = before
        result, cost = known[key]
        task.cost += cost
        return result

    return once
