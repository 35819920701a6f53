"""One value of each kind that is printed."""

import math

import lrrange
from tests.compare.training import make as make_run
from tests.core.strategies import Landscape
from tests.core.training import SeededLoop

LANDSCAPE = Landscape(noise=0.02)
FLAT = Landscape(noise=0.02, fall=math.inf, blow_up=math.inf)


def a_result(**options):
    return lrrange.find_lr(SeededLoop(LANDSCAPE), seed=1, **options)


def a_refusal(**options):
    return lrrange.find_lr(SeededLoop(FLAT), seed=1, **options)


def a_grid():
    return lrrange.grid(
        lambda batch_size, weight_decay: SeededLoop(LANDSCAPE if batch_size < 64 else FLAT),
        {"batch_size": [16, 64], "weight_decay": [0, 1e-4]},
    )


def a_comparison(**options):
    return lrrange.compare(make_run, [0.1, 0.5, "one-cycle"], **{"steps": 30, "repeats": 2, **options})
