"""The front door: run a range test on whatever a plug-in can train."""

import functools
import math
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, cast

import attrs

from lrrange.adapting import adapt, seeded
from lrrange.curve import Curve
from lrrange.divergence import Divergence
from lrrange.errors import OptionError, TargetError
from lrrange.plugins import heuristics as offered_heuristics
from lrrange.plugins import make_manager
from lrrange.processes import is_first_process
from lrrange.protocol import Driver, TrainingStep
from lrrange.repeats import common_reason, median_curve
from lrrange.restoring import RestoreCheck
from lrrange.result import Provenance, RangeTestResult, choose, read
from lrrange.schedule import Shape, SweepPlan, whole_number
from lrrange.smoothing import SmoothingKind
from lrrange.suggest import Heuristic, Suggestion
from lrrange.sweep import Point, StopReason, Sweep
from lrrange.trials import check_budget
from lrrange.trials import confirm as run_trials
from lrrange.verdict import still_falls

if TYPE_CHECKING:
    import pluggy

# Rates between which most optimizers go from learning nothing to blowing up; a backend may know better ones.
_START_LR, _END_LR = 1e-7, 10.0

_STEPS_PER_DECADE = 25
_FEWEST_STEPS, _LINEAR_STEPS = 50, 200

# Where a sweep ends too soon at a bound that was lrrange's choice, it goes on so many decades further up, or is run
# once more from so many further down.
_FURTHER_UP, _FURTHER_DOWN = 2, 4

# A blow-up fewer decades than this above the first rate leaves no room for the rates that matter.
_TOO_SOON = 2.0


