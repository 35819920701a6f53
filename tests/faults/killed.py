"""A program that kills a sweep of every backend in the middle, each in its own process, and looks for what is left."""

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
from tests.faults.trainings import BACKENDS, Triggers, third_party_registered

# Seconds. A worker of a DataLoader checks every five seconds whether the process that it works for still exists.
_PATIENCE = 10.0


def sweep_until_killed(backend: str, number: int, options: dict[str, Any]) -> None:
    """Sweep with worker processes, and send this signal to the process itself in a step in the middle."""
    triggers = Triggers()
    rig = BACKENDS[backend](triggers, workers=2)
    triggers.arm("step", MIDDLE, lambda: float(os.kill(os.getpid(), number) or 1.0))
    triggers.counting = True
    rig.find(**options)


# The exit code of a process in which the handler of the signal raised.
_RAISED = 3


def remains(folder: Path, group: int) -> list[str]:
    """Return what is left: files in the folder, processes in the group."""
    problems = ["files left"] if any(path.is_file() for path in folder.rglob("*")) else []
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return problems
        time.sleep(0.05)
    return [*problems, "processes left"]


def start(backend: str, number: int, options: dict[str, Any], folder: Path) -> int:
    """Start the process of a sweep that will be killed. Return its id."""
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
    """Kill a sweep of this backend, and return what happened as a cell of the table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        child = start(backend, number, options, folder)
        _, status = os.waitpid(child, 0)
        problems = remains(folder, child)
    outcomes = {-number: "the process ends", _RAISED: "`SystemExit`"}
    outcome = outcomes.get(os.waitstatus_to_exitcode(status), "the process goes on")
    return outcome + "".join(f" **{problem}**" for problem in problems)


def main() -> None:
    """Print the cells as JSON. The processes are forked before anything has started a thread."""
    import pytorch_lightning  # noqa: F401  once, and not in every child

    with third_party_registered():
        cells = {
            backend: {name: cell(backend, *kill) for name, kill in KILLS.items() if applies(name, backend)}
            for backend in BACKENDS
        }
    sys.stdout.write(json.dumps(cells) + "\n")


if __name__ == "__main__":
    main()
