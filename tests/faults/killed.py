"""Run as a program: kills a sweep of every backend in the middle, in a process of its own, and looks what is left."""

import json
import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.faults.faults import KILLS, MIDDLE
from tests.faults.matrix import applies
from tests.faults.trainings import BACKENDS, Places, third_party_known

# A worker of a DataLoader looks every five seconds whether the process that it works for is still there.
_PATIENCE = 10.0


def sweep_until_killed(backend: str, number: int, options: dict[str, Any]) -> None:
    """Sweep with worker processes, and be killed by this signal in a step in the middle."""
    places = Places()
    rig = BACKENDS[backend](places, workers=2)
    places.arm("step", MIDDLE, lambda: float(os.kill(os.getpid(), number) or 1.0))
    places.counting = True
    rig.find(**options)


# The exit code of a process in which the signal has raised.
_RAISED = 3


def left(folder: Path, group: int) -> list[str]:
    """What there still is: files in the folder, processes in the group."""
    problems = ["files left"] if any(path.is_file() for path in folder.rglob("*")) else []
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return problems
        time.sleep(0.05)
    return [*problems, "processes left"]


def started(backend: str, number: int, options: dict[str, Any], folder: Path) -> int:
    """The process of a sweep that is going to be killed."""
    child = os.fork()
    if child:
        return child
    os.setsid()
    os.chdir(folder)
    tempfile.tempdir = str(folder)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115  this process does not live to close it
    try:
        sweep_until_killed(backend, number, options)
    except SystemExit:
        os._exit(_RAISED)
    finally:
        os._exit(0)


def cell(backend: str, number: int, options: dict[str, Any]) -> str:
    """What came of it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        child = started(backend, number, options, folder)
        _, status = os.waitpid(child, 0)
        problems = left(folder, child)
    codes = {-number: "the process ends", _RAISED: "`SystemExit`"}
    ended = codes.get(os.waitstatus_to_exitcode(status), "the process goes on")
    return ended + "".join(f" **{problem}**" for problem in problems)


def main() -> None:
    """Print a table as JSON. Forks before anything that starts threads has run."""
    import pytorch_lightning  # noqa: F401  here, so that its children need not

    with third_party_known():
        cells = {
            backend: {name: cell(backend, *kill) for name, kill in KILLS.items() if applies(name, backend)}
            for backend in BACKENDS
        }
    sys.stdout.write(json.dumps(cells) + "\n")


if __name__ == "__main__":
    main()
