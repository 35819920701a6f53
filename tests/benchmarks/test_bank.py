"""The bank of trainings: its generator, its store, and the finders that run on it."""

import math
import statistics
from collections import Counter

import attrs
import numpy as np
import pytest
import torch

from benchmarks.quality.bank import generator, measuring, sweeps
from benchmarks.quality.bank.generator import BANK, ORIGINS
from benchmarks.quality.bank.jobs import SEEDS, ask_missing, measure_missing
from benchmarks.quality.bank.landmarks import look
from benchmarks.quality.bank.learnable import learnable
from benchmarks.quality.bank.optimizers import Lion, Muon
from benchmarks.quality.bank.store import BankStore
from benchmarks.quality.finders import FINDERS, Answer
from benchmarks.quality.tasks.data import DATA_ROOT
from lrrange import AdaptivePlan, SweepPlan, find_lr
from tests.benchmarks.stand_ins import add_to_bank, held_out, suggestion, write_images

# Two tasks that take milliseconds a step, and need no images.
FIRST, SECOND = [name for name, origin in ORIGINS.items() if origin.subject.name == "logistic"][:2]

# Those that start from a network that has been trained for this take seconds.
PRETRAINED = ("adapter", "fine_tuning")


def test_the_generator_draws_the_same_trainings_every_time_and_each_has_its_own_name():
    assert [origin.name for origin in generator._draw()] == list(ORIGINS)


def test_the_bank_has_several_trainings_of_every_family():
    assert len(BANK) >= 150
    for axis, at_least in {"architecture": 4, "optimizer": 5, "data": 15, "budget": 5, "state": 20}.items():
        counts = Counter(origin.families[axis] for origin in ORIGINS.values())
        assert len(counts) > 1
        assert min(counts.values()) >= at_least, (axis, counts)
    assert min(task.steps for task in BANK.values()) == 150
    assert max(task.steps for task in BANK.values()) == 5000


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(DATA_ROOT, str(write_images(tmp_path_factory.mktemp("images"))))
        yield


def assert_trains(name):
    problem = BANK[name].build(0)
    optimizer = problem.optimizer(BANK[name].default_lr)
    before = [parameter.detach().clone() for parameter in problem.model.parameters()]
    loss = problem.update(optimizer, next(problem.batches()))
    assert torch.isfinite(torch.tensor([loss, problem.val_loss()])).all(), name
    moved = [not torch.equal(now, was) for now, was in zip(problem.model.parameters(), before, strict=True)]
    assert any(moved), name


def one_of_each():
    """Return one task of each subject, without those that have to be trained first."""
    chosen = {}
    for name, origin in ORIGINS.items():
        if (
            origin.subject.architecture not in PRETRAINED
            and not origin.resumed
            and origin.subject.name != "distillation"
        ):
            chosen.setdefault(origin.subject.name, name)
    return list(chosen.values())


def test_one_training_of_each_subject_takes_a_step(images):
    assert len(one_of_each()) > 40
    for name in one_of_each():
        assert_trains(name)


@pytest.mark.slow
def test_every_training_takes_a_step(images):
    for name in BANK:
        assert_trains(name)


