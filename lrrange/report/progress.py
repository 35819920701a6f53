"""A progress bar for a sweep. It is an ordinary watcher, which implements the same hooks as a user's would."""

import contextlib
import math
import sys
import time

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from lrrange.hookspecs import hookimpl
from lrrange.random_state import kept_random_state
from lrrange.report.formatting import format_rate
from lrrange.sweep.plan import SweepPlan
from lrrange.sweep.planned_steps import Point
from lrrange.sweep.sweep import Sweep

_REFRESH_SECONDS = 0.1


class ProgressBar:
    """A watcher that shows step, rate and smoothed loss of the running sweep. Without a terminal it writes nothing.

    Args:
        console: rich console to draw on; standard error if None, so that standard output holds only answers.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console
        self._bar: Progress | None = None
        self._task = TaskID(0)
        self._smoothed = math.nan
        self._drawn = 0.0

    @hookimpl
    @kept_random_state()
    def lrrange_started(self, plan: SweepPlan) -> None:
        """Draw the empty bar."""
        console = self._console or Console(stderr=True)
        # The bar is drawn from the sweep's own thread, because rich's refresh thread would be alive when a data loader
        # forks its workers. Rich takes over standard output only if that is a terminal, which may also show the bar;
        # what the training prints to a pipe or a file stays there.
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
        self._task = self._bar.add_task("sweeping", total=plan.num_steps, lr=format_rate(plan.start_lr), loss="-")
        self._bar.start()
        self._drawn = time.monotonic()

    @hookimpl
    def lrrange_advanced(self, point: Point, sweep: Sweep) -> None:
        """Advance the bar, and redraw it at most ten times a second."""
        if self._bar is None:
            return
        if math.isfinite(point.smoothed):
            self._smoothed = point.smoothed
        loss = f"{self._smoothed:.4g}" if math.isfinite(point.loss) else f"{point.loss}"
        now = time.monotonic()
        due = now - self._drawn >= _REFRESH_SECONDS
        planned = sweep.plan.num_steps  # it grows if the sweep goes on to higher rates
        step, lr = point.step + 1, format_rate(point.lr)
        with kept_random_state() if due else contextlib.nullcontext():
            self._bar.update(self._task, completed=step, total=planned, lr=lr, loss=loss, refresh=due)
        if due:
            self._drawn = now

    @hookimpl
    @kept_random_state()
    def lrrange_finished(self, sweep: Sweep) -> None:
        """Leave the last state of the bar as a plain line, and give the terminal and the streams back."""
        bar, self._bar = self._bar, None
        if bar is None:
            return
        reason = sweep.stop_reason
        bar.update(self._task, description=reason.value.replace("_", " ") if reason else "failed")
        bar.stop()
