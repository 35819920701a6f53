"""The report on the bank, from stand-ins whose figures can be worked out by hand."""

import re

import pytest

from benchmarks.quality.bank.generator import AXES, BANK, ORIGINS
from benchmarks.quality.bank.store import BankStore
from benchmarks.quality.report.budgets import middle_of_best
from benchmarks.quality.report.measurements import Measurements
from benchmarks.quality.report.plots import draw
from benchmarks.quality.report.reliability import confident_and_bad, reliabilities
from benchmarks.quality.report.tables import NOT_MEASURED, front_sections, sections
from benchmarks.quality.report.tables.bank import PUBLIC_PAGE
from tests.benchmarks.stand_ins import add_to_bank, held_out, suggestion

# Two trainings of different architectures and optimizers, and one on which nothing can be learnt.
FIRST = next(name for name, origin in ORIGINS.items() if origin.families["optimizer"] == "adam")
SECOND = next(
    name
    for name, origin in ORIGINS.items()
    if all(origin.families[axis] != ORIGINS[FIRST].families[axis] for axis in AXES)
)
HOPELESS = next(name for name in BANK if name not in (FIRST, SECOND))
LADDER = [name for name in BANK if name.startswith("mlp_digits-adam-b32-")]


@pytest.fixture
def measured(tmp_path):
    """Losses of 9, 4, 2 and 3 from a start of 10: regrets of 0.875, 0.25, 0 and 0.125 with both protocols."""
    for task in (FIRST, SECOND):
        store = add_to_bank(tmp_path, task, [9, 4, 2, 3])
    add_to_bank(tmp_path, HOPELESS, [10, 9.9, 9.9, 10])
    peers = {"fastai_valley": (0.01, 1.0), "ignite": (0.001, 0.1), "lrrange": (0.1, 0.1)}
    for finder, (first, second) in peers.items():
        rows = [suggestion(FIRST, first, version=f"{finder} 1"), suggestion(SECOND, second), suggestion(HOPELESS, None)]
        store.save_suggestions(finder, rows)
    rows = []
    for axis in (*AXES, "none"):
        rows += [held_out(FIRST, 0.1, axis, 0.01), held_out(SECOND, 1.0, axis, 0.4)]
        rows += [
            held_out(FIRST, 0.01, axis, 0.02, form="no facts"),
            held_out(SECOND, None, axis, None, form="no facts"),
        ]
    store.save_held_out(rows)
    return Measurements.read(tmp_path)


def line(text, start):
    return next(line for line in text.splitlines() if line.startswith(f"| {start} |")).strip("| ").split(" | ")


def test_tasks_on_which_nothing_can_be_learnt_are_left_out_and_counted(measured):
    assert list(measured.bank.task_regrets) == sorted((FIRST, SECOND), key=list(BANK).index)
    assert measured.bank.left_out == [HOPELESS]
    assert sections(measured)["bank-size"].startswith("The bank has 3 trainings. On 1 of them")


def test_every_finder_is_shown_with_what_its_constants_were_fitted_on(measured):
    text = sections(measured)["bank-finders"]
    assert line(text, "**lrrange**")[:3] == ["**lrrange**", "in-sample", "0.000 (0.00 to 0.00)"]
    for expected in (
        "| **lrrange (train_steps=)** | held out | 0.062 (0.00 to 0.12) | 50 % / 0 % | 0 % | 200 |",
        "| **lrrange (kind of optimizer unknown)** | held out | 0.625 (0.25 to 1.00) | 100 % / 50 % | 50 % | 200 |",
        "| fastai valley | not fitted here | 0.188 (0.12 to 0.25) | 100 % / 0 % | 0 % | 100 |",
    ):
        assert expected in text


def test_each_family_is_compared_with_the_finder_that_is_best_there(measured):
    text = sections(measured)["bank-families"]
    assert text.count("| best other finder |") == len(AXES)
    first, second = (ORIGINS[task].families["optimizer"] for task in (FIRST, SECOND))
    assert line(text, first) == [first, "1", "0.000", "fastai valley", "0.250", "0.00"]
    assert line(text, second) == [second, "1", "0.125", "Ignite", "0.000", "inf"]
    count = " ".join(sections(measured)["families-count"].split())
    assert "as the best other finder in 4 of 8 families. It gives away more in 4: inf times as much on " in count
    assert f", inf on {second}, " in count


