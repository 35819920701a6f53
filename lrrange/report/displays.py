"""The places where progress is shown: a bar in a terminal, an output of a notebook, or two lines in a log."""

import html
import importlib
import os
import sys
from collections.abc import Iterator
from typing import Any, Protocol

import attrs

_WIDEST_BAR, _NARROWEST_BAR = 24, 8
_SHORTEST_TEXT = 20


@attrs.frozen(kw_only=True)
class State:
    """The content of a progress bar at one moment.

    Args:
        text: what is being done, or what came of it.
        done, total: number of steps.
        rate, loss: of the last step; empty where they are not known.
        clock: the time left; at the end, the time that it took.
    """

    text: str
    done: int
    total: int
    rate: str = ""
    loss: str = ""
    clock: str = ""

    @property
    def count(self) -> str:
        """The number of steps, of a width that stays the same."""
        return f"{self.done:>{len(str(self.total))}}/{self.total}"

    def columns(self, width: int) -> tuple[str, int, str]:
        """Return the text, the width of the bar and what stands behind it, as far as they fit in a line.

        What matters least is left out first: the loss, then the rate and the bar. Then the text is cut in its middle.
        """
        behind, with_bar = self.count, len(self.text) + _NARROWEST_BAR + 1
        for more, before in (
            (self.clock, min(len(self.text), _SHORTEST_TEXT)),
            (self.rate, with_bar),
            (self.loss, with_bar),
        ):
            if more and before + len(behind) + len(more) + 3 > width:
                break
            behind += f"  {more}" if more else ""
        bar = min(_WIDEST_BAR, width - len(self.text) - len(behind) - 2)
        if bar >= _NARROWEST_BAR:
            return self.text, bar, behind
        room = width - len(behind) - 1
        if len(self.text) <= room:
            return self.text, 0, behind
        end = max(0, room - 3) // 2
        start = max(0, room - 3 - end)
        return f"{self.text[:start]}...{self.text[len(self.text) - end :]}", 0, behind


class Display(Protocol):
    """A place where progress is shown."""

    def start(self, state: State) -> None:
        """Show the first state."""

    def update(self, state: State) -> None:
        """Show another state."""

    def end(self, state: State) -> None:
        """Show the last state."""


class Terminal:
    """A bar on standard error, so that standard output holds only answers. It is kept at the end, or gone.

    Args:
        keep: whether its last state stays as a line.
    """

    def __init__(self, keep: bool) -> None:
        self._keep = keep
        self._live: Any = None
        self._process = os.getpid()

    def start(self, state: State) -> None:
        """Draw the bar."""
        from rich.console import Console
        from rich.control import Control
        from rich.live import Live
        from rich.segment import ControlType

        class TerminalConsole(Console):
            def on_broken_pipe(self) -> None:
                raise  # what rich is handling. It would end the program, and the training with it.

        # The bar is drawn from the thread of the training, because rich's refresh thread would be alive when a data
        # loader forks its workers. Rich takes over standard output only if that is a terminal, which may also show the
        # bar; what the training prints to a pipe or a file stays there.
        console = TerminalConsole(stderr=True, force_jupyter=False)
        # Another bar, such as a Trainer's, may have left the cursor at the end of its line. It is drawn again later.
        console.control(Control(ControlType.CARRIAGE_RETURN, (ControlType.ERASE_IN_LINE, 2)))
        self._live = Live(
            self._line(state),
            console=console,
            auto_refresh=False,
            transient=not self._keep,
            redirect_stdout=sys.stdout.isatty(),
        )
        self._live.start(refresh=True)

    def update(self, state: State) -> None:
        """Draw the bar again, in place."""
        self._live.update(self._line(state), refresh=True)

    def end(self, state: State) -> None:
        """Leave the last state as a plain line, or nothing, and give the terminal and the streams back."""
        self._live.update(self._line(state))
        self._live.stop()

    def _line(self, state: State) -> Any:
        return _Line(state, self._process)


@attrs.frozen
class _Line:
    """The bar as rich draws it, at the width that the terminal has at that moment."""

    state: State
    process: int

    def __rich_console__(self, console: Any, options: Any) -> Iterator[Any]:
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        if os.getpid() != self.process:
            return  # a forked worker prints, through the stream that rich took over
        # Two columns are left for the ^C of a terminal. If that went into the next line, this one would remain.
        text, bar, behind = self.state.columns(options.max_width - 2)
        line = Table.grid(padding=(0, 1, 0, 0), pad_edge=False)
        cells: list[Any] = [Text(text, no_wrap=True)]
        if bar:
            cells.append(ProgressBar(total=max(1, self.state.total), completed=self.state.done, width=bar))
        line.add_row(*cells, Text(behind, no_wrap=True))
        yield line


class Notebook:
    """A bar in one output of a notebook's cell, which is updated in place. No widget is needed."""

    def __init__(self) -> None:
        self._handle: Any = None

    def start(self, state: State) -> None:
        """Display the bar."""
        display = importlib.import_module("IPython.display").display
        self._handle = display(_bundle(state), raw=True, display_id=True)

    def update(self, state: State) -> None:
        """Replace the bar."""
        self._handle.update(_bundle(state), raw=True)

    def end(self, state: State) -> None:
        """Leave the last state."""
        self.update(state)


def _bundle(state: State) -> dict[str, str]:
    behind = "  ".join(part.strip() for part in (state.count, state.clock, state.rate, state.loss) if part)
    bar = f'<progress value="{state.done}" max="{max(1, state.total)}" style="width:14em"></progress>'
    style = "font-family:monospace;white-space:pre"
    return {
        "text/plain": f"{state.text} {behind}",
        "text/html": f'<div style="{style}">{html.escape(state.text)} {bar} {html.escape(behind)}</div>',
    }


class Log:
    """One line at the start and one at the end on standard error, for a log file.

    Args:
        title: what is done.
    """

    def __init__(self, title: str) -> None:
        self._title = title

    def start(self, state: State) -> None:
        """Write what begins."""
        _write(f"lrrange: {self._title}, {state.total} steps planned")

    def update(self, state: State) -> None:
        """Write nothing."""

    def end(self, state: State) -> None:
        """Write what came of it."""
        _write(f"lrrange: {self._title} {state.text} after {state.done} steps {state.clock}")


def _write(line: str) -> None:
    if sys.stderr is not None:  # as it is in a program without a console
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()


def in_notebook() -> bool:
    """Return whether this process is the kernel of a notebook, without importing IPython."""
    ipython = sys.modules.get("IPython")
    try:
        shell = None if ipython is None else ipython.get_ipython()
    except AttributeError:  # it is only being imported
        return False
    return any(kind.__name__ == "ZMQInteractiveShell" for kind in type(shell).__mro__)


def in_terminal() -> bool:
    """Return whether standard error is a terminal that can draw a line again."""
    if os.environ.get("TERM", "").lower() in ("dumb", "unknown"):
        return False
    try:
        return sys.stderr.isatty()
    except (AttributeError, ValueError):  # there is none, or it is closed
        return False
