"""What a terminal, a pipe and a log show: the table fits, and colours and letters are only those that can be shown."""

import io
import os
import re
import subprocess
import sys
from pathlib import Path

import pexpect
import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = """
import sys
from tests.prints.values import a_result
print(a_result(progress=False))
"""
FIND = [sys.executable, "-m", "lrrange", "find", "train:make"]
TRAIN = """
from tests.prints.values import LANDSCAPE
from tests.core.training import SeededLoop
def make():
    return SeededLoop(LANDSCAPE), {"heuristic": caf\u00e9}
def caf\u00e9(curve):
    return 1e-3
"""
COLOUR = "\x1b["


@pytest.fixture
def project(tmp_path):
    (tmp_path / "train.py").write_text(TRAIN, encoding="utf-8")
    return tmp_path


def environment(**changes):
    kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS", "FORCE_COLOR")}
    path = os.pathsep.join([str(ROOT), str(ROOT / "plugins")])
    return kept | {"TERM": "xterm-256color", "PYTHONPATH": path, **changes}


@pytest.fixture
def typed(project):
    """Run a command in a terminal of so many columns, and return what it shows."""

    def run(command, columns, **changes):
        shown = io.StringIO()
        child = pexpect.spawn(
            command[0], command[1:], cwd=project, env=environment(**changes), dimensions=(50, columns), encoding="utf-8"
        )
        child.logfile_read = shown
        child.expect(pexpect.EOF, timeout=60)
        child.close()
        assert child.exitstatus == 0, shown.getvalue()
        return shown.getvalue().replace("\r\n", "\n")

    return run


def uncoloured(text):
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_the_command_fits_the_terminal_and_has_colours(typed, columns):
    text = typed([*FIND, "--no-progress", "--verbose"], columns)
    assert COLOUR in text
    lines = uncoloured(text).splitlines()
    assert max(map(len, lines)) <= columns
    assert any(line.startswith(" lr ") for line in lines)
    assert any("steepest" in line for line in lines)


@pytest.mark.parametrize("columns", [60, 120])
def test_a_printed_result_fits_the_terminal_and_a_line_of_80(typed, columns):
    text = typed([sys.executable, "-c", PROGRAM], columns)
    assert COLOUR not in text
    assert max(map(len, text.splitlines())) <= min(columns, 80)


@pytest.mark.parametrize("changes", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_a_terminal_that_wants_no_colours_gets_none(typed, changes):
    text = typed([*FIND, "--no-progress"], 80, **changes)
    assert not re.search(r"\x1b\[(3[0-9]|38;|9[0-7])", text)
    assert "verdict" in uncoloured(text)
    if "TERM" in changes:
        assert "\x1b" not in text


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_output_that_is_redirected_has_no_colours_in_any_encoding(project, encoding):
    done = subprocess.run(
        [*FIND, "--no-progress", "--verbose"],
        cwd=project,
        env=environment(PYTHONIOENCODING=encoding),
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode(encoding, "replace")
    text = done.stdout.decode(encoding)
    assert "\x1b" not in text
    if encoding != "ascii":  # where a letter becomes four
        assert max(map(len, text.splitlines())) <= 80
    assert ("caf\u00e9" if encoding != "ascii" else r"caf\xe9") in text
