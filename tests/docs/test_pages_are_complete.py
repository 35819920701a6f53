"""The documentation describes everything that is public, and nothing that no longer exists."""

import inspect
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import attrs
import click
import pytest
from click.testing import CliRunner

import lrrange
from lrrange import errors, hookspecs
from lrrange.advice.heuristics import HEURISTICS
from lrrange.advice.ranges import RANGE_RULES
from lrrange.cli import main
from lrrange.protocol import optional
from tests.docs.pages import DOCS, blocks, section

HOOKS = [name for name in vars(hookspecs) if name.startswith("lrrange_")]
REFERENCE = sorted((DOCS / "reference").glob("*.md"))
PLUGIN_PAGES = sorted((DOCS / "plugins").glob("*.md"))

# `.. autofunction:: lrrange.load`, or `.. py:data:: lrrange.hookimpl`, and perhaps a signature behind the name.
_DIRECTIVE = re.compile(r"^\.\. (?:auto|py:)(\w+):: (\w[\w.]*)", re.M)
_OF_A_CLASS = ("method", "property", "attribute")


def described(*kinds: str) -> list[str]:
    """Return the full names that the reference describes, as often as it does: of members, or of all else."""
    text = "\n".join(page.read_text() for page in [*REFERENCE, DOCS / "cli.md"])
    return [name for kind, name in _DIRECTIVE.findall(text) if (kind in _OF_A_CLASS) == bool(kinds)]


def of_module(full_name: str) -> tuple[object, str]:
    module, _, name = full_name.rpartition(".")
    return import_module(module), name


def key(module: object, name: str) -> object:
    """Return what two modules share if they share a name: the object, or for a constant or a type its name."""
    value = getattr(module, name)
    return value if inspect.isclass(value) or inspect.isroutine(value) or name == "hookimpl" else name


# The modules whose names are promised. Those of plug-ins have no `__all__` where only these names of theirs are public.
PUBLIC = {
    **dict.fromkeys(["lrrange", "lrrange.cli", "lrrange.cyclical", "lrrange.errors", "lrrange.finder"]),
    **dict.fromkeys(["lrrange.hookspecs", "lrrange.protocol", "lrrange.spelling", "lrrange.sweep", "lrrange.testing"]),
    **dict.fromkeys(["lrrange_torch", "lrrange_torch.demo", "lrrange_torch.optimizer", "lrrange_torch.snapshot"]),
    **dict.fromkeys(["lrrange_torch.loader_step", "lrrange_torch.own_step", "lrrange_torch.own_rate_step"]),
    **dict.fromkeys(["lrrange_torch.stop_iteration", "lrrange_torch.tensorboard"]),
    **dict.fromkeys(["lrrange_lightning", "lrrange_lightning.driver", "lrrange_clr", "lrrange_clr.lightning"]),
    **dict.fromkeys(["lrrange_trackers", "lrrange_trackers.mlflow", "lrrange_trackers.tensorboard"]),
    **dict.fromkeys(["lrrange_trackers.wandb", "lrrange_transformers", "lrrange_transformers.driver"]),
    **dict.fromkeys(["lrrange_keras", "lrrange_jax", "lrrange_sklearn"]),
    **dict.fromkeys(["lrrange_sklearn.estimator_step", "lrrange_sklearn.net_step"]),
    "lrrange.plugins": ["Plugin"],
    "lrrange_jax.adapters": ["objects_step", "state_step"],
    "lrrange_keras.fit_driver": ["FitDriver"],
}

# Modules that list their names for other modules of the same plug-in.
OF_THE_PLUGIN = {
    *("lrrange_torch.scheduler", "lrrange_torch.vmap", "lrrange_jax.vmap"),
    *("lrrange_trackers.event_file", "lrrange_trackers.tracker"),
    *("lrrange_sklearn.estimator_rate", "lrrange_sklearn.losses", "lrrange_sklearn.net_rate"),
    *("lrrange_sklearn.quiet_net", "lrrange_sklearn.targets"),
}


def promised() -> Iterator[tuple[object, str]]:
    for name, listed in PUBLIC.items():
        module = import_module(name)
        yield from ((module, public) for public in listed or module.__all__)


def test_every_module_that_lists_its_names_is_public_or_of_its_plug_in() -> None:
    root = DOCS.parent
    listing = set()
    for path in [*(root / "lrrange").rglob("*.py"), *(root / "plugins").rglob("*.py")]:
        if re.search(r"^__all__\b", path.read_text(), re.M):
            parts = path.relative_to(root).with_suffix("").parts
            listing.add(".".join(part for part in parts if part not in ("plugins", "__init__")))
    unknown = listing - set(PUBLIC) - OF_THE_PLUGIN
    assert not unknown, "Add them to PUBLIC, and their names to a page of docs/reference; or to OF_THE_PLUGIN."


def test_the_reference_describes_every_public_name_once_and_no_other() -> None:
    counted: dict[object, list[str]] = {}
    for full_name in described():
        counted.setdefault(key(*of_module(full_name)), []).append(full_name)
    assert {names[0]: len(names) for names in counted.values() if len(names) > 1} == {}
    wanted = {key(module, name): f"{module.__name__}.{name}" for module, name in promised()}
    assert sorted(name for found, name in wanted.items() if found not in counted) == []
    assert sorted(names[0] for found, names in counted.items() if found not in wanted) == []


