"""A run that is planned, and its announcements to the watchers."""

import contextlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import attrs

from lrrange.errors import TargetError
from lrrange.finder.training import Training
from lrrange.sweep.planned_steps import PlannedSteps
from lrrange.watchers import noted_on

if TYPE_CHECKING:
    import pluggy


@attrs.frozen(kw_only=True)
class Announcement:
    """The calls of the watchers at the start and the end of a run.

    Args:
        start, end: call them.
        end_hook: name of the hook that `end` calls.
    """

    start: Callable[[], object]
    end: Callable[[], object]
    end_hook: str


@attrs.frozen(kw_only=True)
class PlannedRun:
    """A sweep or a trial that is to be run.

    Args:
        training: the training that takes the steps.
        sweep: the steps.
        seed: for the backend; None for none.
        reset: makes other initial weights; None to leave them.
        stage: what the progress bar calls it.
        announcement: calls the watchers at its start and end; None for a run that is not announced.
        updates: whether the steps may move the weights. If not, they are taken at rate zero or forward only.
        planned: whether the progress bar knows of the steps before they are taken.
    """

    training: Training
    sweep: PlannedSteps
    stage: str
    seed: int | None = None
    reset: Callable[[], object] | None = None
    announcement: Announcement | None = None
    updates: bool = True
    planned: bool = True

    def run(self) -> None:
        """Take the steps of this run by itself."""
        run = self.training.run if self.updates else self.training.run_without_updates
        run(self.sweep, self.seed, self.reset)

    @property
    def forward_only(self) -> bool:
        """Whether the steps are forward passes, and no training steps."""
        return not self.updates and self.training.forward_only is not None

    def announce_start(self) -> None:
        """Call the watchers because the run is about to take its first step."""
        if self.announcement is not None:
            self.announcement.start()

    def announce_end(self) -> None:
        """Call the watchers because the run is over."""
        if self.announcement is not None:
            self.announcement.end()

    def check_ended(self) -> None:
        """Raise TargetError if the steps have not ended: the driver has left its loop without closing the sweep."""
        if self.sweep.running:
            raise TargetError(
                f"the {self.training.kind} ended its training after {len(self.sweep.points)} of "
                f"{self.sweep.plan.num_steps} steps without saying why. It should call sweep.close(reason).",
                steps_run=len(self.sweep.points),
            )


@contextlib.contextmanager
def announced(runs: Sequence[PlannedRun]) -> Iterator[Callable[[], None]]:
    """Announce to the watchers that these runs begin, and that they are over, even if one of them raises.

    Yields: a function that announces the beginnings, to be called before the first step. At the end of the block, the
        end of each run that has begun is announced.
    Raises: what a watcher raises; TargetError if a run has not ended. What a watcher raises after an error of the run
        must not hide that error, so it becomes a note on it.
    """
    begun: deque[PlannedRun] = deque()

    def begin() -> None:
        for run in runs:
            begun.append(run)
            run.announce_start()

    try:
        yield begin
        while begun:
            run = begun.popleft()
            run.announce_end()
            run.check_ended()
    except BaseException as error:
        for run in begun:
            with noted_on(error, run.announcement.end_hook if run.announcement is not None else ""):
                run.announce_end()
        raise


@contextlib.contextmanager
def failure_announced(hook: "pluggy.HookRelay") -> Iterator[None]:
    """Announce to the watchers that the range test has failed, if the block raises anything."""
    try:
        yield
    except BaseException as error:
        with noted_on(error, "lrrange_failed"):
            hook.lrrange_failed(error=error)
        raise
