"""A target that can be trained step by step, and what its backend offers beyond that."""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, SupportsFloat, cast

import attrs

from lrrange.errors import LRRangeError, OptionError, TargetError
from lrrange.finder.known_targets import what_instead
from lrrange.finder.recognition import has_run, is_driver, is_training_step, why_neither
from lrrange.plugins import checked_name, first_answer, list_plugins, make_manager, names_of
from lrrange.printable import describe
from lrrange.protocol.blow_up import is_blow_up
from lrrange.protocol.loop_driver import LoopDriver, run_loop
from lrrange.protocol.optional import (
    Digestible,
    Evaluates,
    KnowsFacts,
    RecognisesBlowUps,
    Replicates,
    Reports,
    Seedable,
    SetsMomentum,
    StartsFrom,
    SuggestsBounds,
)
from lrrange.protocol.options import with_options
from lrrange.protocol.step_driver import StepDriver
from lrrange.protocol.training_step import Driver, TrainingStep
from lrrange.sweep.planned_steps import PlannedSteps

if TYPE_CHECKING:
    import pluggy


@attrs.frozen
class _ForwardOnly:
    """A training step that computes the loss of each batch and does not train on it."""

    target: Any

    def step(self, _: float) -> Any:
        return self.target.forward()

    def snapshot(self) -> Any:
        return self.target.snapshot()

    def restore(self, state: Any) -> None:
        self.target.restore(state)

    def seed(self, value: int) -> None:
        self.target.seed(value)


class Training:
    """The user's target as a backend has adapted it, with the backend's optional abilities.

    Each ability is a method of a protocol in `lrrange.protocol.optional`. It is looked up once, when it is first
    needed, and None where the backend has no such method.

    Args:
        backend: name of the plug-in; the class of the target if it is its own backend.
        target: the adapted target.
        set_aside: why plug-ins whose hook failed were set aside, by name.
    """

    def __init__(
        self, backend: str, target: TrainingStep | Driver, set_aside: Mapping[str, Exception] | None = None
    ) -> None:
        self.backend = backend
        self.target = target
        self.set_aside = set_aside or {}

    @cached_property
    def training_step(self) -> TrainingStep | None:
        """The target itself, if lrrange runs its steps."""
        return cast(TrainingStep, self.target) if is_training_step(self.target) else None

    @cached_property
    def loop_driver(self) -> LoopDriver | None:
        """The target itself, if it is a driver that lrrange guards."""
        return self.target if isinstance(self.target, LoopDriver) else None

    @cached_property
    def proves_rate(self) -> bool:
        """The attribute of `ProvesRate`."""
        return getattr(self.target, "proves_rate", False) is True

    @cached_property
    def seed(self) -> Callable[[int], None] | None:
        """The method of `Seedable`."""
        return cast(Seedable, self.target).seed if self._has("seed") else None

    @cached_property
    def report(self) -> Callable[[], Mapping[str, Any]] | None:
        """The method of `Reports`."""
        return self._checked("report", cast(Reports, self.target).report) if self._has("report") else None

    @cached_property
    def bounds(self) -> Callable[[], Mapping[str, float]] | None:
        """The method of `SuggestsBounds`."""
        return self._checked("bounds", cast(SuggestsBounds, self.target).bounds) if self._has("bounds") else None

    @cached_property
    def facts(self) -> Callable[[], Mapping[str, Any]] | None:
        """The method of `KnowsFacts`."""
        return self._checked("facts", cast(KnowsFacts, self.target).facts) if self._has("facts") else None

    @cached_property
    def evaluate(self) -> Callable[[], SupportsFloat | None] | None:
        """The method of `Evaluates`."""
        return cast(Evaluates, self.target).evaluate if self._has("evaluate") else None

    @cached_property
    def forward_only(self) -> TrainingStep | None:
        """The target as a step that trains nothing, if it is an `EvaluatesBatches`."""
        return _ForwardOnly(self.target) if self.training_step is not None and self._has("forward") else None

    @cached_property
    def set_momentum(self) -> Callable[[float], bool] | None:
        """The method of `SetsMomentum`."""
        return cast(SetsMomentum, self.target).set_momentum if self._has("set_momentum") else None

    @cached_property
    def start_from(self) -> Callable[[Any], None] | None:
        """The method of `StartsFrom`."""
        return cast(StartsFrom, self.target).start_from if self._has("start_from") else None

    @cached_property
    def digest(self) -> Callable[[], Iterable[tuple[str, Any]]] | None:
        """The method of `Digestible`."""
        return cast(Digestible, self.target).digest if self._has("digest") else None

    @cached_property
    def _recognises(self) -> Callable[[Exception], bool] | None:
        """The method of `RecognisesBlowUps`."""
        return cast(RecognisesBlowUps, self.target).is_blow_up if self._has("is_blow_up") else None

    @cached_property
    def replicates(self) -> Replicates | None:
        """The target itself, if it is a `Replicates`."""
        return cast(Replicates, self.target) if self._has("why_alone") and self._has("replica") else None

    def _has(self, name: str) -> bool:
        # Not isinstance(): from Python 3.12 on, it overlooks methods that a target passes on by __getattr__.
        return callable(getattr(self.target, name, None))

    def _checked(self, name: str, method: Callable[[], Mapping[str, Any]]) -> Callable[[], Mapping[str, Any]]:
        """Return the method, which then raises TargetError if it returns no mapping."""

        def checked() -> Mapping[str, Any]:
            value = method()
            if not isinstance(value, Mapping):
                raise TargetError(
                    f"{name}() of a {self.kind} returned a {type(value).__name__}. Return a mapping; it may be empty.",
                    target_type=self.kind,
                )
            return value

        return checked

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

    def is_blow_up(self, error: Exception) -> bool:
        """Return whether the training may have raised this error because its rate is too high."""
        return is_blow_up(error) and (self._recognises is None or self._recognises(error))

    def run(self, sweep: PlannedSteps, seed: int | None = None, reset: Callable[[], object] | None = None) -> None:
        """Train the steps of `sweep` and put everything back.

        Args:
            sweep: steps to train.
            seed: of the run; None for none. The caller has checked that the backend takes one.
            reset: makes other initial weights. `can_reset` says whether the target takes it.
        """
        if self.training_step is not None:
            StepDriver(self.training_step, seed, self._in_force(reset), self.is_blow_up).run(sweep)
        elif self.loop_driver is not None:
            run_loop(self.loop_driver, sweep, seed, self._in_force(reset), self.is_blow_up)
        else:
            if seed is not None and self.seed is not None:
                self.seed(seed)
            cast(Driver, self.target).run(sweep)

    def run_without_updates(
        self, steps: PlannedSteps, seed: int | None = None, reset: Callable[[], object] | None = None
    ) -> None:
        """Take steps that move no weight, at rate zero or forward only, and put everything back.

        Args:
            steps: to take, at rate zero by their plan.
            seed, reset: see `run`.
        """
        if self.forward_only is None:
            self.run(steps, seed, reset)
        else:
            StepDriver(self.forward_only, seed, self._in_force(reset), self.is_blow_up).run(steps)

    def _in_force(self, reset: Callable[[], object] | None) -> Callable[[], object] | None:
        """Return `reset`, followed by the start from what it returns where weights are a value."""
        start_from = self.start_from
        if reset is None or start_from is None:
            return reset
        return lambda: start_from(reset())

    @property
    def can_reset(self) -> bool:
        """Whether lrrange takes the snapshot and restores it, so that weights may be reset in between."""
        return self.training_step is not None or self.loop_driver is not None


