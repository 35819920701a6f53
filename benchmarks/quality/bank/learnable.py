"""Which tasks of the bank are judged: those on which a rate can be told from another by what it leads to."""

import math
from typing import Any

import numpy as np

from benchmarks.quality.ground_truth import clipped_mean

# An improvement below this part of the loss's scale, or below this many times the difference between two seeds, is too
# small to tell good rates from bad ones.
_OF_THE_SCALE = 0.02
_OF_THE_SPREAD = 4


def learnable(measured: dict[str, Any]) -> bool:
    """Return whether the best rate improves a task enough, with both protocols, to judge rates by it.

    Args:
        measured: the return value of `BankStore.ground_truth`.
    """
    return all(_stands_out(measured, measured[protocol]) for protocol in ("constant", "onecycle"))


def _stands_out(measured: dict[str, Any], finals: list[list[float | None]]) -> bool:
    initial, answer = measured["initial"], measured["constant_answer"]
    runs = [[math.inf if loss is None else loss for loss in row] for row in finals]
    losses = np.array([clipped_mean(row, initial) for row in runs])
    start = float(np.mean(initial))
    ceiling = start if answer is None else min(start, answer)
    gain = ceiling - losses.min()
    scale = max(abs(start), abs(float(losses.min())))
    good = [
        row for row, loss in zip(runs, losses, strict=True) if ceiling - loss >= gain / 2 and np.isfinite(row).all()
    ]
    spread = float(np.median([max(row) - min(row) for row in good])) if good else math.inf
    return bool(gain >= _OF_THE_SCALE * scale and gain >= _OF_THE_SPREAD * spread)
