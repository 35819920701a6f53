"""`find_lr`: run a range test on whatever a plug-in can train.

The signatures marked with `@overload` are for type checkers, editors and `help`: one for each kind of target that
lrrange comes with plug-ins for. A test compares them with the adapters of the plug-ins.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, Unpack, overload

from lrrange.advice.suggestion import Heuristic
from lrrange.finder.baseline import Paired
from lrrange.finder.range_test import RangeTest
from lrrange.finder.settings import Settings, SweepOptions
from lrrange.finder.signature import signature_of_overloads
from lrrange.finder.targets import CallableModel, HuggingFaceTrainer, KerasModel, Optimizers, Trainer
from lrrange.finder.together import Parallel
from lrrange.finder.training import misspelt_first
from lrrange.protocol.interrupts import between_steps
from lrrange.result import RangeTestResult
from lrrange.spelling import spell_checked
from lrrange.sweep.divergence import Divergence
from lrrange.sweep.plan import Shape
from lrrange.sweep.smoothing import SmoothingKind


@overload
def find_lr(
    target: CallableModel,
    optimizer: Optimizers,
    loss_fn: Callable[..., Any],
    loader: Iterable[Any],
    *,
    scheduler: object = None,
    grad_scaler: object = None,
    accumulate: int = 1,
    clip_norm: float | None = None,
    batch_form: Literal["inputs_and_targets", "whole"] = "inputs_and_targets",
    autocast: object = None,
    val_loader: Iterable[Any] | None = None,
    read_on: Literal["training", "validation"] = "training",
    metric: Callable[..., Any] | None = None,
    metric_mode: Literal["max", "min"] = "max",
    snapshot: Literal["device", "cpu", "disk"] = "device",
    restore: object = (),
    train_epochs: float | None = None,
    **settings: Unpack[SweepOptions],
) -> RangeTestResult: ...


@overload
def find_lr(
    target: Callable[[], Any],
    optimizer: Optimizers,
    *,
    restore: object,
    snapshot: Literal["device", "cpu", "disk"] = "device",
    **settings: Unpack[SweepOptions],
) -> RangeTestResult: ...


@overload  # a step whose rate a function sets, with an optimizer that is none of PyTorch's
def find_lr(
    target: Callable[[], Any],
    *,
    set_lr: Callable[[float], Any],
    restore: object,
    snapshot: Literal["device", "cpu", "disk"] = "device",
    **settings: Unpack[SweepOptions],
) -> RangeTestResult: ...


@overload
def find_lr(
    target: Trainer,
    *,
    model: CallableModel,
    train_dataloaders: object = None,
    val_dataloaders: object = None,
    datamodule: object = None,
    ckpt_path: object = None,
    optimizer: int | None = None,
    monitor: str | None = None,
    monitor_mode: Literal["max", "min"] = "min",
    val_monitor: str | None = None,
    restore: object = None,
    **settings: Unpack[SweepOptions],
) -> RangeTestResult: ...


@overload
def find_lr(
    target: HuggingFaceTrainer,
    *,
    resume_from_checkpoint: object = None,
    restore: object = None,
    **settings: Unpack[SweepOptions],
) -> RangeTestResult: ...


@overload  # a step of JAX on a state
def find_lr(
    target: Callable[..., Any],
    *,
    state: object,
    batches: Iterable[Any] | Callable[[], Iterable[Any]],
    loss: Callable[[Any], Any] | None = None,
    evaluate: Callable[[Any], Any] | None = None,
    **settings: Unpack[SweepOptions],
) -> RangeTestResult: ...


@overload  # a step of JAX on objects of NNX
def find_lr(
    target: Callable[..., Any],
    *,
    objects: object,
    batches: Iterable[Any] | Callable[[], Iterable[Any]],
    loss: Callable[[Any], Any] | None = None,
    evaluate: Callable[..., Any] | None = None,
    **settings: Unpack[SweepOptions],
) -> RangeTestResult: ...


@overload
def find_lr(
    target: KerasModel,
    *,
    x: Any = None,
    y: Any = None,
    dataset: Any = None,
    batch_size: int | None = None,
    shuffle: bool | None = None,
    sample_weight: Any = None,
    class_weight: Mapping[int, float] | None = None,
    steps_per_epoch: int | None = None,
    epochs: int | None = None,
    validation_data: Any = None,
    validation_batch_size: int | None = None,
    validation_steps: int | None = None,
    monitor: str = "loss",
    restore: Any = None,
    **settings: Unpack[SweepOptions],
) -> RangeTestResult: ...


@overload  # an estimator of scikit-learn
def find_lr(
    target: object,
    *,
    X: Any,  # noqa: N803  as scikit-learn writes it
    y: Any = None,
    batch_size: int | None = None,
    classes: Any = None,
    sample_weight: Any = None,
    X_val: Any = None,  # noqa: N803
    y_val: Any = None,
    **settings: Unpack[SweepOptions],
) -> RangeTestResult: ...


@overload  # a net of skorch
def find_lr(
    target: object,
    *,
    X: Any,  # noqa: N803
    y: Any = None,
    fit_params: Mapping[str, Any] | None = None,
    **settings: Unpack[SweepOptions],
) -> RangeTestResult: ...


@overload  # a training step, a driver, or the target of another plug-in
def find_lr(
    target: object,
    *,
    start_lr: float | None = None,
    end_lr: float | None = None,
    num_steps: int | None = None,
    shape: Shape = "exponential",
    heuristic: str | Heuristic | None = None,
    backend: str | None = None,
    progress: bool | None = None,
    seed: int | None = None,
    repeats: int = 1,
    reset: Callable[[], object] | None = None,
    confirm: bool = False,
    confirm_steps: int = 500,
    smoothing: SmoothingKind = "ema",
    divergence: Divergence | None = Divergence(),  # noqa: B008  a frozen value, safe to share
    non_finite_limit: int = 3,
    watchers: Sequence[object] = (),
    verify_restore: bool = False,
    parallel: Parallel = "off",
    train_steps: int | None = None,
    paired: Paired = "auto",
) -> RangeTestResult: ...


@overload  # options that only the named plug-in knows
def find_lr(target: object, *, backend: str, **options: Any) -> RangeTestResult: ...


@spell_checked
def find_lr(
    target: object,
    optimizer: Optimizers | int | None = None,
    loss_fn: Callable[..., Any] | None = None,
    loader: Iterable[Any] | None = None,
    *,
    start_lr: float | None = None,
    end_lr: float | None = None,
    num_steps: int | None = None,
    shape: Shape = "exponential",
    heuristic: str | Heuristic | None = None,
    backend: str | None = None,
    progress: bool | None = None,
    seed: int | None = None,
    repeats: int = 1,
    reset: Callable[[], object] | None = None,
    confirm: bool = False,
    confirm_steps: int = 500,
    smoothing: SmoothingKind = "ema",
    divergence: Divergence | None = Divergence(),  # noqa: B008  a frozen value, safe to share
    non_finite_limit: int = 3,
    watchers: Sequence[object] = (),
    verify_restore: bool = False,
    parallel: Parallel = "off",
    train_steps: int | None = None,
    paired: Paired = "auto",
    **options: Any,
) -> RangeTestResult:
    """Raise the learning rate step by step over a short mock training, put everything back, and read the answer.

    For example, with a PyTorch model, with a step of your own, and with a Lightning Trainer:

        result = lrrange.find_lr(model, optimizer, loss_fn, loader, train_epochs=10)
        result = lrrange.find_lr(step, optimizer, restore=(model, scheduler), num_steps=100)
        result = lrrange.find_lr(trainer, model=module, datamodule=data)
        print(result)
        result.apply(optimizer)

    Args:
        target: what to train: anything an installed plug-in can adapt, or a `TrainingStep` or `Driver` itself.
        optimizer, loss_fn, loader: of a PyTorch model; see "A PyTorch model" below.
        start_lr, end_lr: the first and last rate. The defaults are 1e-7 and 10, or what the backend knows to fit the
            optimizer. If `num_steps` is left out, a sweep whose loss still falls at the default end goes on for two
            decades, and one that blows up at once from the default start is run again from four decades lower.
        num_steps: optimizer steps of a sweep, evenly spaced. By default about 100: few while nothing happens, and 20 a
            decade where the loss moves. If that was too coarse, the sweep is taken again, all in 25 a decade.
        shape: how the rate rises; see `SweepPlan`.
        heuristic: name of a heuristic, or a function of the `Curve`. By default lrrange chooses, and says which.
        backend: name of the only plug-in to use.
        progress: by default there is a progress bar in a terminal or notebook. True writes a line at the start and the
            end elsewhere, and False shows nothing. Everything is on standard error, and only of the first process.
        seed: of every random number generator during the sweep. Their states are put back afterwards.
        repeats: number of sweeps. The second and later ones have other seeds; the median of their curves is read, and
            the intervals span the answers to each of them.
        reset: gives the target other initial weights, in place, for the second and later sweeps. The old weights are
            put back afterwards.
        confirm: after the sweep, try rates around the answer in short runs from the same start.
        confirm_steps: steps of these runs together, at most.
        smoothing: of the curve that advice is read from: `"ema"`, `"median"` or `"none"`.
        divergence: when to stop early; None for never.
        non_finite_limit: this many losses in a row that are not finite end the sweep.
        watchers: objects with some of the hooks of a watcher, such as `lrrange_advanced`; see `lrrange.hookspecs`.
        verify_restore: take a digest of everything that training changes, before and after the sweep, and raise
            RestoreFailed if one bit differs. Each takes about a millisecond per MiB of weights, buffers and optimizer
            state. `provenance.details["restore_verified"]` says whether it was done.
        parallel: how repeated sweeps, and the first two runs of `confirm`, are taken. `"off"` runs one after another.
            `"vmap"` takes their steps side by side where the backend can. `"auto"` measures a few steps and takes the
            faster of the two, so the choice may differ from run to run. Side by side, losses are the same up to
            rounding. `provenance.details["parallel"]` says what was done and why.
        train_steps: number of optimizer steps of the training that the rate is for. A backend may know it itself, as
            from a Trainer or from `train_epochs=`. Where nobody knows, the result says what is assumed.
        paired: True measures the losses of the initial weights on the batches of the sweep as well, and takes the noise
            of the batches out of the curve with them; see `lrrange.sweep.paired`. `"auto"` does so only where no fall
            of the loss stands out of the noise, and the backend can compute losses without a step. In our measurements
            that was one sweep in ten, and pairing every sweep was no better. `provenance.details["paired"]` says what
            came of it. If the batches are not the same a second time, the curve stays as it is, and with True there is
            a NotPairedWarning.
        options: of another plug-in. Name it with `backend=`, so that type checkers accept them.

    A PyTorch model takes these options; see `lrrange_torch.loader_step.LoaderStep`:
        optimizer (Optimizer, or several in a list): of the model's parameters.
        loss_fn (callable): `loss_fn(model(inputs), targets)`, or `loss_fn(model, batch)` with `batch_form="whole"`.
        loader (iterable): of batches. It starts again if it is shorter than the sweep.
        scheduler (LRScheduler): attached to the optimizer, left as it was.
        grad_scaler (GradScaler), autocast (dtype): for mixed precision.
        accumulate (int), clip_norm (float): micro-batches per optimizer step; clip the norm of the gradients to this.
        batch_form ("inputs_and_targets" or "whole"): what a batch is.
        val_loader (iterable), read_on ("training" or "validation"): held-out batches; the data whose loss is read.
        metric (callable), metric_mode ("max" or "min"): what to read the advice from instead of the loss.
        snapshot ("device", "cpu" or "disk"): where everything is copied to that training changes.
        restore (object or list): anything else that training changes.
        train_epochs (float): passes over the loader of the training that the rate is for.

    A step of your own is a function without arguments that trains one step and returns its loss. It takes `optimizer`,
    `restore` (everything else that the step changes) and `snapshot`; see `lrrange_torch.own_step.OwnStep`. With an
    optimizer that is none of PyTorch's, it takes `set_lr`, a function of the rate, in the place of `optimizer`.

    A Lightning Trainer takes these options; see `lrrange_lightning.driver.TrainerDriver`:
        model (LightningModule): what to train.
        train_dataloaders, val_dataloaders, datamodule, ckpt_path: as for `trainer.fit`.
        optimizer (int): index of the only optimizer to sweep, of several.
        monitor (str), monitor_mode ("max" or "min"): name of a logged metric to read instead of the loss.
        val_monitor (str): name of the logged held-out loss by which `confirm=True` judges.
        restore (object or list): anything else that training changes.

    A Trainer of Hugging Face's takes `resume_from_checkpoint` and `restore`; a step of JAX takes `state` or `objects`,
    `batches`, `loss` and `evaluate`. A Keras model takes what its `fit` does: `x`, `y` or `dataset`, `batch_size`,
    `shuffle`, `sample_weight`, `class_weight`, `steps_per_epoch`, `epochs`, `validation_data`, `validation_batch_size`
    and `validation_steps`, and `monitor` and `restore`. An estimator of scikit-learn takes `X`, `y`, `batch_size`,
    `classes`, `sample_weight`, `X_val` and `y_val`; a net of skorch `X`, `y` and `fit_params`.

    Returns: the curve, the answer of every heuristic, the chosen one, and the range.
    Raises: before the first step, an `LRRangeError` that says what to change, for anything wrong with the arguments.
        What the training itself raises passes through. In every case the target is put back; RestoreFailed is raised
        if a digest shows that something differs. RateNotInForce is raised if the losses do not depend on the rate.
    Cost: at most `num_steps` steps for each sweep, as many forward passes (or steps at rate zero) to pair it,
        `confirm_steps` to confirm, about six to probe a rate that no backend proves, and a copy of what changes.
    """
    positional = {"optimizer": optimizer, "loss_fn": loss_fn, "loader": loader}
    options = {name: value for name, value in positional.items() if value is not None} | options
    with misspelt_first(target, backend, options):
        settings = Settings(
            start_lr=start_lr,
            end_lr=end_lr,
            num_steps=num_steps,
            shape=shape,
            heuristic=heuristic,
            backend=backend,
            progress=progress,
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
    return between_steps(lambda: RangeTest(target, settings, options).run())


find_lr.__signature__ = signature_of_overloads(find_lr)  # type: ignore[attr-defined]
