"""The options of `find_lr` that may make an answer surer, as a message names them."""

from collections.abc import Sequence

# Each as a user writes it.
_WRITTEN = {
    "paired": "paired=True",
    "repeats": "repeats=3",
    "confirm": "confirm=True",
    "val_loader": "held-out data (val_loader=, or val_monitor= for Lightning)",
}

# More steps of the sweep are always possible.
MORE_STEPS = "a higher num_steps"


def join_ways(untried: Sequence[str], *ways: str) -> str:
    """Return those of the ways that are still open, joined by "or"; empty if none is.

    Args:
        untried: the options that the test did not use and could have used.
        ways: names of options, in the order to show them, and `MORE_STEPS`.
    """
    open_ways = [_WRITTEN.get(way, way) for way in ways if way in untried or way == MORE_STEPS]
    *first, last = open_ways or [""]
    return f"{', '.join(first)} or {last}" if first else last
