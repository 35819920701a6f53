"""Whether this is the main process of several, without importing the framework that started them."""

import os

# The variables that torchrun, Accelerate and Lightning set. RANK comes first: it counts over all machines.
_RANKS = ("RANK", "LOCAL_RANK")


def is_main_process() -> bool:
    """Return whether this process is the one that prints and writes: the one of rank 0, or the only one."""
    rank = next((os.environ[name] for name in _RANKS if name in os.environ), "0")
    return rank in ("", "0")