def test_a_name_of_the_front_door_is_described_under_its_shortest_name() -> None:
    short = {key(lrrange, name): f"lrrange.{name}" for name in lrrange.__all__}
    longer = {name for name in described() if short.get(key(*of_module(name)), name) != name}
    assert longer == set()


def test_every_member_of_a_result_is_described_once() -> None:
    members = [name.rpartition(".")[2] for name in described("members")]
    result = lrrange.RangeTestResult
    fields = {field.name for field in attrs.fields(result)}
    public = {name for name in dir(result) if not name.startswith("_")} - fields
    assert sorted(members) == sorted(public)
    assert set(re.findall(r"^ {4}(\w+): ", inspect.getdoc(result) or "", re.M)) == fields  # "Args:" are on its page


@pytest.mark.parametrize(
    "signature",
    [
        pytest.param(found, id=found.partition("(")[0])
        for page in REFERENCE
        for found in re.findall(r"^\.\. (?:auto|py:)\w+:: ([\w.]+\(.+\))", page.read_text(), re.M)
    ],
)
def test_a_signature_that_is_written_out_has_the_defaults_of_the_real_one(signature: str) -> None:
    full_name, _, written = signature.partition("(")
    module, name = of_module(full_name)
    real = inspect.signature(getattr(module, name)).parameters
    scope: dict[str, object] = {}
    exec(f"def written({written}: pass", scope)
    shown = inspect.signature(scope["written"]).parameters  # type: ignore[arg-type]
    names = [name for name in real if name in shown]
    assert [name for name in shown if shown[name].kind is not inspect.Parameter.VAR_KEYWORD] == [
        name for name in names if shown[name].kind is not inspect.Parameter.VAR_KEYWORD
    ]
    for name, parameter in shown.items():
        if parameter.kind is not inspect.Parameter.VAR_KEYWORD and parameter.default is not ...:
            assert (parameter.default, parameter.kind) == (real[name].default, real[name].kind), name


def test_the_page_on_backends_has_every_optional_ability() -> None:
    abilities = {name for name, kind in vars(optional).items() if getattr(kind, "__module__", "") == optional.__name__}
    terms = re.findall(r"^`(\w+)`: ", section(DOCS / "plugins" / "backend.md", "## Optional abilities"), re.M)
    assert set(terms) >= abilities - {"Replica"}  # which is what `Replicates` returns


def page_of_hook(hook: str) -> tuple[Path, str]:
    """Return the page that has a heading for this hook, and the heading."""
    found = [
        (page, heading) for page in PLUGIN_PAGES for heading in re.findall(rf"^##+ `{hook}`$", page.read_text(), re.M)
    ]
    assert len(found) == 1, f"one page of docs/plugins has a heading `{hook}`"
    return found[0]


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_has_a_heading_and_an_example_that_implements_it(hook: str) -> None:
    examples = "".join(text for _, text, _ in blocks(section(*page_of_hook(hook)), "python"))
    assert re.search(rf"@lrrange\.hookimpl\n +def {hook}\(", examples)


def test_the_pages_on_plug_ins_describe_only_hooks_that_exist() -> None:
    text = "\n".join(page.read_text() for page in PLUGIN_PAGES)
    assert set(re.findall(r"^##+ `(lrrange_\w+)`$", text, re.M)) == set(HOOKS)


def test_the_overview_links_to_every_hook() -> None:
    overview = (DOCS / "plugins" / "hooks.md").read_text()
    anchors = set(re.findall(r"\]\((\w+\.md#lrrange-[\w-]+)\)", overview))
    wanted = {f"{page_of_hook(hook)[0].name}#{hook.replace('_', '-')}" for hook in HOOKS}
    assert anchors == wanted


@pytest.mark.parametrize("name", main.commands)
def test_the_command_line_page_runs_every_command_and_shows_its_help(name: str) -> None:
    text = section(DOCS / "cli.md", f"## `lrrange {name}`")
    assert text.count(f"```{{command-output}} lrrange {name} --help\n") == 1
    cells = "".join(block for _, block, _ in blocks((DOCS / "cli.md").read_text(), "python"))
    assert f"!lrrange {name}" in cells


def test_the_command_line_page_describes_only_commands_that_exist_and_every_exit_code() -> None:
    page = DOCS / "cli.md"
    assert set(re.findall(r"^## `lrrange (\w+)`$", page.read_text(), re.M)) == set(main.commands)
    assert isinstance(main, click.Group)
    help_text = CliRunner().invoke(main, ["--help"]).output
    codes = re.findall(r"^  (\d+) ", help_text.split("Exit codes:")[1], re.M)
    assert re.findall(r"^(\d+)\n: ", section(page, "## Exit codes"), re.M) == codes


def test_every_heuristic_range_rule_and_stop_reason_is_explained() -> None:
    page = DOCS / "reference" / "heuristics.md"
    for heading, names in (("## Heuristics", HEURISTICS), ("## Range rules", RANGE_RULES)):
        terms = re.findall(r"^(`.*)\n: ", section(page, heading), re.M)
        assert [name for term in terms for name in re.findall(r"`([\w/]+)`", term)] == list(names)
    answer = (DOCS / "curves" / "reading-the-answer.md").read_text()
    assert [reason.name for reason in lrrange.StopReason if f"`{reason.name}`" not in answer] == []


def test_every_error_and_warning_has_a_section() -> None:
    headings = re.findall(r"^### `(\w+)`$", (DOCS / "reference" / "errors.md").read_text(), re.M)
    assert sorted(headings) == sorted(set(errors.__all__) - {"LRRangeError"})
