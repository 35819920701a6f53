"""Regret against steps: what was counted, what nothing dominates, and which mode is named for which budget."""

import json
import shutil

import attrs
import pytest
from matplotlib.text import Text

from benchmarks.pages import cells
from benchmarks.plots import LIGHT
from benchmarks.quality.asking import suggest
from benchmarks.quality.bank.fitting import cases_of, fit
from benchmarks.quality.bank.generator import BANK, ORIGINS
from benchmarks.quality.bank.landmarks import look
from benchmarks.quality.bank.store import BankStore
from benchmarks.quality.family_rules import AXIS, fit_rules, rules_without_family
from benchmarks.quality.finders import FINDERS
from benchmarks.quality.finders.lrrange_finders import MODES, UNSEEN
from benchmarks.quality.report.frontier import Mark, frontier, modes, others, recommended, steps_of
from benchmarks.quality.report.frontier_plot import draw_frontier
from benchmarks.quality.report.measurements import Measurements
from benchmarks.quality.report.page import summary
from benchmarks.quality.report.statistics import FinderRegret
from benchmarks.quality.report.tables import NOT_MEASURED, guide_sections, sections
from benchmarks.quality.store import RESULTS
from benchmarks.quality.tasks.registry import TASKS
from lrrange.advice import midway
from tests.benchmarks.stand_ins import add_to_bank, suggestion

TASKS_OF_BANK = [name for name in BANK if name.startswith("logistic")]


def cost(forwards, updates, evaluations=0):
    return {"forwards": forwards, "optimizer_steps": updates, "evaluations": evaluations}


def mark(steps, mean, *, fair=True, finder="fastai_valley", options=None):
    regret = FinderRegret(
        mean=mean,
        low=mean,
        high=mean,
        by_protocol={},
        bad={},
        catastrophic={},
        worst_task=mean,
        unanswered=0,
        suggestions=1,
    )
    return Mark(finder=finder, options=options, told=False, fair=fair, rows=(), steps=steps, regret=regret)


def test_an_update_is_a_step_and_any_other_forward_pass_a_third_of_one():
    assert steps_of(cost(200, 200)) == 200
    assert steps_of(cost(300, 150)) == 150 + 50
    assert steps_of(cost(150, 150, evaluations=30)) == 160
    assert steps_of(cost(0, 0)) == 0


def test_an_optimizer_that_steps_twice_for_a_forward_pass_takes_one_step():
    assert steps_of(cost(100, 200)) == 100


def test_updates_that_were_not_counted_are_taken_as_many_as_the_forward_passes():
    assert steps_of({"forwards": 100, "optimizer_steps": None}) == 100


def test_hooks_count_the_forward_passes_of_a_paired_sweep_and_each_sweep_of_several():
    plain, paired, twice = (
        suggest(name, TASKS["logistic"], 10) for name in ("lrrange", "lrrange_paired", "lrrange_repeats_2")
    )
    updates = plain["optimizer_steps"]
    assert [row["error"] for row in (plain, paired, twice)] == [None] * 3
    assert (paired["forwards"], paired["optimizer_steps"]) == (2 * updates, updates)
    assert steps_of(paired) == pytest.approx(updates * 4 / 3)
    assert twice["optimizer_steps"] > 1.5 * updates


def test_the_frontier_has_the_marks_that_nothing_beats_with_as_few_steps():
    cheap, middle, dear = mark(90, 0.3), mark(190, 0.1), mark(700, 0.06)
    worse, equal, late = mark(190, 0.2), mark(190, 0.1, finder="monai"), mark(800, 0.06)
    assert frontier([late, worse, dear, equal, middle, cheap]) == [cheap, equal, middle, dear]


def test_what_was_fitted_on_the_same_trainings_takes_no_part():
    flattered, fair = mark(100, 0.01, fair=False), mark(200, 0.1)
    assert frontier([flattered, fair]) == [fair]


