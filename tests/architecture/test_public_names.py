"""A plug-in could move to its own repository tomorrow: it takes from other packages of ours only what they promise."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.import_graph import imports_in, modules_of, plugins_of

ROOT = Path(__file__).parents[2]

# Nothing may be defined in these: their modules are imported one by one, where they are needed.
DOCSTRING_ONLY = (
    "lrrange/comparison",
    "lrrange/report",
    "lrrange/report/html_report",
    "lrrange/report/pages",
    "lrrange/report/plots",
)


def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _ours(root: Path) -> dict[str, Path]:
    return {name: path for top in [root / "lrrange", *plugins_of(root)] for name, path in modules_of(top).items()}


def promised_by(path: Path) -> list[str] | None:
    """Return the names in a module's `__all__`, or None if it has none."""
    for node in _parsed(path).body:
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["__all__"]:
            return list(ast.literal_eval(node.value))
    return None


def _names_taken(path: Path, modules: dict[str, Path], root: Path) -> Iterator[tuple[int, str, str]]:
    """Yield the line, the module and the name, for every name that a file takes from a module of ours."""
    bound = {}
    for found in imports_in(path, path.stem, modules, root):
        if found.module in modules and found.name is None:
            # `import lrrange.errors` binds lrrange; `from lrrange import errors` binds errors.
            bound[found.local] = found.local if f"{found.module}.".startswith(f"{found.local}.") else found.module
        elif found.module.split(".")[0] in modules and found.name != "*":
            yield found.line, found.module, found.name or found.module
    attributes = [node for node in ast.walk(_parsed(path)) if isinstance(node, ast.Attribute)]
    parts_of_longer_ones = {id(node.value) for node in attributes}
    for node in attributes:
        first, *rest = ast.unparse(node).split(".")
        module = bound.get(first)
        if module is None or id(node) in parts_of_longer_ones:
            continue
        while rest and f"{module}.{rest[0]}" in modules:
            module = f"{module}.{rest.pop(0)}"
        if rest and (name := re.match(r"\w+", rest[0])) and not name[0].startswith("__"):
            yield node.lineno, module, name[0]


def unpromised_names(root: Path) -> list[str]:
    """Return what plug-ins and examples take from another package of ours that is not in its `__all__`."""
    takers = [(plugin.name, path) for plugin in plugins_of(root) for path in modules_of(plugin).values()]
    takers += [("", path) for path in sorted(root.glob("examples/**/*.py"))]
    messages = []
    for own, path in takers:
        modules = {name: file for name, file in _ours(root).items() if name.split(".")[0] != own}
        taken: dict[tuple[int, str], set[str]] = {}
        for line, module, name in _names_taken(path, modules, root):
            taken.setdefault((line, module), set()).add(name)
        for (line, module), names in sorted(taken.items()):
            private = module not in modules or any(part.startswith("_") for part in module.split("."))
            public = None if private else promised_by(modules[module])
            missing = ", ".join(sorted(names - set(public or ())))
            where = f"{path.relative_to(root).as_posix()}:{line} takes {missing} from {module}"
            if public is None:
                messages.append(
                    f"{where}, which is private or has no __all__, and so promises nothing. Take what a public module "
                    f"has in its __all__, or promote the name there first: __all__, docs, tests."
                )
            elif missing:
                messages.append(
                    f"{where}, where __all__ lacks it. Take a public name, or promote this one there first: __all__, "
                    f"docs, tests."
                )
    return messages


def hidden_names(root: Path) -> list[str]:
    """Return the promised names that a module or folder of the same name would replace once it is imported."""
    return [
        f"{path.relative_to(root).as_posix()} promises {name}, and importing the module {package}.{name} puts the "
        f"module in its place. Give the module or folder another name."
        for package, path in _ours(root).items()
        if path.name == "__init__.py"
        for name in promised_by(path) or ()
        if (path.parent / name).is_dir() or (path.parent / f"{name}.py").is_file()
    ]


def filled_packages(root: Path) -> list[str]:
    """Return the packages whose `__init__.py` should be a docstring and is more."""
    messages = []
    for folder in DOCSTRING_ONLY:
        path = root / folder / "__init__.py"
        tree = _parsed(path)
        if len(tree.body) != 1 or ast.get_docstring(tree) is None:
            messages.append(
                f"{folder}/__init__.py holds more or less than a docstring. Import each name from the module that "
                f"defines it: collected here, all modules and their libraries would load for one of them."
            )
    return messages


def modules_named_in_vain(root: Path) -> list[str]:
    """Return the strings that name a module of ours that does not exist, as `sys.modules` is asked for one."""
    modules = _ours(root)
    tops = "|".join(name for name in modules if "." not in name)
    return [
        f"{path.relative_to(root).as_posix()}:{node.lineno} names {node.value!r}, and there is no such module. Write "
        f"where the module is now."
        for path in modules.values()
        for node in ast.walk(_parsed(path))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and re.fullmatch(rf"(?:{tops})(?:\.\w+)+", node.value)
        and not node.value.endswith(".json")  # a file
        and node.value not in modules
    ]


def test_plug_ins_and_examples_take_only_promised_names_of_other_packages():
    found = unpromised_names(ROOT)
    assert not found, "\n".join(found)


def test_no_module_hides_a_promised_name():
    found = hidden_names(ROOT)
    assert not found, "\n".join(found)


