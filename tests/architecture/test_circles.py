"""No module imports itself by way of others: each can be read with only what lies below it."""

import re
from pathlib import Path

import pytest

from tests.architecture.import_graph import circles, imports_of, modules_of, packages_of

ROOT = Path(__file__).parents[2]


def import_circles(root: Path) -> list[str]:
    """Return the circles of the core, of each plug-in and of the benchmarks."""
    messages = []
    for package in packages_of(root):
        modules = modules_of(package)
        for circle, size in circles(imports_of(modules, root), modules):
            steps = ", ".join(f"{step.where} imports {step.module}" for step in circle)
            messages.append(
                f"{package.name}: {size} module(s) import each other in a circle; the shortest way round is: {steps}. "
                f"Move what they share into a module below them, or pass it in as an argument."
            )
    return messages


def test_no_module_imports_itself_by_way_of_others():
    found = import_circles(ROOT)
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "back",
    [
        "from lrrange import curve",
        "from . import curve",
        "import lrrange.curve",
        "def later():\n    from lrrange.curve import Curve",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from lrrange.curve import Curve",
        "import importlib\nimportlib.import_module('lrrange.curve')",
    ],
    ids=["from the package", "relative", "plain", "in a function", "for types only", "by its name"],
)
def test_a_circle_is_found_however_the_import_is_written(write_tree, back):
    root = write_tree(
        {"lrrange/__init__.py": "", "lrrange/curve.py": "from lrrange.sweep import Sweep", "lrrange/sweep.py": back}
    )
    (message,) = import_circles(root)
    assert "lrrange: 2 module(s)" in message
    assert "lrrange/curve.py:1 imports lrrange.sweep" in message
    assert f"lrrange/sweep.py:{len(back.splitlines())} imports lrrange.curve" in message


@pytest.mark.parametrize("folder", ["lrrange", "plugins/lrrange_jax", "benchmarks"])
def test_a_circle_is_found_in_the_core_in_each_plug_in_and_in_the_benchmarks(write_tree, folder):
    package = Path(folder).name
    root = write_tree(
        {
            f"{folder}/__init__.py": "",
            f"{folder}/one.py": f"import {package}.two",
            f"{folder}/two.py": f"import {package}.three",
            f"{folder}/three.py": f"import {package}.one",
        }
    )
    (message,) = import_circles(root)
    assert message.startswith(f"{package}: 3 module(s)")


def test_of_a_large_circle_the_shortest_way_round_is_named(write_tree):
    root = write_tree(
        {
            "lrrange/one.py": "import lrrange.two",
            "lrrange/two.py": "import lrrange.three, lrrange.four",
            "lrrange/three.py": "import lrrange.one",
            "lrrange/four.py": "import lrrange.two",
        }
    )
    (message,) = import_circles(root)
    assert "4 module(s)" in message
    assert "is: lrrange/four.py:1 imports lrrange.two, lrrange/two.py:1 imports lrrange.four. Move" in message


def test_imports_that_only_point_down_are_no_circle(write_tree):
    assert not import_circles(
        write_tree(
            {
                "lrrange/__init__.py": "from lrrange.top import Top",
                "lrrange/top.py": "from lrrange import left, right",
                "lrrange/left.py": "import lrrange.floor",
                "lrrange/right.py": "from lrrange.floor import Floor",
                "lrrange/floor.py": "import math",
            }
        )
    )


def test_a_package_that_gathers_the_names_of_its_modules_is_no_circle(write_tree):
    assert not import_circles(
        write_tree(
            {
                "lrrange/sweep/__init__.py": "from lrrange.sweep.sweep import Sweep",
                "lrrange/sweep/sweep.py": "from lrrange.sweep.plan import SweepPlan",
                "lrrange/sweep/plan.py": "",
            }
        )
    )


def test_a_module_that_takes_a_name_from_the_package_that_gathers_it_is_a_circle(write_tree):
    (message,) = import_circles(
        write_tree(
            {
                "lrrange/sweep/__init__.py": "from lrrange.sweep.sweep import Sweep",
                "lrrange/sweep/sweep.py": "from lrrange.sweep import SweepPlan",
            }
        )
    )
    assert re.search(r"lrrange/sweep/sweep\.py:1 imports lrrange\.sweep[,.] ", message)