def test_two_builds_have_equal_weights_and_batches_and_another_seed_has_others():
    first, again, other = (BANK[FIRST].build(seed) for seed in (3, 3, 4))
    weights = [torch.cat([p.flatten() for p in problem.model.parameters()]) for problem in (first, again, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    assert torch.equal(next(first.batches())[0], next(again.batches())[0])


def test_a_resumed_training_starts_from_the_same_optimizer_state_after_another_run():
    name = next(name for name, origin in ORIGINS.items() if origin.resumed and origin.subject.name == "mlp_diabetes")

    def state():
        problem = BANK[name].build(0)
        optimizer = problem.optimizer(0.5)
        values = [value.clone() for entry in optimizer.state.values() for value in entry.values()]
        for _, batch in zip(range(5), problem.batches(), strict=False):
            problem.update(optimizer, batch)
        return values

    first, again = state(), state()
    assert first
    assert all(torch.equal(one, other) for one, other in zip(first, again, strict=True))


@pytest.mark.parametrize("kind", [Lion, Muon])
def test_an_optimizer_of_ours_evaluates_the_closure_that_lightning_gives_it(kind):
    weight = torch.nn.Parameter(torch.ones(2, 2))
    optimizer = kind([weight], lr=0.1)

    def closure():
        optimizer.zero_grad()
        loss = weight.square().sum()
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == 4
    assert (weight < 1).all()


def test_the_ground_truth_is_that_of_the_tasks_own_budget_or_of_another(tmp_path):
    store = add_to_bank(tmp_path, FIRST, [9, 4, 2, 3], earlier={75: [10, 9, 5, 4]})
    assert store.measured() == [FIRST]
    assert store.ground_truth(FIRST)["constant"] == [[9, 9], [4, 4], [2, 2], [3, 3]]
    assert attrs.evolve(store, budget=75).ground_truth(FIRST)["constant"][3] == [4, 4]
    assert store.ground_truth(FIRST)["budgets"] == [75, BANK[FIRST].steps]


def test_measuring_a_task_stores_its_grid_its_sweeps_and_the_start_of_its_runs(tmp_path, monkeypatch):
    monkeypatch.setitem(BANK, FIRST, attrs.evolve(BANK[FIRST], steps=24))
    monkeypatch.setattr(measuring, "SWEEP_SEEDS", (0, 10))
    store = BankStore(tmp_path)
    (line,) = measure_missing([FIRST], store)
    assert line.startswith(f"1 of 1: {FIRST}: ")
    measured = store.ground_truth(FIRST)
    rates = len(measured["lr"])
    assert measured["lr"][0] < BANK[FIRST].default_lr < measured["lr"][-1]
    assert len(measured["constant"]) == len(measured["onecycle"]) == rates
    with np.load(store.folder / f"{FIRST}.npz") as arrays:
        assert arrays["loss"].shape == arrays["baseline"].shape == (2, 250)
        assert arrays["trials"].shape == (rates, 2, 3)
    assert list(measure_missing([FIRST], store)) == []


def test_a_task_without_a_constant_answer_has_an_infinite_one(tmp_path):
    assert add_to_bank(tmp_path, FIRST, [9, 4, 2, 3]).constant_answer(FIRST) == float("inf")
    assert add_to_bank(tmp_path, FIRST, [9, 4, 2, 3], constant_answer=8.0).constant_answer(FIRST) == 8


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, True),
        ({"initial": 2.03}, False),  # 1.5 % of the loss
        ({"initial": 2.05}, True),
        ({"constant_answer": 2.03}, False),
        ({"onecycle": [10, 10, 9.9, 10]}, False),  # nothing can be learnt by a one-cycle
        ({"spread": 1.5}, True),
        ({"spread": 1.9}, False),  # the best rate gains 8 - 1.9 / 2
    ],
)
def test_a_task_is_judged_if_its_best_rate_improves_more_than_little_and_than_the_seeds_differ(
    tmp_path, options, expected
):
    store = add_to_bank(tmp_path, FIRST, [9, 4, 2, 3], **options)
    assert learnable(store.ground_truth(FIRST)) is expected


def test_suggestions_are_stored_with_few_digits_and_come_back_as_rows(tmp_path):
    store = BankStore(tmp_path)
    store.save_suggestions("mine", [suggestion(SECOND, 0.1234567, version="mine 1.0")])
    store.save_suggestions("mine", [suggestion(FIRST, None, error="x" * 1000), suggestion(FIRST, 0.2, seed=11)])
    rows = store.suggestions("mine")
    assert [(row["task"], row["seed"], row["lr"]) for row in rows] == [
        (FIRST, 10, None), (FIRST, 11, 0.2), (SECOND, 10, 0.1235),
    ]  # fmt: skip
    assert len(rows[0]["error"]) == 100
    assert rows[2]["low"] is None
    assert store.finders() == ["mine"]


def test_held_out_answers_come_back_as_rows(tmp_path):
    rows = [held_out(FIRST, 0.1, "data", 0.02), held_out(SECOND, None, "none", None, form="paired")]
    BankStore(tmp_path).save_held_out(rows)
    loaded = BankStore(tmp_path).held_out()
    assert [{**row, "low": None, "high": None} for row in loaded] == [
        {**row, "low": None, "high": None} for row in rows
    ]
    assert loaded[0]["high"] == pytest.approx(rows[0]["high"], rel=1e-3)