def adapt(manager: "pluggy.PluginManager", target: object, backend: str | None, options: Mapping[str, Any]) -> Training:
    """Return the training that a plug-in makes of the target.

    Args:
        manager: of the plug-ins.
        target: what the user gave.
        backend: name of the only plug-in to try; None for all.
        options: of the backend.
    Raises: TargetError if no installed plug-in can train the target; OptionError; BackendNotFound.
    """
    names = [checked_name("lrrange_adapt", backend)] if backend else names_of("lrrange_adapt")
    answer = first_answer(
        manager,
        "lrrange_adapt",
        names,
        lambda adapted: is_training_step(adapted) or has_run(adapted),
        "a TrainingStep, a Driver, or None for a target that is not its own",
        target=target,
        options=options,
    )
    if answer.plugin is not None:
        return Training(answer.plugin, answer.value, answer.problems)
    # Only now: a model or trainer may happen to have such methods.
    if backend is None and (is_training_step(target) or is_driver(target)):
        if options:
            with_options(_runs_itself, target, options)
        return Training(type(target).__name__, cast(TrainingStep, target), answer.problems)
    for problem in answer.problems.values():
        raise problem  # it may be the reason why nothing takes this target
    tried = [
        f"{plugin.name} ({plugin.problem or 'not of its kind'})"
        for plugin in list_plugins()
        if plugin.name in names or (plugin.problem is not None and backend is None)
    ]
    instead = what_instead(target) or "Give an object with step, snapshot and restore, or install the backend for it."
    raise TargetError(
        f"nothing installed can train {describe(target)}. Tried: {', '.join(tried) or 'no plug-in'}."
        f"{why_neither(target)} {instead}",
        target_type=type(target).__name__,
    )


def _runs_itself(_: object) -> None:
    """Stand in for the adapter of a target that is its own backend, which takes no options."""


@contextlib.contextmanager
def misspelt_first(target: object, backend: object, options: Mapping[str, Any]) -> Iterator[None]:
    """Check settings within it: an error about one is replaced by the error about unknown options, if there are any.

    A value may be wrong only because the option that goes with it is misspelt: `start_lr=10, ed_lr=100`.
    """
    try:
        yield
    except LRRangeError:
        unknown: OptionError | None = None
        try:
            adapt(make_manager(), target, backend if isinstance(backend, str) else None, options)
        except OptionError as error:
            unknown = error if "options" in error.numbers else None
        except Exception:
            pass
        if unknown is not None:
            raise unknown from None
        raise
