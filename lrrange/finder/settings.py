"""The settings of a range test: every option of `find_lr` except the backend's own, checked."""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypedDict

import attrs

from lrrange.advice.confirmation import Confirmation
from lrrange.advice.facts import TrainingFacts
from lrrange.advice.suggestion import Heuristic
from lrrange.errors import OptionError, PlanError, TargetError
from lrrange.finder.baseline import Paired, check_paired
from lrrange.finder.plan_defaults import plan_for
from lrrange.finder.together import Parallel, check_parallel
from lrrange.finder.training import Training
from lrrange.finder.trials import check_budget
from lrrange.report.progress import check_progress
from lrrange.sweep.divergence import Divergence
from lrrange.sweep.plan import AnyPlan, Shape
from lrrange.sweep.smoothing import SmoothingKind, check_kind
from lrrange.sweep.sweep import check_divergence
from lrrange.validators import shown, takes, whole_number


class SweepOptions(TypedDict, total=False):
    """The fields of `Settings`, as keyword arguments for type checkers."""

    start_lr: float | None
    end_lr: float | None
    num_steps: int | None
    shape: Shape
    heuristic: str | Heuristic | None
    backend: str | None
    progress: bool | None
    seed: int | None
    repeats: int
    reset: Callable[[], object] | None
    confirm: bool
    confirm_steps: int
    smoothing: SmoothingKind
    divergence: Divergence | None
    non_finite_limit: int
    watchers: Sequence[object]
    verify_restore: bool
    parallel: Parallel
    train_steps: int | None
    paired: Paired