def test_the_headline_has_three_sentences_of_held_out_figures(measured):
    first, second, third = _sentences(sections(measured)["headline"])
    assert first.startswith(
        "One sweep of lrrange gives away 6 % of what the best learning rate gains; the best of 2 other"
    )
    assert first.endswith("finders, fastai valley, gives away 19 %.")
    assert second == "Of lrrange's answers, 50 % are bad: they give away more than a tenth. Of the other's, 100 % are."
    assert third == "lrrange calls 50 % of its answers confident, and 0 % of these are bad."


def test_the_headline_says_if_too_many_confident_answers_are_bad(measured, tmp_path):
    store = BankStore(tmp_path)
    rows = [row | {"chance_of_bad": 0.01} if row["form"] == "default" else row for row in store.held_out()]
    store.save_held_out(rows)
    text = _sentences(sections(Measurements.read(tmp_path))["headline"])[-1]
    assert text.endswith("confident, and 50 % of these are bad, more than the 5 % that the word stands for.")


def test_the_front_page_has_the_held_out_figures(measured):
    front = " ".join(front_sections(measured)["held-out"].split())
    assert "gives away 0.062 of what the best learning rate gains if it is told how long the training will be;" in front
    assert front.endswith(f"2 other finders, fastai valley, gives away 0.188. [How that was measured]({PUBLIC_PAGE}).")


def test_both_pages_say_what_not_telling_the_length_costs(measured, tmp_path):
    store = BankStore(tmp_path)
    rows = [held_out(task, 1.0, "data", 0.01, form="no train_steps") for task in (FIRST, SECOND)]
    store.save_held_out(store.held_out() + rows)
    measured = Measurements.read(tmp_path)
    front = " ".join(front_sections(measured)["held-out"].split())
    assert "how long the training will be, and 0.125 if it is not; the best of" in front
    assert "(12 % if it is not told how long the training will be)" in _sentences(sections(measured)["headline"])[0]


def _sentences(text):
    return re.findall(r"\S.*?\.(?= (?:Of lrrange|lrrange calls)|$)", " ".join(text.split()))


def test_the_short_table_has_a_finder_at_its_better_number_of_steps(measured, tmp_path):
    rows = [suggestion(task, 0.1) for task in (FIRST, SECOND)]
    BankStore(tmp_path).save_suggestions("fastai_valley_200", rows)
    text = sections(Measurements.read(tmp_path))["bank-short"]
    assert line(text, "fastai valley (200 steps)")[1:4] == ["0.000", "0 %", "0 %"]
    assert "| fastai valley |" not in text
    assert line(text, "**lrrange (train_steps=)**")[1] == "0.062"


def test_the_ablation_compares_forms_along_the_axes_that_all_of_them_have(measured, tmp_path):
    store = BankStore(tmp_path)
    store.save_held_out([row for row in store.held_out() if row["form"] == "default" or row["axis"] == "data"])
    text = sections(Measurements.read(tmp_path))["ablation"]
    assert "unknown)** | held out (data) |" in sections(Measurements.read(tmp_path))["bank-finders"]
    assert text.startswith("| held out by data | regret | more | 90 % |")
    assert line(text, "lrrange (train_steps=)")[:3] == ["lrrange (train_steps=)", "0.062", ""]
    assert line(text, "lrrange (kind of optimizer unknown)")[1:4] == ["0.625", "+0.562", "+0.250 to +0.875"]


def test_reliability_counts_the_bad_answers_of_each_class_of_chances(measured):
    bank = measured.bank
    found = reliabilities(bank.of_form("default"), bank.task_regrets)
    assert [(part.least, part.answers, part.tasks, part.measured) for part in found] == [(0, 4, 1, 0), (0.3, 4, 1, 1)]
    assert [part.expected for part in found] == pytest.approx([0.01, 0.4])
    assert confident_and_bad(bank.of_form("default"), bank.task_regrets) == (4, 0)
    assert confident_and_bad(bank.of_form("no facts"), bank.task_regrets) == (4, 4)
    assert line(sections(measured)["reliability"], "30 to 50 %") == ["30 to 50 %", "4", "1", "100 %", "100 to 100 %"]


