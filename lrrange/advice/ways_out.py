"""The options of `find_lr` that may make an answer surer, as a message names them."""

from collections.abc import Sequence

# Each as a user writes it.
_WRITTEN = {
    "paired": "paired=True",
    "repeats": "repeats=3",
    "confirm": "confirm=True",
    "val_loader": "held-out data (val_loader=, or val_monitor= for Lightning)",
}

# The same as arguments, where these differ.
_ARGUMENTS = _WRITTEN | {"val_loader": "val_loader=..."}

# More steps of the sweep are always possible.
MORE_STEPS = "a higher num_steps"


def join_ways(untried: Sequence[str], *ways: str) -> str:
    """Return those of the ways that are still open, joined by "or"; empty if none is.

    Args:
        untried: the options that the test did not use and could have used.
        ways: names of options, in the order to show them, and `MORE_STEPS`.
    """
    open_ways = [_WRITTEN.get(way, way) for way in _open(untried, ways)]
    *first, last = open_ways or [""]
    return f"{', '.join(first)} or {last}" if first else last


def first_way(untried: Sequence[str], *ways: str, num_steps: int) -> str | None:
    """Return the first of the ways that is still open, as an argument of `find_lr`; None if none is.

    Args:
        untried, ways: as for `join_ways`.
        num_steps: number of steps of the sweep, of which twice as many are more.
    """
    first = next(iter(_open(untried, ways)), None)
    return f"num_steps={2 * num_steps}" if first == MORE_STEPS else _ARGUMENTS.get(first or "")


def _open(untried: Sequence[str], ways: Sequence[str]) -> list[str]:
    return [way for way in ways if way in untried or way == MORE_STEPS]
