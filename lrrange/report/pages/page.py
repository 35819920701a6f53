"""The content of a printed page: named facts and tables. It is drawn as text, by rich in a terminal, or as HTML."""

import io
import shutil
from collections.abc import Iterable, Sequence

import attrs
from rich.box import Box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from lrrange.printable import printable

# No text is wider than this, whatever the width of the terminal: a log or a mail may be no wider.
WIDEST = 80
_NARROWEST = 40

# A rule of hyphens below the head, because a file or terminal may be able to show nothing but ASCII.
_RULED = Box("    \n    \n -- \n    \n    \n    \n    \n    \n", ascii=True)


@attrs.frozen
class Fact:
    """A named line.

    Args:
        name: in front of the text; empty for a further line of the fact above.
        text: the fact itself.
        note: in plain style after the text.
        style: of the text: `"bold"`, `"bold green"`, `"bold red"`, `"yellow"`, `"red"`, `"dim"` or none.
    """

    name: str
    text: str
    note: str = ""
    style: str = ""


def _facts(facts: Iterable[Fact]) -> tuple[Fact, ...]:
    return tuple(facts)


@attrs.frozen
class Facts:
    """Named lines below each other."""

    facts: tuple[Fact, ...] = attrs.field(converter=_facts)


@attrs.frozen
class Column:
    """A column of a table.

    Args:
        name: its head.
        right: whether its cells stand on the right.
        wraps: whether its cells may be wrapped to several lines.
        spare: whether it is left out where there is no room for it. The last spare one goes first.
    """

    name: str
    right: bool = False
    wraps: bool = False
    spare: bool = False


def _cells(cells: Iterable[str]) -> tuple[str, ...]:
    return tuple(cells)


@attrs.frozen
class Row:
    """A row of a table, in one style."""

    cells: tuple[str, ...] = attrs.field(converter=_cells)
    style: str = ""


def _columns(columns: Iterable[Column]) -> tuple[Column, ...]:
    return tuple(columns)


def _rows(rows: Iterable[Row]) -> tuple[Row, ...]:
    return tuple(rows)


@attrs.frozen
class Rows:
    """A table."""

    columns: tuple[Column, ...] = attrs.field(converter=_columns)
    rows: tuple[Row, ...] = attrs.field(converter=_rows)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        table = Table(box=_RULED, show_edge=False, padding=(0, 1, 0, 0))
        shown, fits = self._fitting(options.max_width)
        for index in shown:
            column = self.columns[index]
            table.add_column(
                plain_text(column.name),
                no_wrap=fits and not column.wraps,
                min_width=self._longest(index) if fits else None,
                overflow="fold",
                justify="right" if column.right else "left",
            )
        for row in self.rows:
            table.add_row(*(plain_text(row.cells[index]) for index in shown), style=row.style)
        yield table

    def _fitting(self, width: int) -> tuple[list[int], bool]:
        """Return the indices of the columns that are shown in this width, and whether no word of them has to be cut."""
        shown = list(range(len(self.columns)))
        spare = [index for index in shown if self.columns[index].spare]
        while spare and self._width(shown) > width:
            shown.remove(spare.pop())
        return shown, self._width(shown) <= width

    def _width(self, shown: list[int]) -> int:
        return sum(self._longest(index) + 2 for index in shown)

    def _longest(self, index: int) -> int:
        """Return the number of characters that a column needs: its longest text, or word if it wraps."""
        column = self.columns[index]
        texts = [printable(text) for text in (column.name, *(row.cells[index] for row in self.rows))]
        return max(cell_len(part) for text in texts for part in (text.split() if column.wraps else [text]) or [""])


@attrs.frozen(kw_only=True)
class Page:
    """The printed content of a value.

    Args:
        answer: the facts and tables that are always shown.
        details: those that are shown on request.
    """

    answer: Sequence[Facts | Rows]
    details: Sequence[Facts | Rows] = ()

    def as_rich(self, *, verbose: bool = False) -> Group:
        """Return what `rich.print` shows."""
        blocks = (*self.answer, *(self.details if verbose else ()))
        return Group(*(Padding(_lines(block) if isinstance(block, Facts) else block, (0, 0, 1, 1)) for block in blocks))

    def as_text(self, *, verbose: bool = False, width: int | None = None) -> str:
        """Return plain text.

        Args:
            verbose: whether to show the details.
            width: of the longest line; the width of the terminal if None, but at most 80.
        """
        if width is None:
            width = min(WIDEST, shutil.get_terminal_size((WIDEST, 24)).columns)
        # Neither the environment nor a notebook changes the text.
        console = Console(
            file=io.StringIO(),
            width=max(width, _NARROWEST),
            color_system=None,
            force_terminal=False,
            force_jupyter=False,
            legacy_windows=False,
            _environ={},
        )
        with console.capture() as capture:
            console.print(self.as_rich(verbose=verbose))
        lines = [line.rstrip() for line in capture.get().splitlines()]
        return "\n".join(lines).strip("\n")


def plain_text(text: str, style: str = "") -> Text:
    """Return text for rich, as it is: no markup, and nothing that acts on a terminal."""
    return Text(printable(text), style=style)


def _lines(facts: Facts) -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for fact in facts.facts:
        text = plain_text(fact.text, fact.style)
        if fact.note:
            text = Text.assemble(text, plain_text(f"  {fact.note}"))
        grid.add_row(plain_text(fact.name), text)
    return grid
