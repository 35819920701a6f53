"""The front door: run a range test on whatever a plug-in can train."""

import functools
import inspect
import math
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from typing import Any, cast

import attrs

from lrrange.advice.heuristics import Heuristic, Suggestion
from lrrange.advice.verdict import still_falls
from lrrange.errors import OptionError
from lrrange.finder.main_process import is_first_process
from lrrange.finder.restore_check import RestoreCheck
from lrrange.finder.runner import PlannedRun, Runs
from lrrange.finder.together import Parallel, check_parallel
from lrrange.finder.training import adapt
from lrrange.finder.trials import Confirmation, check_budget
from lrrange.finder.trials import confirm as run_trials
from lrrange.plugins import heuristics as offered_heuristics
from lrrange.plugins import make_manager
from lrrange.protocol.training_step import TrainingStep
from lrrange.result import Provenance, RangeTestResult, choose, read
from lrrange.sweep.curve import Curve
from lrrange.sweep.divergence import Divergence
from lrrange.sweep.plan import Shape, SweepPlan, whole_number
from lrrange.sweep.repeats import common_reason, median_curve
from lrrange.sweep.smoothing import SmoothingKind
from lrrange.sweep.sweep import StopReason, Sweep

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
    parallel: Parallel = "auto",
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
        confirm: after the sweep, try rates around the answer in short runs from the same start; see
            `lrrange.finder.trials`.
        confirm_steps: steps of these runs together, at most.
        smoothing: of the curve that advice is read from: `"ema"`, `"median"` or `"none"`.
        divergence: when to stop early; None for never.
        non_finite_limit: this many losses in a row that are not finite end the sweep.
        watchers: objects with any of the hooks `lrrange_started`, `lrrange_advanced`, `lrrange_finished`.
        verify_restore: True takes a digest of everything that training changes before and after, and raises
            RestoreFailed if one bit differs. By default it is taken where that costs under 1 % of the sweep; the
            result's `provenance.details["restore_verified"]` says whether it was.
        parallel: how repeated sweeps, and the short runs that confirm, are taken: `"vmap"` takes their steps together
            where the backend can, and `"off"` one run after another; `"auto"` measures a few steps and takes the
            faster way. The losses are the same but for rounding. Which way is faster can change from run to run, so
            name one where answers must repeat to the last digit. `provenance.details["parallel"]` says what was done,
            and if it was one by one, why.
        options: the backend's own, such as `optimizer=`, `loss_fn=` and `loader=` for PyTorch.
    Returns: the curve, every heuristic's answer, the chosen one, and the range.
    Raises: before the first step, for anything wrong with the arguments, an `LRRangeError` that says what to change.
        Whatever the training itself raises passes through. In every case the target is as it was before; where a digest
        shows that it is not, RestoreFailed.
    Cost: `num_steps` training steps at most for each sweep, `confirm_steps` more to confirm, and one copy of what
        training changes.
    """
    return RangeTest(**locals()).run()  # whose fields are these arguments


@attrs.define(kw_only=True, eq=False)
class RangeTest:
    """A range test that can begin: what was asked for is checked, and the target is adapted. Args: see `find_lr`."""

    target: object
    start_lr: float | None
    end_lr: float | None
    num_steps: int | None
    shape: Shape
    heuristic: str | Heuristic | None
    backend: str | None
    progress: bool
    seed: int | None
    repeats: int
    reset: Callable[[], object] | None
    confirm: bool
    confirm_steps: int
    smoothing: SmoothingKind
    divergence: Divergence | None
    non_finite_limit: int
    watchers: Sequence[object]
    verify_restore: bool | None
    parallel: Parallel
    options: dict[str, Any]
    runs: Runs = attrs.field(init=False)
    first: PlannedRun = attrs.field(init=False)
    _chosen: str | None = attrs.field(init=False)
    _heuristics: Mapping[str, Heuristic] = attrs.field(init=False)
    _name: str = attrs.field(init=False)
    _began: float = attrs.field(init=False)

    @classmethod
    def of(cls, target: object, **arguments: Any) -> "RangeTest":
        """What `find_lr(target, **arguments)` runs."""
        bound = inspect.signature(find_lr).bind(target, **arguments)
        bound.apply_defaults()
        return cls(**bound.arguments)

    def __attrs_post_init__(self) -> None:
        # What is wrong with the numbers is said before the target is looked at.
        settings: dict[str, Any] = {
            "smoothing": self.smoothing,
            "divergence": self.divergence,
            "non_finite_limit": self.non_finite_limit,
        }
        Sweep(self._plan({}), **settings)
        self.repeats = whole_number("repeats", self.repeats)
        if self.confirm:
            check_budget(self.confirm_steps)
        check_parallel(self.parallel)
        watchers = self.watchers
        if self.progress and is_first_process():
            from lrrange.report.progress import ProgressBar

            watchers = (*watchers, ProgressBar())
        manager = make_manager(watchers)
        self._chosen, self._heuristics = choose(self.heuristic, offered_heuristics(manager))
        self._name, adapted = adapt(manager, self.target, self.backend, self.options)
        self.runs = Runs(
            manager=manager,
            adapted=adapted,
            restored=RestoreCheck(adapted, self.verify_restore),
            settings=settings,
            parallel=self.parallel,
        )
        self.runs.check_seeds(self.seed, self.repeats)
        if self.reset is not None and (self.repeats == 1 or not isinstance(adapted, TrainingStep)):
            raise OptionError(
                f"reset= gives the second and later sweeps other weights, and here are repeats={self.repeats} of a "
                f"{type(adapted).__name__}. Give repeats=2 or more, and a target whose steps lrrange runs itself.",
                repeats=self.repeats,
            )
        plan = self._plan(getattr(adapted, "bounds", dict)())
        extend = _further_up if self._is_ours and self.end_lr is None else None
        self.first = PlannedRun(sweep=self.runs.sweep(plan, extend), seed=self.seed)
        self._began = time.perf_counter()

    @property
    def _is_ours(self) -> bool:
        """Whether lrrange may go further: a number of steps is a budget, and `shape="linear"` has no decades."""
        return self.num_steps is None and self.shape == "exponential"

    def run(self) -> RangeTestResult:
        """Take every sweep and trial, and read the answer."""
        self.runs.take([self.first])
        return self.finish()

    def finish(self) -> RangeTestResult:
        """Take the sweeps and trials that follow the first sweep, and read the answer."""
        first = self.first.sweep
        if self._is_ours and self.start_lr is None and (lower := _further_down(first)) is not None:
            first = self.runs.sweep(lower)
            self.runs.take([PlannedRun(sweep=first, seed=self.seed)])
        plan = cast(SweepPlan, first.plan)  # a plan for a sweep, maybe extended
        sweeps = [first, *(self.runs.sweep(plan) for _ in range(1, self.repeats))]
        self.runs.take(
            [
                PlannedRun(sweep=sweep, seed=(self.seed or 0) + number, reset=self.reset)
                for number, sweep in enumerate(sweeps[1:], 1)
            ]
        )
        curve = first.curve if self.repeats == 1 else median_curve(sweeps, self.smoothing)
        singles = tuple(sweep.curve for sweep in sweeps) if self.repeats > 1 else ()
        result = RangeTestResult(
            plan=plan,
            curve=curve,
            stop_reason=common_reason(sweeps),
            heuristic=self._chosen,
            sweeps=singles,
            provenance=Provenance(backend=self._name, seed=self.seed),
            **read(curve, self._heuristics, singles),
        )
        if self.confirm and isinstance(result.chosen, Suggestion):
            result = attrs.evolve(result, confirmation=self._confirmed(result))
        return attrs.evolve(result, provenance=self._provenance())

    def _confirmed(self, result: RangeTestResult) -> Confirmation:
        def take(trials: Sequence[Sweep]) -> None:
            self.runs.take([PlannedRun(sweep=trial, seed=self.seed, watched=False) for trial in trials])

        return run_trials(
            result.lr,
            result.curve,
            take,
            confirm_steps=self.confirm_steps,
            end_lr=result.plan.end_lr,
            evaluate=getattr(self.runs.adapted, "evaluate", None),
        )

    def _provenance(self) -> Provenance:
        wall_time = time.perf_counter() - self._began
        report = {**getattr(self.runs.adapted, "report", dict)(), **self.runs.restored.report()}
        if self.runs.ways:
            report["parallel"] = self.runs.ways
        return Provenance(
            backend=self._name,
            versions={"python": platform.python_version(), "lrrange": _version(), **report.pop("versions", {})},
            seed=self.seed,
            steps_run=self.runs.steps_run,
            wall_time=wall_time,
            details=report,
        )

    def _plan(self, bounds: Mapping[str, float]) -> SweepPlan:
        """What the user asked for, and the defaults for the rest."""
        return _plan(self.start_lr, self.end_lr, self.num_steps, self.shape, bounds)


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
