"""Whatever text a file holds, what is shown of it acts on no terminal, is no markup, and breaks no page and no plot."""

import io
import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pytest
from click.testing import CliRunner
from matplotlib.figure import Figure
from rich.console import Console

import lrrange
from lrrange import cli
from lrrange.comparison.comparison import dumps as comparison_text
from lrrange.errors import LRRangeError
from lrrange.printable import brief
from lrrange.result import dumps as result_text
from tests.compare.training import compare
from tests.core.strategies import Landscape
from tests.core.training import Loop, SeededLoop
from tests.fuzz.damage import places, replaced, value_at

# One text that tries everything at once: control sequences of both kinds, directions, markup, tags and formulas.
HOSTILE = (
    "\x1b[31mA\x1b]8;;http://e.com\x1b\\B\x1b]52;c;eA==\x07\x9b2J\r\x08\u202eC\u2066\ud800 [red]D[/red] [/nothing] "
    "[link=http://e.com]E[/link] <script>alert(1)</script> &amp; $\\frac{$ $\\nonesuch$ \\x"
)

DOCUMENTS = {
    "result": lambda: result_text(
        lrrange.find_lr(SeededLoop(Landscape(noise=0.02)), num_steps=30, confirm=True, repeats=2, seed=1)
    ),
    "refusals": lambda: result_text(lrrange.find_lr(Loop(Landscape(fall=math.inf, blow_up=math.inf, noise=0.02)))),
    "comparison": lambda: comparison_text(compare(policies=["found", 0.5], steps=12, evaluate_every=5)),
    "failed runs": lambda: comparison_text(compare(_failing, policies=[0.1, 0.5], steps=4, retries=0)),
}


def _failing(seed: int) -> Any:
    raise OSError("gone")


def _renamed(document: Any, names: tuple[str, str]) -> Any:
    """Return the document with this text replaced everywhere, so that names which refer to each other still do."""
    before, after = names
    return json.loads(json.dumps(document).replace(json.dumps(before), json.dumps(after)))


def hostile_documents(document: Any) -> Iterator[tuple[str, Any]]:
    """Yield the document with hostile text in place of each text, and as a key of each object with free keys."""
    for path in places(document):
        value, where = value_at(document, path), "/".join(map(str, path))
        if isinstance(value, str):
            yield where, replaced(document, path, HOSTILE)
            yield f"{where} everywhere", _renamed(document, (value, HOSTILE))
        if path[-1] in ("versions", "details"):
            yield f"{where} with a key", replaced(document, path, {**value, HOSTILE: HOSTILE})


CASES = {
    f"{name}: {where}": (name, damaged)
    for name, make in DOCUMENTS.items()
    for where, damaged in hostile_documents(json.loads(make()))
}


def load(name: str, document: Any, path: Path) -> Any:
    """Return what the document holds, or None after a check of the message if it is refused."""
    path.write_text(json.dumps(document))
    read = lrrange.load if name in ("result", "refusals") else lrrange.Comparison.load
    try:
        return read(path)
    except LRRangeError as error:
        assert_harmless(str(error))
        return None


def assert_harmless(text: str) -> None:
    """Check that nothing but line ends and spaces in this text is more than a visible character."""
    assert all(char.isprintable() or char == "\n" for char in text), ascii(text)
    text.encode()


@pytest.mark.parametrize("case", CASES)
def test_hostile_text_of_a_file_is_shown_as_text(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name, document = CASES[case]
    value = load(name, document, tmp_path / "file.json")
    if value is None:
        return
    shown = {}
    for colours in (None, "truecolor"):
        console = Console(
            file=io.StringIO(),
            width=4000,
            color_system=colours,
            force_terminal=colours is not None,
            legacy_windows=False,
        )
        console.print(value)
        shown[colours] = console.file.getvalue()
    assert_harmless(shown[None])
    assert "\x1b]" not in shown["truecolor"]  # colours are rich's own, links and clipboards are not
    assert "\x9b" not in shown["truecolor"]
    if "A\\x1b" in shown[None] and brief(HOSTILE) not in shown[None]:  # a metric's name is shown shortened
        assert "[red]D[/red] [/nothing] [link=http://e.com]E[/link]" in shown[None]
    for text in (str(value), value.summary(verbose=True, width=60), repr(value)):
        assert_harmless(text)
        assert max(map(len, text.splitlines())) <= 100
    monkeypatch.setitem(sys.modules, "matplotlib", None)  # what is drawn is tested below
    html = value._repr_html_()
    assert_harmless(html)
    assert "<script" not in html
    assert "href" not in html


# The names that plots show: one of each kind, and the others are drawn by the same code.
DRAWN = [case for case in CASES if case.endswith(("0/heuristic everywhere", "0/rule everywhere", "0/name everywhere"))]


@pytest.mark.parametrize("case", [*DRAWN, "refusals: result/answers/0/kind everywhere"])
def test_hostile_text_of_a_file_is_drawn_as_text(case: str, tmp_path: Path) -> None:
    name, document = CASES[case]
    value = load(name, document, tmp_path / "file.json")
    if value is None or name == "failed runs":
        return
    figure = Figure()
    panels = figure.subplots(2, 1)
    value.plot(tuple(panels) if name == "comparison" else panels[0])
    for text in figure.findobj(mpl.text.Text):
        assert_harmless(text.get_text())
    figure.savefig(io.BytesIO(), format="png", dpi=20)  # a formula that cannot be typeset would raise


@pytest.mark.parametrize("case", [case for case in CASES if case.startswith("re")])
def test_hostile_text_of_a_file_is_harmless_on_the_command_line(case: str, tmp_path: Path) -> None:
    _, document = CASES[case]
    path = tmp_path / "file.json"
    path.write_text(json.dumps(document))
    for options in ((), ("--heuristic", "nonesuch"), ("--range", "nonesuch")):
        run = CliRunner().invoke(cli.main, ["suggest", str(path), *options])
        assert run.exception is None or isinstance(run.exception, SystemExit), case
        assert_harmless(run.stdout)
        assert_harmless(run.stderr)


def test_names_of_a_grid_s_settings_are_no_markup() -> None:
    cells = lrrange.grid(lambda **_: Loop(), {"[red]x[/red]": ["[/nothing]", "\x1b[2J$\\frac{$"]})
    console = Console(file=io.StringIO(), width=400, color_system=None)
    console.print(cells)
    assert_harmless(console.file.getvalue())
    assert "[red]x[/red]" in console.file.getvalue()
    assert "[/nothing]" in console.file.getvalue()
    cells.plot(Figure()).figure.savefig(io.BytesIO(), format="png", dpi=20)


def test_the_error_of_a_user_s_own_heuristic_is_shown_as_text() -> None:
    def mine(_: lrrange.Curve) -> float:
        raise ValueError(HOSTILE)

    result = lrrange.find_lr(Loop(), heuristic=mine)
    with pytest.raises(lrrange.NoSuggestion) as caught:
        _ = result.lr
    assert_harmless(str(caught.value))
