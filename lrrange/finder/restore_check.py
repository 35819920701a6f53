"""The check that a run left nothing behind: it compares digests of the training from before and after the run."""

import contextlib
import itertools
from collections.abc import Iterator
from typing import Any

from lrrange.errors import OptionError, RestoreFailed
from lrrange.finder.training import Training

# Shown instead of a digest when only one of the two digests has this entry.
_ABSENT = "absent"


class RestoreCheck:
    """A check that the digest of a training after each run equals its digest before the first run.

    Args:
        training: to check. It needs `lrrange.protocol.Digestible`.
        wanted: whether to check.
    Raises: OptionError if the check is wanted and the training has no digest.
    """

    def __init__(self, training: Training, wanted: bool) -> None:
        if wanted and training.digest is None:
            raise OptionError(
                f"verify_restore=True was given, but a {training.kind} has no digest() that could "
                f"tell one state from another.",
            )
        self._training = training
        self._digest = training.digest if wanted else None
        self._before: list[tuple[str, Any]] | None = None

    @contextlib.contextmanager
    def around(self) -> Iterator[None]:
        """Check one run, even if it raises. Raises: RestoreFailed, from the error of the run if there was one."""
        if self._digest is not None and self._before is None:
            self._before = list(self._digest())
        try:
            yield
        except BaseException as error:
            self._compare(error)
            raise
        self._compare(None)

    def report(self) -> dict[str, bool]:
        """Return whether every run was checked, as `restore_verified`; nothing if the training has no digest."""
        return {} if self._training.digest is None else {"restore_verified": self._digest is not None}

    def _compare(self, error: BaseException | None) -> None:
        if self._digest is None or self._before is None:
            return
        for before, after in itertools.zip_longest(self._before, self._digest()):
            if before != after:
                raise self._failure(before, after) from error

    def _failure(self, before: tuple[str, Any] | None, after: tuple[str, Any] | None) -> RestoreFailed:
        known = {name for name, _ in self._before or ()}
        if after is not None and (before is None or after[0] not in known):  # an entry that was not there before
            name, was, now = after[0], _ABSENT, after[1]
        else:
            assert before is not None
            name, was = before
            now = after[1] if after is not None and after[0] == name else _ABSENT
        return RestoreFailed(
            f"{name} is not as it was before the sweep: its digest was {_shown(was)} and is {_shown(now)}. The "
            f"{self._training.kind} does not put it back. Load your training again before you go on, and report this "
            f"to the authors of the backend.",
            name=name,
            before=was,
            after=now,
        )


def _shown(value: Any) -> str:
    return f"{value:08x}" if type(value) is int else str(value)
