"""Whether several runs are taken together: what is asked for, what pays, what fits. And when their losses are read."""

import math
from collections.abc import Callable
from typing import Any

import lrrange_torch.vmap.runs
import pytest
import torch
from lrrange_torch.loader_step import LoaderStep
from lrrange_torch.vmap.loader_runs import LoaderRuns
from lrrange_torch.vmap.runs import Replica
from lrrange_torch.vmap.step_timer import StepTimer
from torch import nn
from torch.nn import functional as F

import lrrange
from tests.backend_torch.rigs import data, loader_of
from tests.backend_torch.side_by_side import (
    SWEEP,
    TOGETHER,
    assert_same_losses,
    assert_together_is_as_off,
    find,
    training,
    ways,
)
from tests.backend_torch.test_parallel_alone import Heard
from tests.backend_torch.test_parallel_grid import assert_same_adaptive_cells

LONG = {"num_steps": 40}


@pytest.fixture
def paced(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Fix how long a step takes alone."""

    def pace(seconds: float) -> None:
        monkeypatch.setattr(LoaderRuns, "seconds_a_step", lambda self, lr: seconds)

    return pace


def test_runs_are_taken_together_where_a_step_alone_takes_longer(paced: Callable[[float], None]) -> None:
    paced(1e3)
    heard = Heard()
    result = find(training(), "auto", watchers=[heard], **LONG)
    assert ways(result) == [TOGETHER]
    assert_same_losses(find(training(), "off", **LONG), result, 1e-4)
    assert heard.log.count("started 40") == heard.log.count("finished 40") == 3


def test_they_are_given_up_before_any_loss_is_told_where_a_step_alone_is_faster(paced: Callable[[float], None]) -> None:
    paced(1e-9)
    alone, heard = Heard(), Heard()
    off = find(training(), "off", watchers=[alone], **LONG)
    result = find(training(), "auto", watchers=[heard], **LONG)
    (way,) = ways(result)
    assert way.startswith("2 runs one by one: a step of all 2 together takes ")
    assert way.endswith(" times as long")
    assert result.sweeps == off.sweeps
    assert result.provenance.steps_run == off.provenance.steps_run
    assert heard.log == alone.log


def test_a_grid_is_decided_on_as_repeats_are(paced: Callable[[float], None]) -> None:
    def make(weight_decay: float) -> Any:
        return training(optimizer=lambda p: torch.optim.AdamW(p, 0.01, weight_decay=weight_decay))()

    options = {**SWEEP, **LONG, "repeats": 1}
    off = lrrange.grid(make, {"weight_decay": [0, 0.1]}, parallel="off", **options)
    paced(1e-9)
    alone = lrrange.grid(make, {"weight_decay": [0, 0.1]}, parallel="auto", **options)
    paced(1e3)
    together = lrrange.grid(make, {"weight_decay": [0, 0.1]}, parallel="auto", **options)
    assert [ways(cell.result)[0][:19] for cell in alone.cells] == ["2 runs one by one: "] * 2
    assert [cell.result.curve for cell in alone.cells] == [cell.result.curve for cell in off.cells]
    assert [ways(cell.result) for cell in together.cells] == [[TOGETHER]] * 2
    for cell, other in zip(off.cells, together.cells, strict=True):
        assert_same_losses(cell.result, other.result, 1e-4)


def test_how_long_a_step_takes_is_known_from_the_run_before(monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[float] = []
    step = LoaderStep.step
    monkeypatch.setattr(LoaderStep, "step", lambda self, lr: steps.append(lr) or step(self, lr))
    find(training(), "auto", repeats=1, confirm=True, confirm_steps=90, **LONG)
    # Trials of 22 steps are too short to measure, and no step is taken to time one.
    assert len(steps[40:]) % 22 == 0
    assert set(steps[:40]) == set(lrrange.SweepPlan(start_lr=1e-4, end_lr=0.1, num_steps=40).rates)


def test_without_an_earlier_run_some_steps_are_timed_and_undone() -> None:
    model, options = training()()
    target = LoaderStep(model, **options)
    before = [one.detach().clone() for one in model.parameters()]
    training_alone = target.replica(lrrange.Sweep(lrrange.SweepPlan()), None, None).training
    assert 0 < training_alone.seconds_a_step(0.1) < math.inf
    assert all(torch.equal(one, was) for one, was in zip(model.parameters(), before, strict=True))


def test_the_timer_measures_the_batches_of_a_run_and_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([0.0, 5.0, 100.0, 104.0, 200.0])
    monkeypatch.setattr("lrrange_torch.vmap.step_timer.time.perf_counter", lambda: next(times))
    timer = StepTimer()
    timer.begin(7)
    timer.end(27)
    assert timer.seconds == 0.25
    timer.begin(27)
    timer.end(29)  # too few to measure
    timer.end(100)  # no run was begun
    assert timer.seconds == 0.25


def test_runs_too_short_to_measure_are_taken_one_by_one_unless_asked_for() -> None:
    assert ways(find(training(), "auto")) == ["2 runs one by one: 30 steps are too few to find out what is faster"]
    assert ways(find(training(), "vmap")) == [TOGETHER]


def test_copies_that_would_not_fit_are_not_made_unless_asked_for(
    monkeypatch: pytest.MonkeyPatch, paced: Callable[[float], None]
) -> None:
    paced(1e3)
    monkeypatch.setattr(lrrange_torch.vmap.runs, "_MOST_BYTES", 100)
    (way,) = ways(find(training(), "auto", **LONG))
    assert way == "2 runs one by one: 2 copies and their gradients would take 0 MiB, more than 0"
    assert ways(find(training(), "vmap", **LONG)) == [TOGETHER]


def test_nothing_is_made_ready_where_it_is_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("parallel='off' looked at what could be taken together")

    monkeypatch.setattr(LoaderStep, "replica", refuse)
    monkeypatch.setattr(LoaderStep, "why_alone", refuse)
    monkeypatch.setattr(Replica, "together", refuse)
    result = find(training(), "off", confirm=True, confirm_steps=90)
    assert "parallel" not in result.provenance.details
    lrrange.grid(lambda width: training()(), {"width": [1, 2]}, parallel="off", **{**SWEEP, "repeats": 1})


def test_a_single_sweep_is_not_reported_as_one_of_several() -> None:
    assert "parallel" not in find(training(), "vmap", repeats=1).provenance.details


# -- on a device whose losses are read late ----------------------------------------------------------------------------

LATE = 3


class Row:
    """The recorded losses of a step, which note how many further steps were taken when they are read."""

    rows: list["Row"] = []  # noqa: RUF012  of the test that runs
    read_behind: list[int] = []  # noqa: RUF012

    def __init__(self, tensors: Any) -> None:
        self._values = [tensor.detach().clone() for tensor in tensors]
        self._number = len(Row.rows)
        Row.rows.append(self)

    def values(self) -> list[torch.Tensor]:
        Row.read_behind.append(len(Row.rows) - 1 - self._number)
        return self._values


@pytest.fixture
def late(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs that are taken together are told their losses late, as on CUDA."""
    Row.rows, Row.read_behind = [], []
    make = lrrange_torch.vmap.runs._JointRun.__init__

    def init(self: Any, replicas: Any) -> None:
        make(self, replicas)
        self._late = LATE

    monkeypatch.setattr(lrrange_torch.vmap.runs._JointRun, "__init__", init)
    monkeypatch.setattr(lrrange_torch.vmap.runs, "PendingTensors", Row)


@pytest.mark.usefixtures("late")
def test_losses_that_are_read_late_are_the_same() -> None:
    assert_together_is_as_off(training(), confirm=True, confirm_steps=90)


@pytest.mark.usefixtures("late")
def test_no_loss_is_read_earlier_except_at_the_end() -> None:
    find(training(), "vmap")
    assert Row.read_behind == [LATE] * (30 - LATE) + list(range(LATE))[::-1]


@pytest.mark.usefixtures("late")
def test_the_held_out_loss_of_a_late_trial_is_that_of_its_own_weights() -> None:
    assert_together_is_as_off(training(val_loader=list(loader_of(data()))), confirm=True, confirm_steps=90)


@pytest.mark.usefixtures("late")
def test_steps_that_were_taken_after_a_late_blow_up_are_dropped() -> None:
    make = training(optimizer=lambda p: torch.optim.SGD(p, 0.01))
    off, together = (find(make, way, end_lr=1e3, repeats=4) for way in ("off", "vmap"))
    assert [len(curve) for curve in together.sweeps] == [len(curve) for curve in off.sweeps]
    assert max(len(curve) for curve in off.sweeps) < 30
    for curve, another in zip(off.sweeps, together.sweeps, strict=True):
        assert another.loss[:12] == pytest.approx(curve.loss[:12], rel=1e-4)


@pytest.mark.usefixtures("late")
def test_measured_steps_are_told_late_or_not_at_all(paced: Callable[[float], None]) -> None:
    paced(1e3)
    result = find(training(), "auto", **LONG)
    assert ways(result) == [TOGETHER]
    assert_same_losses(find(training(), "off", **LONG), result, 1e-4)


@pytest.mark.usefixtures("late")
def test_sweeps_take_more_steps_at_the_same_rate_if_their_losses_are_measured_and_late(
    paced: Callable[[float], None],
) -> None:
    paced(1e3)
    assert_same_adaptive_cells("auto")
    assert max(Row.read_behind) > LATE  # those of the steps that were measured


@pytest.mark.usefixtures("late")
def test_a_sweep_with_late_losses_that_is_extended_continues_beside_a_longer_one() -> None:
    def make(end_lr: float | None) -> Any:
        model, options = training(optimizer=lambda p: torch.optim.SGD(p, 0.01), loss_fn=little)()
        return model, {**options, "loader": list(loader_of(data(), 96)), "end_lr": end_lr, "start_lr": 1e-2}

    # The first sweep is extended above 10. The second has an end_lr of its own, and is longer.
    options: dict[str, Any] = {"seed": 1, "divergence": None, "heuristic": SWEEP["heuristic"]}
    grids = [lrrange.grid(make, {"end_lr": [None, 1e4]}, parallel=way, **options) for way in ("off", "vmap")]
    assert [len(cell.result.curve) for cell in grids[0].cells] == [125, 150]
    assert ways(grids[1][0].result) == [TOGETHER]
    for cell, other in zip(grids[0].cells, grids[1].cells, strict=True):
        assert_same_losses(cell.result, other.result, 1e-4)


def little(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return 1e-5 * F.smooth_l1_loss(output, target)


@pytest.mark.gpu
@pytest.mark.filterwarnings("ignore:Synchronization debug mode is a prototype")
@pytest.mark.parametrize("capturable", [False, True])
def test_on_cuda_trials_are_taken_together_and_no_step_synchronises(
    capturable: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def make() -> tuple[nn.Module, dict[str, Any]]:
        model, options = training()()
        model.cuda()
        lr = torch.tensor(0.01, device="cuda") if capturable else 0.01
        options["optimizer"] = torch.optim.Adam(model.parameters(), lr, capturable=capturable)
        options["loader"] = [(x.cuda(), y.cuda()) for x, y in loader_of(data())]
        return model, options

    step = lrrange_torch.vmap.runs._JointRun._step
    checked = []

    def without_waiting(self: Any, going: Any) -> None:
        if self._taken < 2:  # what CUDA and the optimizer set up once may wait
            step(self, going)
            return
        torch.cuda.set_sync_debug_mode("error")
        try:
            step(self, going)
        finally:
            torch.cuda.set_sync_debug_mode("default")
        checked.append(self._taken)

    monkeypatch.setattr(lrrange_torch.vmap.runs._JointRun, "_step", without_waiting)
    results = []
    for parallel in ("off", "vmap"):
        model, options = make()
        before = [one.detach().clone() for one in model.parameters()]
        found: Any = {**SWEEP, **options, "repeats": 1, "confirm": True, "confirm_steps": 90}
        results.append(lrrange.find_lr(model, parallel=parallel, verify_restore=True, **found))
        assert all(torch.equal(one, was) for one, was in zip(model.parameters(), before, strict=True))
    assert ways(results[1]) == ["2 runs together"]
    assert len(checked) == 22 - 2
    assert_same_losses(*results, 1e-2)
