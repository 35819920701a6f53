"""Plots in a notebook: one picture for each call, whether or not it ends its cell, and no empty ones."""

from typing import Any

import pytest

from tests.notebooks import execute

SETUP = """
import lrrange

class Loop:
    w = 3.0
    def step(self, lr):
        self.w -= lr * self.w
        return min(self.w ** 2, 1e3)
    def snapshot(self): return self.w
    def restore(self, state): self.w = state

class Failing(Loop):
    def step(self, lr): raise OSError("gone")

result = lrrange.find_lr(Loop(), num_steps=60, start_lr=1e-4)
grid = lrrange.grid(lambda a: Loop(), {"a": [1, 2]}, num_steps=60, start_lr=1e-4)
comparison = lrrange.compare(lambda seed: Loop(), policies=[0.01, 0.1], steps=20, repeats=2)
failed = lrrange.compare(lambda seed: Failing(), policies=[0.01, 0.1], steps=20, repeats=1, retries=0)
"""

# The number of pictures that each cell shows.
CELLS = {
    "the first cell that draws": ("result.plot()", 1),
    "a call whose value is not shown": ("ax = result.plot()", 1),
    "a call that is not the last": ("result.plot()\n1 + 1", 1),
    "inline, said by the user": ("%matplotlib inline\nresult.plot()", 1),
    "shown": ("import matplotlib.pyplot as plt\nresult.plot()\nplt.show()", 1),
    "closed by a semicolon": ("result.plot();", 1),
    "axes of the user's": ("fig, ax = plt.subplots()\nresult.plot(ax)", 1),
    "two results side by side": ("fig, axes = plt.subplots(1, 2)\nresult.plot(axes[0])\nresult.plot(axes[1])", 1),
    "two calls": ("result.plot()\nresult.plot()", 2),
    "a grid": ("grid.plot()", 1),
    "a grid on a figure": ("grid.plot(plt.figure(layout='constrained'))", 1),
    "a comparison": ("comparison.plot()", 1),
    "a comparison on axes": ("comparison.plot(plt.subplots(2)[1])", 1),
    "a file": ("result.plot(path='x.png')", 0),
    "nothing to draw": ("try:\n    failed.plot()\nexcept lrrange.NoWinner: pass", 0),
    "a wrong call": ("try:\n    grid.plot(plt.subplots()[1])\nexcept TypeError: plt.close()", 0),
    "nothing": ("1", 0),
}


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> list[list[Any]]:
    folder = tmp_path_factory.mktemp("notebook")
    outputs, _ = execute([SETUP, *(source for source, _ in CELLS.values())], folder)
    assert (folder / "x.png").read_bytes().startswith(b"\x89PNG")
    return outputs[1:]


@pytest.mark.filterwarnings("default")  # of the kernel's client
@pytest.mark.parametrize(("number", "count"), list(enumerate(count for _, count in CELLS.values())), ids=list(CELLS))
def test_a_cell_shows_one_picture_for_each_call(number: int, count: int, cells: list[list[Any]]) -> None:
    outputs = cells[number]
    pictures = [output for output in outputs if "image/png" in output.get("data", {})]
    assert len(pictures) == count
    assert all(len(output.data["image/png"]) > 10_000 for output in pictures)
    assert not [output for output in outputs if output.output_type in ("error", "stream")]
