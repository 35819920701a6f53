"""One cell of the matrix: a fault on a backend, and what reached the user."""

import contextlib
import functools
import json
import multiprocessing
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lrrange
from lrrange import Curve, RangeTestResult
from lrrange.testing import Rig
from tests.docs.pages import ROOT
from tests.faults.faults import FAULTS, KILLS, Case
from tests.faults.trainings import BACKENDS, Triggers, third_party_registered

# Steps of ordinary training before a sweep, so that the optimizer has state.
_STEPS_BEFORE = 3

NOT_APPLICABLE = "-"


def applies(fault: str, backend: str) -> bool:
    """Return whether the backend has what the fault needs: a DataLoader, or the option `snapshot`."""
    if "DataLoader" in fault:
        return backend != "third party"
    return "snapshot=" not in fault or backend in ("loader step", "own step")


def run_cell(fault: str, backend: str) -> str:
    """Return what reached the user, followed in bold by everything that was not as it should be."""
    if not applies(fault, backend):
        return NOT_APPLICABLE
    if fault in KILLS:
        return _killed()[backend][fault]
    case = Case(triggers=Triggers())
    FAULTS[fault](case)
    with _folder() as folder, _registered(case.plugin), third_party_registered():
        rig = BACKENDS[backend](case.triggers, case.workers)
        rig.train(_STEPS_BEFORE)
        case.triggers.counting = True
        files = _files(folder)
        before = rig.observe()
        outcome, problems = _outcome(case, rig)
        case.triggers.counting = False
        if not _same(before, rig.observe()):
            problems.append("state changed")
        if multiprocessing.active_children():
            problems.append("processes left")
        if _files(folder) != files:
            problems.append("files left")
    with _folder(), third_party_registered():
        if not _same(rig.find().curve, _curve_without_a_fault(backend, case.workers)):
            problems.append("another curve afterwards")
    return outcome + "".join(f" **{problem}**" for problem in problems)


def _outcome(case: Case, rig: Rig) -> tuple[str, list[str]]:
    try:
        with case.during:
            result = rig.find(*case.watchers, **case.options)
            case.then(result)
    except BaseException as raised:
        return _description(raised), [] if _as_expected(raised, case) else [f"not as raised: {raised!r}"]
    return _ending(result), [] if case.raises is None else ["the error was lost"]


def _as_expected(raised: BaseException, case: Case) -> bool:
    if isinstance(case.raises, BaseException):
        matches = raised is case.raises
    else:
        kind, text = case.raises or (type(None), "")
        matches = type(raised) is kind and re.search(text, str(raised)) is not None
    return matches and case.note in "".join(getattr(raised, "__notes__", [""]))


def _description(raised: BaseException) -> str:
    return f"`{type(raised).__name__}`" + (", with a note" if getattr(raised, "__notes__", None) else "")


def _ending(result: RangeTestResult) -> str:
    gaps = len(result.curve) - len(result.curve.finite)
    return f"`{result.stop_reason.name}`" + (f", {gaps} gap{'s' * (gaps > 1)}" if gaps else "")


@functools.cache
def _curve_without_a_fault(backend: str, workers: int) -> Curve:
    rig = BACKENDS[backend](Triggers(), workers)
    rig.train(_STEPS_BEFORE)
    return rig.find().curve


def _same(before: Any, after: Any) -> bool:
    return repr(before) == repr(after)  # by which NaN equals NaN


@contextlib.contextmanager
def _registered(plugin: object) -> Iterator[None]:
    """Register this plug-in, which is then called before the others. None registers nothing."""
    if plugin is None:
        yield
        return
    lrrange.register(plugin, "raiser")
    try:
        yield
    finally:
        lrrange.unregister("raiser")


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    """Work in an empty folder that also contains the folder for temporary files."""
    working_directory = os.getcwd()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "temporary").mkdir()
        before = tempfile.tempdir
        os.chdir(folder)
        tempfile.tempdir = str(folder / "temporary")
        try:
            yield folder
        finally:
            tempfile.tempdir = before
            os.chdir(working_directory)


def _files(folder: Path) -> set[Path]:
    paths = {path.relative_to(folder) for path in folder.rglob("*")}
    return {path for path in paths if not re.search("(^|/)pymp-", path.as_posix())}  # Python keeps these until it exits


@functools.cache
def _killed() -> dict[str, dict[str, str]]:
    """Return for every backend the cells of a sweep whose process is killed in the middle."""
    path = os.pathsep.join([str(ROOT), str(ROOT / "plugins")])
    environment = os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, "-m", "tests.faults.killed"]
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    cells: dict[str, dict[str, str]] = json.loads(done.stdout.splitlines()[-1])
    return cells
