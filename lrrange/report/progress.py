"""A progress bar for a sweep: one watcher among others, listening to the same hooks as yours would."""

import math
import sys
import time

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from lrrange.hookspecs import hookimpl
from lrrange.report.formatting import rate
from lrrange.sweep.plan import SweepPlan
from lrrange.sweep.planned_steps import Point
from lrrange.sweep.sweep import Sweep

_REFRESH_SECONDS = 0.1


class ProgressBar:
    """Shows step, rate and smoothed loss of the sweep that runs; silent where there is no terminal to draw on.

    Args:
        console: where to draw; standard error by default, so that standard output holds answers alone.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console
        self._bar: Progress | None = None
        self._task = TaskID(0)
        self._smoothed = math.nan
        self._drawn = 0.0

    @hookimpl
    def lrrange_started(self, plan: SweepPlan) -> None:
        """Draw the empty bar."""
        console = self._console or Console(stderr=True)
        # Rich's own refresh thread would be one more thread alive when a data loader forks its workers, so this bar is
        # drawn from the sweep's own thread. And what the training prints stays on the stream it was printed to, unless
        # that is the very terminal the bar is on.
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("lr {task.fields[lr]}  smoothed loss {task.fields[loss]}"),
            TimeElapsedColumn(),
            console=console,
            auto_refresh=False,
            redirect_stdout=sys.stdout.isatty(),
            disable=not (console.is_terminal or console.is_jupyter),
        )
        self._smoothed = math.nan
        self._task = self._bar.add_task("sweeping", total=plan.num_steps, lr=rate(plan.start_lr), loss="-")
        self._bar.start()
        self._drawn = time.monotonic()

    @hookimpl
    def lrrange_advanced(self, point: Point, sweep: Sweep) -> None:
        """Move the bar, and redraw it ten times a second at most."""
        if self._bar is None:
            return
        if math.isfinite(point.smoothed):
            self._smoothed = point.smoothed
        loss = f"{self._smoothed:.4g}" if math.isfinite(point.loss) else f"{point.loss}"
        now = time.monotonic()
        due = now - self._drawn >= _REFRESH_SECONDS
        planned = sweep.plan.num_steps  # more than at the start, if the sweep goes on
        step, lr = point.step + 1, rate(point.lr)
        self._bar.update(self._task, completed=step, total=planned, lr=lr, loss=loss, refresh=due)
        if due:
            self._drawn = now

    @hookimpl
    def lrrange_finished(self, sweep: Sweep) -> None:
        """Leave the last state of the bar as a plain line; the terminal and the streams are as before."""
        bar, self._bar = self._bar, None
        if bar is None:
            return
        ended = sweep.stop_reason
        bar.update(self._task, description=ended.value.replace("_", " ") if ended else "failed")
        bar.stop()