def find_lr(
    target: object,
    *,
    start_lr: float | None = None,
    end_lr: float | None = None,
    num_steps: int | None = None,
    shape: Shape = "exponential",
    heuristic: str | Heuristic | None = None,
    backend: str | None = None,
    progress: bool = False,
    seed: int | None = None,
    repeats: int = 1,
    reset: Callable[[], object] | None = None,
    confirm: bool = False,
    confirm_steps: int = 648,
    smoothing: SmoothingKind = "ema",
    divergence: Divergence | None = Divergence(),  # noqa: B008  a frozen value, safe to share
    non_finite_limit: int = 3,
    watchers: Sequence[object] = (),
    verify_restore: bool | None = None,
    **options: Any,
) -> RangeTestResult:
    """Raise the learning rate step by step over a short mock training, put everything back, and read the answer.

    Args:
        target: what to train: anything an installed plug-in can adapt, or a `TrainingStep` or `Driver` itself.
        start_lr, end_lr: the first and last rate. By default 1e-7 and 10, or what the backend knows to fit the
            optimizer. Where `num_steps` was not given, a sweep that still falls at the default end goes on for two
            decades, and one that blows up at once from the default start is run again from four decades lower.
        num_steps: by default 25 a decade: 200 steps between the default bounds.
        shape: see `SweepPlan`.
        heuristic: the name of one, or a function of the `Curve`; by default lrrange chooses, and says which.
        backend: ask this plug-in alone.
        progress: show a progress bar on standard error; in the first process alone, if there are several.
        seed: of every random number generator during the sweep; they are put back afterwards.
        repeats: so many sweeps, the second and later ones with other seeds. The median is read, and the intervals span
            what each of them says.
        reset: gives the target other initial weights, in place, for the second and later sweeps. They are put back, as
            everything is.
        confirm: after the sweep, try rates around the answer in short runs from the same start; see `lrrange.trials`.
        confirm_steps: steps of these runs together, at most.
        smoothing: of the curve that advice is read from: `"ema"`, `"median"` or `"none"`.
        divergence: when to stop early; None for never.
        non_finite_limit: this many losses in a row that are not finite end the sweep.
        watchers: objects with any of the hooks `lrrange_started`, `lrrange_advanced`, `lrrange_finished`.
        verify_restore: True takes a digest of everything that training changes before and after, and raises
            RestoreFailed if one bit differs. By default it is taken where that costs under 1 % of the sweep; the
            result's `provenance.details["restore_verified"]` says whether it was.
        options: the backend's own, such as `optimizer=`, `loss_fn=` and `loader=` for PyTorch.
    Returns: the curve, every heuristic's answer, the chosen one, and the range.
    Raises: before the first step, for anything wrong with the arguments, an `LRRangeError` that says what to change.
        Whatever the training itself raises passes through. In every case the target is as it was before; where a digest
        shows that it is not, RestoreFailed.
    Cost: `num_steps` training steps at most for each sweep, `confirm_steps` more to confirm, and one copy of what
        training changes.
    """
    # What is wrong with the numbers is said before the target is looked at.
    settings: dict[str, Any] = {
        "smoothing": smoothing,
        "divergence": divergence,
        "non_finite_limit": non_finite_limit,
    }
    Sweep(_plan(start_lr, end_lr, num_steps, shape, {}), **settings)
    repeats = whole_number("repeats", repeats)
    if confirm:
        check_budget(confirm_steps)
    if progress and is_first_process():
        from lrrange.progress import ProgressBar

        watchers = (*watchers, ProgressBar())
    manager = make_manager(watchers)
    chosen, heuristics = choose(heuristic, offered_heuristics(manager))
    name, adapted = adapt(manager, target, backend, options)
    restored = RestoreCheck(adapted, verify_restore)
    runs = _Runs(manager=manager, adapted=adapted, restored=restored, settings=settings)
    runs.check_seeds(seed, repeats)
    if reset is not None and (repeats == 1 or not isinstance(adapted, TrainingStep)):
        raise OptionError(
            f"reset= gives the second and later sweeps other weights, and here are repeats={repeats} of a "
            f"{type(adapted).__name__}. Give repeats=2 or more, and a target whose steps lrrange runs itself.",
            repeats=repeats,
        )
    began = time.perf_counter()
    plan = _plan(start_lr, end_lr, num_steps, shape, getattr(adapted, "bounds", dict)())
    # A number of steps is a budget, and shape="linear" has no decades to go further by.
    ours = num_steps is None and shape == "exponential"
    sweeps = [runs.sweep(plan, seed, extend=_further_up if ours and end_lr is None else None)]
    if ours and start_lr is None and (lower := _further_down(sweeps[0])) is not None:
        sweeps = [runs.sweep(lower, seed)]
    plan = cast(SweepPlan, sweeps[0].plan)  # a plan for a sweep, maybe extended
    sweeps += [runs.sweep(plan, (seed or 0) + number, reset) for number in range(1, repeats)]
    curve = sweeps[0].curve if repeats == 1 else median_curve(sweeps, smoothing)
    singles = tuple(sweep.curve for sweep in sweeps) if repeats > 1 else ()
    result = RangeTestResult(
        plan=plan,
        curve=curve,
        stop_reason=common_reason(sweeps),
        heuristic=chosen,
        sweeps=singles,
        provenance=Provenance(backend=name, seed=seed),
        **read(curve, heuristics, singles),
    )
    if confirm and isinstance(result.chosen, Suggestion):
        result = attrs.evolve(
            result,
            confirmation=run_trials(
                result.lr,
                result.curve,
                runs.trial(seed),
                confirm_steps=confirm_steps,
                end_lr=plan.end_lr,
                evaluate=getattr(adapted, "evaluate", None),
            ),
        )
    wall_time = time.perf_counter() - began
    report = {**getattr(adapted, "report", dict)(), **restored.report()}
    versions = {"python": platform.python_version(), "lrrange": _version(), **report.pop("versions", {})}
    provenance = Provenance(
        backend=name, versions=versions, seed=seed, steps_run=runs.steps_run, wall_time=wall_time, details=report
    )
    return attrs.evolve(result, provenance=provenance)


@functools.cache
def _version() -> str:
    return version("lrrange")  # which reads the package's whole description


