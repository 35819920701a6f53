"""The hooks: the promise of each, and its documentation. Their effects are tested with the code that calls them."""

import inspect
import re
from pathlib import Path

import pluggy
import pytest

from lrrange import hookimpl, hookspecs
from lrrange.plugins import make_manager

NAMES = [name for name in vars(hookspecs) if name.startswith("lrrange_")]

CHECKOUT = Path(__file__).parents[2]


def in_a_checkout():
    """Return whether the sources and the docs are beside these tests, which run on an installed wheel too."""
    return (CHECKOUT / "lrrange").is_dir()


def test_there_are_few_of_them_and_no_other_function_is_public():
    functions = [name for name, _ in inspect.getmembers(hookspecs, inspect.isfunction)]
    own = [name for name in functions if vars(hookspecs)[name].__module__ == hookspecs.__name__]
    assert sorted(own) == sorted(NAMES)
    assert len(NAMES) < 19


@pytest.mark.parametrize("name", NAMES)
def test_every_hook_has_a_docstring_and_typed_arguments(name):
    hook = getattr(hookspecs, name)
    assert inspect.getdoc(hook)
    signature = inspect.signature(hook)
    assert signature.return_annotation is not inspect.Signature.empty
    assert all(parameter.annotation is not parameter.empty for parameter in signature.parameters.values())


@pytest.mark.parametrize("name", NAMES)
def test_every_hook_is_known_to_the_manager(name):
    assert isinstance(getattr(make_manager().hook, name), pluggy.HookCaller)


@pytest.mark.parametrize(
    ("names", "first"),
    [
        (["lrrange_adapt", "lrrange_schedule", "lrrange_apply", "lrrange_applied", "lrrange_verify"], True),
        (["lrrange_offer_heuristics", "lrrange_started", "lrrange_advanced", "lrrange_finished"], False),
    ],
    ids=["who can do this", "what is offered and what happened"],
)
def test_one_plug_in_answers_what_only_one_can_do_and_all_hear_the_rest(names, first):
    hook = make_manager().hook
    assert {bool(getattr(hook, name).spec.opts["firstresult"]) for name in names} == {first}


def test_a_marked_function_is_an_implementation():
    assert pluggy.PluginManager("lrrange").parse_hookimpl_opts(
        type("Plugin", (), {"lrrange_adapt": staticmethod(hookimpl(lambda: None))}), "lrrange_adapt"
    )


@pytest.mark.parametrize("name", NAMES)
def test_every_hook_has_a_heading_in_the_docs_where_the_docs_are(name):
    pages = (CHECKOUT / "docs" / "plugins").glob("*.md") if in_a_checkout() else ()
    text = "\n".join(page.read_text(encoding="utf-8") for page in pages)
    headings = re.findall(r"^#+ .*$", text, flags=re.MULTILINE)
    assert any(name in heading for heading in headings) == in_a_checkout()
