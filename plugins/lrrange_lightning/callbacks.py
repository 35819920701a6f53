"""The callbacks for a Trainer: a range test inside a fit, and the verification of a rate."""

import functools
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import attrs

from lrrange import Curve, Divergence, RangeTestResult
from lrrange.errors import OptionError
from lrrange.finder import Paired, Parallel, RangeTest, Settings
from lrrange.protocol import between_steps, check_steps
from lrrange.spelling import spell_checked
from lrrange.sweep import Shape, SmoothingKind
from lrrange_lightning.apply_rate import apply_to_fit, rate_to_apply
from lrrange_lightning.fit_step import FitStep, MonitorMode, chosen_optimizers
from lrrange_lightning.outcome import rates_of, say_outcome
from lrrange_lightning.rate_sources import find_rate_sources
from lrrange_lightning.verification import RateVerification, base_of

if TYPE_CHECKING:
    import lightning.pytorch
    import pytorch_lightning

    class _Callback(pytorch_lightning.Callback, lightning.pytorch.Callback):  # type: ignore[misc]  # their Trainers differ
        """The base class that `callback_class` gives both callbacks."""
else:
    _Callback = object


class _VerifyingCallback(_Callback):
    """The part of both callbacks that ends a verification."""

    _verification: RateVerification | None = None
    _proved = False

    def on_train_batch_end(self, *_: Any) -> None:
        """Note whether the rate has been seen in force."""
        if self._verification is not None and not self._proved:
            self._proved = self._verification.proved

    def on_exception(self, _trainer: Any, _module: Any, _exception: BaseException) -> None:
        """Stop watching."""
        self._stop_watching()

    def _stop_watching(self) -> None:
        verification, self._verification = self._verification, None
        if verification is not None:
            verification.close()

    def on_train_end(self, _trainer: Any, _module: Any) -> None:
        """Check a fit that ends before `verify_steps` steps: its rate must have been in force, too."""
        if self._verification is not None:
            self._verification.check()
        self._verification = None


