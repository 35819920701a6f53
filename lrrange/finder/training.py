"""A target that can be trained step by step, and what its backend offers beyond that."""

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from lrrange.errors import OptionError, TargetError
from lrrange.plugins import hook_of, list_plugins
from lrrange.protocol.optional import (
    Digestible,
    Evaluates,
    Replicates,
    Reports,
    Seedable,
    SetsMomentum,
    SuggestsBounds,
)
from lrrange.protocol.step_driver import StepDriver
from lrrange.protocol.training_step import Driver, TrainingStep
from lrrange.sweep.planned_steps import PlannedSteps

if TYPE_CHECKING:
    import pluggy


class Training:
    """The user's target as a backend has adapted it, with the backend's optional abilities.

    Each ability is a method of a protocol in `lrrange.protocol.optional`. It is looked up once, when it is first
    needed, and None where the backend has no such method.

    Args:
        backend: name of the plug-in; the class of the target if it is its own backend.
        target: the adapted target.
    """

    def __init__(self, backend: str, target: TrainingStep | Driver) -> None:
        self.backend = backend
        self.target = target

    @cached_property
    def seed(self) -> Callable[[int], None] | None:
        """The method of `Seedable`."""
        return cast(Seedable, self.target).seed if self._has("seed") else None

    @cached_property
    def report(self) -> Callable[[], Mapping[str, Any]] | None:
        """The method of `Reports`."""
        return cast(Reports, self.target).report if self._has("report") else None

    @cached_property
    def bounds(self) -> Callable[[], Mapping[str, float]] | None:
        """The method of `SuggestsBounds`."""
        return cast(SuggestsBounds, self.target).bounds if self._has("bounds") else None

    @cached_property
    def evaluate(self) -> Callable[[], float | None] | None:
        """The method of `Evaluates`."""
        return cast(Evaluates, self.target).evaluate if self._has("evaluate") else None

    @cached_property
    def set_momentum(self) -> Callable[[float], bool] | None:
        """The method of `SetsMomentum`."""
        return cast(SetsMomentum, self.target).set_momentum if self._has("set_momentum") else None

    @cached_property
    def digest(self) -> Callable[[], Iterable[tuple[str, Any]]] | None:
        """The method of `Digestible`."""
        return cast(Digestible, self.target).digest if self._has("digest") else None

    @cached_property
    def replicates(self) -> Replicates | None:
        """The target itself, if it is a `Replicates`."""
        return cast(Replicates, self.target) if self._has("why_alone") and self._has("replica") else None

    def _has(self, name: str) -> bool:
        # Not isinstance(): from Python 3.12 on, it overlooks methods that a target passes on by __getattr__.
        return callable(getattr(self.target, name, None))

    @property
    def kind(self) -> str:
        """Name of the target's class, for error messages."""
        return type(self.target).__name__

    def check_seed(self, seed: int | None, repeats: int = 1) -> None:
        """Raise OptionError if a seed is needed and the backend takes none."""
        if (seed is not None or repeats > 1) and self.seed is None:
            given = f"seed={seed}" if seed is not None else f"repeats={repeats}"
            raise OptionError(
                f"{given} was given, but a {self.kind} has no seed(value) method to pass a seed to.",
                seed=seed,
                repeats=repeats,
            )

    def run(self, sweep: PlannedSteps, seed: int | None = None, reset: Callable[[], object] | None = None) -> None:
        """Train the steps of `sweep` and put everything back.

        Args:
            sweep: steps to train.
            seed: of the run; None for none. The caller has checked that the backend takes one.
            reset: makes other initial weights, only for a `TrainingStep`.
        """
        if isinstance(self.target, TrainingStep):
            StepDriver(self.target, seed, reset).run(sweep)
            return
        if seed is not None and self.seed is not None:
            self.seed(seed)
        self.target.run(sweep)


def adapt(manager: "pluggy.PluginManager", target: object, backend: str | None, options: Mapping[str, Any]) -> Training:
    """Return the training that a plug-in makes of the target.

    Args:
        manager: of the plug-ins.
        target: what the user gave.
        backend: name of the only plug-in to try; None for all.
        options: of the backend.
    Raises: TargetError if no installed plug-in can train the target; OptionError; BackendNotFound.
    """
    names = [backend] if backend else [plugin.name for plugin in list_plugins() if plugin.problem is None]
    for name in names:
        adapted = hook_of(manager, "lrrange_adapt", name)(target=target, options=options)
        if adapted is not None:
            return Training(name, adapted)
    # Only now: a model or trainer may happen to have a method called `run`.
    if backend is None and isinstance(target, (TrainingStep, Driver)):
        if options:
            raise OptionError(
                f"{', '.join(options)}: unknown here. A {type(target).__name__} runs itself and takes no options.",
                options=tuple(options),
            )
        return Training(type(target).__name__, target)
    tried = [
        f"{plugin.name} ({plugin.problem or 'not of its kind'})"
        for plugin in list_plugins()
        if backend in (None, plugin.name)
    ]
    raise TargetError(
        f"nothing installed can train a {type(target).__name__}. Tried: {', '.join(tried) or 'no plug-in'}. Give an "
        f"object with step, snapshot and restore, or install the backend for it.",
        target_type=type(target).__name__,
    )
