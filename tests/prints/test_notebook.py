"""In a notebook: one output for a result, a grid, a comparison and a curve, as HTML, with a picture."""

import base64
import re
import sys

import attrs
import pytest

import lrrange
from tests.core.strategies import Landscape
from tests.core.training import SeededLoop
from tests.notebooks import execute
from tests.prints.values import a_comparison, a_grid, a_result

CELLS = [
    """
from tests.prints.values import a_comparison, a_grid, a_result
result, grid, comparison = a_result(), a_grid(), a_comparison()
""",
    "result",
    "grid",
    "comparison",
    "result.curve",
    "print(result)",
    "str(result); repr(result); result._repr_html_(); None",
]


@pytest.fixture(scope="module")
def notebook(request):
    """Return the outputs of these cells, by their text."""
    outputs, _ = execute(CELLS, request.config.rootpath)
    return dict(zip(CELLS, outputs, strict=True))


@pytest.mark.parametrize("cell", ["result", "grid", "comparison"])
def test_a_value_is_one_output_with_a_table_and_a_picture(notebook, cell):
    (output,) = notebook[cell]
    assert output.output_type == "execute_result"
    html = output.data["text/html"]
    assert html.count("<table") >= 1
    (picture,) = re.findall(r'src="data:image/png;base64,([^"]+)"', html)
    assert base64.b64decode(picture).startswith(b"\x89PNG")
    assert len(output.data["text/plain"]) < 120


def test_a_curve_is_one_output_with_a_table(notebook):
    (output,) = notebook["result.curve"]
    assert "best smoothed loss" in output.data["text/html"]


def test_printing_shows_text_and_nothing_else(notebook):
    (output,) = notebook["print(result)"]
    assert output.output_type == "stream"
    assert output.text.startswith(" lr  ")


def test_making_texts_displays_nothing(notebook):
    assert notebook[CELLS[-1]] == []


@pytest.mark.parametrize("make", [a_result, a_grid, a_comparison])
def test_without_matplotlib_there_is_the_table_alone(make, monkeypatch):
    value = make()
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    html = value._repr_html_()
    assert "<table" in html
    assert "<img" not in html


@pytest.mark.parametrize("make", [a_result, a_grid, a_comparison])
def test_html_is_a_fragment_with_inline_styles_and_prints_nothing(make, capsys):
    html = make()._repr_html_()
    assert html.startswith("<div")
    assert html.endswith("</div>")
    assert not re.search(r"<(html|style|script|pre)\b", html)
    assert capsys.readouterr() == ("", "")


def test_text_has_the_colour_of_the_page_and_no_background_of_its_own():
    html = re.sub(r'src="[^"]*"', "", a_result()._repr_html_())
    assert set(re.findall(r"(?<![-\w])color:([^;\"]+)", html)) <= {"#2b8a4b", "#d9363e", "#b36b00"}
    assert set(re.findall(r"background(?:-color)?:([^;\"]+)", html)) == {"none"}


def test_making_html_in_a_notebook_displays_nothing_by_itself(monkeypatch):
    displayed = []
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    monkeypatch.setattr("rich.jupyter.display", lambda *shown: displayed.append(shown))
    result = a_result()
    assert "verdict" in result._repr_html_()
    assert "verdict" in str(result)
    assert displayed == []


def test_what_a_reason_and_a_setting_hold_is_escaped():
    refusal = lrrange.Refusal(heuristic="<b>x", kind="NoSuggestion", reason="<script>alert(1)</script>")
    result = attrs.evolve(a_result(), answers=(refusal,))
    grid = lrrange.grid(lambda **_: SeededLoop(Landscape()), {"<img src=x>": ["<i>1</i>"]})
    for html in (result._repr_html_(), grid._repr_html_()):
        assert not re.search(r"<script|<b>|<i>|<img src=x", html)
    assert "&lt;script&gt;" in result._repr_html_()


def test_a_name_that_no_font_can_draw_warns_of_nothing(recwarn):
    answer = lrrange.Suggestion(heuristic="\u0c85\U00013000", lr=1e-3)
    result = attrs.evolve(a_result(), answers=(*a_result().answers, answer))
    assert "<img" in result._repr_html_()
    assert not recwarn.list
