"""Whether an object is a `TrainingStep` or a `Driver`, which its methods must show by more than their names.

Many trainers of other libraries have a method `run` or `step`.
"""

import inspect
from collections.abc import Callable
from typing import Any

from lrrange.protocol.loop_driver import LoopDriver
from lrrange.sweep.planned_steps import PlannedSteps
from lrrange.sweep.sweep import Sweep
from lrrange.validators import takes

# The methods of a `TrainingStep`, with the arguments that lrrange calls them with.
_STEP_METHODS = {"step": ("lr",), "snapshot": (), "restore": ("state",)}

_SWEEP_TYPES = (PlannedSteps.__name__, Sweep.__name__)


def is_training_step(target: object) -> bool:
    """Return whether the target has `step`, `snapshot` and `restore`, each callable with what lrrange gives it."""
    methods = [_method(target, name) for name in _STEP_METHODS]
    return all(
        method is not None and takes(method, *arguments)
        for method, arguments in zip(methods, _STEP_METHODS.values(), strict=True)
    )


def is_driver(target: object) -> bool:
    """Return whether the target is a `LoopDriver`, or has a `run` whose one required argument is a sweep.

    It is one if it is called `sweep`, or annotated as a `Sweep`.
    """
    if isinstance(target, LoopDriver):
        return True
    run = _method(target, "run")
    return run is not None and _takes_a_sweep(run)


def has_run(target: object) -> bool:
    """Return whether the target has a method `run`. That is enough for what a plug-in has made itself."""
    return _method(target, "run") is not None


def why_neither(target: object) -> str:
    """Return which methods of the target are not those of a `TrainingStep` or `Driver`, in words; empty for none."""
    if is_training_step(target) or is_driver(target):
        return ""
    made = "" if not isinstance(target, type) else " It is a class: give an object of it."
    methods = {name: _method(target, name) for name in _STEP_METHODS}
    present = [name for name, method in methods.items() if method is not None]
    if len(present) == len(methods):
        name = next(name for name in present if not takes(methods[name], *_STEP_METHODS[name]))
        wanted = f"{name}({', '.join(_STEP_METHODS[name])})"
        return f" Its {name}{_shown(methods[name])} is not the {wanted} of a TrainingStep.{made}"
    if (run := _method(target, "run")) is not None:
        return (
            f" Its run{_shown(run)} is not the run(sweep) of a Driver: that has one required argument, called sweep or "
            f"annotated as lrrange.Sweep.{made}"
        )
    if len(present) == len(methods) - 1:
        (missing,) = methods.keys() - present
        return f" It has {' and '.join(present)}, but no {missing}({', '.join(_STEP_METHODS[missing])})."
    return made


def _method(target: object, name: str) -> Callable[..., Any] | None:
    # Not isinstance() with a protocol: from Python 3.12 on, it overlooks methods passed on by __getattr__.
    method = getattr(target, name, None)
    return method if callable(method) else None


def _signature(method: Callable[..., Any]) -> inspect.Signature | None:
    try:
        return inspect.signature(method)
    except (TypeError, ValueError):  # written in C
        return None


def _takes_a_sweep(run: Callable[..., Any]) -> bool:
    signature = _signature(run)
    if signature is None:
        return False
    parameters = signature.parameters.values()
    required = [
        parameter
        for parameter in parameters
        if parameter.default is parameter.empty
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    ]
    if len(required) != 1 or required[0].kind is inspect.Parameter.KEYWORD_ONLY:
        return False
    return required[0].name.strip("_") == "sweep" or _is_sweep_type(required[0].annotation)


def _is_sweep_type(annotation: Any) -> bool:
    if isinstance(annotation, str):  # as under `from __future__ import annotations`
        return annotation.strip("'\"").rpartition(".")[2] in _SWEEP_TYPES
    return isinstance(annotation, type) and issubclass(annotation, PlannedSteps)


def _shown(method: Callable[..., Any] | None) -> str:
    signature = None if method is None else _signature(method)
    if signature is None:
        return "(...)"
    parameters = [parameter.replace(annotation=parameter.empty) for parameter in signature.parameters.values()]
    return str(signature.replace(parameters=parameters, return_annotation=inspect.Signature.empty))
