"""Curves of very many steps, drawn by fewer points that still show every peak."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

# More points than this are thinned.
MOST_POINTS = 2000


def thin(rows: Sequence[Mapping[str, Any]], key: str, most: int = MOST_POINTS) -> list[Mapping[str, Any]]:
    """Return at most this many rows, and all if there are no more.

    The rows are split into parts of equal length. Of each part the rows with the lowest and the highest value stay, so
    that no peak is lost, and so do the first and the last row of all.

    Args:
        rows: in the order of the curve.
        key: of the value; None for a value that is missing.
        most: number of rows; at least 4.
    """
    if len(rows) <= most:
        return list(rows)
    parts = most // 2 - 1
    kept = {0, len(rows) - 1}
    for part in range(parts):
        indices = range(part * len(rows) // parts, (part + 1) * len(rows) // parts)
        kept.add(min(indices, key=lambda i: math.inf if rows[i][key] is None else rows[i][key]))
        kept.add(max(indices, key=lambda i: -math.inf if rows[i][key] is None else rows[i][key]))
    return [rows[i] for i in sorted(kept)]
