"""`find_lr`: run a range test on whatever a plug-in can train."""

import functools
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from typing import Any

import attrs

from lrrange.advice.advice import Provenance, chosen_answer, read_answers, read_ranges, resolve_heuristic
from lrrange.advice.confirmation import Confirmation
from lrrange.advice.ending import Ending
from lrrange.advice.facts import TrainingFacts
from lrrange.advice.suggestion import Heuristic, Refusal, Suggestion
from lrrange.finder.baseline import Paired
from lrrange.finder.main_process import is_main_process
from lrrange.finder.paired_sweeps import describe_noise, leaves_doubt, paired_curves, warn_not_paired
from lrrange.finder.plan_defaults import further_down, further_up, may_go_further_up
from lrrange.finder.planned_run import PlannedRun
from lrrange.finder.rate_probe import PROVED, probe_rate
from lrrange.finder.restore_check import warn_of
from lrrange.finder.runner import Runner
from lrrange.finder.settings import Settings
from lrrange.finder.together import Parallel
from lrrange.finder.training import adapt
from lrrange.finder.trials import confirm as run_trials
from lrrange.plugins import heuristics as offered_heuristics
from lrrange.plugins import make_manager
from lrrange.protocol.interrupts import between_steps
from lrrange.random_state import kept_random_state
from lrrange.result import RangeTestResult
from lrrange.sweep.curve import Curve
from lrrange.sweep.divergence import Divergence
from lrrange.sweep.plan import Shape, SweepPlan
from lrrange.sweep.planned_steps import PlannedSteps, StopReason, note_rate
from lrrange.sweep.repeats import common_reason, median_curve
from lrrange.sweep.smoothing import SmoothingKind
from lrrange.sweep.sweep import Sweep


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
    verify_restore: bool = False,
    parallel: Parallel = "off",
    train_steps: int | None = None,
    paired: Paired = "auto",
    **options: Any,
) -> RangeTestResult:
    """Raise the learning rate step by step over a short mock training, put everything back, and read the answer.

    Args:
        target: what to train: anything an installed plug-in can adapt, or a `TrainingStep` or `Driver` itself.
        start_lr, end_lr: the first and last rate. The defaults are 1e-7 and 10, or what the backend knows to fit the
            optimizer. If `num_steps` is left out, a sweep whose loss still falls at the default end goes on for two
            decades, and one that blows up at once from the default start is run again from four decades lower.
        num_steps: optimizer steps of a sweep. The default is 25 per decade: 200 between the default rates.
        shape: how the rate rises; see `SweepPlan`.
        heuristic: name of a heuristic, or a function of the `Curve`. By default lrrange chooses, and says which.
        backend: name of the only plug-in to use.
        progress: show a progress bar on standard error. Of several processes, only the first shows it.
        seed: of every random number generator during the sweep. Their states are put back afterwards.
        repeats: number of sweeps. The second and later ones have other seeds; the median of their curves is read, and
            the intervals span the answers to each of them.
        reset: gives the target other initial weights, in place, for the second and later sweeps. The old weights are
            put back afterwards.
        confirm: after the sweep, try rates around the answer in short runs from the same start; see
            `lrrange.finder.trials`.
        confirm_steps: steps of these runs together, at most.
        smoothing: of the curve that advice is read from: `"ema"`, `"median"` or `"none"`.
        divergence: when to stop early; None for never.
        non_finite_limit: this many losses in a row that are not finite end the sweep.
        watchers: objects with any of the hooks `lrrange_started`, `lrrange_advanced`, `lrrange_finished`.
        verify_restore: take a digest of everything that training changes, before and after the sweep, and raise
            RestoreFailed if one bit differs. Each takes about a millisecond per MiB of weights, buffers and optimizer
            state (`docs/overhead.md`). `provenance.details["restore_verified"]` says whether it was
            done.
        parallel: how repeated sweeps, and the short runs that confirm, are taken. `"off"` runs one after another.
            `"vmap"` takes their steps side by side where the backend can. `"auto"` measures a few steps and takes the
            faster of the two, so the choice may differ from run to run. Side by side, losses are the same up to
            rounding. `docs/overhead.md` says when it pays; `provenance.details["parallel"]` says what was done and why.
        train_steps: number of optimizer steps of the training that the rate is for. A backend may know it itself:
            Lightning from its Trainer, PyTorch from `train_epochs=`. Where nobody knows, the result says what is
            assumed.
        paired: True measures the losses of the initial weights on the batches of the sweep as well, and takes the noise
            of the batches out of the curve with them; see `lrrange.sweep.paired`. `"auto"` does so only where no fall
            of the loss stands out of the noise, and the backend can compute losses without a step. On the tasks of
            `docs/quality.md` that was one sweep in ten, and pairing every sweep was no better.
            `provenance.details["paired"]` says what came of it. If the batches are not the same a second time, the
            curve stays as it is, and with True there is a NotPairedWarning.
        options: of the backend, such as `optimizer=`, `loss_fn=` and `loader=` for PyTorch.
    Returns: the curve, the answer of every heuristic, the chosen one, and the range.
    Raises: before the first step, an `LRRangeError` that says what to change, for anything wrong with the arguments.
        What the training itself raises passes through. In every case the target is put back; RestoreFailed is raised
        if a digest shows that something differs.
        RateNotInForce is raised if the losses do not depend on the rate; `docs/hooks.md` says how that is known.
    Cost: at most `num_steps` training steps for each sweep, and as many forward passes (or steps at rate zero) to pair
        it, `confirm_steps` more to confirm, about six to probe the rate where the backend does not prove it, and one
        copy of what training changes.
    """
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


