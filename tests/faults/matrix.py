"""One cell of the matrix: a fault on a backend, and what came of it."""

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
from tests.faults.trainings import BACKENDS, Places, third_party_known

# Steps of ordinary training before a sweep, so that there is state to lose.
_TRAINED = 3

NOT_APPLICABLE = "-"


def applies(fault: str, backend: str) -> bool:
    """Whether the backend has what the fault befalls: a DataLoader, or a choice of where copies go."""
    if "DataLoader" in fault:
        return backend != "third party"
    return "snapshot=" not in fault or backend in ("form A", "form B")


def run_cell(fault: str, backend: str) -> str:
    """What reached the user, and after that in bold whatever was not as it should be."""
    if not applies(fault, backend):
        return NOT_APPLICABLE
    if fault in KILLS:
        return _killed()[backend][fault]
    case = Case(places=Places())
    FAULTS[fault](case)
    with _folder() as folder, _registered(case.plugin), third_party_known():
        rig = BACKENDS[backend](case.places, case.workers)
        rig.train(_TRAINED)
        case.places.counting = True
        files = _files(folder)
        before = rig.observe()
        outcome, problems = _outcome(case, rig)
        case.places.counting = False
        if not _same(before, rig.observe()):
            problems.append("state changed")
        if multiprocessing.active_children():
            problems.append("processes left")
        if _files(folder) != files:
            problems.append("files left")
    with _folder(), third_party_known():
        if not _same(rig.find().curve, _curve_without_a_fault(backend, case.workers)):
            problems.append("another curve afterwards")
    return outcome + "".join(f" **{problem}**" for problem in problems)


def _outcome(case: Case, rig: Rig) -> tuple[str, list[str]]:
    try:
        with case.during:
            result = rig.find(*case.watchers, **case.options)
            case.then(result)
    except BaseException as raised:
        return _described(raised), [] if _as_expected(raised, case) else [f"not as raised: {raised!r}"]
    return _ending(result), [] if case.raises is None else ["the error was lost"]


def _as_expected(raised: BaseException, case: Case) -> bool:
    if isinstance(case.raises, BaseException):
        same = raised is case.raises
    else:
        kind, text = case.raises or (type(None), "")
        same = type(raised) is kind and re.search(text, str(raised)) is not None
    return same and case.note in "".join(getattr(raised, "__notes__", [""]))


def _described(raised: BaseException) -> str:
    return f"`{type(raised).__name__}`" + (", with a note" if getattr(raised, "__notes__", None) else "")


def _ending(result: RangeTestResult) -> str:
    gaps = len(result.curve) - len(result.curve.finite)
    return f"`{result.stop_reason.name}`" + (f", {gaps} gap{'s' * (gaps > 1)}" if gaps else "")


@functools.cache
def _curve_without_a_fault(backend: str, workers: int) -> Curve:
    rig = BACKENDS[backend](Places(), workers)
    rig.train(_TRAINED)
    return rig.find().curve


def _same(one: Any, other: Any) -> bool:
    return repr(one) == repr(other)  # where NaN is NaN


@contextlib.contextmanager
def _registered(plugin: object) -> Iterator[None]:
    """With this plug-in asked before others, if there is one."""
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
    """An empty folder as the working directory, with the one for temporary files in it."""
    here = os.getcwd()
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
            os.chdir(here)


def _files(folder: Path) -> set[Path]:
    found = {path.relative_to(folder) for path in folder.rglob("*")}
    return {path for path in found if not re.search("(^|/)pymp-", path.as_posix())}  # Python's own, until it exits


@functools.cache
def _killed() -> dict[str, dict[str, str]]:
    """For every backend, what a sweep's process leaves that is killed in the middle."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, "-m", "tests.faults.killed"]
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    cells: dict[str, dict[str, str]] = json.loads(done.stdout.splitlines()[-1])
    return cells