def test_verdicts_of_a_finder_that_gives_none_are_none(measured):
    assert confident_and_bad(measured.bank.rows["ignite"], measured.bank.task_regrets) is None
    rows = [suggestion(FIRST, 0.1, confident=True), suggestion(SECOND, 0.001, confident=True)]
    assert confident_and_bad(rows, measured.bank.task_regrets) == (2, 1)


def test_coverage_is_stated_for_each_way_to_hold_out(measured):
    text = sections(measured)["coverage"]
    for axis in AXES:  # the best rate is 0.1: it lies in the interval around 0.1, and half a decade below that around 1
        assert line(text, axis) == [axis, "2", "50 %", "50 %", "1.00"]


def test_steps_are_those_that_were_counted(measured):
    assert line(sections(measured)["steps"], "Ignite") == ["Ignite", "ignite 1", "100", "100", "100", "0"]


def test_a_ladder_shows_the_best_rate_at_each_budget(tmp_path):
    losses = {150: [9, 5, 3, 2], 500: [9, 4, 2, 3], 1500: [5, 2, 3, 9], 5000: [2, 3, 5, 9]}
    for task in LADDER:
        add_to_bank(tmp_path, task, losses[BANK[task].steps])
    bank = Measurements.read(tmp_path).bank
    (ladder,) = bank.ladders
    rows = sections(Measurements.read(tmp_path))["budgets"].splitlines()
    assert rows[0] == "| training | 150 steps | 500 steps | 1500 steps | 5000 steps | decades |"
    assert rows[2].startswith("| mlp_digits, adam, constant | ")
    assert float(rows[2].strip("| ").split(" | ")[-1]) == pytest.approx(-2, abs=0.3)
    assert ladder.name == "mlp_digits, adam"
    assert list(ladder.best["constant"]) == [150, 500, 1500, 5000]
    assert [*ladder.best["constant"].values()] == pytest.approx([1.0, 0.1, 0.01, 0.001], rel=0.5)


def test_the_slope_is_in_decades_of_the_rate_for_ten_times_the_steps(tmp_path):
    task = LADDER[-1]
    earlier = {50: [9, 4, 2, 4], 500: [4, 2, 4, 9]}
    measured = Measurements.read(add_to_bank(tmp_path, task, [2, 4, 6, 9], earlier=earlier).root)
    assert measured.bank.slopes["adam"] == pytest.approx([-1], abs=0.05)
    assert line(sections(measured)["slopes"], "adam")[:2] == ["adam", "1"]


def test_the_middle_of_the_best_rates_is_not_the_lowest_point_of_a_flat_curve(measured, tmp_path):
    add_to_bank(tmp_path, FIRST, [2.01, 2.01, 2.0, 9])
    regret = Measurements.read(tmp_path).bank.task_regrets[FIRST]
    assert regret.best_lr("constant") == 0.1
    assert middle_of_best(regret, "constant") == pytest.approx(0.01, rel=0.2)


def test_sweeps_with_the_seeds_of_the_ground_truth_are_not_counted(measured, tmp_path):
    BankStore(tmp_path).save_held_out([held_out(FIRST, 0.1, "data", 0.01, seed=seed) for seed in (0, 1, 10, 14)])
    assert [row["seed"] for row in Measurements.read(tmp_path).bank.held_out] == [10, 14]


def test_a_finder_that_has_not_run_on_every_task_is_not_compared(measured, tmp_path):
    BankStore(tmp_path).save_suggestions("monai", [suggestion(FIRST, 0.1)])
    assert "MONAI" not in sections(Measurements.read(tmp_path))["bank-finders"]


def test_what_is_not_measured_says_so(tmp_path):
    parts = sections(Measurements.read(tmp_path))
    assert {parts[name] for name in ("headline", "bank-finders", "ablation", "reliability", "budgets")} == {
        NOT_MEASURED
    }


def test_the_plots_of_the_bank_are_drawn(measured, tmp_path):
    draw(measured, tmp_path / "images")
    sizes = {path.name: path.stat().st_size for path in (tmp_path / "images").iterdir()}
    drawn = [
        f"quality-{name}-{theme}.svg" for name in ("regret", "families", "reliability") for theme in ("light", "dark")
    ]
    assert min(sizes[name] for name in drawn) > 10_000
