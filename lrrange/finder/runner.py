"""Sweeps and trials, each from the same start: watchers told, the restore checked, several at once where it pays."""

import functools
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import attrs

from lrrange.errors import OptionError, TargetError
from lrrange.finder.restore_check import RestoreCheck
from lrrange.finder.together import Parallel, Replica
from lrrange.finder.training import seeded
from lrrange.protocol.training_step import Driver, TrainingStep
from lrrange.sweep.curve import Curve
from lrrange.sweep.plan import SweepPlan
from lrrange.sweep.sweep import Point, Sweep

if TYPE_CHECKING:
    import pluggy


@attrs.frozen(kw_only=True)
class PlannedRun:
    """A sweep or a trial that is to be run.

    Args:
        sweep: to run.
        seed: for the backend; None for none.
        reset: makes other initial weights; None to leave them.
        watched: whether the watchers hear of it.
    """

    sweep: Sweep
    seed: int | None = None
    reset: Callable[[], object] | None = None
    watched: bool = True


@attrs.define(kw_only=True)
class Runs:
    """Takes the sweeps and trials of one target.

    Args:
        manager: with the watchers.
        adapted: what a backend made of the target.
        restored: checks the restore after each run.
        settings: of every sweep.
        parallel: whether several are taken together.
        steps_run: in all of them so far.
        ways: how each group of several was taken, in words.
    """

    manager: "pluggy.PluginManager"
    adapted: TrainingStep | Driver
    restored: RestoreCheck
    settings: dict[str, Any]
    parallel: Parallel = "off"
    steps_run: int = 0
    ways: list[str] = attrs.field(factory=list)

    def check_seeds(self, seed: int | None, repeats: int) -> None:
        """Raise OptionError if seeds are needed and the backend takes none."""
        if (seed is not None or repeats > 1) and not hasattr(self.adapted, "seed"):
            asked = f"seed={seed}" if seed is not None else f"repeats={repeats}"
            raise OptionError(
                f"{asked} was given, but a {type(self.adapted).__name__} has no seed(value) method to pass a seed to.",
                seed=seed,
                repeats=repeats,
            )

    def sweep(self, plan: SweepPlan, extend: Callable[[SweepPlan, Curve], SweepPlan | None] | None = None) -> Sweep:
        """A sweep that the watchers are told of step by step, to be run."""
        hook = self.manager.hook

        def tell_watchers(point: Point) -> None:
            hook.lrrange_advanced(point=point, sweep=sweep)

        sweep = Sweep(
            plan,
            extend=None if extend is None else functools.partial(extend, plan),
            on_advance=tell_watchers if hook.lrrange_advanced.get_hookimpls() else None,
            **self.settings,
        )
        return sweep

    def take(self, planned: Sequence[PlannedRun]) -> None:
        """Run all of these, each from the same start."""
        if len(planned) > 1 and self.parallel != "off":
            reason = self.why_alone(len(planned))
            if reason is None:
                reason = take_together([(self, run, self.replica(run)) for run in planned])
            self.note(len(planned), reason)
            if reason is None:
                return
        for run in planned:
            self._take_alone(run)

    def why_alone(self, count: int) -> str | None:
        """Why so many runs must be taken one after another, as far as is known without a step; None for nothing."""
        why: Callable[[int, bool], str | None] | None = getattr(self.adapted, "why_alone", None)
        if why is None:
            return f"a {type(self.adapted).__name__} takes one at a time"
        return why(count, self.parallel == "auto")

    def replica(self, run: PlannedRun) -> Replica:
        """What the backend takes together with others for this run."""
        adapted: Any = self.adapted  # which has this method if it gave no reason against it
        replica: Replica = adapted.replica(run.sweep, run.seed, run.reset)
        return replica

    def note(self, count: int, reason: str | None) -> None:
        """Keep how so many runs were taken, for the provenance: together, or not and why."""
        self.ways.append(f"{count} runs {'together' if reason is None else f'one by one: {reason}'}")

    def begin(self, run: PlannedRun) -> None:
        """Tell the watchers that it is about to take its first step."""
        if run.watched:
            self.manager.hook.lrrange_started(plan=run.sweep.plan, sweep=run.sweep)

    def end(self, run: PlannedRun) -> None:
        """Tell the watchers that it is over. Raises: TargetError if it is not."""
        if run.watched:
            self.manager.hook.lrrange_finished(sweep=run.sweep)
        if run.sweep.running:
            raise TargetError(
                f"the {type(self.adapted).__name__} ended its training after {len(run.sweep.points)} of "
                f"{run.sweep.plan.num_steps} steps without saying why. It should call sweep.close(reason).",
                steps_run=len(run.sweep.points),
            )

    def end_with(self, error: BaseException, run: PlannedRun) -> None:
        """Tell the watchers that it ended with an error. What they raise must not hide why, and becomes a note."""
        try:
            if run.watched:
                self.manager.hook.lrrange_finished(sweep=run.sweep)
        except Exception as another:
            error.add_note(f"A watcher then raised in lrrange_finished: {type(another).__name__}: {another}")

    def _take_alone(self, run: PlannedRun) -> None:
        try:
            self.begin(run)
            with self.restored.around(run.sweep.plan.num_steps):
                seeded(self.adapted, run.seed, run.reset).run(run.sweep)
        except BaseException as error:
            self.end_with(error, run)
            raise
        finally:
            self.steps_run += len(run.sweep.points)
        self.end(run)


def take_together(taken: Sequence[tuple[Runs, PlannedRun, Replica]]) -> str | None:
    """Take these runs step by step side by side, of one training or of several that are like each other.

    Returns: None when all is done; or why they must be taken one after another, and then nothing has happened.
    """
    first, *others = [replica for _, _, replica in taken]
    checks = {id(runs.restored): runs.restored for runs, _, _ in taken}.values()
    begun: deque[tuple[Runs, PlannedRun]] = deque()

    def begin() -> None:
        for runs, run, _ in taken:
            begun.append((runs, run))
            runs.begin(run)

    def restored(error: BaseException | None = None) -> None:
        for check in checks:
            check.after(time.perf_counter() - began, error)

    for check in checks:
        check.before(max(run.sweep.plan.num_steps for _, run, _ in taken))
    began = time.perf_counter()
    try:
        try:
            reason = first.together(others, taken[0][0].parallel == "auto", begin)
        except BaseException as error:
            restored(error)
            raise
        if reason is not None:
            return reason
        restored()
        while begun:
            runs, run = begun.popleft()
            runs.end(run)
    except BaseException as error:
        for runs, run in begun:
            runs.end_with(error, run)
        raise
    finally:
        for runs, run, _ in taken:
            runs.steps_run += len(run.sweep.points)
    return None
