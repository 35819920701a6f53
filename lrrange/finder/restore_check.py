"""The check that a run left nothing behind: it compares digests of the training from before and after the run."""

import contextlib
import inspect
import itertools
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

from lrrange.errors import NotKeptWarning, OptionError, RestoreFailed
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

    def report(self, not_kept: Mapping[str, str]) -> dict[str, bool]:
        """Return whether every run was checked in full, as `restore_verified`; nothing if the training has no digest.

        Args:
            not_kept: the backend's report of what cannot be put back, and is not checked.
        """
        return {} if self._training.digest is None else {"restore_verified": self._digest is not None and not not_kept}

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


def warn_of(not_kept: Mapping[str, str]) -> None:
    """Warn the user of what cannot be put back.

    Args:
        not_kept: the backend's report, the name of each object with the reason.
    """
    if not_kept:
        listed = ", ".join(f"{name} ({why})" for name, why in not_kept.items())
        warnings.warn(
            f"training may have changed what cannot be put back: {listed}. Set that up again before you go on, or "
            f"name it in restore=, as an object with state_dict() and load_state_dict(). Give a loader that starts "
            f"again in place of an iterator.",
            NotKeptWarning,
            stacklevel=levels_to_the_user(),
        )


def levels_to_the_user() -> int:
    """Return the `stacklevel` at which a warning of this module shows the user's own line."""
    level, frame = 1, inspect.currentframe()
    frame = None if frame is None else frame.f_back
    while frame is not None and str(frame.f_globals.get("__name__")).startswith("lrrange"):
        level, frame = level + 1, frame.f_back
    return level


def _shown(value: Any) -> str:
    return f"{value:08x}" if type(value) is int else str(value)