@pytest.fixture
def results(tmp_path):
    """Three trainings with a regret of 0.875, 0.25, 0 and 0.125 at rates of 0.001, 0.01, 0.1 and 1."""
    for task in TASKS_OF_BANK:
        add_to_bank(tmp_path, task, [9, 4, 2, 3])
    store_rows(tmp_path, "ignite", 0.01, cost(90, 90))
    store_rows(tmp_path, "fastai_minimum", 0.001, cost(100, 100))
    store_rows(tmp_path, "lrrange_train_steps_without_family", 1.0, cost(110, 95))
    store_rows(tmp_path, "lrrange_without_family", 0.01, cost(110, 95))
    store_rows(tmp_path, "lrrange_confirm_train_steps_without_family", 0.1, cost(500, 500))
    return tmp_path


def store_rows(root, finder, lr, counted):
    rows = [suggestion(task, lr, seed=seed, **counted) for task in TASKS_OF_BANK for seed in (10, 11)]
    BankStore(root).save_suggestions(finder, rows)


def text_of(root, name):
    return " ".join(sections(Measurements.read(root))[name].split())


def test_the_table_has_the_figures_of_the_rows_and_the_budgets_that_each_mode_is_best_for(results):
    measured = Measurements.read(results)
    table = sections(measured)["modes"]
    assert guide_sections(measured)["modes"] == table
    assert cells(table) == [
        ["give", "for a budget of", "steps", "gives away", "bad"],
        ["`train_steps=`", "100 to 499", "100", "0.125", "100 %"],
        ["nothing", "", "100", "0.250", "100 %"],
        ["`train_steps=, confirm=True`", "500 or more", "500", "0.000", "0 %"],
    ]
    (told, *_) = summary(measured)["bank"]["modes"]
    assert (told["finder"], told["held_out"], told["steps"]) == ("lrrange_train_steps", True, 100)


def test_more_steps_that_pay_nothing_are_named_for_no_budget(results):
    store_rows(results, "lrrange_repeats_2_train_steps_without_family", 1.0, cost(200, 200))
    bank = Measurements.read(results).bank
    assert [mark.finder for mark in recommended(modes(bank), bank)] == [
        "lrrange_train_steps",
        "lrrange_confirm_train_steps",
    ]


def test_the_page_says_that_the_default_is_on_the_frontier(results):
    assert text_of(results, "default-on-frontier") == (
        "The default sweep with `train_steps=` takes 100 steps and is on the frontier: nothing that was measured gives "
        "away less in as few steps. Without `train_steps=`, it takes 100 steps and is not on the frontier of what does "
        "not know the length: Ignite takes 90, and the default gives away 0.000 more (0.000 to 0.000)."
    )


def test_the_page_says_what_beats_the_default(results):
    store_rows(results, "lrrange_100_steps_train_steps_without_family", 0.1, cost(80, 80))
    assert text_of(results, "default-on-frontier").startswith(
        "The default sweep with `train_steps=` takes 100 steps and is not on the frontier: `num_steps=100` takes 80, "
        "and the default gives away 0.125 more (0.125 to 0.125)."
    )


def test_a_mode_that_ran_with_the_released_constants_alone_is_marked(results):
    store_rows(results, "lrrange_paired", 0.1, cost(200, 100))
    store_rows(results, "lrrange_train_steps", 0.1, cost(110, 95))
    bank = Measurements.read(results).bank
    fair = {mark.finder: mark.fair for mark in modes(bank)}
    assert (fair["lrrange_paired"], fair["lrrange_train_steps"]) == (False, True)
    assert "| `paired=True` (in-sample) |  | 133 |" in sections(Measurements.read(results))["modes"]
    assert text_of(results, "default-on-frontier").endswith("and the line leaves them out.")


def test_held_out_finders_are_in_no_table_of_released_ones(results):
    parts = sections(Measurements.read(results))
    assert "without family" not in "".join(parts.values())
    assert "lrrange" not in parts["steps"]


