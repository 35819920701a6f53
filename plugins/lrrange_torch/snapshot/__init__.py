"""Keep everything that a training step can change, put it back, and check that it is back."""

from lrrange_torch.random_state import seed_everything
from lrrange_torch.snapshot.copy_on_write import LazySnapshot, why_not_lazy
from lrrange_torch.snapshot.copy_stores import CopyLocation, check_copy_location, copies_in
from lrrange_torch.snapshot.digest import digest_of
from lrrange_torch.snapshot.snapshot import Snapshot

__all__ = [
    "CopyLocation",
    "LazySnapshot",
    "Snapshot",
    "check_copy_location",
    "copies_in",
    "digest_of",
    "seed_everything",
    "why_not_lazy",
]
