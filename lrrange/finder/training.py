"""From whatever the user has to something that can be trained step by step."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from lrrange.errors import OptionError, TargetError
from lrrange.plugins import list_plugins, only
from lrrange.protocol.training_step import Driver, StepDriver, TrainingStep

if TYPE_CHECKING:
    import pluggy


def adapt(
    manager: "pluggy.PluginManager", target: object, backend: str | None, options: Mapping[str, Any]
) -> tuple[str, TrainingStep | Driver]:
    """The backend's name, and what it made of the target.

    Args:
        manager: of the plug-ins to ask.
        target: what the user has.
        backend: the name of the only plug-in to ask; None for every one.
        options: the backend's own.
    Raises: TargetError if nothing installed can train the target; OptionError; BackendNotFound.
    """
    names = [backend] if backend else [found.name for found in list_plugins() if found.problem is None]
    for name in names:
        adapted = only(manager, "lrrange_adapt", name)(target=target, options=options)
        if adapted is not None:
            return name, adapted
    # Only now: a model or trainer may happen to have a method called `run`.
    if backend is None and isinstance(target, (TrainingStep, Driver)):
        if options:
            raise OptionError(
                f"{', '.join(options)}: unknown here. A {type(target).__name__} runs itself and takes no options.",
                options=tuple(options),
            )
        return type(target).__name__, target
    asked = [
        f"{found.name} ({found.problem or 'not of its kind'})"
        for found in list_plugins()
        if backend in (None, found.name)
    ]
    raise TargetError(
        f"nothing installed can train a {type(target).__name__}. Asked: {', '.join(asked) or 'no plug-in'}. Give an "
        f"object with step, snapshot and restore, or install the backend for it.",
        target_type=type(target).__name__,
    )


def seeded(adapted: TrainingStep | Driver, seed: int | None, reset: Callable[[], object] | None = None) -> Driver:
    """What runs the target, with this seed and, if `reset` is given, with other weights."""
    if isinstance(adapted, TrainingStep):
        return StepDriver(adapted, seed, reset)
    if seed is not None:
        adapted.seed(seed)  # type: ignore[attr-defined]  # the caller has seen to it that there is one
    return adapted
