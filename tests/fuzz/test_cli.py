"""Whatever is typed, the command line answers or gives the reason in one line, without a traceback."""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from lrrange.cli import commands as cli

EXIT_CODES = {0, 1, 2}

# Short trainings, some of which fail.
MODULE = """
import random

class Loop:
    def __init__(self, seed=0):
        self.random, self.weights, self.steps = random.Random(seed), 0.0, 0
    def step(self, lr):
        self.steps += 1
        if self.steps > 400:
            raise StopIteration
        return 1 / (1 + 300 * lr) + lr**2 + self.random.gauss(0, 0.01)
    def snapshot(self):
        return self.random.getstate()
    def restore(self, state):
        self.random.setstate(state)
    def seed(self, value):
        self.random.seed(value)

class Text(Loop):
    def step(self, lr):
        return "low"

class Never(Loop):
    def step(self, lr):
        return float("nan")

class Raises(Loop):
    def step(self, lr):
        raise ValueError("two\\nlines [bold]")

def pair(seed=0):
    return Loop(seed), {"end_lr": 1.0, "num_steps": 30}

def odd_options(seed=0):
    return Loop(), {"num_steps": "many", "heuristic": 3}

def nothing(seed=0):
    return None

def no_seed():
    return Loop()

def unready(seed=0):
    raise RuntimeError

def make_demo(data, root, seed):
    import torch
    torch.manual_seed(0)
    model = torch.nn.Linear(2, 1)
    batch = torch.randn(8, 2), torch.randn(8, 1)
    return model, {
        "optimizer": torch.optim.SGD(model.parameters(), 0.1), "loss_fn": torch.nn.MSELoss(), "loader": [batch] * 4
    }

a_number = 3
"""

NAMES = ["Loop", "Text", "Never", "Raises", "pair", "odd_options", "nothing", "no_seed", "unready", "a_number", "gone"]

# Any argument that a system can pass: no NUL, and bytes that are not UTF-8 as Python decodes them.
text = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8), st.just("\udcff")
)

# No large numbers of steps or runs: they are valid, and take long.
numbers = st.one_of(
    st.integers(-3, 60).map(str),
    st.floats().map(str),
    st.sampled_from(["0", "1e-5", "1e400", "nan", "-inf", "٣", "", "1_0"]),
)
rates = st.one_of(st.floats(1e-8, 1e2).map(str), numbers, text)
counts = st.one_of(st.integers(-2, 60).map(str), st.sampled_from(["1.5", "x", ""]))
few = st.one_of(st.integers(-2, 2).map(str), st.sampled_from(["1.5", "x", ""]))
files = st.one_of(
    st.sampled_from(["out.json", "no/such/folder/out", ".", "/", "", "saved.json", "new.png", "new.svg", "new.xyz"]),
    st.text("ab\n./-[é\udcff", min_size=1, max_size=6).filter(
        lambda name: ".." not in name and not name.startswith("/")
    ),
)
inputs = st.sampled_from(["saved.json", "half.json", "other.json", "bytes.json", "gone.json", ".", "fuzzed.py", ""])
heuristics = st.one_of(st.sampled_from(["midway", "valley", "steepest", "min/10", "steep", "nonsense"]), text)
factories = st.one_of(
    st.sampled_from(NAMES).map("fuzzed:{}".format),
    st.sampled_from(
        ["fuzzed", "fuzzed.py:Loop", ":", "fuzzed:", ":Loop", "no.such:thing", "fuzzed:Loop.step", "..:x", "-"]
    ),
    st.text("ab.:é-\udcff", max_size=6),
)
policies = st.one_of(st.sampled_from(["found", "clr", "one-cycle", "0.1", "0", "-1", "nan", "inf"]), text)


def option(name: str, values: st.SearchStrategy[str]) -> st.SearchStrategy[list[str]]:
    return st.one_of(values.map(lambda value: [name, value]), values.map(lambda value: [f"{name}={value}"]))


