"""The callbacks for a Trainer: a range test when `train()` begins, and the verification of a rate."""

import sys
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any

from lrrange_torch.optimizer import RateGuard, base_rate, same_rate, unwrap
from transformers import TrainerCallback

from lrrange import Curve, Divergence, RangeTestResult
from lrrange.errors import OptionError, RateNotInForce, TargetError
from lrrange.finder import Paired, Parallel, RangeTest, Settings
from lrrange.protocol import between_steps, check_steps
from lrrange.spelling import spell_checked
from lrrange.sweep import Shape, SmoothingKind
from lrrange_transformers.apply_rate import apply_to_trainer, own_scheduler_of, rate_for_schedule
from lrrange_transformers.driver import TrainerDriver


class _VerifyingCallback(TrainerCallback):  # type: ignore[misc]  # it is Any to mypy
    """The part of both callbacks that watches the optimizer's steps."""

    _guard: RateGuard | None = None
    _steps = 0

    def _watch(self, args: Any, optimizer: Any, scheduler: Any, lr: float) -> None:
        self._stop()

        inner = unwrap(optimizer, scaler="the Trainer's")
        first = next((base for base in map(base_rate, inner.param_groups) if base), 0.0)
        began_at_it = same_rate(first, lr)

        def explain(error: RateNotInForce) -> RateNotInForce:
            return _explained(error, _OVERWRITTEN if began_at_it else _where_it_is_read(args))

        self._guard = RateGuard(inner, lr, self._steps, scheduler, explain=explain)

    def _stop(self) -> None:
        if self._guard is not None:
            self._guard.close()
        self._guard = None

    def on_train_end(self, _args: Any, _state: Any, _control: Any, **_: Any) -> None:
        """Check a training that ends before all steps are seen: its rate must have been in force, too."""
        guard = self._guard
        self._stop()
        if guard is not None:
            guard.check()


_OVERWRITTEN = (
    "train() began with the right rate, and something has set another one since: a callback, or a training_step or an "
    "optimizer of your own. Remove that, or have it set the rate of the result."
)


def _where_it_is_read(args: Any) -> str:
    return (
        f"args.learning_rate is {args.learning_rate:.6g}, and train() reads it only where it makes the optimizer: not "
        f"where one was given or made before, nor where a checkpoint brings its own. result.apply(trainer) finds the "
        f"place, and lrrange_transformers.LRRangeTest sets the rate when train() has begun."
    )


def _explained(error: RateNotInForce, advice: str) -> RateNotInForce:
    """Return the guard's error with the advice for a training by `train()`."""
    return RateNotInForce(
        f"{error.group} trains at lr={error.actual:.6g}, not at {error.wanted:.6g}. {advice}",
        group=error.group,
        wanted=error.wanted,
        actual=error.actual,
    )


@spell_checked
class VerifyRate(_VerifyingCallback):
    """A callback that verifies in the first steps of `train()` that it trains at a given learning rate.

    `result.verify(trainer)` adds one to a Trainer, which is removed when it has seen its steps.

    Args:
        lr: the base rate of the first param group whose rate is not 0, where the schedule starts or has its peak; or a
            result, for the rate that `result.apply(trainer)` sets.
        steps: optimizer steps to watch.

    Raises: from inside `train()`, RateNotInForce at the step that is trained at another rate.
    """

    def __init__(self, lr: float | RangeTestResult, steps: int = 20) -> None:
        super().__init__()
        if isinstance(lr, bool) or not isinstance(lr, (int, float, RangeTestResult)):
            raise OptionError(
                f"lr={lr!r} is neither a rate nor the result of a range test. Give a number, such as VerifyRate(1e-3).",
                lr=lr,
            )
        check_steps(steps)
        self._lr = lr
        self._steps = steps
        self._trainer: Any = None
        self._proved = False

    @property
    def proved(self) -> bool:
        """Whether at least one step was seen, and all that were seen have used the rate."""
        return self._proved if self._guard is None else self._guard.proved

    def attach(self, trainer: Any) -> None:
        """Add this callback to a Trainer, until `close` or until it has seen its steps."""
        self._trainer = trainer
        trainer.add_callback(self)

    def close(self) -> None:
        """Stop watching."""
        self._proved = self.proved
        self._stop()
        if self._trainer is not None:
            handler = self._trainer.callback_handler
            # Another list, as the Trainer may be iterating over this one.
            handler.callbacks = [callback for callback in handler.callbacks if callback is not self]

    def __enter__(self) -> "VerifyRate":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        guard = self._guard
        self.close()
        if error is not None or self._proved:
            return
        if guard is not None:
            guard.check()
        raise RateNotInForce("no step was taken while the Trainer was watched. Call trainer.train() inside the block.")

    def on_train_begin(self, args: Any, _state: Any, _control: Any, **event: Any) -> None:
        """Begin to watch."""
        lr = self._lr
        if isinstance(lr, RangeTestResult):
            own = None if self._trainer is None else own_scheduler_of(self._trainer)
            lr, _ = rate_for_schedule(lr, args, own)
        self._proved = False
        self._watch(args, event["optimizer"], event["lr_scheduler"], lr)

    def on_step_end(self, _args: Any, _state: Any, _control: Any, **_: Any) -> None:
        """Leave when all steps are seen."""
        if self._guard is not None and self._guard.steps_seen >= self._steps:
            self.close()

    def on_train_end(self, _args: Any, _state: Any, _control: Any, **event: Any) -> None:
        """Check a training that ends before all steps are seen."""
        self._proved = self.proved
        super().on_train_end(_args, _state, _control, **event)


