"""Whenever a signal comes, everything is restored, and the exception of its handler reaches the user."""

import subprocess
import sys

import pytest

from tests.docs.pages import ROOT
from tests.faults.alarms import AGAIN, MANY

ALARMS = {"core": 60, "loader step": 25, "own step": 25, "together": 10, "Lightning": 8}


@pytest.mark.parametrize("kind", MANY)
def test_alarms_at_random_moments_are_raised_and_everything_is_restored(kind: str) -> None:
    # In a process of their own: they may also come while pytest itself is at work, in a callback of the garbage
    # collector for example, where Python ignores exceptions.
    command = [sys.executable, "-m", "tests.faults.alarms", kind, str(ALARMS[kind])]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    *found, last = done.stdout.splitlines()
    assert found == [f"{kind}, again after {again:g} s: {ALARMS[kind]} alarms; nothing was wrong" for again in AGAIN]
    assert last == f"{len(AGAIN) * ALARMS[kind]} alarms"
