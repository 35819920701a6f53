import json
import subprocess
import sys

import pytest

import lrrange as library

MODULES = {
    "sound": (
        "import lrrange\n"
        "@lrrange.hookimpl\n"
        "def lrrange_offer_heuristics():\n"
        "    return {'first': lambda curve: curve.lr[0]}\n"
    ),
    "unloadable": "import nonesuch_framework\n",
    "misfit": "import lrrange\n@lrrange.hookimpl\ndef lrrange_nonesuch():\n    pass\n",
    "frameworkless": (
        "from lrrange.errors import MissingExtra\nraise MissingExtra(\"Run: pip install 'lrrange[frameworkless]'\")\n"
    ),
}


@pytest.fixture
def installed(project):
    """Run the command in a process with four more plug-ins, installed through the entry points of a distribution."""
    site = project.path / "site"
    info = site / "third_party-2.5.dist-info"
    info.mkdir(parents=True)
    info.joinpath("METADATA").write_text("Metadata-Version: 2.1\nName: third-party\nVersion: 2.5\n")
    info.joinpath("entry_points.txt").write_text("[lrrange]\n" + "".join(f"{name} = {name}\n" for name in MODULES))
    for name, text in MODULES.items():
        site.joinpath(f"{name}.py").write_text(text)

    def run(*arguments):
        script = f"import sys; sys.path.insert(0, {str(site)!r}); from lrrange.cli import main; main()"
        return subprocess.run(
            [sys.executable, "-c", script, *arguments], cwd=project.path, capture_output=True, text=True, check=False
        )

    return run


def test_plug_ins_are_listed_with_source_and_hooks_or_the_reason_they_were_set_aside(installed):
    run = installed("plugins", "--json")
    listed = {plugin["name"]: plugin for plugin in json.loads(run.stdout)["plugins"]}
    assert (run.returncode, run.stderr) == (0, "")
    assert listed["sound"] == {
        "name": "sound",
        "source": "third-party 2.5",
        "hooks": ["lrrange_offer_heuristics"],
        "problem": None,
    }
    assert "No module named 'nonesuch_framework'" in listed["unloadable"]["problem"]
    assert "lrrange_nonesuch" in listed["misfit"]["problem"]
    assert "pip install 'lrrange[frameworkless]'" in listed["frameworkless"]["problem"]
    assert listed["torch"]["hooks"] or listed["torch"]["problem"]


def test_the_table_of_plug_ins_shows_the_reason_one_was_set_aside(installed):
    run = installed("plugins")
    # The table wraps long reasons; join their lines again.
    text = " ".join(run.stdout.replace("│", " ").split())
    assert run.returncode == 0
    assert "lrrange_offer_heuristics" in text
    for name in MODULES:
        assert name in text
    assert "ModuleNotFoundError" in text


def test_a_broken_plug_in_stops_no_sweep(installed):
    run = installed("find", "train:make", "-v", "--no-progress")
    assert (run.returncode, run.stderr) == (0, "")
    assert "first" in run.stdout


def test_asking_for_a_broken_plug_in_by_name_gives_its_reason(installed):
    run = installed("find", "train:make", "--backend", "unloadable")
    assert run.returncode == 1
    assert run.stderr.startswith("Error: the plug-in 'unloadable' (third-party 2.5) could not be loaded")
    assert len(run.stderr.splitlines()) == 1


def test_a_plug_in_registered_by_hand_is_listed_as_such(lrrange):
    class Watcher:
        @library.hookimpl
        def lrrange_finished(self, sweep):
            pass

    library.register(Watcher(), "watcher")
    try:
        listed = json.loads(lrrange("plugins", "--json").stdout)["plugins"]
    finally:
        library.unregister("watcher")
    assert listed[0] == {"name": "watcher", "source": "registered", "hooks": ["lrrange_finished"], "problem": None}