def watch_trainer(trainer: Any, lr: float | RangeTestResult, steps: int, scheduler: object | None) -> VerifyRate:
    """Add a `VerifyRate` to a Trainer, for `result.verify(trainer)`, and return it."""
    if scheduler is not None:
        raise OptionError("a Trainer has its scheduler, or makes it in train(). Leave scheduler= out.")
    if trainer.is_in_train:
        raise TargetError("the trainer is in the middle of train(). Call result.verify(trainer) before it.")
    callback = VerifyRate(lr, steps)
    callback.attach(trainer)
    return callback


@spell_checked
class LRRangeTest(_VerifyingCallback):
    """A callback that runs a range test when `train()` begins, applies the suggested learning rate, and verifies it.

    Everything is set up then: devices, precision, the optimizer, the state of a checkpoint. The training goes on as if
    there had been no sweep, but at the new rate. As callbacks are not given their Trainer, it is given here:
    `trainer.add_callback(LRRangeTest(trainer))`.

    Args:
        trainer: the one that the callback is added to.
        apply: set the rate in the optimizer (ratios kept) and in its schedule: the one that fits the schedule, as
            `result.apply(trainer)` does.
        verify_steps: optimizer steps over which to verify the applied rate; 0 for none.
        restore: other objects that training changes: modules, tensors, generators, anything with a `state_dict`.
        progress: as for `lrrange.find_lr`. Unless it is False, the callback writes what it found and set to standard
            error, in one line.
        start_lr: the first rate. This argument and all others that are not named here are those of `lrrange.find_lr`.

    Attributes:
        applied: what the last sweep set, by name.

    Raises: inside `train()`, the reason if there is no suggestion to apply; before the first step, TargetError for a
        training that cannot be swept; RateNotInForce if training does not continue at the rate.
    """

    def __init__(
        self,
        trainer: Any,
        apply: bool = True,
        verify_steps: int = 20,
        *,
        heuristic: str | Callable[[Curve], Any] | None = None,
        start_lr: float | None = None,
        end_lr: float | None = None,
        num_steps: int | None = None,
        shape: Shape = "exponential",
        progress: bool | None = None,
        seed: int | None = None,
        repeats: int = 1,
        reset: Callable[[], object] | None = None,
        confirm: bool = False,
        confirm_steps: int = 500,
        smoothing: SmoothingKind = "ema",
        divergence: Divergence | None = Divergence(),  # noqa: B008  a frozen value, safe to share
        non_finite_limit: int = 3,
        watchers: Sequence[Any] = (),
        verify_restore: bool = False,
        parallel: Parallel = "off",
        train_steps: int | None = None,
        paired: Paired = "auto",
        restore: Any = None,
    ) -> None:
        super().__init__()
        if apply is not True and apply is not False:
            raise OptionError(f"apply={apply!r} is neither True nor False.")
        check_steps(verify_steps, "verify_steps", least=0)
        self.apply = apply
        self.applied: Mapping[str, Any] = {}
        self._result: RangeTestResult | None = None
        self._trainer = trainer
        self._restore = restore
        self._steps = verify_steps
        self._settings = Settings(
            backend="transformers",
            progress=progress,
            heuristic=heuristic,
            start_lr=start_lr,
            end_lr=end_lr,
            num_steps=num_steps,
            shape=shape,
            seed=seed,
            repeats=repeats,
            reset=reset,
            confirm=confirm,
            confirm_steps=confirm_steps,
            smoothing=smoothing,
            divergence=divergence,
            non_finite_limit=non_finite_limit,
            watchers=watchers,
            verify_restore=verify_restore,
            parallel=parallel,
            train_steps=train_steps,
            paired=paired,
        )

    @property
    def result(self) -> RangeTestResult:
        """The result of the last sweep. Raises: OptionError if there was none."""
        if self._result is None:
            raise OptionError("no sweep has run yet. It runs when train() of the Trainer begins.")
        return self._result

    def on_train_begin(self, args: Any, state: Any, _control: Any, **event: Any) -> None:
        """Sweep, apply the rate, and begin to verify it."""
        if event["optimizer"] is not self._trainer.optimizer:
            raise TargetError("the LRRangeTest was made for another Trainer than the one it was added to.")
        self._stop()  # it must not see the rates of the sweep
        driver = TrainerDriver(self._trainer, restore=self._restore, inside=True)
        result = between_steps(RangeTest(driver, self._settings, options={}, keep_bar=False).run)
        self._result = result
        self.applied = {}
        if self.apply:
            lr, _ = rate_for_schedule(result, args, own_scheduler_of(self._trainer))
            self.applied = apply_to_trainer(self._trainer, lr, None, result)
            if self._steps:
                self._watch(args, event["optimizer"], event["lr_scheduler"], lr)
        if self._settings.progress is not False and state.is_world_process_zero and sys.stderr is not None:
            sys.stderr.write(f"lrrange: {_outcome(result, self.applied)}\n")
            sys.stderr.flush()


def _outcome(result: RangeTestResult, applied: Mapping[str, Any]) -> str:
    """Return what was found and set, in one line."""
    if result.refusal is not None:
        return f"no learning rate found: {result.refusal}"
    rates = [f"{name} = {value:.3g}" for name, value in applied.items() if name != "schedule"]
    what = f"set {', '.join(rates)} ({applied['schedule']})" if applied else "not set because of apply=False"
    return f"lr {result.lr:.2e}, {what}; {result.verdict}"
