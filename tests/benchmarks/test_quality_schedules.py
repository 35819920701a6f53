"""The best peak rates of schedules, measured on trainings of the bank."""

from typing import Any

import pytest
import torch

from benchmarks.quality.bank.generator import BANK
from benchmarks.quality.bank.store import BankStore
from benchmarks.quality.schedules.grid import TASKS, train
from benchmarks.quality.schedules.peaks import Measured, read, summary
from benchmarks.quality.schedules.shapes import SCHEDULES, scheduler
from benchmarks.quality.store import RESULTS

QUICK = "mlp_digits-momentum-b8-150"


def rates(schedule: str, lr: float, steps: int) -> list[float]:
    """Return the rate of each step of a training."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=lr)
    made, seen = scheduler(schedule, optimizer, lr, steps), []
    for _ in range(steps):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if made:
            made.step()
    return seen


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_every_schedule_reaches_its_peak_and_never_passes_it(schedule: str) -> None:
    assert max(rates(schedule, 0.2, 200)) == pytest.approx(0.2, rel=1e-3)


def test_each_schedule_has_its_shape() -> None:
    assert rates("constant", 1.0, 100) == [1.0] * 100
    assert rates("linear", 1.0, 100) == pytest.approx([1 - step / 100 for step in range(100)])
    assert rates("cosine", 1.0, 100)[50] == pytest.approx(0.5)
    assert rates("cosine", 1.0, 100)[0] == 1.0
    assert [rates("steps", 1.0, 100)[step] for step in (0, 59, 60, 84, 85, 99)] == pytest.approx(
        [1, 1, 0.1, 0.1, 0.01, 0.01]
    )
    warmed = rates("warm-up 10 %, linear", 1.0, 100)
    assert warmed[:3] == pytest.approx([0.1, 0.2, 0.3])
    assert warmed[10] == 1.0
    assert warmed[-1] == pytest.approx(1 / 90)


@pytest.mark.parametrize("schedule", ["constant", "onecycle"])
def test_a_training_ends_where_the_bank_says(schedule: str) -> None:
    bank = BankStore().ground_truth(QUICK)
    at = len(bank["lr"]) // 2
    first, final = train(BANK[QUICK], schedule, bank["lr"][at], seed=0)
    assert first == pytest.approx(bank["initial"][0], rel=0.01)
    assert final == pytest.approx(bank[schedule][at][0], rel=0.2)


def curve(best: float) -> list[list[float]]:
    """Return losses of two seeds over 1e-3, 1e-2, ... 10, lowest at `best`, on a common logarithm."""
    return [[0.1 + 0.1 * (x - best) ** 2] * 2 for x in (-3, -2, -1, 0, 1)]


def stored(**best: float) -> dict[str, Any]:
    final = {name: curve(best.get(name, -1.0)) for name in SCHEDULES}
    return {"lr": [1e-3, 1e-2, 0.1, 1.0, 10.0], "final": final, "initial": [1.0, 1.0], "constant_answer": None}


def test_the_best_peak_is_placed_between_the_constant_rate_and_the_peak_of_one_cycle() -> None:
    task = Measured(stored(constant=-2.0, onecycle=0.0, linear=-0.5, cosine=-1.0))
    assert task.best("linear") == pytest.approx(-0.5)
    found = summary([task])
    assert found["apart"] == 1
    assert found["schedules"]["linear"]["position"] == pytest.approx([0.75] * 3)
    assert found["schedules"]["linear"]["over_constant"][1] == pytest.approx(10**1.5, rel=1e-3)
    assert found["schedules"]["cosine"]["regret"] == {
        "constant": pytest.approx(0.1 / 0.9, rel=1e-3),
        "geometric mean": 0,
        "onecycle": pytest.approx(0.1 / 0.9, rel=1e-3),
    }


def test_a_task_whose_two_rates_are_close_says_nothing_of_the_place_between_them() -> None:
    close = Measured(stored(constant=-1.0, onecycle=-0.9))
    apart = Measured(stored(constant=-2.0, onecycle=0.0))
    found = summary([close, apart])
    assert (found["tasks"], found["apart"]) == (2, 1)


def test_a_run_that_diverges_counts_as_its_start() -> None:
    measured = stored(linear=-1.0)
    measured["final"]["linear"][-1] = [None, None]
    assert Measured(measured).regret("linear", 1.0) == 1.0


def test_every_task_that_is_measured_has_the_whole_grid_and_its_best_rates_inside_it() -> None:
    tasks = read(RESULTS / "schedules")
    assert {task.stored["task"] for task in tasks} == set(TASKS)
    for task in tasks:
        assert set(task.stored["final"]) == set(SCHEDULES)
        assert all(len(rows) == len(task.stored["lr"]) for rows in task.stored["final"].values())