def _plan(
    start_lr: float | None, end_lr: float | None, num_steps: int | None, shape: Shape, bounds: Mapping[str, float]
) -> SweepPlan:
    """What the user asked for, and the defaults for the rest."""
    start = bounds.get("start_lr", _START_LR) if start_lr is None else start_lr
    end = bounds.get("end_lr", _END_LR) if end_lr is None else end_lr
    if num_steps is not None:
        return SweepPlan(start_lr=start, end_lr=end, num_steps=num_steps, shape=shape)
    plan = SweepPlan(start_lr=start, end_lr=end, num_steps=_LINEAR_STEPS, shape=shape)  # whose numbers are then sound
    if shape == "linear":
        return plan
    decades = math.log10(plan.end_lr / plan.start_lr)
    return attrs.evolve(plan, num_steps=max(_FEWEST_STEPS, round(_STEPS_PER_DECADE * decades)))


def _further_up(plan: SweepPlan, curve: Curve) -> SweepPlan | None:
    """The plan to go on with where the loss still falls at the last rate; None where it does not."""
    if not still_falls(curve):
        return None
    per_decade = (plan.num_steps - 1) / math.log10(plan.end_lr / plan.start_lr)
    return attrs.evolve(
        plan, end_lr=plan.end_lr * 10**_FURTHER_UP, num_steps=plan.num_steps + round(_FURTHER_UP * per_decade)
    )


def _further_down(sweep: Sweep) -> SweepPlan | None:
    """The plan for a second sweep where the first blew up at once; None where it did not."""
    curve = sweep.curve
    blew_up = sweep.stop_reason in (StopReason.DIVERGED, StopReason.NON_FINITE)
    if not blew_up or len(curve.finite) == 0 or curve.falls or not curve.rises:
        return None
    first, last = curve.lr[0], curve.lr[-1]
    if math.log10(last / first) >= _TOO_SOON:
        return None
    return _plan(first / 10**_FURTHER_DOWN, last, None, "exponential", {})


@attrs.define(kw_only=True)
class _Runs:
    """Sweeps and trials of one target, each from the same start."""

    manager: "pluggy.PluginManager"
    adapted: TrainingStep | Driver
    restored: RestoreCheck
    settings: dict[str, Any]
    steps_run: int = 0

    def check_seeds(self, seed: int | None, repeats: int) -> None:
        """Raise OptionError if seeds are needed and the backend takes none."""
        if (seed is not None or repeats > 1) and not hasattr(self.adapted, "seed"):
            asked = f"seed={seed}" if seed is not None else f"repeats={repeats}"
            raise OptionError(
                f"{asked} was given, but a {type(self.adapted).__name__} has no seed(value) method to pass a seed to.",
                seed=seed,
                repeats=repeats,
            )

    def sweep(
        self,
        plan: SweepPlan,
        seed: int | None,
        reset: Callable[[], object] | None = None,
        extend: Callable[[SweepPlan, Curve], SweepPlan | None] | None = None,
    ) -> Sweep:
        """Run one sweep, with the watchers told of it."""
        hook = self.manager.hook

        def tell_watchers(point: Point) -> None:
            hook.lrrange_advanced(point=point, sweep=sweep)

        sweep = Sweep(
            plan,
            extend=None if extend is None else functools.partial(extend, plan),
            on_advance=tell_watchers if hook.lrrange_advanced.get_hookimpls() else None,
            **self.settings,
        )
        try:
            hook.lrrange_started(plan=plan, sweep=sweep)
            self._run(sweep, seed, reset)
        except BaseException as error:
            try:
                hook.lrrange_finished(sweep=sweep)
            except Exception as another:  # which must not hide why the sweep ended
                error.add_note(f"A watcher then raised in lrrange_finished: {type(another).__name__}: {another}")
            raise
        hook.lrrange_finished(sweep=sweep)
        if sweep.running:
            raise TargetError(
                f"the {type(self.adapted).__name__} ended its training after {len(sweep.points)} of {plan.num_steps} "
                f"steps without saying why. It should call sweep.close(reason).",
                steps_run=len(sweep.points),
            )
        return sweep

    def trial(self, seed: int | None) -> Callable[[Sweep], object]:
        """What runs a trial: as a sweep, but nobody watches."""
        return lambda trial: self._run(trial, seed)

    def _run(self, sweep: Sweep, seed: int | None, reset: Callable[[], object] | None = None) -> Curve:
        try:
            with self.restored.around(sweep.plan.num_steps):
                return seeded(self.adapted, seed, reset).run(sweep)
        finally:
            self.steps_run += len(sweep.points)
