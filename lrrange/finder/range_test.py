"""`find_lr`: run a range test on whatever a plug-in can train."""

import functools
import platform
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

import attrs

from lrrange.advice.advice import Provenance, resolve_heuristic
from lrrange.advice.confirmation import Confirmation
from lrrange.advice.ending import Ending
from lrrange.advice.facts import TrainingFacts
from lrrange.advice.readings import unread_answers, unread_ranges
from lrrange.advice.suggestion import Refusal, Suggestion
from lrrange.advice.unread import UnreadAnswers
from lrrange.finder.main_process import is_main_process
from lrrange.finder.paired_sweeps import describe_noise, leaves_doubt, paired_curves, warn_not_paired
from lrrange.finder.plan_defaults import (
    further_down,
    further_up,
    in_even_steps,
    is_too_coarse,
    may_go_further_up,
    ran_its_course,
)
from lrrange.finder.planned_run import PlannedRun, failure_announced
from lrrange.finder.rate_probe import PROVED, probe_rate
from lrrange.finder.restore_check import warn_of
from lrrange.finder.runner import Runner
from lrrange.finder.settings import Settings
from lrrange.finder.training import adapt
from lrrange.finder.trials import confirm as run_trials
from lrrange.plugins import heuristics as offered_heuristics
from lrrange.report.progress import Progress, open_progress
from lrrange.result import RangeTestResult
from lrrange.sweep.curve import Curve
from lrrange.sweep.plan import AnyPlan
from lrrange.sweep.planned_steps import PlannedSteps, StopReason, note_rate
from lrrange.sweep.repeats import common_reason, median_curve
from lrrange.sweep.sweep import Sweep
from lrrange.watchers import SWEEP_HOOKS, TRIAL_HOOKS, manager_with


