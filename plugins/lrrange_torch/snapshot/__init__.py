"""Keep everything that a training step can change, put it back, and check that it is back."""

from lrrange_torch.snapshot.copy_on_write import LazySnapshot, why_not_lazy
from lrrange_torch.snapshot.digest import digest_of
from lrrange_torch.snapshot.snapshot import Snapshot, seed_everything

__all__ = ["LazySnapshot", "Snapshot", "digest_of", "seed_everything", "why_not_lazy"]