def command(name: str, *arguments: st.SearchStrategy[str], options: list[st.SearchStrategy[list[str]]]) -> Any:
    """A command with its arguments, some of its options, and sometimes a word that does not belong there."""
    stray = st.one_of(text.map(lambda word: [word]), st.sampled_from([["--help"], ["--"], ["-x"], ["--num-steps"]]))
    words = st.lists(st.one_of(*options, st.just(["--json"])), max_size=5)
    rarely = st.lists(stray, max_size=1)
    parts = st.tuples(st.tuples(*arguments), words, rarely)
    return parts.map(lambda drawn: [name, *drawn[0], *(word for words in (*drawn[1], *drawn[2]) for word in words)])


sweep_options = [
    option("--start-lr", rates),
    option("--end-lr", rates),
    option("--num-steps", counts),
    option("--heuristic", heuristics),
    option("--seed", st.one_of(st.integers().map(str), numbers)),
    st.just(["--no-progress"]),
]
find_options = [
    *sweep_options,
    option("--shape", st.sampled_from(["linear", "exponential", "cubic"])),
    option("--smoothing", st.sampled_from(["ema", "median", "none", ""])),
    option("--backend", st.one_of(st.sampled_from(["torch", "lightning", "Loop"]), text)),
    option("--repeats", few),
    st.sampled_from(["--confirm", "--no-confirm", "--divergence", "--no-divergence", "--verify-restore"]).map(
        lambda flag: [flag]
    ),
    option("--non-finite-limit", counts),
    option("--confirm-steps", counts),
    option("--save", files),
]
compare_options = [
    option("--policy", policies),
    option("--repeats", few),
    option("--seed", counts),
    option("--evaluate-every", counts),
    option("--retries", few),
    option("--result", inputs),
    option("--save", files),
    option("--path", files),
    st.just(["--no-progress"]),
]

COMMANDS = st.one_of(
    command("find", factories, options=find_options),
    command("find", st.just("fuzzed:Loop"), options=find_options),
    command("demo", options=[*sweep_options, st.just(["--data", "digits"])]).map(
        lambda words: [*words, "--num-steps", "5"]
    ),
    command("suggest", inputs, options=[option("--heuristic", heuristics), option("--range", heuristics)]),
    command("plot", inputs, options=[option("--path", st.sampled_from(["new.xyz", "no/folder.png", ".", ""]))]),
    command("compare", factories, options=compare_options).map(lambda words: [*words, "--steps", "5"]),
    command("plugins", options=[st.just([])]),
    st.lists(text, max_size=4),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A working directory with a module to train, and valid and invalid files to read."""
    matplotlib.use("Agg")
    place, here = tmp_path_factory.mktemp("fuzz"), Path.cwd()
    path, demo = list(sys.path), cli._DEMO
    (place / "fuzzed.py").write_text(MODULE)
    os.chdir(place)
    cli._DEMO = "fuzzed:make_demo"
    saved = CliRunner().invoke(cli.main, ["find", "fuzzed:Loop", "--save", "saved.json", "--no-progress"])
    assert saved.exit_code == 0
    whole = (place / "saved.json").read_text()
    (place / "half.json").write_text(whole[: len(whole) // 2])
    (place / "other.json").write_text(json.dumps({"lr": 0.1}))
    (place / "bytes.json").write_bytes(bytes(range(256)))
    (place / "kept.json").write_text(whole)
    yield place
    os.chdir(here)
    cli._DEMO = demo
    sys.path[:] = path
    sys.modules.pop("fuzzed", None)


def check(run: Result, words: list[str]) -> None:
    """Check the exit code and, if it is not 0, the message. It is one line per error if the command was parsed."""
    assert run.exception is None or isinstance(run.exception, SystemExit), (words, run.exc_info)
    assert run.exit_code in EXIT_CODES, (words, run.output)
    assert "Traceback" not in run.output
    if run.exit_code == 1:
        assert all(line.startswith(("Error: ", "Wrote ", "lrrange: ")) for line in run.stderr.splitlines()), (
            words,
            run.stderr,
        )
        assert run.stderr
    if "--json" in words and "--help" not in words:
        json.loads(run.stdout)


@given(words=COMMANDS)
def test_whatever_is_typed_is_answered_without_a_traceback(folder: Path, words: list[str]) -> None:
    (folder / "saved.json").write_text((folder / "kept.json").read_text())
    check(CliRunner().invoke(cli.main, words), words)
