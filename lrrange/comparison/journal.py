"""The journal of a comparison: a file from which an interrupted one continues."""

import json
import math
import os
from pathlib import Path
from typing import Any

import attrs

from lrrange.comparison.comparison import Comparison
from lrrange.errors import LoadError, SaveError
from lrrange.policy import Policy, Run
from lrrange.storage.documents import from_document, from_json, to_document, to_json

_ROUNDING = 1e-9

# How a journal begins. A file that begins otherwise is somebody's, and is not written to.
_BEGINNING = b'{"format": "lrrange comparison"'


class Journal:
    """A file of one line for the comparison and one for each run that is over, each written whole or ignored.

    Args:
        path: of the file; it is made if there is none.

    Raises: LoadError if it is a file of something else; SaveError if it cannot be read or written.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        if not (folder := self._path.parent).is_dir():
            raise SaveError(f"{path} cannot be written: there is no folder {folder}.", path=str(path))
        try:
            self._path.touch()
            text = self._path.read_bytes()
        except OSError as error:
            raise self._unwritable(error) from error
        if not text.startswith(_BEGINNING[: len(text)]):
            raise LoadError(f"{path} is not a file of runs. Give another path, and it is made.", path=str(path))
        self._whole = text.rfind(b"\n") + 1  # what comes after was cut short
        first, *lines = text[: self._whole].splitlines() or [b""]
        self.begun = from_document(first, path, kind="comparison", of=Comparison) if first else None
        self.runs = tuple(run for line in lines if (run := _run(line)) is not None)

    def begin(self, comparison: Comparison) -> None:
        """Write down what is compared, or check that it is what the file has begun with.

        Raises: LoadError, naming the difference, if the file is of another comparison; SaveError.
        """
        if self.begun is None:
            self._append(to_document(attrs.evolve(comparison, runs=()), kind="comparison"))
        elif differences := list(_differences(self.begun, comparison)):
            raise LoadError(
                f"{self._path} holds another comparison: {'; '.join(differences)}. Give another path, or the same "
                f"arguments to go on with it.",
                path=str(self._path),
            )

    def add(self, run: Run) -> None:
        """Write down a run. Raises: SaveError."""
        self._append({"run": to_json(run)})

    def _append(self, document: dict[str, Any]) -> None:
        line = json.dumps(document, allow_nan=False).encode() + b"\n"
        try:
            with open(self._path, "r+b") as file:
                file.seek(self._whole)
                file.truncate()
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise self._unwritable(error) from error
        self._whole += len(line)

    def _unwritable(self, error: OSError) -> SaveError:
        return SaveError(
            f"the runs could not be written to {self._path}: {error.strerror or error}. Give a path you can write to.",
            path=str(self._path),
        )


def _run(line: bytes) -> Run | None:
    try:
        return from_json(json.loads(line)["run"], Run)
    except Exception:  # of whatever kind: a line that holds no run is ignored, and the run made again
        return None


def _differences(begun: Comparison, asked: Comparison) -> list[str]:
    """What keeps runs of `begun` from being runs of `asked`. More or fewer seeds do not."""
    differences = [
        f"{name}={there!r} there and {here!r} here"
        for name in ("make_run", "steps", "evaluate_every")
        if (there := getattr(begun, name)) != (here := getattr(asked, name))
    ]
    there, here = ({policy.name: policy for policy in one.policies} for one in (begun, asked))
    differences += [f"a policy {name!r} there and not here" for name in there if name not in here]
    differences += [f"a policy {name!r} here and not there" for name in here if name not in there]
    differences += [
        f"other rates or momenta under the policy {name!r} ({there[name].about}; {here[name].about})"
        for name in there
        if name in here and not _alike(there[name], here[name])
    ]
    return differences


def _alike(there: Policy, here: Policy) -> bool:
    """Whether two policies are the same but for rounding, in which two versions of a formula may differ."""
    if len(there.lr) != len(here.lr) or (there.momentum is None) != (here.momentum is None):
        return False
    pairs = [*zip(there.lr, here.lr, strict=True), *zip(there.momentum or (), here.momentum or (), strict=True)]
    return all(math.isclose(one, other, rel_tol=_ROUNDING) for one, other in pairs)
