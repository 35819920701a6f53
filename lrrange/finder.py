"""The front door: run a range test on whatever a plug-in can train."""

import platform
import time
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import pluggy

from lrrange.divergence import Divergence
from lrrange.errors import OptionError, TargetError
from lrrange.plugins import heuristics as offered_heuristics
from lrrange.plugins import list_plugins, make_manager, only
from lrrange.protocol import Driver, StepDriver, TrainingStep
from lrrange.result import Provenance, RangeTestResult, choose, read
from lrrange.schedule import Shape, SweepPlan
from lrrange.smoothing import SmoothingKind
from lrrange.suggest import Heuristic
from lrrange.sweep import Sweep


def find_lr(
    target: object,
    *,
    start_lr: float = 1e-7,
    end_lr: float = 10.0,
    num_steps: int = 200,
    shape: Shape = "exponential",
    heuristic: str | Heuristic | None = None,
    backend: str | None = None,
    progress: bool = False,
    seed: int | None = None,
    smoothing: SmoothingKind = "ema",
    divergence: Divergence | None = Divergence(),  # noqa: B008  a frozen value, safe to share
    non_finite_limit: int = 3,
    watchers: Sequence[object] = (),
    **options: Any,
) -> RangeTestResult:
    """Raise the learning rate step by step over a short mock training, put everything back, and read the answer.

    Args:
        target: what to train: anything an installed plug-in can adapt, or a `TrainingStep` or `Driver` itself.
        start_lr, end_lr, num_steps, shape: the rates; see `SweepPlan`.
        heuristic: the name of one, or a function of the `Curve`; by default lrrange chooses, and says which.
        backend: ask this plug-in alone.
        progress: show a progress bar on standard error.
        seed: of every random number generator during the sweep; they are put back afterwards.
        smoothing: of the curve that advice is read from: `"ema"`, `"median"` or `"none"`.
        divergence: when to stop early; None for never.
        non_finite_limit: this many losses in a row that are not finite end the sweep.
        watchers: objects with any of the hooks `lrrange_started`, `lrrange_advanced`, `lrrange_finished`.
        options: the backend's own, such as `optimizer=`, `loss_fn=` and `loader=` for PyTorch.
    Returns: the curve, every heuristic's answer, the chosen one, and the range.
    Raises: before the first step, for anything wrong with the arguments, an `LRRangeError` that says what to change.
        Whatever the training itself raises passes through. In every case the target is as it was before.
    Cost: `num_steps` training steps at most, and one copy of what training changes.
    """
    plan = SweepPlan(start_lr=start_lr, end_lr=end_lr, num_steps=num_steps, shape=shape)
    manager = make_manager(watchers)
    if progress:
        from lrrange.progress import ProgressBar

        manager.register(ProgressBar())
    chosen, heuristics = choose(heuristic, offered_heuristics(manager))
    name, adapted = _adapt(manager, target, backend, options)
    sweep = Sweep(
        plan,
        smoothing=smoothing,
        divergence=divergence,
        non_finite_limit=non_finite_limit,
        on_advance=lambda point: manager.hook.lrrange_advanced(point=point, sweep=sweep),
    )
    driver = _seeded(adapted, seed)
    began = time.perf_counter()
    try:
        manager.hook.lrrange_started(plan=plan, sweep=sweep)
        curve = driver.run(sweep)
    finally:
        wall_time = time.perf_counter() - began
        manager.hook.lrrange_finished(sweep=sweep)
    if sweep.stop_reason is None:
        raise TargetError(
            f"the backend {name!r} ended its training after {len(sweep.points)} of {num_steps} steps without saying "
            f"why. It should call sweep.close(reason).",
            steps_run=len(sweep.points),
        )
    report = dict(getattr(adapted, "report", dict)())
    return RangeTestResult(
        plan=plan,
        curve=curve,
        stop_reason=sweep.stop_reason,
        heuristic=chosen,
        provenance=Provenance(
            backend=name,
            versions={"python": platform.python_version(), "lrrange": version("lrrange"), **report.pop("versions", {})},
            seed=seed,
            steps_run=len(sweep.points),
            wall_time=wall_time,
            details=report,
        ),
        **read(curve, heuristics),
    )


def _adapt(
    manager: pluggy.PluginManager, target: object, backend: str | None, options: dict[str, Any]
) -> tuple[str, TrainingStep | Driver]:
    """The backend's name and what it made of the target."""
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


def _seeded(adapted: TrainingStep | Driver, seed: int | None) -> Driver:
    if seed is not None and not hasattr(adapted, "seed"):
        raise OptionError(
            f"seed={seed} was given, but a {type(adapted).__name__} has no seed(value) method to pass it to.", seed=seed
        )
    if isinstance(adapted, TrainingStep):
        return StepDriver(adapted, seed)
    if seed is not None:
        adapted.seed(seed)  # type: ignore[attr-defined]  # checked above
    return adapted
