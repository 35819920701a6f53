import pytest
import torch

from benchmarks.quality.finders.registry import MeteredTask, shared
from benchmarks.quality.recordings import replay
from benchmarks.quality.store import Store
from benchmarks.quality.tasks.data import DATA_ROOT
from benchmarks.quality.tasks.registry import TASKS
from lrrange import find_lr
from lrrange.errors import NoData
from tests.benchmarks.stand_ins import write_images


@pytest.fixture(autouse=True)
def images(tmp_path, monkeypatch):
    monkeypatch.setenv(DATA_ROOT, str(write_images(tmp_path)))


def first_batches(problem, count=3):
    return [tensor for _, batch in zip(range(count), problem.batches(), strict=False) for tensor in batch]


def same(some, others):
    return all(torch.equal(tensor, other) for tensor, other in zip(some, others, strict=True))


@pytest.mark.parametrize("name", TASKS)
def test_two_builds_have_equal_weights_and_batches_and_another_seed_has_others(name):
    first, again, other = (TASKS[name].build(seed) for seed in (3, 3, 4))
    weights = [list(problem.model.state_dict().values()) for problem in (first, again, other)]
    batches = [first_batches(problem) for problem in (first, again, other)]
    assert same(weights[0], weights[1])
    assert same(batches[0], batches[1])
    assert not same(weights[0], weights[2])
    assert not same(batches[0], batches[2])


@pytest.mark.parametrize("name", TASKS)
def test_a_task_gives_one_loss_that_can_be_trained_on(name):
    problem = TASKS[name].build(0)
    x, y = next(problem.batches())
    optimizer = problem.optimizer(TASKS[name].default_lr)
    before = problem.val_loss()
    problem.criterion(problem.model(x), y).backward()
    optimizer.step()
    assert problem.val_loss() != before
    assert problem.model.training


def test_held_out_data_are_neither_trained_on_nor_validated_on():
    problem = TASKS["logistic"].build(0)
    rest, (held_x, _) = problem.hold_out()
    rows = [{tuple(row.tolist()) for row in part} for part in (rest.train.x, held_x, problem.val_x)]
    assert not rows[0] & rows[1]
    assert not rows[1] & rows[2]
    assert len(rest.train) + len(held_x) == len(problem.train)
    assert len(held_x) == len(problem.train) // 5


def test_missing_images_are_reported_with_what_to_set(monkeypatch):
    monkeypatch.delenv(DATA_ROOT)
    with pytest.raises(NoData, match=f"--data-root, or set {DATA_ROOT}"):
        TASKS["lenet_adam"].build(0)


def test_steps_are_counted_by_hooks_and_evaluations_apart():
    task = MeteredTask(TASKS["logistic"])
    problem = task.build(0)
    optimizer = problem.optimizer(0.1)
    for _, (x, y) in zip(range(3), problem.batches(), strict=False):
        problem.criterion(problem.model(x), y).backward()
    optimizer.step()
    problem.val_loss()
    assert (task.cost.forwards, task.cost.optimizer_steps, task.cost.evaluations) == (3, 1, 1)


def test_a_shared_sweep_runs_once_and_is_charged_to_each_finder():
    @shared
    def sweep(task, seed):
        problem = task.build(seed)
        problem.model(problem.val_x)
        return torch.rand(1)

    tasks = [MeteredTask(TASKS["logistic"]) for _ in range(2)]
    assert torch.equal(sweep(tasks[0], 10), sweep(tasks[1], 10))
    assert [task.cost.forwards for task in tasks] == [1, 1]


def test_a_replayed_recording_is_the_curve_of_find_lr():
    problem = TASKS["logistic"].build(10)
    options = {"optimizer": problem.optimizer(0.1), "loss_fn": problem.criterion, "loader": problem.loader()}
    curve = find_lr(problem.model, num_steps=200, **options).curve
    replayed = replay(Store().sweeps("logistic"), seed=10, steps=200)
    assert replayed.lr == curve.lr
    assert replayed.loss == pytest.approx(curve.loss, rel=0.01)
