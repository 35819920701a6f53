"""The documentation describes everything that is public, and nothing that no longer exists."""

import inspect
import re

import click
import lrrange_clr
import lrrange_keras
import lrrange_lightning
import lrrange_torch
import lrrange_torch.optimizer
import lrrange_torch.snapshot
import lrrange_torch.stop_iteration
import lrrange_trackers
import lrrange_transformers
import pytest
from click.testing import CliRunner
from lrrange_torch.loader_step import LoaderStep
from lrrange_torch.own_step import OwnStep

import lrrange
import lrrange.protocol
from lrrange import errors, hookspecs
from lrrange.advice.heuristics import HEURISTICS
from lrrange.advice.ranges import RANGE_RULES
from lrrange.cli import main
from lrrange.finder import Settings
from lrrange.protocol import optional
from tests.docs.pages import DOCS, blocks, section

HOOKS = [name for name in vars(hookspecs) if name.startswith("lrrange_")]
ERRORS = {
    name
    for name, kind in vars(errors).items()
    if inspect.isclass(kind) and issubclass(kind, errors.LRRangeError) and kind.__module__ == errors.__name__
}

MODULES = (
    lrrange,
    lrrange_torch,
    lrrange_torch.optimizer,
    lrrange_torch.snapshot,
    lrrange_torch.stop_iteration,
    lrrange_lightning,
    lrrange_clr,
    lrrange_trackers,
    lrrange_transformers,
    lrrange_keras,
)


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_the_reference_describes_every_public_name_and_no_other(module) -> None:
    directive = rf"^\.\. (?:auto(?!module)\w+|py:data):: {re.escape(module.__name__)}\.(\w+)$"
    described = re.findall(directive, (DOCS / "api.md").read_text(), re.M)
    assert sorted(described) == sorted(module.__all__), "docs/api.md and __all__ differ: one line for each name there"


def test_the_reference_describes_every_name_of_the_protocol_that_is_not_at_the_front_door() -> None:
    described = re.findall(r"^\.\. auto\w+:: lrrange\.protocol\.(\w+)$", (DOCS / "api.md").read_text(), re.M)
    assert sorted(described) == sorted(set(lrrange.protocol.__all__) - set(lrrange.__all__))


def test_the_page_on_hooks_has_a_row_for_every_optional_ability() -> None:
    abilities = {name for name, kind in vars(optional).items() if getattr(kind, "__module__", "") == optional.__name__}
    rows = re.findall(r"^\| `(\w+)` \|", section(DOCS / "hooks.md", "## `lrrange_adapt`"), re.M)
    assert set(rows) >= abilities - {"Replica"}  # which is what `Replicates` returns


@pytest.mark.parametrize("module", ["lrrange.hookspecs", "lrrange.testing", "lrrange.errors"])
def test_the_reference_describes_every_member_of_the_other_public_modules(module: str) -> None:
    assert re.search(rf"^\.\. automodule:: {module}\n   :members:$", (DOCS / "api.md").read_text(), re.M)


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_has_a_heading_and_an_example_that_implements_it(hook: str) -> None:
    examples = "".join(text for _, text, _ in blocks(section(DOCS / "hooks.md", f"## `{hook}`"), "python"))
    assert f"@lrrange.hookimpl\n    def {hook}(" in examples


def test_the_hooks_page_describes_only_hooks_that_exist() -> None:
    assert set(re.findall(r"^## `(lrrange_\w+)`$", (DOCS / "hooks.md").read_text(), re.M)) == set(HOOKS)


@pytest.mark.parametrize("name", main.commands)
def test_the_command_line_page_shows_the_help_of_every_command(name: str) -> None:
    help_text = CliRunner().invoke(main, [name, "--help"], prog_name="lrrange", env={"COLUMNS": "80"}).output
    shown = [text for _, text, _ in blocks(section(DOCS / "cli.md", f"## `lrrange {name}`"), "text")]
    assert shown == [help_text], f"docs/cli.md: under `lrrange {name}`, put its --help in one text block:\n{help_text}"


def test_the_command_line_page_describes_only_commands_that_exist_and_every_exit_code() -> None:
    text = (DOCS / "cli.md").read_text()
    assert set(re.findall(r"^## `lrrange (\w+)`$", text, re.M)) == set(main.commands)
    assert isinstance(main, click.Group)
    help_text = CliRunner().invoke(main, ["--help"]).output
    codes = re.findall(r"^  (\d+) ", help_text.split("Exit codes:")[1], re.M)
    assert re.findall(r"^\| (\d+) \|", text, re.M) == codes


def test_every_error_has_a_row_that_says_what_to_change() -> None:
    rows = re.findall(r"^\| `(\w+)` \|", (DOCS / "reading-the-answer.md").read_text(), re.M)
    assert set(rows) >= ERRORS
    assert all(hasattr(errors, row) for row in rows if row.endswith("Error"))


def test_every_heuristic_range_rule_and_stop_reason_is_explained() -> None:
    text = (DOCS / "reading-the-answer.md").read_text()
    rows = "\n".join(re.findall(r"^\| (.*?) \|", text, re.M))
    explained = set(re.findall(r"`([\w/]+)`", rows))
    assert {*HEURISTICS, *RANGE_RULES, *(reason.name for reason in lrrange.StopReason)} <= explained


@pytest.mark.parametrize(
    ("heading", "function"),
    [
        ("## Options of every sweep", Settings),
        ("## Options for a model", LoaderStep),
        ("## Options for a step of your own", OwnStep),
    ],
)
def test_every_option_is_in_its_table(heading: str, function) -> None:
    options = {
        name
        for name, parameter in inspect.signature(function).parameters.items()
        if name not in ("model", "step")  # the target
    }
    rows = re.findall(r"^\| (`.*?) \|", section(DOCS / "quickstart.md", heading), re.M)
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} == options