@spell_checked
class LRRangeTest(_VerifyingCallback):
    """A callback that runs a range test inside `fit`, applies the suggested learning rate, and verifies it.

    It runs at the start of an epoch, when everything is set up: devices, precision, processes, the changes of other
    callbacks, the state of a checkpoint. Callbacks, loggers, the progress bar and the global step do not notice the
    sweep, and the fit continues as if there had been none, but at the new rate.

    Args:
        apply: set the rate in the optimizers (ratios kept), in their schedulers, which keep their shape, and in the
            attribute or hyper-parameter of the module that `configure_optimizers` reads, if it reads one. Under a
            `OneCycleLR` or `CyclicLR`, the peak of the cycle becomes `result.range.max_lr`.
        at_epochs: the epochs, counted from 0, at whose start to run.
        verify_steps: optimizer steps over which to verify the applied rate; 0 for none.
        optimizer: index of the only optimizer to sweep; None sweeps all of them, scaled by one multiplier.
        monitor: the name of a metric that `training_step` logs, to read the advice from instead of the loss that it
            returns. The loss is recorded, too.
        monitor_mode: `"max"` if a higher metric is better.
        val_monitor: the name of the held-out loss that validation logs, by which `confirm` judges.
        restore: other objects that training changes: modules, tensors, generators, anything with a `state_dict`.
        progress: as for `lrrange.find_lr`. The bar is gone when the sweep is over. Unless this is False, the callback
            then writes what it found and set to standard error, in one line.
        start_lr: the first rate. This argument and all others that are not named here are those of `lrrange.find_lr`.

    Attributes:
        results: the result of each sweep, by epoch.
        applied: the rates that the last sweep set, by name.

    Raises: inside `fit`, the reason if there is no suggestion to apply; before the first step, TargetError or
        OptionError for a training that cannot be swept; RateNotInForce if training does not continue at the rate.
    """

    def __init__(
        self,
        heuristic: str | Callable[[Curve], Any] | None = None,
        apply: bool = True,
        at_epochs: Sequence[int] = (0,),
        *,
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
        parallel: Parallel = "off",
        train_steps: int | None = None,
        paired: Paired = "auto",
        optimizer: int | None = None,
        monitor: str | None = None,
        monitor_mode: MonitorMode = "min",
        val_monitor: str | None = None,
        restore: Any = None,
        verify_steps: int = 20,
    ) -> None:
        super().__init__()
        if heuristic is not None and not isinstance(heuristic, str) and not callable(heuristic):
            raise OptionError(f"heuristic={heuristic!r} is neither a name nor a function of a curve.")
        if apply is not True and apply is not False:
            raise OptionError(f"apply={apply!r} is neither True nor False.")
        if not isinstance(at_epochs, Iterable) or not all(isinstance(epoch, int) for epoch in at_epochs):
            raise OptionError(f"at_epochs={at_epochs!r} is not a list of epochs. Give them such as at_epochs=[0].")
        check_steps(verify_steps, "verify_steps", least=0)
        self.apply = apply
        self.at_epochs = frozenset(at_epochs)
        self.results: dict[int, RangeTestResult] = {}
        self.applied: dict[str, float] = {}
        self._verify_steps = verify_steps
        self._fit_step = functools.partial(
            FitStep,
            optimizer=optimizer,
            monitor=monitor,
            monitor_mode=monitor_mode,
            val_monitor=val_monitor,
            restore=restore,
        )
        self._settings = Settings(
            backend="lightning",
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
            parallel=parallel,
            train_steps=train_steps,
            paired=paired,
        )

    @property
    def result(self) -> RangeTestResult:
        """The result of the last sweep. Raises: OptionError if there was none."""
        if not self.results:
            raise OptionError(
                f"no sweep has run yet. It runs at the start of epoch at_epochs={sorted(self.at_epochs)}."
            )
        return next(reversed(self.results.values()))

    def on_train_start(self, trainer: Any, _module: Any) -> None:
        """Warn if this fit resumes after the last epoch at which to sweep."""
        if trainer.current_epoch > max(self.at_epochs, default=-1):
            warnings.warn(
                f"LRRangeTest runs no sweep in this fit: it begins at epoch {trainer.current_epoch}, and at_epochs is "
                f"{sorted(self.at_epochs)}.",
                stacklevel=2,
            )

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        """Sweep, apply the rate, and begin to verify it."""
        epoch = trainer.current_epoch
        if epoch not in self.at_epochs:
            return
        if self._verification is not None:
            self._verification.close()  # it must not see the rates of the sweep
        step = self._fit_step(trainer, pl_module)
        sources = find_rate_sources(pl_module, trainer.optimizers) if self.apply else []
        settings = self._settings if trainer.is_global_zero else attrs.evolve(self._settings, progress=False)
        result = between_steps(RangeTest(step, settings, options={}, keep_bar=False).run)
        self.results.pop(epoch, None)  # from an earlier fit
        self.results[epoch] = result
        before = rates_of(trainer.optimizers)
        if self.apply:
            lr = rate_to_apply(result, trainer, step.optimizers)
            self.applied = apply_to_fit(trainer, step.optimizers, lr, sources)
            if self._verify_steps:
                self._verification = RateVerification(
                    trainer, pl_module, step.optimizers, lr, self._verify_steps, sources
                )
        if settings.progress is not False:
            say_outcome(trainer, result, before, self.applied if self.apply else None)


@spell_checked
class VerifyRate(_VerifyingCallback):
    """A callback that verifies in the first steps of a fit that it trains at a given learning rate.

    Args:
        lr: the base rate of the first param group whose rate is not 0, or its peak under a one-cycle schedule; or a
            result, for its `lr`.
        steps: optimizer steps to watch.
        optimizer: index of the only optimizer that should train at it; None for all of them, ratios kept.

    Raises: inside `fit`, RateNotInForce. It names the attribute that holds the rate and the one that
        `configure_optimizers` reads.
    """

    def __init__(self, lr: float | RangeTestResult, steps: int = 20, optimizer: int | None = None) -> None:
        super().__init__()
        if isinstance(lr, bool) or not isinstance(lr, (int, float, RangeTestResult)):
            raise OptionError(
                f"lr={lr!r} is neither a rate nor the result of a range test. Give a number, such as VerifyRate(1e-3).",
                lr=lr,
            )
        check_steps(steps)
        self.lr = lr.lr if isinstance(lr, RangeTestResult) else lr
        self._steps = steps
        self._optimizer = optimizer

    @property
    def proved(self) -> bool:
        """Whether the last fit has been seen to train at the rate."""
        return self._proved

    def close(self) -> None:
        """Stop watching. In a later fit the callback begins anew."""
        self._stop_watching()

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Begin to watch."""
        self._proved = False
        watched = chosen_optimizers(trainer, self._optimizer)
        sources = find_rate_sources(pl_module, trainer.optimizers)
        self._verification = RateVerification(
            trainer, pl_module, watched, base_of(watched, self.lr), self._steps, sources
        )
