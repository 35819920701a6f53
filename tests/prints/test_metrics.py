"""A metric that is better when higher is printed in its own sign, under its own name."""

import re

import lrrange
from lrrange.quantity import MetricValue, Quantity
from tests.core.strategies import Landscape
from tests.core.training import Loop

ACCURACY = Quantity(name="accuracy", higher_is_better=True)


class Accuracy(Loop):
    """A loop whose steps return an accuracy, which rises from 0.1 to 0.9."""

    def step(self, lr):
        loss = super().step(lr)
        return MetricValue(quantity=ACCURACY, value=1.0 - loss, loss=loss)


def test_the_table_the_grid_and_the_reprs_show_an_accuracy_as_it_is():
    landscape = Landscape(top=0.9, drop=0.8, noise=0.01)
    result = lrrange.find_lr(Accuracy(landscape))
    text = result.summary(verbose=True)
    assert f"rise {result.chosen.read['fall']:.2e}" in text
    (steepest,) = [line for line in text.splitlines() if line.strip().startswith("steepest")]
    assert "slope 0." in steepest
    assert "accuracy " in repr(result.curve)
    assert re.search(r"best smoothed accuracy</th><td>0\.[89]", result.curve._repr_html_())
    grid = lrrange.grid(lambda drop: Accuracy(Landscape(top=0.9, drop=drop)), {"drop": [0.8]})
    assert "highest accuracy" in str(grid)
    assert re.search(r"^ +0\.8 .* 0\.[89]\d+  ", str(grid), re.MULTILINE)
