"""Installed plug-ins: they are found by their entry point, and set aside with the reason if they are broken."""

import json
import subprocess
import sys

import pytest

REPORT = """
import json
import lrrange
from lrrange import errors

class Loop:
    def step(self, lr): return 1.0
    def snapshot(self): return None
    def restore(self, state): pass

def by_name(name):
    try:
        lrrange.find_lr(Loop(), backend=name)
    except lrrange.LRRangeError as error:
        return type(error).__name__, str(error), type(error.__cause__).__name__
    return "no error", "", ""

plugins = {plugin.name: plugin for plugin in lrrange.list_plugins()}
print(json.dumps({
    "problems": {name: plugin.problem and str(plugin.problem) for name, plugin in plugins.items()},
    "sources": {name: plugin.source for name, plugin in plugins.items()},
    "hooks": {name: plugin.hooks for name, plugin in plugins.items()},
    "raised": {name: by_name(name) for name in plugins},
    "swept": lrrange.find_lr(Loop()).provenance.backend,
    "heuristic": lrrange.find_lr(Loop(), heuristic="third").lr,
}))
"""

MODULES = {
    "sound_plugin": """
import lrrange

@lrrange.hookimpl
def lrrange_offer_heuristics():
    return {"third": lambda curve: 0.3}
""",
    "broken_plugin": "raise RuntimeError('built for another version')",
    "frameworkless_plugin": """
from lrrange.errors import MissingExtra
raise MissingExtra("this needs JAX. Install it with: pip install 'third-party[jax]'", extra="jax")
""",
    "misfit_plugin": """
import lrrange

@lrrange.hookimpl
def lrrange_adapt(target, colour):
    return None
""",
}


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """Return the report of a process in which a distribution with these modules is installed too."""
    site = tmp_path_factory.mktemp("site")
    info = site / "third_party-1.5.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: third-party\nVersion: 1.5\n")
    points = {name.removesuffix("_plugin"): name for name in [*MODULES, "missing_plugin"]}
    (info / "entry_points.txt").write_text("[lrrange]\n" + "".join(f"{k} = {v}\n" for k, v in points.items()))
    for name, source in MODULES.items():
        (site / f"{name}.py").write_text(source)
    code = f"import sys; sys.path.insert(0, {str(site)!r})\n{REPORT}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_sound_plug_in_is_found_with_the_distribution_it_came_with(report):
    assert report["problems"]["sound"] is None
    assert report["sources"]["sound"] == "third-party 1.5"
    assert report["hooks"]["sound"] == ["lrrange_offer_heuristics"]


def test_its_heuristic_is_one_of_all(report):
    assert report["heuristic"] == 0.3


def test_broken_plug_ins_do_not_keep_the_others_from_working(report):
    assert report["swept"] == "Loop"


@pytest.mark.parametrize(
    ("name", "kind", "reason", "cause"),
    [
        ("broken", "PluginUnavailable", "RuntimeError: built for another version", "RuntimeError"),
        ("missing", "PluginUnavailable", "No module named 'missing_plugin'", "ModuleNotFoundError"),
        ("misfit", "PluginUnavailable", "colour", "PluginValidationError"),
        ("frameworkless", "MissingExtra", "pip install 'third-party[jax]'", "NoneType"),
    ],
)
def test_a_plug_in_that_does_not_load_is_set_aside_with_its_reason_which_is_raised_by_name(
    report, name, kind, reason, cause
):
    assert reason in report["problems"][name]
    assert report["hooks"][name] == []
    raised, message, caused_by = report["raised"][name]
    assert (raised, caused_by) == (kind, cause)
    assert message == report["problems"][name]


def test_a_plug_in_that_trains_nothing_is_no_backend_and_not_listed_as_one(report):
    raised, message, _ = report["raised"]["sound"]
    assert raised == "BackendNotFound"
    assert "the plug-in 'sound' is no backend" in message
    assert "sound" not in message.partition("Installed:")[2]
