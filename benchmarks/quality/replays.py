"""Sweeps of recorded losses."""

import itertools
import math
from collections.abc import Iterable

from lrrange import Sweep


def told(sweep: Sweep, losses: Iterable[float]) -> Sweep:
    """Tell a sweep these losses, and NaN after the last of them, until it ends. Return it."""
    endless = itertools.chain(losses, itertools.repeat(math.nan))
    while sweep.running:
        sweep.tell(float(next(endless)))
    return sweep
