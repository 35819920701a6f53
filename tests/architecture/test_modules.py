"""Modules that can be read in one sitting, and values that are never searched for what they might be able to do."""

import ast
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

from tests.architecture.import_graph import modules_of, packages_of

ROOT = Path(__file__).parents[2]

LONGEST = 350

# Where a backend's optional abilities are looked up, once for all.
TRAINING = "lrrange.finder.training"

# Calls that look for an attribute of somebody else's object, by module and attribute ("*" where the code computes the
# name, "vars" for `vars`), and why each is right. Names of Python itself, such as __name__, need no reason.
ALLOWED = {
    ("lrrange.cli.factory", "*"): "follows the dotted path that was typed, module:object.attribute",
    (
        "lrrange.finder.executors",
        "submit",
    ): "any object with it is an executor, as of Dask, loky and Ray",
    ("lrrange.finder.recognition", "*"): "any object may be its own backend, and its methods and signatures say so",
    ("lrrange.plugins", "*"): "a plug-in is any object, and pluggy finds its hooks by their names as well",
    ("lrrange.watchers", "*"): "a watcher is any object, and pluggy finds its hooks by their names as well",
    ("lrrange.sweep.planned_steps", "detach"): "a loss may be a tensor of a framework that the core does not import",
    ("lrrange.sweep.planned_steps", "shape"): "a loss may be a tensor of a framework that the core does not import",
}


def long_modules(root: Path) -> list[str]:
    """Return the modules that have too many lines."""
    return [
        f"{path.relative_to(root).as_posix()} has {lines} lines, and {LONGEST} are the most. Find the second thing in "
        f"it and give that a module, named after what others import from it."
        for package in packages_of(root)
        for path in modules_of(package).values()
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > LONGEST
    ]


@attrs.frozen
class Lookup:
    """A call that looks for an attribute by name."""

    where: str
    module: str
    attribute: str
    source: str


def lookups(root: Path) -> Iterator[Lookup]:
    """Yield the calls in the core that look for an attribute of an object that it did not import or make.

    Those are `getattr`, `hasattr` and `vars` of anything but `self`, `cls`, and what the file imports; and `getattr`
    with a default, of anything.
    """
    for module, path in modules_of(root / "lrrange").items():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        known = {"self", "cls"}
        for node in ast.walk(tree):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                known |= {alias.asname or alias.name.split(".")[0] for alias in node.names}
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            if node.func.id not in ("getattr", "hasattr", "vars") or not node.args:
                continue
            imports_it = isinstance(node.args[0], ast.Call) and ast.unparse(node.args[0].func).endswith("import_module")
            if len(node.args) < 3 and (imports_it or ast.unparse(node.args[0]) in known):
                continue
            attribute = "vars" if node.func.id == "vars" else _constant(node.args[1])
            if not (attribute.startswith("__") and attribute.endswith("__")):
                where = f"{path.relative_to(root).as_posix()}:{node.lineno}"
                yield Lookup(where, module, attribute, ast.unparse(node))


def _constant(node: ast.expr) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else "*"


def guesses(root: Path) -> list[str]:
    """Return the lookups that are neither in `finder/training.py` nor allowed with a reason."""
    return [
        f"{found.where}: {found.source} guesses what an object can do. Make the ability a protocol in "
        f"lrrange/protocol/optional.py, resolve it in lrrange/finder/training.py and use it from there. If the "
        f"object is no backend, ask for its type, or add {(found.module, found.attribute)} and the reason to ALLOWED "
        f"in tests/architecture/test_modules.py."
        for found in lookups(root)
        if found.module != TRAINING and (found.module, found.attribute) not in ALLOWED
    ]


def test_no_module_is_longer_than_one_sitting():
    found = long_modules(ROOT)
    assert not found, "\n".join(found)


def test_no_object_is_searched_for_what_it_can_do_but_where_abilities_are_resolved():
    found = guesses(ROOT)
    assert not found, "\n".join(found)


def test_every_allowed_lookup_is_still_there():
    unused = ALLOWED.keys() - {(found.module, found.attribute) for found in lookups(ROOT)}
    assert not unused, f"Take {sorted(unused)} out of ALLOWED: nothing needs them any more."


@pytest.mark.parametrize("folder", ["lrrange", "plugins/lrrange_jax", "benchmarks"])
def test_a_module_of_too_many_lines_is_found(write_tree, folder):
    root = write_tree(
        {
            f"{folder}/__init__.py": "x = 1\n" * LONGEST,
            f"{folder}/inner/sweep.py": "x = 1\n" * (LONGEST + 1),
        }
    )
    (found,) = long_modules(root)
    assert found.startswith(f"{folder}/inner/sweep.py has {LONGEST + 1} lines")


@pytest.mark.parametrize(
    "call",
    [
        "getattr(adapted, 'seed', None)",
        "getattr(self.adapted, 'report', dict)()",
        "getattr(self, 'digest', None)",
        "hasattr(adapted, 'seed')",
        "vars(adapted)",
        "getattr(adapted, name)",
        "getattr(errors, 'NoData', None)",
    ],
)
def test_a_lookup_on_an_object_is_found(write_tree, call):
    source = f"from lrrange import errors\n\ndef f(self, adapted, name):\n    return {call}"
    (found,) = guesses(write_tree({"lrrange/comparison/job.py": source}))
    assert found.startswith(f"lrrange/comparison/job.py:4: {call.removesuffix('()')} guesses what an object can do.")
    assert "protocol/optional.py" in found


@pytest.mark.parametrize(
    "call",
    [
        "getattr(self, name)",
        "hasattr(errors, name)",
        "vars(errors)",
        "getattr(import_module(name), name)",
        "getattr(make_run, '__name__', 'make_run')",
        "adapted.seed(1)",
    ],
)
def test_lookups_on_what_a_file_imports_or_is_and_names_of_python_are_allowed(write_tree, call):
    source = f"from lrrange import errors\n\ndef f(self, adapted, name, make_run):\n    return {call}"
    assert guesses(write_tree({"lrrange/comparison/job.py": source})) == []


def test_lookups_are_allowed_where_abilities_are_resolved_and_where_a_reason_is_given(write_tree):
    root = write_tree(
        {
            "lrrange/finder/training.py": "def f(adapted):\n    return getattr(adapted, 'bounds', dict)()",
            "lrrange/sweep/planned_steps.py": "def f(loss):\n    return hasattr(loss, 'detach')",
        }
    )
    assert guesses(root) == []
    another = {"lrrange/sweep/planned_steps.py": "def f(loss):\n    return hasattr(loss, 'item')"}
    assert len(guesses(write_tree(another))) == 1
