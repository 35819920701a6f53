"""The runner of sweeps and trials, each from the same start."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import attrs

from lrrange.finder.planned_run import Announcement, PlannedRun, announced
from lrrange.finder.restore_check import RestoreCheck
from lrrange.finder.settings import Settings
from lrrange.finder.together import replica_of, run_together, why_alone
from lrrange.finder.training import Training
from lrrange.printable import text_of
from lrrange.report.progress import Progress
from lrrange.sweep.curve import Curve
from lrrange.sweep.plan import AnyPlan
from lrrange.sweep.planned_steps import PlannedSteps, Point
from lrrange.sweep.sweep import Sweep

if TYPE_CHECKING:
    import pluggy


# Longest part of an error's text that a result keeps.
_LONGEST_TEXT = 300


class Runner:
    """The runner of the sweeps and trials of one training.

    It informs the watchers, checks the restore, and takes several runs side by side if the settings ask for it.

    Args:
        training: to run.
        settings: of the range test.
        hook: calls the watchers.
        progress: counts the steps.

    Attributes:
        restore_check: checks the restore after each run.
        group_notes: how each group of several runs was taken, in words.
    """

    def __init__(self, training: Training, settings: Settings, hook: "pluggy.HookRelay", progress: Progress) -> None:
        self.training = training
        self.restore_check = RestoreCheck(training, settings.verify_restore)
        self.group_notes: list[str] = []
        self._settings = settings
        self._hook = hook
        self._progress = progress
        self._runs: list[PlannedRun] = []

    @property
    def steps_run(self) -> int:
        """Training steps that all runs so far took."""
        return sum(len(run.sweep.points) for run in self._runs if not run.forward_only)

    @property
    def forward_passes(self) -> int:
        """Steps of all runs so far that were forward passes only."""
        return sum(len(run.sweep.points) for run in self._runs if run.forward_only)

    @property
    def raised(self) -> list[dict[str, Any]]:
        """The errors of the training that ended runs: type, text, rate and number of the step, counted from 1."""
        return [
            {
                "type": type(error).__name__,
                "text": text_of(error)[:_LONGEST_TEXT],
                "lr": run.sweep.plan.lr_at(run.sweep.step_of_error),
                "step": run.sweep.step_of_error + 1,
            }
            for run in self._runs
            if run.updates and (error := run.sweep.error) is not None
        ]

    def drop_frames(self) -> None:
        """Drop the tracebacks of errors that ended runs. Their frames hold what the training used."""
        for run in self._runs:
            if run.sweep.error is not None:
                run.sweep.error.__traceback__ = None

    def sweep(
        self,
        plan: AnyPlan,
        seed: int | None,
        stage: str,
        *,
        reset: Callable[[], object] | None = None,
        extend: Callable[[AnyPlan, Curve], AnyPlan | None] | None = None,
        adapts: bool = True,
    ) -> tuple[Sweep, PlannedRun]:
        """Return a new sweep and its run, which is announced to the watchers.

        Args:
            plan: of the sweep.
            seed: of the run; None for none.
            stage: what the progress bar calls it.
            reset: makes other initial weights; None to leave them.
            extend: called with the plan and the curve when the plan is done; returns a longer plan, or None.
            adapts: see `Sweep`.
        """

        def announce_step(point: Point) -> None:
            self._hook.lrrange_advanced(point=point, sweep=sweep)

        sweep = Sweep(
            plan,
            smoothing=self._settings.smoothing,
            divergence=self._settings.divergence,
            non_finite_limit=self._settings.non_finite_limit,
            extend=None if extend is None else lambda curve: extend(sweep.plan, curve),
            adapts=adapts,
            on_advance=announce_step if self._hook.lrrange_advanced.get_hookimpls() else None,
        )
        announcement = Announcement(
            start=lambda: self._hook.lrrange_started(plan=sweep.plan, sweep=sweep),
            end=lambda: self._hook.lrrange_finished(sweep=sweep),
            end_hook="lrrange_finished",
        )
        run = PlannedRun(
            training=self.training, sweep=sweep, stage=stage, seed=seed, reset=reset, announcement=announcement
        )
        self._runs.append(run)
        return sweep, run

    def trial(self, steps: PlannedSteps, seed: int | None) -> PlannedRun:
        """Return the run of a trial, all at one rate, which is announced to the watchers."""
        lr, hook = steps.lr, self._hook
        if hook.lrrange_trial_advanced.get_hookimpls():
            steps.watch(lambda point: hook.lrrange_trial_advanced(point=point))
        announcement = Announcement(
            start=lambda: hook.lrrange_trial_started(lr=lr, steps=steps.plan.num_steps),
            end=lambda: hook.lrrange_trial_finished(lr=lr, stop_reason=steps.stop_reason),
            end_hook="lrrange_trial_finished",
        )
        run = PlannedRun(
            training=self.training, sweep=steps, stage=f"confirm {lr:.1e}", seed=seed, announcement=announcement
        )
        self._runs.append(run)
        return run

    def unannounced(self, steps: PlannedSteps, seed: int | None, stage: str) -> PlannedRun:
        """Return the run of a few steps that no watcher is called for."""
        run = PlannedRun(training=self.training, sweep=steps, stage=stage, seed=seed, planned=False)
        self._runs.append(run)
        return run

    def baseline(self, steps: PlannedSteps, of: PlannedRun) -> PlannedRun:
        """Return the run of these steps from the same start as another run, without updates. It is not announced."""
        run = attrs.evolve(of, sweep=steps, stage=f"pair {of.stage}", announcement=None, updates=False)
        self._runs.append(run)
        return run

    def run_all(self, runs: Sequence[PlannedRun]) -> None:
        """Run all of these, each from the same start."""
        if len(runs) > 1 and self._settings.parallel != "off":
            reason = self._run_together(runs)
            self.note(len(runs), reason)
            if reason is None:
                return
        for run in runs:
            with self._progress.stage(run.stage, [run.sweep], run.planned), announced([run]) as begin:
                begin()
                with self.restore_check.around():
                    run.run()

    def note(self, count: int, reason: str | None) -> None:
        """Note for the provenance how a group of runs was taken.

        Args:
            count: number of runs.
            reason: why they were run one after another; None if they were taken side by side.
        """
        self.group_notes.append(f"{count} runs {'together' if reason is None else f'one by one: {reason}'}")

    def _run_together(self, runs: Sequence[PlannedRun]) -> str | None:
        """Run these side by side. Return why that is not possible or does not pay; None when they are done."""
        measure = self._settings.parallel == "auto"
        reason = why_alone(runs[0], len(runs), measure)
        if reason is not None:
            return reason
        with self._progress.stage(f"{len(runs)} runs side by side", [run.sweep for run in runs]):
            return run_together(runs, list(map(replica_of, runs)), [self.restore_check], measure=measure)
