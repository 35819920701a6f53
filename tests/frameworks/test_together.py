"""All frameworks in one environment: `import lrrange` stays light, and each plug-in takes its own."""

import json
import subprocess
import sys

FRAMEWORKS = {"torch", "lightning", "pytorch_lightning", "transformers", "accelerate", "jax", "flax", "optax", "keras"}
FRAMEWORKS |= {"sklearn", "skorch", "fastai", "ignite", "monai", "numpy", "pandas", "matplotlib"}


def loaded_after(program: str) -> set[str]:
    """Return which frameworks a program has loaded, in a process of its own."""
    program += "\nimport json, sys\nprint(json.dumps([name for name in sys.modules if '.' not in name]))"
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(json.loads(finished.stdout.splitlines()[-1])) & FRAMEWORKS


def test_import_lrrange_loads_no_framework():
    assert loaded_after("import lrrange") == set()


def test_asking_for_the_plug_ins_loads_no_framework_either():
    program = "import lrrange; assert all(plugin.problem is None for plugin in lrrange.list_plugins())"
    assert loaded_after(program) == set()


def test_a_target_of_nobody_loads_no_framework_either():
    program = """
import lrrange
try:
    lrrange.find_lr(object())
except lrrange.LRRangeError:
    pass
"""
    assert loaded_after(program) == set()
