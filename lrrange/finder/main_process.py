"""Which of several processes this one is, without asking the framework that started them."""

import os

# As torchrun, Accelerate and Lightning set them, in the order in which they say more.
_RANKS = ("RANK", "LOCAL_RANK")


def is_first_process() -> bool:
    """Whether this process is the one that prints and writes: the first, or the only one."""
    rank = next((os.environ[name] for name in _RANKS if name in os.environ), "0")
    return rank in ("", "0")
