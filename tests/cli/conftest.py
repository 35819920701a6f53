import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from lrrange.cli import main

# A loss that falls from 2.3 to 0.15 around lr=1.6e-3 and rises from lr=0.3 on. `log` records the calls.
TRAIN = '''
import math
import random

class Loop:
    """A training loop that needs no framework."""
    def __init__(self):
        self.log, self.noise = [], random.Random(0)
    def loss(self, lr):
        x = math.log10(lr)
        return 0.15 + 2.15 / (1 + math.exp(3 * (x + 2.8))) + max(0, (x + 0.5) * 6) ** 2.5
    def step(self, lr):
        self.log.append(lr)
        return self.loss(lr) + self.noise.gauss(0, 0.02)
    def snapshot(self):
        return len(self.log)
    def restore(self, state):
        self.log.append("restored")

class Frozen(Loop):
    def loss(self, lr):
        return 2.3

made = []

def keep(loop):
    made.append(loop)
    return loop

def make():
    return keep(Loop())

def make_with_options():
    return Loop(), {"end_lr": 0.5, "heuristic": "steepest", "num_steps": 60}

def make_frozen():
    return Frozen()

def make_noisy_prints():
    print("loading data")
    loop = Loop()
    step = loop.step
    loop.step = lambda lr: print("training at", lr) or step(lr)
    return loop

def make_failing():
    raise ValueError("two\\nlines of [brackets]")

def make_failing_later():
    loop = keep(Loop())
    def step(lr):
        if len(loop.log) == 20:
            raise RuntimeError("out of memory")
        return Loop.step(loop, lr)
    loop.step = step
    return loop

def make_interrupted():
    loop = keep(Loop())
    def step(lr):
        if len(loop.log) == 20:
            raise KeyboardInterrupt
        return Loop.step(loop, lr)
    loop.step = step
    return loop

def make_nothing():
    pass

def make_triple():
    return Loop(), {}, 3

def make_pair_without_options():
    return Loop(), 3

not_callable = 3
'''


@pytest.fixture
def lrrange():
    """Run the command line in this process, as typed."""

    def run(*arguments):
        return CliRunner().invoke(main, [str(argument) for argument in arguments])

    return run


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A user's folder with train.py in it, as the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    (tmp_path / "train.py").write_text(TRAIN)
    yield SimpleNamespace(path=tmp_path, loops=lambda: sys.modules["train"].made)
    for name in set(sys.modules) - before:
        file = getattr(sys.modules[name], "__file__", None)
        if file and Path(file).is_relative_to(tmp_path):
            del sys.modules[name]


@pytest.fixture
def saved(project, lrrange):
    """A result on disk, as `find` saves it."""
    lrrange("find", "train:make", "--save", "run.json", "--no-progress")
    return project.path / "run.json"


@pytest.fixture
def one_error_line():
    """Check that a run failed with this code, one line on standard error, and no traceback; return the line.

    Beside it there may be the lines about progress.
    """

    def check(run, code):
        assert run.exit_code == code, run.output
        lines = [line for line in run.stderr.splitlines() if not line.startswith("lrrange: ")]
        assert len(lines) == 1, run.stderr
        assert lines[0].startswith("Error: ")
        assert run.exception is None or isinstance(run.exception, SystemExit)
        return lines[0]

    return check
