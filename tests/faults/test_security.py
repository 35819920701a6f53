"""Nothing that lrrange reads can run code, and the command line imports only what the user names."""

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lrrange import find_lr
from tests.core.training import Loop
from tests.docs.pages import ROOT

SOURCES = sorted([*(ROOT / "lrrange").rglob("*.py"), *(ROOT / "plugins").rglob("*.py")])

# Functions that run code while they read bytes, and the modules that have them.
UNPICKLERS = {"load", "loads", "Unpickler"}
PICKLE_MODULES = {"pickle", "_pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "yaml"}
EVALUATORS = {"eval", "exec", "compile", "__import__"}
TORCH_READERS = {"load", "all_gather_object", "broadcast_object_list", "gather_object", "scatter_object_list"}


def dangers(source: str) -> Iterator[str]:
    """Yield every call or import in a source that could run what it reads."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in PICKLE_MODULES:
            yield f"from {node.module} import ..."
        if not isinstance(node, ast.Call):
            continue
        if isinstance(node.func, ast.Name) and node.func.id in EVALUATORS:
            yield node.func.id
        if isinstance(node.func, ast.Attribute):
            owner, name = ast.unparse(node.func.value).split(".")[0], node.func.attr
            safe = any(word.arg == "weights_only" and ast.unparse(word.value) == "True" for word in node.keywords)
            if owner in PICKLE_MODULES and name in UNPICKLERS:
                yield f"{owner}.{name}"
            if owner in ("torch", "distributed", "dist") and name in TORCH_READERS and not safe:
                yield f"{owner}.{name}"
            if owner in ("numpy", "np") and name == "load":
                yield f"{owner}.{name}"


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_source_unpickles_or_evaluates_anything(source: Path) -> None:
    assert list(dangers(source.read_text())) == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle; pickle.loads(b'')",
        "from pickle import loads",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "torch.distributed.all_gather_object(gathered, own)",
        "numpy.load(path, allow_pickle=True)",
        "eval(text)",
    ],
)
def test_the_search_finds_each_kind_of_danger(source: str) -> None:
    assert len(list(dangers(source))) == 1


def test_reading_only_weights_is_not_a_danger() -> None:
    assert list(dangers("torch.load(path, weights_only=True); pickle.dumps(value)")) == []


# A program that runs a command and prints which modules of the working directory it imported.
PROGRAM = """
import sys
sys.path = [path for path in sys.path if path]  # as for the installed command
from click.testing import CliRunner
from lrrange.cli import main
run = CliRunner().invoke(main, sys.argv[1:])
import json, os
print(json.dumps({
    "code": run.exit_code,
    "output": run.output,
    "loaded": sorted(name for name, module in sys.modules.items()
        if str(getattr(module, "__file__", "") or "").startswith(os.getcwd() + os.sep)),
}))
"""

LOOP = """
class Loop:
    def step(self, lr): return 1 / (1 + 300 * lr) + lr**2
    def snapshot(self): return None
    def restore(self, state): pass
"""


@pytest.fixture(scope="module")
def trap(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with files named like modules that lrrange imports. Importing one of them raises."""
    folder = tmp_path_factory.mktemp("trap")
    for name in ("json", "click", "attrs", "rich", "torch", "matplotlib", "numpy", "lrrange_torch", "train", "other"):
        (folder / f"{name}.py").write_text(f"raise SystemExit('imported {name}')\n")
    find_lr(Loop()).save(folder / "result.json")
    return folder


def run(folder: Path, *words: str) -> dict[str, object]:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", PROGRAM, *words]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    report: dict[str, object] = json.loads(done.stdout)
    return report


@pytest.mark.parametrize(
    "words", [["plugins"], ["suggest", "result.json"], ["plot", "result.json"], ["demo", "--help"]], ids=" ".join
)
def test_a_command_without_a_module_argument_imports_nothing_from_the_working_directory(
    trap: Path, words: list[str]
) -> None:
    report = run(trap, *words)
    assert report["code"] == 0, report["output"]
    assert report["loaded"] == []


def test_a_sweep_imports_the_named_module_and_not_the_one_beside_it(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(LOOP)
    (tmp_path / "train.py").write_text("raise SystemExit('imported train')")
    report = run(tmp_path, "find", "mine:Loop", "--no-progress")
    assert report["code"] == 0, report["output"]
    assert report["loaded"] == ["mine"]


def test_names_in_a_saved_result_are_data_and_are_not_imported(trap: Path) -> None:
    document = json.loads((trap / "result.json").read_text())
    document["result"]["provenance"]["backend"] = "other"
    document["result"]["heuristic"] = "other:make"
    (trap / "named.json").write_text(json.dumps(document))
    assert run(trap, "suggest", "named.json")["loaded"] == []
