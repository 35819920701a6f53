"""The callbacks, for a Trainer of either class tree: a range test inside a fit, and the proof of a rate."""

import functools
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from lrrange import Curve, Divergence, RangeTestResult, find_lr
from lrrange.errors import OptionError, RateNotInForce
from lrrange.sweep.plan import Shape
from lrrange.sweep.smoothing import SmoothingKind
from lrrange_lightning.apply_rate import apply_to_fit, rate_to_apply
from lrrange_lightning.compat import needed
from lrrange_lightning.fit_step import FitStep, chosen_optimizers
from lrrange_lightning.rate_sources import sources
from lrrange_lightning.verification import Proof

if TYPE_CHECKING:
    import lightning.pytorch
    import pytorch_lightning

    class _Callback(pytorch_lightning.Callback, lightning.pytorch.Callback):  # type: ignore[misc]  # their Trainers differ
        """What both callbacks are once they are made: see `of_loaded_trees`."""
else:
    _Callback = object


class _Proving(_Callback):
    """What both callbacks share: a proof that is under way."""

    _proof: Proof | None = None

    def on_exception(self, _trainer: Any, _module: Any, exception: BaseException) -> None:
        """Explain a rate that is not in force, in the error that is passing through."""
        proof, self._proof = self._proof, None
        if proof is not None:
            proof.close()
            if isinstance(exception, RateNotInForce):
                proof.explain(exception)

    def on_train_end(self, _trainer: Any, _module: Any) -> None:
        """A fit that ends sooner than the proof has to have proved it as well."""
        if self._proof is not None:
            self._proof.check()
        self._proof = None


class LRRangeTest(_Proving):
    """Runs a learning-rate range test inside `fit`, applies its answer, and proves that training goes on at it.

    It runs at the start of an epoch, after everything else has been set up: devices, precision, processes, what other
    callbacks freeze or change, the state of a checkpoint. Callbacks, loggers, progress bar and global step see nothing
    of it, and the fit goes on as if it had not been, but at the rate that was found.

    Args:
        apply: set the rate in the optimizers (ratios kept), in their schedulers, which keep their shape, and in the
            module's attribute or hyper-parameter where `configure_optimizers` reads one. Under a `OneCycleLR` or
            `CyclicLR` the cycle's peak becomes `result.range.max_lr`.
        at_epochs: the epochs, counted from 0, before which to run.
        verify_steps: optimizer steps in which to prove the applied rate; 0 for none.
        optimizer: index of the one optimizer to sweep, of several; None for all, with one multiplier.
        monitor: the name by which `training_step` logs what is to be read; None for the loss that it returns.
        val_monitor: the name by which validation logs its held-out loss; `confirm` then judges by it.
        restore: what else training changes: modules, tensors, generators, anything with a `state_dict`.
        start_lr: the first rate; this and every argument that is not named here are as for `lrrange.find_lr`.

    Attributes:
        results: the result of each sweep, by epoch.
        applied: what the last one set, by name.

    Raises: inside `fit`, the reason if there is no suggestion to apply; TargetError or OptionError before the first
        step for what cannot be swept; RateNotInForce if training does not go on at the rate.
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
        progress: bool = False,
        seed: int | None = None,
        repeats: int = 1,
        confirm: bool = False,
        confirm_steps: int = 648,
        smoothing: SmoothingKind = "ema",
        divergence: Divergence | None = Divergence(),  # noqa: B008  a frozen value, safe to share
        non_finite_limit: int = 3,
        watchers: Sequence[Any] = (),
        optimizer: int | None = None,
        monitor: str | None = None,
        val_monitor: str | None = None,
        restore: Any = None,
        verify_steps: int = 20,
    ) -> None:
        super().__init__()
        self.apply = apply
        self.at_epochs = frozenset(at_epochs)
        self.results: dict[int, RangeTestResult] = {}
        self.applied: dict[str, float] = {}
        self._progress = progress
        self._verify_steps = verify_steps
        self._step = {"optimizer": optimizer, "monitor": monitor, "val_monitor": val_monitor, "restore": restore}
        self._sweep: dict[str, Any] = {
            "heuristic": heuristic,
            "start_lr": start_lr,
            "end_lr": end_lr,
            "num_steps": num_steps,
            "shape": shape,
            "seed": seed,
            "repeats": repeats,
            "confirm": confirm,
            "confirm_steps": confirm_steps,
            "smoothing": smoothing,
            "divergence": divergence,
            "non_finite_limit": non_finite_limit,
            "watchers": watchers,
        }

    @property
    def result(self) -> RangeTestResult:
        """That of the last sweep. Raises: OptionError if there was none."""
        if not self.results:
            raise OptionError(f"no sweep has run yet. at_epochs={sorted(self.at_epochs)} says when one does.")
        return next(reversed(self.results.values()))

    def on_train_start(self, trainer: Any, _module: Any) -> None:
        """Say so if this fit takes up a training beyond every epoch that was to be swept."""
        if trainer.current_epoch > max(self.at_epochs, default=-1):
            warnings.warn(
                f"LRRangeTest runs no sweep in this fit: it begins at epoch {trainer.current_epoch}, and at_epochs is "
                f"{sorted(self.at_epochs)}.",
                stacklevel=2,
            )

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        """Sweep, apply, and begin the proof."""
        epoch = trainer.current_epoch
        if epoch not in self.at_epochs:
            return
        if self._proof is not None:
            self._proof.close()  # the sweep's rates are none of its business
        step = FitStep(trainer, pl_module, **self._step)
        found = sources(pl_module, trainer.optimizers) if self.apply else []
        progress = self._progress and trainer.is_global_zero
        result = find_lr(step, backend="lightning", progress=progress, **self._sweep)
        self.results.pop(epoch, None)  # of an earlier fit
        self.results[epoch] = result
        if self.apply:
            lr = rate_to_apply(result, trainer, step.optimizers)
            self.applied = apply_to_fit(trainer, step.optimizers, lr, found)
            if self._verify_steps:
                self._proof = Proof(trainer, pl_module, step.optimizers, lr, self._verify_steps, found)


class VerifyRate(_Proving):
    """Proves over the first steps of a fit that it trains at a rate which was set before, by whatever means.

    Args:
        lr: the rate, or a result, whose `lr` is meant: the base rate of the first param group that has one.
        steps: optimizer steps to watch.
        optimizer: index of the one optimizer that should train at it; None for all, ratios kept.

    Raises, inside `fit`: RateNotInForce, which names the attribute that holds the rate and the one that
        `configure_optimizers` reads.
    """

    def __init__(self, lr: float | RangeTestResult, steps: int = 20, optimizer: int | None = None) -> None:
        super().__init__()
        self.lr = lr if isinstance(lr, (int, float)) else lr.lr
        self._steps = steps
        self._optimizer = optimizer

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Begin to watch."""
        watched = chosen_optimizers(trainer, self._optimizer)
        found = sources(pl_module, trainer.optimizers)
        self._proof = Proof(trainer, pl_module, watched, self.lr, self._steps, found)


_HOOKS = {"LRRangeTest": LRRangeTest, "VerifyRate": VerifyRate}


def of_loaded_trees(name: str) -> type:
    """The callback of that name as a `Callback` of every tree that is loaded, so that a Trainer of any takes it."""
    return _made(name, needed())


@functools.cache
def _made(name: str, trees: tuple[Any, ...]) -> type:
    hooks = _HOOKS[name]
    # Pickle finds it by these names.
    about = {"__doc__": hooks.__doc__, "__module__": "lrrange_lightning", "__qualname__": name}
    return type(name, (hooks, *(tree.Callback for tree in trees)), about)