@attrs.frozen(kw_only=True)
class Settings:
    """The options of a range test. For what each means, and its default, see `lrrange.find_lr`.

    Raises: PlanError, UnknownName or OptionError for a value that cannot be used, before any target is looked at.
    """

    start_lr: float | None = None
    end_lr: float | None = None
    num_steps: int | None = None
    shape: Shape = "exponential"
    heuristic: str | Heuristic | None = None
    backend: str | None = None
    progress: bool | None = None
    seed: int | None = None
    repeats: int = 1
    reset: Callable[[], object] | None = None
    confirm: bool = False
    confirm_steps: int = 500
    smoothing: SmoothingKind = "ema"
    divergence: Divergence | None = Divergence()  # noqa: RUF009  a frozen value, safe to share
    non_finite_limit: int = 3
    watchers: Sequence[object] = ()
    verify_restore: bool = False
    parallel: Parallel = "off"
    train_steps: int | None = None
    paired: Paired = "auto"

    def __attrs_post_init__(self) -> None:
        self.plan({})
        check_kind(self.smoothing)
        check_divergence(self.divergence)
        whole_number("non_finite_limit", self.non_finite_limit)
        whole_number("repeats", self.repeats)
        if self.seed is not None:
            whole_number("seed", self.seed, least=-sys.maxsize)
        if self.train_steps is not None:
            whole_number("train_steps", self.train_steps)
        if self.confirm:
            check_budget(self.confirm_steps)
        check_parallel(self.parallel)
        check_progress(self.progress)
        check_paired(self.paired)
        _check_flag("confirm", self.confirm)
        _check_flag("verify_restore", self.verify_restore)
        if self.backend is not None and not isinstance(self.backend, str):
            raise OptionError(f"backend={shown(self.backend)} is not the name of a plug-in. Give one such as 'torch'.")
        check_watchers(self.watchers)
        _check_reset(self.reset)

    def plan(self, bounds: Mapping[str, float]) -> AnyPlan:
        """Return the plan of the first sweep.

        Args:
            bounds: `start_lr` and `end_lr` as the backend suggests them, where the user gave none.
        """
        return plan_for(self.start_lr, self.end_lr, self.num_steps, self.shape, bounds)

    @property
    def may_sweep_further(self) -> bool:
        """Whether lrrange may go beyond its default rates: not if the user gives num_steps or a linear shape."""
        return self.num_steps is None and self.shape == "exponential"

    def stage(self, number: int) -> str:
        """Return what a progress bar calls the sweep of this number, counted from 1."""
        return "sweep" if self.repeats == 1 else f"sweep {number} of {self.repeats}"

    def facts(self, training: Training) -> TrainingFacts:
        """Return what the backend knows of this training, and how long the user will train.

        It is called after the last run, because some backends set the training up for a run only.
        Raises: TargetError if the backend gives a fact of another type.
        """
        found = training.facts() if training.facts is not None else {}
        try:
            return TrainingFacts.known(found, self.train_steps)
        except (PlanError, TypeError, ValueError) as error:
            raise TargetError(
                f"facts() of a {training.kind} returned a fact that cannot be one: {error}. See "
                f"lrrange.protocol.KnowsFacts.",
                target_type=training.kind,
            ) from error

    def untried(self, training: Training, confirmation: Confirmation | None, unpaired: bool) -> tuple[str, ...]:
        """Return the options that could make an answer surer: this training can take them, and they were not used.

        Args:
            training: that was run.
            confirmation: what the trials confirmed; None if there were none.
            unpaired: whether the sweep might still be paired.
        """
        could = {
            "paired": unpaired,
            "repeats": self.repeats == 1 and training.seed is not None,
            "confirm": confirmation is None,
            "val_loader": confirmation is not None and not confirmation.held_out and training.evaluate is not None,
        }
        return tuple(option for option, open_ in could.items() if open_)

    def check_length(self, options: Mapping[str, Any]) -> None:
        """Raise OptionError if the length of the training is given twice, in steps and in epochs of the backend's."""
        epochs = options.get("train_epochs")
        if self.train_steps is not None and epochs is not None:
            raise OptionError(
                f"train_steps={self.train_steps} and train_epochs={epochs!r} both say how long you will train. Give "
                f"one of them.",
                train_steps=self.train_steps,
                train_epochs=epochs,
            )

    def check_reset(self, training: Training) -> None:
        """Raise OptionError if `reset` was given and this training, or the number of repeats, has no use for it."""
        if self.reset is None:
            return
        if self.repeats == 1:
            raise OptionError(
                "reset= gives the second and later sweeps other weights, but repeats=1. Give repeats=2 or more.",
                repeats=self.repeats,
            )
        if not training.can_reset:
            raise OptionError(
                f"reset= gives the second and later sweeps other weights, but a {training.kind} restores itself, and "
                f"lrrange cannot reset between its snapshot and its steps. Derive it from lrrange.protocol.LoopDriver.",
                repeats=self.repeats,
            )


def _check_flag(name: str, value: object) -> None:
    """Raise OptionError unless the value of this option is True or False."""
    if value is not True and value is not False:
        raise OptionError(f"{name}={shown(value)} is neither True nor False.")


def check_watchers(watchers: object) -> None:
    """Raise OptionError unless this is a list of watchers, or another iterable."""
    if isinstance(watchers, (str, bytes, Mapping, type)) or not isinstance(watchers, Iterable):
        raise OptionError(
            f"watchers={shown(watchers)} is not a list of watchers. Give them in a list, even a single one: "
            f"watchers=[...]."
        )


def _check_reset(reset: object) -> None:
    """Raise OptionError for what cannot be called to reset weights in place."""
    if reset is None:
        return
    if isinstance(reset, type) and reset.__module__ != "builtins":
        raise OptionError(
            f"reset={reset.__name__} is a class: to call it makes another object, and the target keeps its weights. "
            f"Give a function without arguments that changes the weights of the target in place."
        )
    if not takes(reset):
        raise OptionError(
            f"reset={shown(reset)} cannot be called without arguments. Give a function without arguments that changes "
            f"the weights of the target in place."
        )


def split_options(options: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the keyword arguments of `find_lr` that are settings, and those that are the backend's own options."""
    names = {field.name for field in attrs.fields(Settings)}
    own = {name: value for name, value in options.items() if name in names}
    return own, {name: value for name, value in options.items() if name not in names}