class RangeTest:
    """A range test that is ready to begin: its options are checked, and the target is adapted.

    Args:
        target: see `find_lr`.
        settings: the options of `find_lr`.
        options: of the backend.

    Attributes:
        runner: takes its sweeps and trials.
        first: the run of its first sweep.

    Raises: as `find_lr` before the first step.
    """

    def __init__(self, target: object, settings: Settings, options: Mapping[str, Any]) -> None:
        watchers = settings.watchers
        if settings.progress and is_main_process():
            with kept_random_state():
                from lrrange.report.progress import ProgressBar
            watchers = (*watchers, ProgressBar())
        manager = make_manager(watchers)
        self._settings = settings
        self._heuristic, self._heuristics = resolve_heuristic(settings.heuristic, offered_heuristics(manager))
        settings.check_length(options)
        self._training = adapt(manager, target, settings.backend, options)
        self.runner = Runner(self._training, settings, manager.hook)
        self._training.check_seed(settings.seed, settings.repeats)
        settings.check_reset(self._training)
        bounds = self._training.bounds() if self._training.bounds is not None else {}
        extends = settings.may_sweep_further and settings.end_lr is None and may_go_further_up(bounds)
        extend = further_up if extends else None
        self._first_sweep, self.first = self.runner.sweep(settings.plan(bounds), settings.seed, extend=extend)
        # Sweeps that were taken side by side are not probed: they equal the same steps alone only up to rounding.
        self._rate_in_force = PROVED if self._training.proves_rate else "not probed"
        self._paired: str | None = None  # what came of pairing, in words
        self._began = time.perf_counter()

    def run(self) -> RangeTestResult:
        """Take every sweep and trial, and read the answer."""
        self.runner.run_all([self.first])
        if not self._training.proves_rate:
            self._rate_in_force = probe_rate(self._first_sweep, self._replay, self._training.kind)
        return self.finish()

    def _replay(self, steps: PlannedSteps) -> None:
        try:
            self.runner.run_all([self.runner.trial(steps, self._settings.seed)])
        except Exception as error:
            error.add_note(
                "Raised after the sweep, while its first steps were taken again to see whether the rate has an effect. "
                "A training that proves its rate itself sets proves_rate = True (lrrange.protocol.ProvesRate)."
            )
            raise

    def finish(self) -> RangeTestResult:
        """Take the sweeps and trials that follow the first sweep, and read the answer."""
        settings = self._settings
        sweeps = self._all_sweeps()
        plan = sweeps[0][0].plan  # maybe extended
        facts = settings.facts(self._training)
        reading = self._read(sweeps, [sweep.curve for sweep, _ in sweeps], facts)
        if (curves := self._paired_curves(sweeps, reading)) is not None:
            reading = self._read(sweeps, curves, facts)
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
            ranges=read_ranges(curve, facts),
            sweeps=reading.singles,
            confirmation=confirmation,
            facts=facts,
            provenance=self._provenance(settings.untried(self._training, confirmation, self._paired is None)),
        )

    def _all_sweeps(self) -> list[tuple[Sweep, PlannedRun]]:
        """Run the other sweeps. Return the first, or in its place the one from lower rates, and then the repeats."""
        settings, first, run = self._settings, self._first_sweep, self.first
        if settings.may_sweep_further and settings.start_lr is None and (lower := further_down(first)) is not None:
            first, run = self.runner.sweep(lower, settings.seed)
            self.runner.run_all([run])
        repeats = [
            self.runner.sweep(first.plan, (settings.seed or 0) + number, reset=settings.reset)
            for number in range(1, settings.repeats)
        ]
        self.runner.run_all([repeated for _, repeated in repeats])
        return [(first, run), *repeats]

    def _read(
        self, sweeps: Sequence[tuple[Sweep, PlannedRun]], curves: Sequence[Curve], facts: TrainingFacts
    ) -> "_Reading":
        """Return what the heuristics read from these curves, which are those of the sweeps, paired or not."""
        reasons = [sweep.stop_reason for sweep, _ in sweeps if sweep.stop_reason is not None]
        singles = tuple(curves) if self._settings.repeats > 1 else ()
        curve = median_curve(curves, reasons, self._settings.smoothing) if singles else curves[0]
        stop_reason = common_reason(reasons)
        ending = Ending(plan=sweeps[0][0].plan, stop_reason=stop_reason)
        answers = read_answers(curve, self._heuristics, singles, ending, facts)
        chosen = chosen_answer(answers, self._heuristic)
        return _Reading(curve=curve, singles=singles, stop_reason=stop_reason, answers=answers, chosen=chosen)

    def _paired_curves(self, sweeps: Sequence[tuple[Sweep, PlannedRun]], plain: "_Reading") -> list[Curve] | None:
        """Return the paired curve of each sweep; None if they are not wanted or not possible."""
        if self._settings.paired is False:
            return None
        if self._settings.paired == "auto" and not (
            self._training.forward_only is not None and leaves_doubt(plain.chosen, plain.curve)
        ):
            return None
        curves = paired_curves(sweeps, self.runner, self._settings.smoothing)
        if isinstance(curves, str):
            self._paired = f"no: {curves}"
            if self._settings.paired is True:
                warn_not_paired(curves)
            return None
        self._paired = describe_noise(curves)
        return curves

    def _confirm(self, lr: float, curve: Curve, plan: SweepPlan, facts: TrainingFacts) -> Confirmation:
        def run(trials: Sequence[PlannedSteps]) -> None:
            self.runner.run_all([self.runner.trial(steps, self._settings.seed) for steps in trials])

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
    answers: tuple[Suggestion | Refusal, ...]
    chosen: Suggestion | Refusal


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