class RangeTest:
    """A range test that is ready to begin: its options are checked, and the target is adapted.

    Args:
        target: see `find_lr`.
        settings: the options of `find_lr`.
        options: of the backend.
        progress: of the call that this test is a part of; None if it is the whole call.
        keep_bar: whether the last state of a progress bar in a terminal stays there.

    Attributes:
        runner: takes its sweeps and trials.
        first: the run of its first sweep.
        first_planned: the number of steps planned for that before any was taken.

    Raises: as `find_lr` before the first step.
    """

    def __init__(
        self,
        target: object,
        settings: Settings,
        options: Mapping[str, Any],
        progress: Progress | None = None,
        *,
        keep_bar: bool = True,
    ) -> None:
        manager = manager_with(settings.watchers, "find_lr", SWEEP_HOOKS + (TRIAL_HOOKS if settings.confirm else ()))
        wanted = settings.progress if is_main_process() else False
        self._progress = progress or open_progress(wanted, "range test", keep=keep_bar)
        self._settings = settings
        self._hook = manager.hook
        self._heuristic, self._heuristics = resolve_heuristic(settings.heuristic, offered_heuristics(manager))
        settings.check_length(options)
        self._training = adapt(manager, target, settings.backend, options)
        self.runner = Runner(self._training, settings, manager.hook, self._progress)
        self._training.check_seed(settings.seed, settings.repeats)
        settings.check_reset(self._training)
        bounds = self._training.bounds() if self._training.bounds is not None else {}
        extends = settings.may_sweep_further and settings.end_lr is None and may_go_further_up(bounds)
        extend = further_up if extends else None
        plan, stage = settings.plan(bounds), settings.stage(1)
        self._first_sweep, self.first = self.runner.sweep(plan, settings.seed, stage, extend=extend)
        self.first_planned = plan.num_steps
        # Sweeps that were taken side by side are not probed: they equal the same steps alone only up to rounding.
        self._rate_in_force = PROVED if self._training.proves_rate else "not probed"
        self._paired: str | None = None  # what came of pairing, in words
        self._began = time.perf_counter()

    def run(self) -> RangeTestResult:
        """Take every sweep and trial, and read the answer."""
        with self._progress:
            self._progress.plan(self.steps_planned)
            with failure_announced(self._hook):
                self.runner.run_all([self.first])
                if not self._training.proves_rate:
                    self._rate_in_force = probe_rate(self._first_sweep, self._replay, self._training.kind)
            return self.finish()

    @property
    def steps_planned(self) -> int:
        """The number of steps that this test takes, as far as that is known before the first of them."""
        settings = self._settings
        return self.first_planned * self._passes + (settings.confirm_steps if settings.confirm else 0)

    @property
    def _passes(self) -> int:
        """The number of sweeps that are planned, and of those without updates that pair them."""
        return self._settings.repeats * (2 if self._settings.paired is True else 1)

    def _replay(self, steps: PlannedSteps) -> None:
        try:
            self.runner.run_all([self.runner.unannounced(steps, self._settings.seed, "check the rate")])
        except Exception as error:
            error.add_note(
                "Raised after the sweep, while its first steps were taken again to see whether the rate has an effect. "
                "A training that proves its rate itself sets proves_rate = True (lrrange.protocol.ProvesRate)."
            )
            raise

    def finish(self) -> RangeTestResult:
        """Take the sweeps and trials that follow the first sweep, and read the answer."""
        with failure_announced(self._hook):
            result = self._finish()
            self._hook.lrrange_found(result=result)
        return result

    def _finish(self) -> RangeTestResult:
        settings = self._settings
        sweeps = self._all_sweeps()
        reading = self._read_paired(sweeps)
        if is_too_coarse(sweeps[0][0], reading.chosen, reading.curve):
            even = self._all_in_even_steps(sweeps[0][0].plan)
            if all(ran_its_course(sweep) for sweep, _ in even):  # the data may have run out by now
                sweeps, reading = even, self._read_paired(even)
        plan, facts = sweeps[0][0].plan, reading.facts
        curve, chosen = reading.curve, reading.chosen
        if isinstance(chosen, Refusal):
            _raise_error_of([sweep for sweep, _ in sweeps], chosen)
        confirmation = None
        if settings.confirm and isinstance(chosen, Suggestion):
            confirmation = self._confirm(chosen.lr, curve.unpaired, plan, facts)
        self.runner.drop_frames()
        return RangeTestResult(
            plan=plan,
            curve=curve,
            stop_reason=reading.stop_reason,
            answers=reading.answers,
            heuristic=self._heuristic,
            ranges=unread_ranges(curve, facts),
            sweeps=reading.singles,
            confirmation=confirmation,
            facts=facts,
            provenance=self._provenance(settings.untried(self._training, confirmation, self._paired is None)),
        )

    def _all_sweeps(self) -> list[tuple[Sweep, PlannedRun]]:
        """Run the other sweeps. Return the first, or in its place the one from lower rates, and then the repeats."""
        first, run = self._lowered(self._first_sweep, self.first)
        self._progress.expect((first.plan.num_steps - self.first_planned) * (self._passes - 1))
        return [(first, run), *self._repeated(first.plan)]

    def _lowered(self, sweep: Sweep, run: PlannedRun) -> tuple[Sweep, PlannedRun]:
        """Return a sweep that has ended and its run, or another from lower rates if this one blew up at once."""
        settings = self._settings
        may = settings.may_sweep_further and settings.start_lr is None
        if not may or (lower := further_down(sweep)) is None:
            return sweep, run
        sweep, run = self.runner.sweep(lower, settings.seed, f"{run.stage}, from lower rates")
        self._progress.expect(lower.num_steps)
        self.runner.run_all([run])
        return sweep, run

    def _repeated(self, plan: AnyPlan) -> list[tuple[Sweep, PlannedRun]]:
        """Run the second and later sweeps, at exactly the rates of the first."""
        settings = self._settings
        repeats = [
            self.runner.sweep(
                plan, (settings.seed or 0) + number, settings.stage(number + 1), reset=settings.reset, adapts=False
            )
            for number in range(1, settings.repeats)
        ]
        self.runner.run_all([repeated for _, repeated in repeats])
        return repeats

    def _all_in_even_steps(self, plan: AnyPlan) -> list[tuple[Sweep, PlannedRun]]:
        """Run all sweeps again over the rates of this plan, in even steps."""
        even = in_even_steps(plan.start_lr, plan.end_lr)
        self._progress.expect(even.num_steps * self._passes)
        first, run = self.runner.sweep(even, self._settings.seed, f"{self._settings.stage(1)}, in even steps")
        self.runner.run_all([run])
        first, run = self._lowered(first, run)
        return [(first, run), *self._repeated(first.plan)]

    def _read_paired(self, sweeps: Sequence[tuple[Sweep, PlannedRun]]) -> "_Reading":
        """Return what the heuristics read from these sweeps, after pairing them if that is wanted and possible."""
        facts, self._paired = self._settings.facts(self._training), None
        reading = self._read(sweeps, [sweep.curve for sweep, _ in sweeps], facts)
        curves = self._paired_curves(sweeps, reading)
        return reading if curves is None else self._read(sweeps, curves, facts)

    def _read(
        self, sweeps: Sequence[tuple[Sweep, PlannedRun]], curves: Sequence[Curve], facts: TrainingFacts
    ) -> "_Reading":
        """Return what the heuristics read from these curves, which are those of the sweeps, paired or not."""
        reasons = [sweep.stop_reason for sweep, _ in sweeps if sweep.stop_reason is not None]
        singles = tuple(curves) if self._settings.repeats > 1 else ()
        curve = median_curve(curves, reasons, self._settings.smoothing) if singles else curves[0]
        stop_reason = common_reason(reasons)
        ending = Ending(plan=sweeps[0][0].plan, stop_reason=stop_reason)
        answers = unread_answers(curve, self._heuristics, self._heuristic, singles, ending, facts)
        return _Reading(curve=curve, singles=singles, stop_reason=stop_reason, answers=answers, facts=facts)

    def _paired_curves(self, sweeps: Sequence[tuple[Sweep, PlannedRun]], plain: "_Reading") -> list[Curve] | None:
        """Return the paired curve of each sweep; None if they are not wanted or not possible."""
        if self._settings.paired is False:
            return None
        if self._settings.paired == "auto" and not (
            self._training.forward_only is not None and leaves_doubt(plain.chosen, plain.curve)
        ):
            return None
        if self._settings.paired == "auto":
            self._progress.expect(sum(len(sweep.points) for sweep, _ in sweeps))
        curves = paired_curves(sweeps, self.runner, self._settings.smoothing)
        if isinstance(curves, str):
            self._paired = f"no: {curves}"
            if self._settings.paired is True:
                warn_not_paired(curves)
            return None
        self._paired = describe_noise(curves)
        return curves

    def _confirm(self, lr: float, curve: Curve, plan: AnyPlan, facts: TrainingFacts) -> Confirmation:
        def run(trials: Sequence[PlannedSteps]) -> None:
            # A single step measures the start of the trials, and is none of them.
            seed = self._settings.seed
            if trials[0].plan.num_steps > 1:
                self.runner.run_all([self.runner.trial(steps, seed) for steps in trials])
            else:
                self.runner.run_all([self.runner.unannounced(steps, seed, "confirm") for steps in trials])

        return run_trials(
            lr,
            curve,
            run,
            confirm_steps=self._settings.confirm_steps,
            end_lr=plan.end_lr,
            evaluate=self._training.evaluate,
            is_blow_up=self._training.is_blow_up,
            resumed=None if facts.steps_taken is None else facts.steps_taken > 0,
            train_steps=facts.train_steps,
        )

    def _provenance(self, untried: tuple[str, ...]) -> Provenance:
        wall_time = time.perf_counter() - self._began
        details = dict(self._training.report()) if self._training.report is not None else {}
        not_kept = details.get("not_kept", {})
        details |= self.runner.restore_check.report(not_kept)
        warn_of(not_kept)
        details["rate_in_force"] = self._rate_in_force
        if self._training.set_aside:
            problems = self._training.set_aside.items()
            details["set_aside"] = "; ".join(f"{name}: {type(why).__name__}: {why}" for name, why in problems)
        if raised := self.runner.raised:
            details["raised"] = raised
        if self._paired is not None:
            details |= {"paired": self._paired, "forward_passes": self.runner.forward_passes}
        if self.runner.group_notes:
            details["parallel"] = self.runner.group_notes
        return Provenance(
            backend=self._training.backend,
            versions={"python": platform.python_version(), "lrrange": _version(), **details.pop("versions", {})},
            seed=self._settings.seed,
            steps_run=self.runner.steps_run,
            wall_time=wall_time,
            details=details,
            untried=untried,
        )


@attrs.frozen(kw_only=True)
class _Reading:
    """What the heuristics read from the curves of a test. The fields are those of `RangeTestResult`."""

    curve: Curve
    singles: tuple[Curve, ...]
    stop_reason: StopReason
    answers: UnreadAnswers
    facts: TrainingFacts

    @property
    def chosen(self) -> Suggestion | Refusal:
        """The answer that counts."""
        return self.answers.chosen


def _raise_error_of(sweeps: Sequence[Sweep], refusal: Refusal) -> None:
    """Raise the error of the training that ended one of the sweeps, if one did, because no rate can be suggested."""
    for sweep in sweeps:
        if sweep.error is not None:
            text = f"The losses before it give no answer: {refusal.reason} To sweep without the error, lower end_lr"
            note_rate(sweep.error, sweep, f"{text} below this rate.")
            raise sweep.error


@functools.cache
def _version() -> str:
    return version("lrrange")  # cached, because this reads the whole description of the package