def test_a_finder_runs_on_a_task_of_the_bank_with_each_seed_and_its_steps_are_counted(tmp_path):
    store = BankStore(tmp_path)
    assert list(ask_missing(["lrrange", "lrrange_valley"], [FIRST], store)) == [
        f"1 of 1: {FIRST}: 2 finders, 0 without an answer"
    ]
    for finder in ("lrrange", "lrrange_valley"):
        rows = store.suggestions(finder)
        assert [row["seed"] for row in rows] == list(SEEDS)
        assert all(row["lr"] > 0 and 100 < row["forwards"] <= 250 and row["version"] for row in rows)


def test_what_is_stored_is_not_asked_again_until_it_is_forgotten(tmp_path, monkeypatch):
    store, calls = BankStore(tmp_path), []

    def counted(task, seed):
        calls.append((task.name, seed))
        return Answer.one_rate(0.1)

    monkeypatch.setitem(FINDERS, "counted", counted)
    list(ask_missing(["counted"], [FIRST], store))
    list(ask_missing(["counted"], [FIRST, SECOND], store))
    assert Counter(name for name, _ in calls) == {FIRST: 3, SECOND: 3}
    store.forget_suggestions("counted")
    list(ask_missing(["counted"], [FIRST], store))
    assert Counter(name for name, _ in calls) == {FIRST: 6, SECOND: 3}


def test_an_error_of_a_finder_is_stored_and_is_no_answer(tmp_path, monkeypatch):
    monkeypatch.setitem(FINDERS, "broken", lambda task, seed: 1 / 0)
    assert "1 finders, 3 without an answer" in next(ask_missing(["broken"], [FIRST], BankStore(tmp_path)))
    rows = BankStore(tmp_path).suggestions("broken")
    assert {(row["lr"], row["error"]) for row in rows} == {(None, "ZeroDivisionError: division by zero")}


def test_a_default_sweep_of_the_bank_is_the_one_that_find_lr_takes():
    losses, baseline = sweeps.take(FIRST, 10)
    problem = BANK[FIRST].build(10)
    options = {"optimizer": problem.optimizer(0.1), "loss_fn": problem.criterion, "loader": problem.loader()}
    curve = find_lr(problem.model, paired=False, **options).curve
    assert curve.loss == pytest.approx(losses, rel=1e-6)
    assert curve.lr == sweeps.replay(losses, ORIGINS[FIRST]).curve.lr
    assert len(baseline) == len(losses)
    assert baseline[0] == pytest.approx(losses[0], rel=1e-6)


def test_the_stored_default_sweeps_end_where_their_losses_end():
    store = BankStore()
    for name in store.measured():
        for losses in store.default_sweeps(name)[0]:
            told = [loss for loss in losses if math.isfinite(loss)]
            sweep = sweeps.replay(losses, ORIGINS[name])
            assert [loss for loss in sweep.curve.loss if math.isfinite(loss)] == told


def test_a_training_is_seen_in_its_default_sweep_or_where_that_is_too_coarse_in_even_steps():
    store = BankStore()
    seen = [sweep for name in store.measured()[::4] for sweep in look(name, store, seeds=[10])]
    again = [sweep for sweep in seen if sweep.earlier is not None]
    for sweep in seen:
        first = sweep.earlier or sweep
        assert isinstance(first.sweep.plan, AdaptivePlan)
        assert (sweep.earlier is None) == (not first.is_too_coarse("auto"))
    for sweep in again:
        assert isinstance(sweep.sweep.plan, SweepPlan)
        assert sweep.steps("auto", 0.0) == len(sweep.sweep.points) + len(sweep.earlier.sweep.points)
    assert len(again) < len(seen) / 10


def test_the_answers_on_the_bank_hold_at_any_density():
    store, moves = BankStore(), []
    for name in store.measured():
        (default,), (even,) = (look(name, store, [10], paired) for paired in ("auto", None))
        readings = [seen.readings[seen.form("auto")] for seen in (default, even)]
        if None not in readings:
            moves.append(math.log10(readings[0].lr / readings[1].lr))
    assert len(moves) > 200
    assert abs(statistics.median(moves)) < 0.05
    # Half of the answers move less than this; between two orders of the batches, half move by 0.1.
    assert statistics.median(map(abs, moves)) < 0.15
