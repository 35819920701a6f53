"""Imports point down: a module of the core knows only the layers below it, and each library has its rooms."""

import sys
from pathlib import Path

import pytest

from tests.architecture.import_graph import imports_of, modules_of

ROOT = Path(__file__).parents[2]

# Lowest first. Names on one line do not know each other. A package is one name: inside it, everything may import
# everything that does not make a circle.
LAYERS = (
    ("averages", "other_tools", "printable"),
    ("quantity",),
    ("errors",),
    ("spelling",),
    ("validators", "policy", "random_state", "storage"),
    ("sweep",),
    ("advice",),
    ("protocol",),
    ("hookspecs", "cyclical"),
    ("plugins", "report"),
    ("optimizers", "watchers"),
    ("result",),
    ("finder",),
    ("testing", "comparison"),
    ("cli",),
    ("__main__",),
)

# What the core may import beside the standard library, and where.
LIBRARIES = {
    "attrs": ("lrrange",),
    "cattrs": ("lrrange.storage", "lrrange.comparison"),
    "click": ("lrrange.cli",),
    "IPython": ("lrrange.report",),  # in a notebook, which has loaded it
    "matplotlib": ("lrrange.report", "lrrange.comparison.plot"),
    "pandas": ("lrrange.storage.columns",),
    "pluggy": ("lrrange.hookspecs", "lrrange.plugins", "lrrange.watchers"),
    "vl_convert": ("lrrange.report",),
    "rich": ("lrrange.report", "lrrange.comparison.table", "lrrange.cli"),
}


def upward_imports(root: Path) -> list[str]:
    """Return the imports of the core that do not point down, and the modules that are in no layer."""
    height = {name: height for height, names in enumerate(LAYERS) for name in names}
    modules = modules_of(root / "lrrange")
    rooms = sorted({module.split(".")[1] for module in modules if "." in module})
    messages = [
        f"lrrange/{room} is in no layer. Add it to LAYERS in tests/architecture/test_layers.py, just above the highest "
        f"layer that it imports."
        for room in rooms
        if room not in height
    ]
    for found in imports_of(modules, root):
        if found.importer == "lrrange" or found.module.split(".")[0] != "lrrange":
            continue
        if found.module == "lrrange":
            messages.append(
                f"{found.where} imports {found.name or 'lrrange'} through the front door of its own house. Import it "
                f"from the module that defines it."
            )
            continue
        importer, imported = (module.split(".")[1] for module in (found.importer, found.module))
        if importer == imported or importer not in height or imported not in height:
            continue
        if height[importer] <= height[imported]:
            relation = "below" if height[importer] < height[imported] else "beside"
            messages.append(
                f"{found.where} imports {found.module} from {importer}: {importer} is {relation} {imported}. Move what "
                f"both need into a layer below {importer}, or pass it in as an argument."
            )
    return list(dict.fromkeys(messages))


def foreign_imports(root: Path) -> list[str]:
    """Return the imports by which the core knows a framework, or a library outside the rooms that it has there."""
    messages = []
    for found in imports_of(modules_of(root / "lrrange"), root):
        library = found.module.split(".")[0]
        if library == "lrrange" or library in sys.stdlib_module_names:
            continue
        if library not in LIBRARIES:
            messages.append(
                f"{found.where} imports {library}: the core knows no framework and no plug-in. Move what needs it into "
                f"a plug-in, or take plain numbers as arguments."
            )
        # The types of a library may be named anywhere: it is not loaded, and its objects are only handed on.
        elif not found.typing_only and not any(
            found.importer == room or found.importer.startswith(f"{room}.") for room in LIBRARIES[library]
        ):
            messages.append(
                f"{found.where} imports {library}, which only {', '.join(LIBRARIES[library])} may. Move what needs it "
                f"there, or name its types under TYPE_CHECKING."
            )
    return messages


def test_no_module_of_the_core_imports_a_layer_above_it():
    found = upward_imports(ROOT)
    assert not found, "\n".join(found)


