"""The progress of a range test, a grid or a comparison: one bar in a terminal or notebook, or two lines in a log.

The same bar lasts from the first step of a call to its last one, over all of its sweeps, trials and runs. Where nothing
is shown, nothing is loaded, and no step is counted.
"""

import contextlib
import math
import time
from collections.abc import Iterator, Sequence
from types import TracebackType

import attrs

from lrrange.errors import OptionError
from lrrange.printable import printable
from lrrange.random_state import kept_random_state
from lrrange.report.displays import Display, Log, Notebook, State, Terminal, in_notebook, in_terminal
from lrrange.report.formatting import format_rate
from lrrange.sweep.planned_steps import PlannedSteps, Point

_REFRESH_SECONDS = 0.1


class Progress:
    """The progress of one call. It is entered once for each part of the work that may be a call of its own.

    Args:
        title: what is done.
        display: where it is shown; None for nowhere.
    """

    def __init__(self, title: str, display: Display | None) -> None:
        self._title, self._display = title, display
        self._depth = self._stages = 0
        self._part = self._stage = ""
        self._later = self._planned = 0
        self._each: int | None = None
        self._running: tuple[PlannedSteps, ...] = ()
        self._done = 0
        self._point: Point | None = None
        self._smoothed = math.nan
        self._began: float | None = None
        self._drawn = 0.0

    def __enter__(self) -> "Progress":
        self._depth += 1
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._depth -= 1
        if self._depth or self._display is None or self._began is None:
            return
        if kind is None:
            self._planned = self._later = 0
        if kind is not None:  # and all the steps that were left remain in the count
            text = "failed" if issubclass(kind, Exception) else "interrupted"
        elif self._stages == 1 and self._running and (reason := self._running[0].stop_reason) is not None:
            text = reason.value.replace("_", " ")  # and the steps that it left out remain in the count
        else:
            text, self._running = "done", ()
        took = _minutes(time.monotonic() - self._began)
        # Without the rate of the last step, which could be taken for the answer.
        self._show("end", attrs.evolve(self._state(), text=text, clock=f"in {took}", rate="", loss=""))
        self._display = None

    @property
    def shown(self) -> bool:
        """Whether anything is shown."""
        return self._display is not None

    def plan(self, steps: int) -> None:
        """Set the number of steps that the work, or this part of it, will take."""
        self._planned = steps
        if self._each is None:
            self._each = steps

    def expect(self, steps: int) -> None:
        """Add a number of steps to the plan, which may be negative."""
        self._planned += steps

    @contextlib.contextmanager
    def part(self, name: str, later: int, each: int | None = None) -> Iterator[None]:
        """Name a part of the work, such as a cell of a grid, which plans its own steps.

        Args:
            name: of the part.
            later: number of parts that follow it.
            each: steps of each of these; None if they are as many as those of this part.
        """
        self._part, self._later, self._each, self._planned, self._running = name, later, each, 0, ()
        yield
        self._part, self._planned, self._running = "", 0, ()

    @contextlib.contextmanager
    def stage(self, name: str, steps: Sequence[PlannedSteps], planned: bool = True) -> Iterator[None]:
        """Count the steps that are taken in this block.

        Args:
            name: what they are for.
            steps: the steps of one run, or those of several that are taken side by side.
            planned: whether they were planned. Those that were not are counted when they are taken.
        """
        if self._display is None:
            yield
            return
        self._stage, self._stages = name, self._stages + 1
        self._running = tuple(steps) if planned else ()
        ahead = sum(one.plan.num_steps for one in self._running)
        self._planned -= ahead
        before = self._done
        self._begin()
        for one in steps:
            one.watch(self._advance)
        try:
            yield
        finally:
            for one in steps:
                one.unwatch(self._advance)
        if self._done == before:  # given up before its first step, and something else will take them
            self._planned, self._running, self._stages = self._planned + ahead, (), self._stages - 1

    def count(self, steps: int, name: str) -> None:
        """Count steps that have been taken elsewhere, of what has this name. A count of 0 shows the empty bar."""
        self._done, self._stage = self._done + steps, name
        self._planned -= steps
        if self._began is None:
            self._begin()
        else:
            self._show("update", self._state())

    def _begin(self) -> None:
        """Show the bar if it is not shown yet."""
        if self._began is None:
            self._began = time.monotonic()
            self._show("start", self._state())

    def _advance(self, point: Point) -> None:
        self._done += 1
        self._point = point
        if math.isfinite(point.smoothed):
            self._smoothed = point.smoothed
        if time.monotonic() - self._drawn >= _REFRESH_SECONDS:
            self._show("update", self._state())

    def _state(self) -> State:
        point = self._point
        ahead = sum(max(0, one.plan.num_steps - len(one.points)) for one in self._running)
        total = self._done + ahead + max(0, self._planned) + self._later * (self._each or 0)
        loss = "" if point is None else f"{self._smoothed:.4g}" if math.isfinite(point.loss) else f"{point.loss}"
        left = ""
        if self._done and self._began is not None:
            left = f"{_minutes((time.monotonic() - self._began) / self._done * (total - self._done))} left"
        return State(
            text=printable(": ".join(filter(None, (self._part, self._stage)))) or self._title,
            done=self._done,
            total=total,
            rate="" if point is None else f"lr {format_rate(point.lr)}",
            loss=loss and f"loss {loss:<9}",
            clock=f"{left:<9}",
        )

    def _show(self, move: str, state: State) -> None:
        """Draw the bar. If that is not possible, because the terminal is gone, the work goes on without it."""
        if self._display is None:
            return
        try:
            with kept_random_state():
                match move:
                    case "start":
                        self._display.start(state)
                    case "update":
                        self._display.update(state)
                    case _:
                        self._display.end(state)
        except (OSError, ValueError):
            display, self._display = self._display, None
            if move == "update":
                with contextlib.suppress(OSError, ValueError):
                    display.end(state)  # which gives the streams back
        self._drawn = time.monotonic()


def open_progress(progress: bool | None, title: str, *, keep: bool = True) -> Progress:
    """Return the progress of a call, which shows itself when its work is planned.

    Args:
        progress: None shows a bar in a terminal or notebook, and nothing elsewhere; True writes a line at the start and
            the end elsewhere; False shows nothing.
        title: what is done.
        keep: whether the last state of a bar in a terminal stays there.
    """
    if progress is False:
        return Progress(title, None)
    if in_notebook():
        return Progress(title, Notebook())
    if in_terminal():
        return Progress(title, Terminal(keep))
    return Progress(title, Log(title) if progress else None)


def check_progress(progress: object) -> None:
    """Raise OptionError unless this is a value of `progress=`."""
    if progress is not None and progress is not True and progress is not False:
        raise OptionError(f"progress={progress!r} is none of True, False, None.")


def _minutes(seconds: float) -> str:
    minutes, left = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{left:02}" if hours else f"{minutes}:{left:02}"