def test_the_text_of_the_picture_has_the_figures_of_the_rows(results):
    text = text_of(results, "frontier")
    assert text.count("steps they take: the default 0.125 in 100, confirm=True 0.000 in 500. Of the other") == 2
    assert text.count("finders, Ignite gives away least: 0.250 in 90 steps. ```") == 2


def test_the_picture_names_every_told_mode_and_every_other_finder_without_a_collision():
    bank = Measurements.read(RESULTS).bank
    figure = draw_frontier(bank, LIGHT)
    axes = figure.axes[0]
    texts = [text for text in axes.texts if not text.get_text().startswith("no test")]
    told = [mark for mark in modes(bank) if mark.told]
    names = {mark.finder.removesuffix("_200") for mark in others(bank)}
    assert len(texts) == len(told) + len(names)
    figure.draw_without_rendering()
    boxes = [Text.get_window_extent(text) for text in axes.texts]  # without the line to its mark
    assert not [(a, b) for a in boxes for b in boxes if a is not b and a.overlaps(b)]


def test_without_measurements_there_is_neither_a_picture_nor_a_table(tmp_path):
    parts = sections(Measurements.read(tmp_path))
    assert {parts[name] for name in ("frontier", "default-on-frontier", "modes")} == {NOT_MEASURED}
    assert draw_frontier(Measurements.read(tmp_path).bank, None) is None


@pytest.fixture
def rules(tmp_path):
    """Rules a decade above the released ones, for one family."""
    shifted = {
        use: attrs.asdict(attrs.evolve(rule, shift=rule.shift + 1, without_fall=rule.without_fall + 1))
        for use, rule in (("constant", midway.CONSTANT), ("onecycle", midway.ONE_CYCLE))
    }
    family = ORIGINS[TASKS_OF_BANK[0]].families[AXIS]
    (tmp_path / "bank_rules.json").write_text(json.dumps({family: shifted}))
    return tmp_path


def test_a_held_out_finder_reads_both_rates_by_the_rules_that_did_not_see_the_family(rules, monkeypatch):
    monkeypatch.setattr(
        "benchmarks.quality.finders.lrrange_finders.rules_without_family",
        lambda task: rules_without_family(task, rules),
    )
    task = BANK[TASKS_OF_BANK[0]]
    released, unseen = (suggest(name, task, 10) for name in ("lrrange", f"lrrange{UNSEEN}"))
    for rate in ("lr", "max_lr"):
        assert unseen[rate] == pytest.approx(10 * released[rate])
    assert unseen["forwards"] == released["forwards"]
    assert suggest("lrrange_train_steps", task, 10)["lr"] < unseen["lr"]


def test_each_rule_is_fitted_on_all_families_but_its_own(tmp_path):
    names = [name for name in BANK if name.startswith(("logistic", "softmax", "vae", "mlp_wine"))]
    (tmp_path / "bank").mkdir()
    for name in names:
        for suffix in ("json", "npz"):
            shutil.copy(RESULTS / "bank" / f"{name}.{suffix}", tmp_path / "bank")
    store = BankStore(tmp_path)
    found = fit_rules(store)
    assert set(found) == {ORIGINS[name].families[AXIS] for name in names} == {"linear", "vae", "mlp"}
    others_of_linear = [name for name in names if ORIGINS[name].families[AXIS] != "linear"]
    seen = [sweep for name in others_of_linear for sweep in look(name, store, paired=None)]
    assert found["linear"]["constant"] == fit(cases_of(seen, store, "constant", "auto", ladder=True))


def test_the_stored_rules_are_there_for_every_training():
    stored = json.loads((RESULTS / "bank_rules.json").read_text())
    assert {origin.families[AXIS] for origin in ORIGINS.values()} == set(stored)


def test_every_mode_has_a_finder_with_held_out_rules_for_both_uses_of_the_length():
    for name in MODES:
        assert {f"{name}{UNSEEN}", f"{name}_train_steps{UNSEEN}"} <= set(FINDERS)
