"""A third-party plug-in: it is really installed, found through its entry point, and works like lrrange's own."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, blocks

EXAMPLE = ROOT / "examples" / "third_party_plugin"


class Elsewhere:
    """Processes that have the plug-in installed, unlike this one."""

    def __init__(self, source: Path, site: Path) -> None:
        self.source = source
        paths = [str(site), os.environ.get("PYTHONPATH", "")]
        self.environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}

    def run(self, *arguments: str) -> str:
        """Return what `python ARGUMENTS` prints. If it fails, the test fails with its output."""
        finished = subprocess.run(
            [sys.executable, *arguments], cwd=self.source, env=self.environment, capture_output=True, text=True
        )
        assert finished.returncode == 0, finished.stdout + finished.stderr
        return finished.stdout


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Elsewhere:
    folder = tmp_path_factory.mktemp("third_party")
    source = folder / "source"
    shutil.copytree(EXAMPLE, source, ignore=shutil.ignore_patterns("__pycache__"))
    options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--no-index", "--no-build-isolation"]
    place = Elsewhere(source, folder / "site")
    place.run("-m", "pip", "install", *options, "--target", str(folder / "site"), str(source))
    shutil.rmtree(source / "lrrange_logistic")  # so that only the installed copy can run
    return place


def test_it_is_found_through_its_entry_point_with_its_hooks(elsewhere: Elsewhere) -> None:
    printed = elsewhere.run("-c", "from lrrange.cli import main; main()", "plugins", "--json")
    (plugin,) = [plugin for plugin in json.loads(printed)["plugins"] if plugin["name"] == "logistic"]
    assert plugin["source"] == "lrrange-logistic 0.1.0"
    assert sorted(plugin["hooks"]) == [
        *("lrrange_adapt", "lrrange_apply", "lrrange_offer_heuristics", "lrrange_verify"),
    ]
    assert plugin["problem"] is None


def test_its_readmes_example_sweeps_its_model_by_its_heuristic_and_applies_the_rate(elsewhere: Elsewhere) -> None:
    ((_, example, _),) = blocks((EXAMPLE / "README.md").read_text(), "python")
    more = """
import json
print(json.dumps([result.lr, model.lr, result.provenance.backend, result.chosen.heuristic, model.weights.tolist()]))
"""
    lr, applied, backend, heuristic, weights = json.loads(elsewhere.run("-c", example + more).splitlines()[-1])
    assert 1e-2 < lr == applied < 1
    assert (backend, heuristic) == ("logistic", "edge/20")
    assert weights == [0.0] * 8


def test_its_heuristic_answers_for_other_backends_too(elsewhere: Elsewhere) -> None:
    program = """
import lrrange
class Loop:
    def step(self, lr): return 1 / (1 + 1000 * lr) + lr**2
    def snapshot(self): return None
    def restore(self, state): pass
print(lrrange.find_lr(Loop(), heuristic="edge/20").lr)
"""
    assert float(elsewhere.run("-c", program)) == pytest.approx(1 / 20, rel=0.2)


def test_the_hooks_do_not_import_numpy(elsewhere: Elsewhere) -> None:
    program = "import lrrange, sys; print([p.name for p in lrrange.list_plugins()], 'numpy' in sys.modules)"
    printed = elsewhere.run("-c", program)
    assert "'logistic'" in printed
    assert printed.rstrip().endswith("False")


def test_an_option_it_does_not_take_and_data_that_do_not_fit_are_named_before_the_first_step(
    elsewhere: Elsewhere,
) -> None:
    program = """
import lrrange, numpy as np
from lrrange_logistic.regression import LogisticRegression
for options in ({"batchsize": 8}, {}):
    try:
        lrrange.find_lr(LogisticRegression(3), inputs=np.ones((5, 2)), labels=np.ones(5), **options)
    except lrrange.LRRangeError as error:
        print(error)
"""
    first, second = elsewhere.run("-c", program).splitlines()
    assert "batchsize" in first
    assert "batch_size=" in first
    assert "(5, 2), and (5, 3)" in second


def test_it_keeps_the_contract_by_its_own_tests(elsewhere: Elsewhere) -> None:
    printed = elsewhere.run("-W", "error", "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests")
    assert "11 passed" in printed
