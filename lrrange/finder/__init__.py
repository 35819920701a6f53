"""`find_lr` and `grid`: run range tests on whatever a plug-in can train."""

from typing import Any

__all__ = ["find_lr"]


def __getattr__(name: str) -> Any:
    if name != "find_lr":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from lrrange.finder.range_test import find_lr

    return find_lr
