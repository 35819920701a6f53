"""Progress where there is no terminal: nothing, or a line at the start and one at the end."""

import io
import re
import subprocess
import sys

import pytest

import lrrange
from tests.core.training import Loop, SeededLoop

SHORT = {"num_steps": 12, "divergence": None, "paired": False}


@pytest.mark.parametrize("closed", [None, io.StringIO()], ids=["none", "closed"])
def test_without_a_standard_error_the_training_runs(monkeypatch, closed):
    if closed is not None:
        closed.close()
    monkeypatch.setattr(sys, "stderr", closed)
    for progress in (None, True):
        assert len(lrrange.find_lr(Loop(), progress=progress, **SHORT).curve) == 12


@pytest.mark.parametrize("options", [{}, {"progress": False}], ids=["by default", "with False"])
def test_nothing_is_written(capsys, options):
    lrrange.find_lr(Loop(), **SHORT, **options)
    lrrange.grid(lambda a: Loop(), {"a": [1, 2]}, **SHORT, **options)
    lrrange.compare(lambda seed: SeededLoop(), [0.1, 0.2], steps=9, **options)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("call", "lines"),
    [
        (
            lambda: lrrange.find_lr(Loop(), progress=True, **SHORT),
            ["range test, 12 steps planned", "range test completed after 12 steps in "],
        ),
        (
            lambda: lrrange.grid(lambda a: Loop(), {"a": [1, 2]}, progress=True, **SHORT),
            ["grid of 2 settings, 24 steps planned", "grid of 2 settings done after 24 steps in "],
        ),
        (
            lambda: lrrange.compare(lambda seed: SeededLoop(), [0.1, 0.2], steps=9, progress=True),
            [
                "comparison of 2 policies, 3 runs each, 54 steps planned",
                "comparison of 2 policies, 3 runs each done after 54 steps in ",
            ],
        ),
    ],
    ids=["find_lr", "grid", "compare"],
)
def test_with_true_there_is_a_line_at_the_start_and_one_at_the_end(capsys, call, lines):
    call()
    out, err = capsys.readouterr()
    assert out == ""
    assert re.sub(r"\d+:\d\d\n$", "", err) == "\n".join(f"lrrange: {line}" for line in lines)


@pytest.mark.parametrize("progress", ["x", 1, 0, "auto"])
def test_another_value_is_an_error(progress):
    for call in (
        lambda: lrrange.find_lr(Loop(), progress=progress),
        lambda: lrrange.grid(lambda a: Loop(), {"a": [1]}, progress=progress),
        lambda: lrrange.compare(lambda seed: Loop(), [0.1], steps=9, progress=progress),
    ):
        with pytest.raises(lrrange.errors.OptionError, match=rf"progress={progress!r} is none of True, False, None"):
            call()


def test_where_nothing_is_shown_nothing_is_loaded():
    program = """
import sys, lrrange
class Loop:
    def step(self, lr): return 1.0
    def snapshot(self): pass
    def restore(self, state): pass
for progress in (None, True, False):
    lrrange.find_lr(Loop(), num_steps=12, progress=progress)
print([name for name in ("rich", "IPython") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
