"""The snapshots that a training step makes of itself, and how much they copied."""

from collections.abc import Sequence
from typing import Any

from torch.optim import Optimizer

from lrrange_torch.snapshot.copy_on_write import LazySnapshot
from lrrange_torch.snapshot.copy_stores import CopyLocation, check_copy_location, copies_in
from lrrange_torch.snapshot.snapshot import Snapshot


class SnapshotMaker:
    """The snapshots of one training: lazy unless there is a reason against it, with their copies in one location.

    Args:
        optimizers: whose steps change the training.
        why_full: the reason why everything must be copied at once; None for lazy snapshots.
        location: where copies are kept.
    Raises: OptionError for an unknown location.
    """

    def __init__(self, optimizers: Sequence[Optimizer], why_full: str | None, location: CopyLocation) -> None:
        check_copy_location(location)
        self._optimizers = optimizers
        self._why_full = why_full
        self._location = location
        self._copied_bytes = 0
        self._not_kept: dict[str, str] = {}

    def make(self) -> Snapshot:
        """Return a new snapshot, which keeps nothing yet."""
        copies = copies_in(self._location)
        return LazySnapshot(self._optimizers, copies) if self._why_full is None else Snapshot(copies)

    def restore(self, state: Snapshot) -> None:
        """Put everything back that `state` keeps. Note how much it copied, and what cannot be put back."""
        self._copied_bytes = max(self._copied_bytes, state.copied_bytes)  # no two snapshots exist at a time
        try:
            state.restore()
        finally:
            self._not_kept |= state.not_kept
            state.forget()

    def report(self) -> dict[str, Any]:
        """Return how the snapshots were made, and the size of the largest, for the result's provenance."""
        return {
            "snapshot": "lazy" if self._why_full is None else f"full: {self._why_full}",
            "copied_bytes": self._copied_bytes,
            "copied_to": self._location,
            "not_kept": self._not_kept,
        }
