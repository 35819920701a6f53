import math
import random

import matplotlib
import pytest

import lrrange
from lrrange.advice.heuristics import HEURISTICS
from lrrange.advice.readings import read_answers, read_ranges

matplotlib.use("Agg")


def falling(i, n):
    """Return a loss that falls from 2.3 to 0.3 in the middle of the sweep."""
    return 2.3 - 2.0 / (1 + math.exp(-12 * (i / n - 0.5)))


@pytest.fixture
def result_of():
    def make(losses, stop_reason=lrrange.StopReason.COMPLETED, shape="exponential", **fields):
        plan = lrrange.SweepPlan(start_lr=1e-5, end_lr=1.0, num_steps=max(len(losses), 2), shape=shape)
        curve = lrrange.Curve(lr=plan.rates[: len(losses)], loss=losses)
        return lrrange.RangeTestResult(
            plan=plan,
            curve=curve,
            stop_reason=stop_reason,
            provenance=lrrange.Provenance(backend="test"),
            answers=read_answers(curve, HEURISTICS),
            ranges=read_ranges(curve),
            **fields,
        )

    return make


@pytest.fixture
def losses():
    noise = random.Random(0)
    return [falling(i, 60) + noise.gauss(0, 0.01) for i in range(60)]


@pytest.fixture
def result(result_of, losses):
    return result_of(losses, heuristic="steepest")


@pytest.fixture
def axes():
    """Axes of the user's own, without pyplot."""
    from matplotlib.figure import Figure

    return Figure().subplots()


@pytest.fixture
def labelled():
    """Find the only artist whose legend entry begins with a text."""

    def find(ax, start):
        (artist,) = [
            artist
            for artist in (*ax.lines, *ax.patches)
            if not str(artist.get_label()).startswith("_") and str(artist.get_label()).split("  ")[0] == start
        ]
        return artist

    return find
