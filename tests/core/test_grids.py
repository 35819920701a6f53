"""Range tests over a grid of settings."""

import io
import math
from typing import Any

import pytest
from rich.console import Console

import lrrange
from lrrange.errors import PlanError, TargetError


class Loop:
    """A training whose loss falls at the rate `fall` and blows up two decades above it."""

    def __init__(self, fall: float = 1e-3, drop: float = 1.0) -> None:
        self.fall, self.drop = fall, drop

    def step(self, lr: float) -> float:
        x = math.log10(lr / self.fall)
        return 2.0 - self.drop / (1 + math.exp(-8 * x)) + max(0.0, 4 * (x - 2)) ** 2

    def snapshot(self) -> None:
        return None

    def restore(self, state: None) -> None:
        pass


def text_of(grid: lrrange.Grid) -> str:
    console = Console(file=io.StringIO(), width=200, color_system=None)
    console.print(grid)
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_every_combination_is_tested_and_the_last_setting_changes_fastest() -> None:
    grid = lrrange.grid(Loop, {"fall": [1e-4, 1e-3], "drop": [1.0, 0.5]})
    assert [tuple(cell.setting.values()) for cell in grid.cells] == [(1e-4, 1.0), (1e-4, 0.5), (1e-3, 1.0), (1e-3, 0.5)]
    assert grid[1].label == "fall=0.0001, drop=0.5"


def test_the_largest_rate_moves_with_the_setting() -> None:
    low, high = lrrange.grid(Loop, {"fall": [1e-4, 1e-3]}).max_lr
    assert high / low == pytest.approx(10, rel=0.2)


def test_options_of_grid_override_those_of_the_factory() -> None:
    def make(fall: float) -> tuple[Loop, dict[str, Any]]:
        return Loop(fall), {"end_lr": 1.0, "num_steps": 50}

    (cell,) = lrrange.grid(make, {"fall": [1e-3]}, num_steps=70).cells
    assert (cell.result.plan.end_lr, cell.result.plan.num_steps) == (1.0, 70)


def test_a_setting_without_an_answer_is_shown_with_its_reason_and_the_others_are_still_tested() -> None:
    grid = lrrange.grid(Loop, {"drop": [0.0, 1.0]}, end_lr=1e-2)
    assert math.isnan(grid.max_lr[0])
    assert not math.isnan(grid.max_lr[1])
    text = text_of(grid)
    refused, answered = [line for line in text.splitlines() if line.strip().startswith(("0.0", "1.0"))]
    assert "refused [1]" in refused
    assert "[1]  the loss does not fall" in text
    assert f"{grid[1].result.lr:.2e}" in answered
    assert f"{grid.max_lr[1]:.2e}" in answered


@pytest.mark.parametrize("settings", [{}, {"fall": []}])
def test_an_empty_grid_is_refused(settings: dict[str, list[float]]) -> None:
    with pytest.raises(PlanError, match="nothing to try"):
        lrrange.grid(Loop, settings)


def test_a_factory_that_returns_none_is_refused() -> None:
    with pytest.raises(TargetError, match=r"make\(\) returned None"):
        lrrange.grid(lambda fall: None, {"fall": [1.0]})


def test_each_cell_is_confirmed_by_as_many_runs_as_it_needs_itself() -> None:
    steps: list[int] = []

    class Counted(Loop):
        """A training that ends lowest at a rate of its own, whatever the sweep says."""

        def __init__(self, best: float) -> None:
            super().__init__()
            self.best, self.rates = best, [0.0]
            steps.append(0)

        def step(self, lr: float) -> float:
            steps[-1] += 1
            self.rates.append(lr)
            stays = self.rates[-3:] == [lr] * 3
            return 0.2 + abs(math.log10(lr / self.best)) / 2 if stays else super().step(lr)

    best = lrrange.find_lr(Loop()).lr
    grid = lrrange.grid(Counted, {"best": [best, 30 * best]}, confirm=True, progress=False)
    trials = [confirmation.trials for cell in grid.cells if (confirmation := cell.result.confirmation) is not None]
    assert [[trial.steps for trial in each] for each in trials] == [[124] * 3, [124] * 4]
    assert steps == [cell.result.provenance.steps_run for cell in grid.cells]
