"""Calls before each step of an optimizer, also of one that knows no hooks; and whose steps are those of a sweep."""

import functools
from collections.abc import Callable, Iterable
from typing import Any

from torch.optim import Optimizer

# Called with an optimizer, and the positional and keyword arguments of its step.
BeforeStep = Callable[[Optimizer, Any, Any], Any]


def can_be_hooked(optimizer: Optimizer) -> bool:
    """Return whether the optimizer calls the hooks on its steps.

    One whose class does not call `super().__init__()`, as is usual for wrappers, has no table of hooks, or never looks
    into it.
    """
    return "_optimizer_step_pre_hooks" in vars(optimizer) and getattr(type(optimizer).step, "hooked", False)


def before_each_step(optimizer: Optimizer, action: BeforeStep) -> Any:
    """Call `action` before each step of the optimizer, until `remove` of the returned handle is called."""
    return optimizer.register_step_pre_hook(action) if can_be_hooked(optimizer) else _ReplacedStep(optimizer, action)


# The optimizers that take the steps of a sweep just now, by id.
_SWEPT: set[int] = set()


def is_swept(optimizer: Optimizer) -> bool:
    """Return whether the steps of this optimizer are those of a sweep just now, and not those of a training."""
    return id(optimizer) in _SWEPT


class SweepMark:
    """A mark on optimizers that says that a sweep takes their steps, until `remove` is called."""

    def __init__(self, optimizers: Iterable[Optimizer]) -> None:
        self._marked = {id(optimizer) for optimizer in optimizers} - _SWEPT
        _SWEPT.update(self._marked)

    def remove(self) -> None:
        """Take the mark away."""
        _SWEPT.difference_update(self._marked)


class _ReplacedStep:
    """A step that calls `action` first, in place of the step of an optimizer that calls no hooks."""

    def __init__(self, optimizer: Optimizer, action: BeforeStep) -> None:
        self._attributes = vars(optimizer)
        self._before = {name: value for name, value in self._attributes.items() if name == "step"}
        step = optimizer.step

        @functools.wraps(step)
        def watched(*args: Any, **kwargs: Any) -> Any:
            action(optimizer, args, kwargs)
            return step(*args, **kwargs)

        self._attributes["step"] = watched

    def remove(self) -> None:
        """Put the step back."""
        self._attributes.pop("step", None)
        self._attributes.update(self._before)
