"""The promises of `import lrrange`: its names, the modules it loads, and their documentation."""

import importlib.metadata
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import lrrange

CHECKOUT = Path(__file__).parents[2]

HEAVY = ["torch", "numpy", "matplotlib", "lightning", "pytorch_lightning", "pandas", "sklearn"]

# Importing lrrange does not need these either. Only a sweep, a file or a command does.
LATER = [
    "pluggy",
    "cattrs",
    "click",
    "rich",
    "lrrange.finder.range_test",
    "lrrange.plugins",
    "lrrange.storage.documents",
    "lrrange.testing",
    "csv",
    "difflib",
    "html",
    "secrets",
]


def in_a_checkout():
    """Return whether the sources and the docs are beside these tests, which run on an installed wheel too."""
    return (CHECKOUT / "lrrange").is_dir()


def loaded_after(code, names):
    """Return which of these modules a new process has loaded after this code."""
    report = f"{code}\nimport json, sys; print(json.dumps([name for name in {names!r} if name in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", report], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_importing_lrrange_loads_no_framework_and_nothing_it_can_load_later():
    assert loaded_after("import lrrange", HEAVY + LATER) == []


def test_a_sweep_driven_by_hand_loads_none_either():
    by_hand = """
import lrrange
sweep = lrrange.Sweep(lrrange.SweepPlan(start_lr=1e-4, end_lr=1.0, num_steps=50))
while sweep.running:
    sweep.tell(2.0 - sweep.lr)
lrrange.Curve(lr=sweep.curve.lr, loss=sweep.curve.loss).falls
"""
    assert loaded_after(by_hand, HEAVY + LATER) == []


def test_every_name_and_a_whole_test_without_a_framework_load_none():
    whole = """
import lrrange
for name in lrrange.__all__:
    getattr(lrrange, name)
class Loop:
    def step(self, lr): return 2.0 - lr
    def snapshot(self): return None
    def restore(self, state): pass
lrrange.find_lr(Loop())
import lrrange.testing, lrrange.hookspecs
"""
    assert loaded_after(whole, HEAVY) == []


def test_the_command_line_loads_none_before_it_is_told_what_to_train():
    assert loaded_after("from lrrange.cli import main", HEAVY) == []


def test_every_promised_name_is_there_and_promised_once():
    assert len(set(lrrange.__all__)) == len(lrrange.__all__)
    for name in lrrange.__all__:
        assert getattr(lrrange, name) is not None
        assert name in dir(lrrange)


def test_a_name_that_is_not_there_is_an_attribute_error_that_says_so():
    with pytest.raises(AttributeError, match="module 'lrrange' has no attribute 'tune'"):
        _ = lrrange.tune
    with pytest.raises(ImportError, match="tune"):
        from lrrange import tune  # noqa: F401


MODULES = [path.stem for path in Path(lrrange.__file__).parent.iterdir() if path.suffix in ("", ".py")]


@pytest.mark.parametrize("module", sorted(name for name in MODULES if not name.startswith("_")))
def test_a_module_of_the_package_is_imported_from_it(module):
    code = f"from lrrange import {module}; print({module}.__name__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, f"lrrange.{module}\n"), done.stderr


def test_every_promised_name_says_what_it_gives():
    assert [name for name in lrrange.__all__ if not getattr(lrrange, name).__doc__] == []


def test_what_most_people_need_is_promised():
    assert {"find_lr", "load", "Sweep", "SweepPlan", "RangeTestResult", "StopReason", "LRRangeError"} <= set(
        lrrange.__all__
    )


def test_the_version_is_that_of_the_installed_package():
    assert lrrange.__version__ == importlib.metadata.version("lrrange")


def test_the_package_is_typed():
    assert (Path(lrrange.__file__).parent / "py.typed").is_file()


@pytest.mark.parametrize("name", lrrange.__all__)
def test_every_promised_name_is_documented_where_the_docs_are(name):
    pages = (CHECKOUT / "docs" / "reference").glob("*.md")
    text = "\n".join(page.read_text(encoding="utf-8") for page in pages) if in_a_checkout() else ""
    assert bool(re.search(rf"\b{name}\b", text)) == in_a_checkout()