def test_the_packages_that_load_nothing_hold_a_docstring_only():
    found = filled_packages(ROOT)
    assert not found, "\n".join(found)


def test_every_module_that_is_named_by_a_string_exists():
    found = modules_named_in_vain(ROOT)
    assert not found, "\n".join(found)


LIBRARY = {
    "lrrange/__init__.py": "from lrrange.sweep import Sweep\n__all__ = ['Sweep', 'find_lr']\nSecret = 1",
    "lrrange/errors.py": "__all__ = ['NoData']\nclass NoData(Exception): ...\nclass Other(Exception): ...",
    "lrrange/midway.py": "def readings(): ...",
    "lrrange/_draft.py": "__all__ = ['Idea']\nIdea = 1",
    "plugins/lrrange_torch/__init__.py": "__all__ = ['verify']",
    "plugins/lrrange_torch/optimizer/__init__.py": "__all__ = ['GroupRates']",
    "plugins/lrrange_torch/optimizer/rates.py": "class GroupRates: ...",
}


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("from lrrange import Secret", "takes Secret from lrrange, where __all__ lacks it."),
        ("from lrrange.errors import NoData, Other", "takes Other from lrrange.errors, where __all__ lacks"),
        (
            "def f():\n    from lrrange.midway import readings",
            "from lrrange.midway, which is private or has no __all__",
        ),
        (
            "if TYPE_CHECKING:\n    from lrrange.midway import readings",
            "from lrrange.midway, which is private or has no __all__",
        ),
        ("from lrrange._draft import Idea", "takes Idea from lrrange._draft, which is private"),
        ("import lrrange\nlrrange.Secret", "takes Secret from lrrange,"),
        ("import lrrange as lr\nlr.Secret.x()", "takes Secret from lrrange,"),
        (
            "import lrrange.midway\nlrrange.midway.readings()",
            "takes readings from lrrange.midway, which is private or has no",
        ),
        ("import lrrange\nlrrange.errors.Other", "takes Other from lrrange.errors,"),
        ("from lrrange import errors\nraise errors.Other", "takes Other from lrrange.errors,"),
        ("from lrrange import errors as e\nraise e.Other", "takes Other from lrrange.errors,"),
        (
            "from lrrange_torch.optimizer.rates import GroupRates",
            "from lrrange_torch.optimizer.rates, which is private or has no",
        ),
        ("from lrrange.gone import Sweep", "takes Sweep from lrrange.gone, which is private or has no __all__"),
    ],
)
@pytest.mark.parametrize("taker", ["plugins/lrrange_clr/__init__.py", "examples/plot.py"])
def test_a_name_that_is_not_promised_is_found(write_tree, taker, statement, message):
    (found,) = unpromised_names(write_tree({**LIBRARY, taker: statement}))
    assert found.startswith(f"{taker}:{len(statement.splitlines())} takes ")
    assert message in found


@pytest.mark.parametrize(
    "statement",
    [
        "from lrrange import Sweep, find_lr",
        "from lrrange import *",
        "import lrrange\nlrrange.find_lr(lrrange.Sweep).Secret",
        "import lrrange\nprint(lrrange.__name__)",
        "from lrrange import errors\nraise errors.NoData",
        "import lrrange.errors\nraise lrrange.errors.NoData",
        "from lrrange_torch.optimizer import GroupRates",
        "from lrrange_clr.scheduler import anything_of_its_own",
        "import torch\ntorch.nn.Linear",
    ],
)
def test_promised_names_own_names_and_names_of_others_are_allowed(write_tree, statement):
    root = write_tree({**LIBRARY, "plugins/lrrange_clr/scheduler.py": "", "plugins/lrrange_clr/__init__.py": statement})
    assert unpromised_names(root) == []


@pytest.mark.parametrize("name", ["find_lr.py", "find_lr/__init__.py", "find_lr/grid.py"])
def test_a_module_or_folder_with_the_name_of_a_promised_function_is_found(write_tree, name):
    assert hidden_names(write_tree(LIBRARY)) == []
    (found,) = hidden_names(write_tree({f"lrrange/{name}": ""}))
    assert found.startswith("lrrange/__init__.py promises find_lr, and importing the module lrrange.find_lr puts")


@pytest.mark.parametrize("source", ["", "'''What it holds.'''\nfrom lrrange.report.printed import Printed", "x = 1"])
def test_a_package_that_should_load_nothing_and_holds_code_is_found(write_tree, source):
    docstring = "'''What it holds.'''"
    good = {f"{folder}/__init__.py": docstring for folder in DOCSTRING_ONLY}
    assert filled_packages(write_tree(good)) == []
    (found,) = filled_packages(write_tree({**good, "lrrange/report/__init__.py": source}))
    assert found.startswith("lrrange/report/__init__.py holds more or less than a docstring.")


def test_a_string_that_names_a_module_of_yesterday_is_found(write_tree):
    root = write_tree(
        {
            "lrrange/__init__.py": "NAMES = 'lrrange', 'lrrange.errors', 'lrrange.json', 'lrrange_x.y', 'a lrrange.x'",
            "lrrange/errors.py": "",
            "plugins/lrrange_torch/__init__.py": "import sys\nsys.modules.get('lrrange_torch.step')",
        }
    )
    (found,) = modules_named_in_vain(root)
    assert found.startswith("plugins/lrrange_torch/__init__.py:2 names 'lrrange_torch.step'")
