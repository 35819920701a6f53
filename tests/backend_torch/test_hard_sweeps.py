"""Sweeps on real small trainings that stop, mislead or break other finders."""

import math
import os
import stat
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import lrrange
from lrrange import StopReason
from lrrange.errors import FlatCurve, NoSuggestion, TargetError
from tests.backend_torch.observing import of_module, of_optimizer
from tests.backend_torch.rigs import data, loader_of, seed_all


def network(inputs: int = 6, outputs: int = 1) -> nn.Sequential:
    seed_all()
    return nn.Sequential(nn.Linear(inputs, 16), nn.Tanh(), nn.Linear(16, outputs))


def find(model: nn.Module, loss: Any = F.mse_loss, **options: Any) -> lrrange.RangeTestResult:
    options.setdefault("optimizer", torch.optim.Adam(model.parameters()))
    options.setdefault("loader", loader_of(data(count=512), 32))
    return lrrange.find_lr(model, loss_fn=loss, **options)


def test_a_loss_that_goes_negative_runs_on_and_is_answered() -> None:
    model = network(outputs=2)

    def likelihood(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return F.gaussian_nll_loss(output[:, :1], target * 0.01, F.softplus(output[:, 1:]) + 1e-6)

    result = find(model, likelihood, end_lr=0.3)
    assert min(result.curve.loss) < 4 * result.curve.loss[0] < 0
    assert result.stop_reason is StopReason.COMPLETED
    assert len(result.curve.lr) == result.plan.num_steps
    assert 1e-4 < result.lr < 0.3


class Poisoned(nn.Module):
    """A loss that is NaN at some calls."""

    def __init__(self, *calls: int, after: int | None = None) -> None:
        super().__init__()
        self.calls, self.after, self.count = calls, after, 0

    def forward(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        poisoned = self.count in self.calls or (self.after is not None and self.count >= self.after)
        self.count += 1
        return F.mse_loss(output, target) * (math.nan if poisoned else 1.0)


def test_nan_from_the_first_step_on_ends_the_sweep_with_a_refusal_and_nothing_changed() -> None:
    model = network()
    before = of_module(model)
    result = find(model, Poisoned(after=0))
    assert result.stop_reason is StopReason.NON_FINITE
    assert result.provenance.steps_run == 3
    with pytest.raises(NoSuggestion, match="0"):
        _ = result.lr
    assert of_module(model) == before


def test_nan_from_the_middle_on_keeps_the_points_before_it() -> None:
    clean = find(network(), seed=1)
    result = find(network(), Poisoned(after=60), seed=1)
    assert result.stop_reason is StopReason.NON_FINITE
    assert result.curve.loss[:60] == clean.curve.loss[:60]
    assert [math.isnan(loss) for loss in result.curve.loss[60:]] == [True] * 3


def test_one_nan_among_sound_losses_is_a_gap_that_moves_no_answer() -> None:
    clean = find(network(), seed=1, num_steps=200)
    result = find(network(), Poisoned(30), seed=1, num_steps=200)
    assert result.stop_reason is clean.stop_reason
    assert [i for i, loss in enumerate(result.curve.loss) if math.isnan(loss)] == [30]
    assert result.provenance.details["skipped_steps"] == 1
    for one, other in zip(clean.answers, result.answers, strict=True):
        assert abs(math.log10(one.lr / other.lr)) <= 0.25, one.heuristic


def test_a_gap_where_a_sweep_of_few_steps_is_read_hardly_moves_its_answer() -> None:
    clean, result = find(network(), seed=1), find(network(), Poisoned(30), seed=1)
    assert [i for i, loss in enumerate(result.curve.loss) if math.isnan(loss)] == [30]
    assert result.curve.lr[30] > 1e-4  # where every step counts
    assert result.lr == pytest.approx(clean.lr, rel=0.25)


def test_a_frozen_model_is_refused_before_the_first_step() -> None:
    model = network().requires_grad_(False)
    before = of_module(model)
    with pytest.raises(TargetError, match="frozen"):
        find(model)
    assert of_module(model) == before


def test_a_flat_curve_is_refused_with_its_noise() -> None:
    """The loss depends on the batch and not on what is trained."""
    model, free = network(), nn.Parameter(torch.zeros(1))
    model.register_parameter("free", free)

    def loss_fn(output: Any, target: Any) -> Any:
        return F.mse_loss(output.detach(), target) + 0 * free.sum()

    with pytest.raises(FlatCurve) as refusal:
        _ = find(model, loss_fn, paired=False).lr
    assert refusal.value.noise > 0
    result = find(model, loss_fn)
    with pytest.raises(FlatCurve, match="it is exactly .* at every rate"):  # but for the noise of the batches
        _ = result.lr
    assert all(isinstance(answer, lrrange.Refusal) for answer in result.answers)
    with pytest.raises(FlatCurve):
        _ = result.range


def test_param_groups_keep_their_proportion_at_every_step() -> None:
    model = network()
    optimizer = torch.optim.SGD([{"params": model[0].parameters(), "lr": 1.0}, {"params": model[2].parameters()}], 0.1)
    seen: list[tuple[float, float]] = []
    optimizer.register_step_pre_hook(
        lambda optimizer, *_: seen.append(tuple(group["lr"] for group in optimizer.param_groups))
    )
    result = find(model, optimizer=optimizer, start_lr=1e-4, end_lr=1.0)
    assert tuple(first for first, _ in seen) == result.curve.lr
    assert all(second == pytest.approx(first / 10) for first, second in seen)


def test_lbfgs_in_a_step_of_the_users_own_is_swept() -> None:
    model = network()
    optimizer = torch.optim.LBFGS(model.parameters(), 1.0, max_iter=2)
    x, y = data().tensors

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = F.mse_loss(model(x), y)
        loss.backward()
        return loss

    result = lrrange.find_lr(
        lambda: optimizer.step(closure), optimizer=optimizer, restore=model, start_lr=1e-4, end_lr=10.0, num_steps=60
    )
    assert result.curve.loss[0] > 2 * min(result.curve.loss)
    assert 1e-3 < result.lr < 10


def test_sparse_gradients_with_sparse_adam_are_swept() -> None:
    seed_all()
    model = nn.EmbeddingBag(50, 4, sparse=True)
    words = torch.randint(0, 50, (512, 5))
    dataset = torch.utils.data.TensorDataset(words, words.float().mean(1, keepdim=True).expand(-1, 4) / 25)
    optimizer = torch.optim.SparseAdam(model.parameters())
    before = of_module(model), of_optimizer(optimizer)
    result = find(model, optimizer=optimizer, loader=loader_of(dataset, 32))
    assert min(result.curve.loss) < 0.8 * result.curve.loss[0]
    assert result.lr > 1e-4
    assert (of_module(model), of_optimizer(optimizer)) == before


def test_bfloat16_parameters_are_swept() -> None:
    model = network().bfloat16()
    result = find(
        model, lambda model, batch: F.mse_loss(model(batch[0].bfloat16()).float(), batch[1]), batch_form="whole"
    )
    assert all(parameter.dtype is torch.bfloat16 for parameter in model.parameters())
    assert result.lr > 1e-4


def test_a_working_directory_that_cannot_be_written_is_no_obstacle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        result = find(network())
        assert result.lr > 0
        assert os.listdir(tmp_path) == []
    finally:
        tmp_path.chmod(stat.S_IRWXU)


def test_a_sweep_in_the_middle_of_training_gives_the_curve_of_its_own_steps() -> None:
    """The optimizer's step count is not the sweep's."""
    model = network()
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    x, y = data().tensors
    for _ in range(7):
        optimizer.zero_grad()
        F.mse_loss(model(x), y).backward()
        optimizer.step()
    result = find(model, optimizer=optimizer, num_steps=30)
    assert result.curve.lr[0] == 1e-7
    assert len(result.curve.lr) == result.provenance.steps_run <= 30
    assert [int(state["step"]) for state in optimizer.state.values()] == [7] * 4


def test_a_loss_that_explodes_ends_the_sweep_early() -> None:
    model = network()
    result = find(model, optimizer=torch.optim.SGD(model.parameters(), 0.1), end_lr=1e6)
    assert result.stop_reason in (StopReason.DIVERGED, StopReason.NON_FINITE)
    assert len(result.curve.lr) < result.plan.num_steps
