"""Proof that a run left nothing behind: a digest of the training from before it and from after it."""

import contextlib
import itertools
import time
from collections.abc import Iterator
from typing import Any

from lrrange.errors import OptionError, RestoreFailed
from lrrange.protocol.training_step import Driver, TrainingStep

# Where lrrange decides: the part of a run's time that a digest may take. There is one before the first run and one
# after each, so that what is checked costs under a hundredth of the runs.
_SHARE = 0.005

# How long a run takes is known when it is over. So the first digest is given up after so many seconds for each step of
# the run, which is that share of steps of a millisecond.
_SECONDS_A_STEP = 5e-6

# Of what there is in one of two digests alone.
_ABSENT = "absent"


class RestoreCheck:
    """Compares the digest of a training after each run with the one from before the first.

    Args:
        adapted: the training. It can be checked if it has a method `digest`; see `lrrange.protocol.TrainingStep`.
        wanted: True to check every run, False for none, None for those of which it takes under 1 %.
    Raises: OptionError if it is wanted and there is no digest.
    """

    def __init__(self, adapted: TrainingStep | Driver, wanted: bool | None) -> None:
        if wanted not in (True, False, None):
            raise OptionError(f"verify_restore={wanted!r} is neither True, False nor None.")
        self._digest = getattr(adapted, "digest", None)
        if wanted and self._digest is None:
            raise OptionError(
                f"verify_restore=True was given, but a {type(adapted).__name__} has no digest() by which one state "
                f"could be told from another.",
            )
        self._kind = type(adapted).__name__
        self._always = bool(wanted)
        self._verified = self._digest is not None and wanted is not False
        self._before: list[tuple[str, Any]] | None = None
        self._took = 0.0

    @contextlib.contextmanager
    def around(self, num_steps: int) -> Iterator[None]:
        """Check one run of so many steps, also where it raises. Raises: RestoreFailed."""
        self.before(num_steps)
        began = time.perf_counter()
        try:
            yield
        except BaseException as error:
            self.after(time.perf_counter() - began, error)
            raise
        self.after(time.perf_counter() - began)

    def before(self, num_steps: int) -> None:
        """Take the digest, before the first run, which has so many steps."""
        if self._verified and self._before is None:
            self._take_first(num_steps)

    def after(self, run_took: float, error: BaseException | None = None) -> None:
        """Check a run that took so many seconds, and raised `error` if it did. Raises: RestoreFailed."""
        if self._before is None:
            return
        if not self._always and self._took > _SHARE * run_took:
            self._verified = False
            return
        after = self._digest()  # type: ignore[misc]  # there was one before
        for was, now in itertools.zip_longest(self._before, after):
            if was != now:
                raise self._failure(was, now) from error

    def report(self) -> dict[str, bool]:
        """Whether every run was checked, as `restore_verified`, for the provenance; nothing if there is no digest."""
        return {} if self._digest is None else {"restore_verified": self._verified}

    def _take_first(self, num_steps: int) -> None:
        began = time.perf_counter()
        pieces = []
        for piece in self._digest():  # type: ignore[misc]  # `_verified` says that there is one
            pieces.append(piece)
            self._took = time.perf_counter() - began
            if not self._always and self._took > num_steps * _SECONDS_A_STEP:
                self._verified = False
                return
        self._before = pieces

    def _failure(self, was: tuple[str, Any] | None, now: tuple[str, Any] | None) -> RestoreFailed:
        known = {name for name, _ in self._before or ()}
        new = was is None or (now is not None and now[0] not in known)
        name = (now if new else was)[0]  # type: ignore[index]  # one of them there is
        before = _ABSENT if new else was[1]  # type: ignore[index]
        after = now[1] if now is not None and now[0] == name else _ABSENT
        return RestoreFailed(
            f"{name} is not as it was before the sweep: its digest was {_shown(before)} and is {_shown(after)}. The "
            f"{self._kind} does not put it back. Load your training anew before you go on, and report this to the "
            f"authors of the backend.",
            name=name,
            before=before,
            after=after,
        )


def _shown(value: Any) -> str:
    return f"{value:08x}" if type(value) is int else str(value)
