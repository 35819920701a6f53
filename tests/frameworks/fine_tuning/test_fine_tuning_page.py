"""The page on fine-tuning says what was measured."""

import re
from pathlib import Path

import attrs
import pytest

from benchmarks.fine_tuning import answers, grid
from benchmarks.fine_tuning.page import PAGE, RESULTS, write_page
from benchmarks.fine_tuning.plots import draw
from benchmarks.fine_tuning.tables import Measurements, answered, mean_regret
from benchmarks.fine_tuning.tasks import TASKS
from benchmarks.quality.store import RESULTS as QUALITY


@pytest.fixture(scope="module")
def measured() -> Measurements:
    return Measurements.read(RESULTS, QUALITY / "schedules")


def test_the_numbers_of_the_page_are_those_of_the_stored_measurements(tmp_path: Path) -> None:
    copy = tmp_path / "fine-tuning.md"
    # Without the numbers, which have to come back.
    copy.write_text(re.sub(r"(: generated -->\n).*?(<!-- /)", r"\1\2", PAGE.read_text(), flags=re.DOTALL))
    write_page(page=copy)
    assert copy.read_text() == PAGE.read_text()
    assert (tmp_path / "images" / "fine-tuning-light.svg").exists()


def test_the_grid_is_complete(measured: Measurements) -> None:
    for start, seeds in {"pretrained": grid.SEEDS, "random": grid.SEEDS[:1]}.items():
        for task in TASKS:
            done = {(row["lr"], row["seed"]) for row in measured.fate(task, start).rows}
            assert done == {(lr, seed) for lr in (0.0, *grid.RATES) for seed in seeds}


def test_every_form_was_asked_on_every_task_with_every_seed(measured: Measurements) -> None:
    done = {(row["task"], row["form"], row["seed"]) for row in measured.answers}
    assert done >= {(task, form, seed) for task in TASKS for form in answers.FORMS for seed in grid.SEEDS}


def test_the_model_has_learnt_far_more_than_how_often_a_token_comes(measured: Measurements) -> None:
    assert measured.about["held_out_perplexity"] < measured.about["unigram_perplexity"] / 5


def test_the_plot_does_without_answers(measured: Measurements, tmp_path: Path) -> None:
    draw(attrs.evolve(measured, answers=()), tmp_path / "plot")
    assert {path.name for path in tmp_path.iterdir()} == {"plot-light.svg", "plot-dark.svg"}


def test_what_the_page_says_of_the_answers_is_in_the_measurements(measured: Measurements) -> None:
    def regret(form: str | float, judge: str = "loss") -> float:
        tasks = [task for task in TASKS if judge == "loss" or TASKS[task].labels]
        return sum(mean_regret(measured, task, form, "peak", judge) for task in tasks) / len(tasks)

    others = {form: regret(form) for form in ("plain", "paired", "confirm", *answers.RULES, 1e-5, 5e-5, 1e-3)}
    assert regret("confirm, short") < min(others.values())
    assert others["paired"] >= others["plain"]
    said = {form: round(loss, 2) for form, loss in others.items()}
    assert (said["plain"], said["confirm"], said[1e-3], round(regret("confirm, short"), 2)) == (0.52, 0.18, 0.32, 0.08)
    assert [round(mean_regret(measured, task, "confirm, short", "peak"), 2) for task in TASKS] == [
        0.04,
        0.11,
        0.01,
        0.16,
    ]
    assert regret("confirm, short", "accuracy") > regret("plain", "accuracy")
    assert regret(1e-5) > 0.9
    times = {task: answered(measured, task, "plain", "peak") for task in TASKS}
    over = [lr / measured.fate(task).best_lr for task in ("few", "tkinter") for lr in times[task] if lr]
    assert 3.4 < min(over) < max(over) < 13.5
    assert all(mean_regret(measured, task, "plain", "peak") < 0.1 for task in ("packages", "reference"))


def test_what_the_page_says_of_the_verdicts_is_in_the_measurements(measured: Measurements) -> None:
    def confident(form: str) -> list[bool]:
        return [row["verdict"].startswith("confident") for row in measured.answers if row["form"] == form]

    assert (sum(confident("plain")), len(confident("plain"))) == (0, 12)
    assert (sum(confident("confirm, short")), len(confident("confirm, short"))) == (11, 12)
    asked = [row for row in measured.answers if row["form"] == "plain"]
    assert all("confirm=True" in row["verdict"] for row in asked)


def test_what_the_page_says_of_random_weights_is_in_the_measurements(measured: Measurements) -> None:
    worth = {task: measured.fate(task, "random").loss.min() - measured.fate(task).loss.min() for task in TASKS}
    assert worth["packages"] < 0
    assert worth["few"] == pytest.approx(0.1, abs=0.05)
    assert worth["tkinter"] == pytest.approx(1.7, abs=0.05)
    assert worth["reference"] == pytest.approx(2.2, abs=0.05)
