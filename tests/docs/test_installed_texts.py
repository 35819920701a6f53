"""What an installed package says: it names no file that only the repository has, and numbers are those in force."""

import inspect
import math
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

import lrrange
from lrrange.advice.evidence import USUAL_TRAINING
from lrrange.advice.rule import ASSUMED_TRAIN_STEPS
from lrrange.cli import main
from lrrange.finder.plan_defaults import in_even_steps, plan_for
from lrrange.finder.settings import Settings
from lrrange.sweep.pace import APPROACHING, MOVING, QUIET, QUIET_BELOW, denser, plan_to_begin_with
from tests.docs.pages import section

ROOT = Path(__file__).parents[2]
INSTALLED = [path for folder in ("lrrange", "plugins") for path in (ROOT / folder).rglob("*.py")]

# `docs/evidence/quality.md`, `benchmarks/quality`, `CHANGELOG.md`; but not the address of a page.
ONLY_IN_THE_REPOSITORY = re.compile(r"(?<![\w/.])(?:(?:docs|examples|tests)/|benchmarks[/.])\w+|\b[A-Za-z-]+\.md\b")


def test_no_text_of_an_installed_package_names_a_file_that_it_does_not_have() -> None:
    assert len(INSTALLED) > 100
    found = [
        f"{path.relative_to(ROOT)}:{number}: {match[0]}"
        for path in INSTALLED
        for number, line in enumerate(path.read_text().splitlines(), 1)
        for match in ONLY_IN_THE_REPOSITORY.finditer(line)
    ]
    assert found == []


@pytest.mark.parametrize(
    "text", ["(`docs/evidence/quality.md`)", "`benchmarks.quality.fit` fits", "see README.md", "docs/a"]
)
def test_a_file_of_the_repository_would_be_found(text: str) -> None:
    assert ONLY_IN_THE_REPOSITORY.search(text)


def stated(pattern: str, *pages: str) -> set[str]:
    """Return every number that these texts state in place of the group of the pattern. Each page states one."""
    texts = {name: (ROOT / name).read_text() for name in pages}
    texts["find_lr"] = " ".join(inspect.getdoc(lrrange.find_lr).split())
    found = {name: re.findall(pattern, " ".join(text.split())) for name, text in texts.items()}
    assert all(found[name] for name in pages), found
    return {number.replace(",", "") for numbers in found.values() for number in numbers}


def test_the_steps_of_a_sweep_are_the_same_in_every_text() -> None:
    start, end = 1e-7, 10.0
    assert plan_for(None, None, None, "exponential", {}) == plan_to_begin_with(start, end)
    assert stated(r"defaults are 1e-7 and (\d+)", "docs/reference/find_lr.md", "docs/frameworks/pytorch.md") == {"10"}
    fewest, most = plan_to_begin_with(start, end).num_steps, denser(plan_to_begin_with(start, end), 10).num_steps
    page = section(ROOT / "docs" / "reference" / "find_lr.md", "## How many steps a sweep takes")
    assert re.findall(r"makes\s(\d+) steps if nothing moves, and at most (\d+)", page) == [(f"{fewest}", f"{most}")]
    assert re.findall(r"^\| .* \| (\d+) \|$", page, re.M) == [f"{steps}" for steps in (QUIET, APPROACHING, MOVING)]
    assert re.findall(r"^\| (?:below|from) (1e-\d)", page, re.M) == [f"1e{math.log10(QUIET_BELOW):.0f}"] * 2
    places = ("docs/reference/find_lr.md", "docs/frameworks/pytorch.md")
    assert stated(r"(\d+) (?:a|per) decade where the loss moves", *places) == {f"{MOVING}"}
    assert stated(r"By default (?:there are )?about (\d+)", *places) == {"100"}
    assert fewest < 100 < most
    assert stated(r"`num_steps=(\d+)` is 25 per decade", "docs/reference/find_lr.md") == {
        f"{in_even_steps(start, end).num_steps}"
    }
    linear = plan_for(None, None, None, "linear", {}).num_steps, in_even_steps(0.01, 1.0).num_steps
    assert re.findall(r"takes (\d+) even steps by default, and one over two decades or less takes (\d+)", page) == [
        tuple(map(str, linear))
    ]


def test_the_steps_that_confirm_are_the_same_in_every_text() -> None:
    budget = f"{Settings().confirm_steps}"
    signature = inspect.signature(lrrange.find_lr).parameters["confirm_steps"].default
    assert f"{signature}" == budget
    assert stated(r"together; (\d+) by default", "docs/reference/find_lr.md") == {budget}
    shown = CliRunner().invoke(main, ["find", "--help"], env={"COLUMNS": "80"}).output
    assert re.findall(r"these runs together\. +\[default: +(\d+)\]", " ".join(shown.split())) == [budget]
    assert re.findall(r"(\d+) is usual", (ROOT / "lrrange/finder/trials.py").read_text()) == [budget]


def test_the_length_that_is_assumed_is_one_number() -> None:
    assert ASSUMED_TRAIN_STEPS == USUAL_TRAINING
