"""The journal of a comparison: a file from which an interrupted comparison continues."""

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

# Rates that differ by less than this part are taken as the same.
_ROUNDING = 1e-9

# The first bytes of every journal. A file that begins otherwise belongs to somebody else and is never written to.
_BEGINNING = b'{"format": "lrrange comparison"'


class Journal:
    """A file with one line for the comparison and one for each run that is over. A line that was cut short is ignored.

    Args:
        path: path of the file, which is created if there is none.

    Attributes:
        comparison: the comparison in the file, without its runs; None if the file is new.
        runs: the runs in the file.

    Raises: LoadError if the file is not a journal; SaveError if it cannot be read or written.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        if not (folder := self._path.parent).is_dir():
            raise SaveError(f"{path} cannot be written: there is no folder {folder}.", path=str(path))
        if self._path.exists() and not self._path.is_file():
            raise SaveError(f"{path} is not a regular file, from which runs can be read again.", path=str(path))
        try:
            self._path.touch()
            text = self._path.read_bytes()
        except OSError as error:
            raise self._write_error(error) from error
        if not text.startswith(_BEGINNING[: len(text)]):
            raise LoadError(f"{path} is not a file of runs. Give the path of a new file.", path=str(path))
        self._end = text.rfind(b"\n") + 1  # the end of the last whole line; the next one overwrites what follows
        first, *lines = text[: self._end].splitlines() or [b""]
        self.comparison = from_document(first, path, kind="comparison", of=Comparison) if first else None
        self.runs = tuple(run for line in lines if (run := _read_run(line)) is not None)

    def begin(self, comparison: Comparison) -> None:
        """Write the comparison to a new file, or check that an existing file holds the same one.

        Raises: LoadError, naming the differences, if the file holds another comparison; SaveError.
        """
        if self.comparison is None:
            self._append(to_document(attrs.evolve(comparison, runs=()), kind="comparison"))
        elif differences := _list_differences(self.comparison, comparison):
            raise LoadError(
                f"{self._path} holds another comparison: {'; '.join(differences)}. Give another path, or the same "
                f"arguments to continue it.",
                path=str(self._path),
            )

    def add(self, run: Run) -> None:
        """Append a run to the file. Raises: SaveError."""
        self._append({"run": to_json(run)})

    def _append(self, document: dict[str, Any]) -> None:
        line = json.dumps(document, allow_nan=False).encode() + b"\n"
        try:
            with open(self._path, "r+b") as file:
                file.seek(self._end)
                file.truncate()
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise self._write_error(error) from error
        self._end += len(line)

    def _write_error(self, error: OSError) -> SaveError:
        return SaveError(
            f"the runs could not be written to {self._path}: {error.strerror or error}. Give a path you can write to.",
            path=str(self._path),
        )


def _read_run(line: bytes) -> Run | None:
    try:
        return from_json(json.loads(line)["run"], Run)
    except Exception:  # whatever is wrong with the line, it is ignored and its run is made again
        return None


def _list_differences(saved: Comparison, new: Comparison) -> list[str]:
    """Return the reasons why runs of `saved` cannot count as runs of `new`. Other seeds are no such reason."""
    differences = [
        f"{name}={in_file!r} in the file and {in_call!r} in this call"
        for name, in_file, in_call in (
            ("make_run", saved.make_run, new.make_run),
            ("steps", saved.steps, new.steps),
            ("evaluate_every", saved.evaluate_every, new.evaluate_every),
        )
        if in_file != in_call
    ]
    before = {policy.name: policy for policy in saved.policies}
    after = {policy.name: policy for policy in new.policies}
    differences += [f"the policy {name!r} is only in the file" for name in before if name not in after]
    differences += [f"the policy {name!r} is only in this call" for name in after if name not in before]
    differences += [
        f"the policy {name!r} has other rates or momenta ({before[name].about}; {after[name].about})"
        for name in before
        # The rates of another number of steps are others in any case.
        if saved.steps == new.steps and name in after and not _are_alike(before[name], after[name])
    ]
    return differences


def _are_alike(first: Policy, second: Policy) -> bool:
    """Return whether two policies are the same up to rounding, in which two versions of a formula may differ."""
    if len(first.lr) != len(second.lr) or (first.momentum is None) != (second.momentum is None):
        return False
    pairs = [*zip(first.lr, second.lr, strict=True), *zip(first.momentum or (), second.momentum or (), strict=True)]
    return all(math.isclose(value, other, rel_tol=_ROUNDING) for value, other in pairs)