def test_the_layers_name_only_what_exists():
    gone = [name for names in LAYERS for name in names if f"lrrange.{name}" not in modules_of(ROOT / "lrrange")]
    assert not gone, f"Take {', '.join(gone)} out of LAYERS, or correct the name: lrrange/ has no such module."


def test_the_core_imports_no_framework_and_each_library_in_its_rooms_only():
    found = foreign_imports(ROOT)
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("importer", "statement", "message"),
    [
        ("advice/verdict", "from lrrange.finder.grid import Grid", "advice is below finder. Move what both need"),
        ("advice/verdict", "def f():\n    import lrrange.finder.grid", "advice is below finder."),
        ("advice/verdict", "if TYPE_CHECKING:\n    from lrrange.finder import grid", "advice is below finder."),
        ("testing", "from lrrange.comparison.job import Job", "testing is beside comparison."),
        ("result", "from lrrange import find_lr", "imports find_lr through the front door"),
        ("result", "import lrrange", "imports lrrange through the front door"),
    ],
)
def test_an_import_that_does_not_point_down_is_found(write_tree, importer, statement, message):
    root = write_tree(
        {
            "lrrange/__init__.py": "from lrrange.finder.grid import find_lr",
            "lrrange/finder/__init__.py": "",
            "lrrange/finder/grid.py": "",
            "lrrange/comparison/job.py": "",
            f"lrrange/{importer}.py": statement,
        }
    )
    (found,) = upward_imports(root)
    assert found.startswith(f"lrrange/{importer}.py:{len(statement.splitlines())} imports ")
    assert message in found


def test_imports_of_lower_layers_and_within_a_package_are_allowed(write_tree):
    root = write_tree(
        {
            "lrrange/__init__.py": "import lrrange.cli",
            "lrrange/errors.py": "import math",
            "lrrange/sweep/plan.py": "from lrrange import errors",
            "lrrange/sweep/sweep.py": "from lrrange.sweep.plan import SweepPlan",
            "lrrange/cli.py": "from lrrange.sweep.sweep import Sweep\nfrom lrrange.errors import PlanError",
        }
    )
    assert upward_imports(root) == []


def test_a_new_module_must_be_given_a_layer(write_tree):
    (found,) = upward_imports(write_tree({"lrrange/sharpness.py": "", "lrrange/errors.py": ""}))
    assert found.startswith("lrrange/sharpness is in no layer. Add it to LAYERS")


@pytest.mark.parametrize(
    ("importer", "statement", "message"),
    [
        ("finder/training", "import torch", "imports torch: the core knows no framework"),
        ("finder/training", "def f():\n    import numpy.random", "imports numpy: the core knows no framework"),
        ("finder/training", "if TYPE_CHECKING:\n    from torch import Tensor", "imports torch: the core knows no"),
        ("finder/training", "from lrrange_torch import verify", "imports lrrange_torch: the core knows no"),
        ("result", "from matplotlib import pyplot", "which only lrrange.report, lrrange.comparison.plot may."),
        ("comparison/plotting", "import matplotlib", "which only lrrange.report, lrrange.comparison.plot may."),
        ("plugins_found", "import pluggy", "which only lrrange.hookspecs, lrrange.plugins, lrrange.watchers may."),
    ],
)
def test_a_framework_and_a_library_out_of_its_rooms_are_found(write_tree, importer, statement, message):
    (found,) = foreign_imports(write_tree({f"lrrange/{importer}.py": statement}))
    assert found.startswith(f"lrrange/{importer}.py:{len(statement.splitlines())} imports ")
    assert message in found


def test_libraries_in_their_rooms_and_their_types_anywhere_are_allowed(write_tree):
    root = write_tree(
        {
            "lrrange/report/plots/picture.py": "def f():\n    from matplotlib import pyplot",
            "lrrange/comparison/plot.py": "import matplotlib",
            "lrrange/result.py": "import attrs\nif TYPE_CHECKING:\n    from matplotlib.axes import Axes",
            "lrrange/finder/runner.py": "import math, lrrange.plugins\nif typing.TYPE_CHECKING:\n    import pluggy",
        }
    )
    assert foreign_imports(root) == []
