"""Sweeps that record a metric or a held-out loss, and what trials are judged by."""

import functools
import io
import math
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import lrrange
from lrrange.errors import NoData, OptionError
from lrrange.sweep import MetricValue, Quantity
from tests.backend_torch.observing import of_module, of_optimizer
from tests.backend_torch.rigs import seed_all


def batches(count: int, size: int, seed: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
    generator = torch.Generator().manual_seed(seed)
    made = []
    for _ in range(count):
        x = torch.randn(size, 6, generator=generator)
        made.append((x, (x[:, 0] > x[:, 1]).long()))
    return made


class Counting(nn.Sequential):
    """Counts forward passes, by whether they trained."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__(*layers)
        self.passes: list[bool] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        _PASSES.append(self.training)
        return super().forward(x)


_PASSES: list[bool] = []


@pytest.fixture
def training() -> dict[str, Any]:
    seed_all()
    _PASSES.clear()
    model = Counting(nn.Linear(6, 16), nn.Tanh(), nn.Dropout(0.1), nn.Linear(16, 2))
    return {
        "target": model,
        "optimizer": torch.optim.Adam(model.parameters()),
        "loss_fn": F.cross_entropy,
        "loader": batches(40, 32, seed=1),
    }


def accuracy(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return (outputs.argmax(1) == targets).float().mean()


def error_rate(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return 1 - accuracy(outputs, targets)


def find(training: dict[str, Any], **options: Any) -> lrrange.RangeTestResult:
    arguments = {**training, **options}
    return lrrange.find_lr(arguments.pop("target"), **arguments)


def test_an_accuracy_is_recorded_as_its_negative_and_gives_a_rate_where_it_rises(training: dict[str, Any]) -> None:
    result = find(training, metric=accuracy)
    assert all(-1 <= reading <= 0 for reading in result.curve.loss)
    assert min(result.curve.smoothed) < -0.85 < -0.7 < result.curve.smoothed[0]
    assert 1e-4 < result.lr < 1
    assert result.provenance.details["reads"] == "training accuracy"


def test_a_metric_that_should_fall_is_recorded_as_it_is(training: dict[str, Any]) -> None:
    higher, lower = find(training, metric=accuracy), find(training, metric=error_rate, metric_mode="min")
    # The sweeps train alike, so the two values of each step differ by 1 up to rounding.
    assert lower.curve.loss == pytest.approx([reading + 1 for reading in higher.curve.loss], abs=1e-6)
    assert lower.lr == pytest.approx(higher.lr, rel=1e-3)


def test_a_held_out_sweep_reads_all_of_the_held_out_batches_after_each_step(training: dict[str, Any]) -> None:
    held_out = batches(3, 64, seed=2)
    model = training["target"]
    with torch.no_grad():
        start = sum(float(F.cross_entropy(model.eval()(x), y)) for x, y in held_out) / 3
    model.train()
    _PASSES.clear()
    result = find(training, val_loader=held_out, read_on="validation", num_steps=100)
    assert result.curve.loss[0] == pytest.approx(start, abs=1e-4)  # a step at 1e-7 changes almost nothing
    steps = len(result.curve)
    assert (_PASSES.count(True), _PASSES.count(False)) == (steps, 3 * steps)
    assert result.curve.noise < 0.01 * result.curve.drop  # the same batches each time leave no noise
    assert result.provenance.details["reads"] == "validation loss"


def test_trials_are_judged_by_the_held_out_loss_where_there_is_one(training: dict[str, Any]) -> None:
    held_out = batches(3, 64, seed=2)
    result = find(training, val_loader=held_out, confirm=True, confirm_steps=180)
    assert result.confirmation is not None
    assert result.confirmation.held_out
    assert find(training, confirm=True, confirm_steps=180).confirmation.held_out is False  # type: ignore[union-attr]


def test_a_confirmed_test_takes_the_steps_it_says_and_puts_everything_back(training: dict[str, Any]) -> None:
    model, optimizer = training["target"], training["optimizer"]
    before = of_module(model), of_optimizer(optimizer)
    result = find(training, confirm=True, confirm_steps=300)
    assert result.confirmation is not None
    assert _PASSES.count(True) == len(_PASSES) == result.provenance.steps_run
    assert result.provenance.steps_run == len(result.curve) + result.confirmation.steps
    assert result.confirmation.steps <= 300
    assert (of_module(model), of_optimizer(optimizer)) == before


def test_by_default_a_confirmed_test_takes_at_most_620_steps(training: dict[str, Any]) -> None:
    find(training, confirm=True)
    assert 300 < len(_PASSES) <= 620


def test_other_initial_weights_widen_a_repeated_test_and_are_put_back(training: dict[str, Any]) -> None:
    model = training["target"]
    before = of_module(model)

    def reset() -> None:
        for layer in model:
            if isinstance(layer, nn.Linear):
                layer.reset_parameters()

    result = find(training, repeats=3, reset=reset, seed=5)
    firsts = [curve.loss[0] for curve in result.sweeps]
    assert len({round(first, 6) for first in firsts}) == 3
    assert result.low < result.lr < result.high
    assert of_module(model) == before


def test_reset_without_repeats_is_refused(training: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match="repeats=1"):
        find(training, reset=lambda: None)
    assert _PASSES == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metric": "accuracy"}, "metric is a str"),
        ({"metric": accuracy, "metric_mode": "best"}, "metric_mode='best'"),
        ({"read_on": "validation"}, "needs a val_loader"),
        ({"read_on": "test"}, "read_on='test'"),
        ({"val_loader": iter([])}, "gives its batches once"),
    ],
)
def test_a_metric_or_validation_that_is_impossible_is_refused_before_the_first_step(
    training: dict[str, Any], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(OptionError, match=message):
        find(training, **options)
    assert _PASSES == []


def test_an_empty_held_out_set_is_named_and_everything_is_put_back(training: dict[str, Any]) -> None:
    before = of_module(training["target"])
    with pytest.raises(NoData, match="val_loader gives no batch"):
        find(training, val_loader=[], read_on="validation")
    assert of_module(training["target"]) == before


def test_a_grid_of_momenta_shows_the_largest_rate_fall_as_momentum_rises() -> None:
    """Smith 2018, section 4.3: a larger momentum calls for a smaller rate."""

    def make(momentum: float) -> tuple[nn.Module, dict[str, Any]]:
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 2))
        optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=momentum)
        return model, {"optimizer": optimizer, "loss_fn": F.cross_entropy, "loader": batches(40, 32, seed=1)}

    tests = lrrange.grid(make, {"momentum": [0.0, 0.95]}, end_lr=1e3)
    assert [cell.setting["momentum"] for cell in tests.cells] == [0.0, 0.95]
    without, with_momentum = tests.max_lr
    assert without > 2 * with_momentum
    assert not math.isnan(with_momentum)


class MulticlassAccuracy(nn.Module):
    """As torchmetrics has them: called with outputs and targets."""

    def forward(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return accuracy(outputs, targets)


@pytest.mark.parametrize(
    ("metric", "name"),
    [
        (accuracy, "accuracy"),
        (MulticlassAccuracy(), "MulticlassAccuracy"),
        (functools.partial(accuracy), "accuracy"),
        (lambda outputs, targets: accuracy(outputs, targets), "metric"),
        (lambda outputs, targets: accuracy(outputs, targets).item(), "metric"),
    ],
    ids=["function", "object", "partial", "lambda", "number"],
)
def test_a_metric_has_its_own_name_and_sign_and_the_loss_is_the_one_of_a_sweep_without_it(
    training: dict[str, Any], metric: Any, name: str
) -> None:
    state = of_module(training["target"])
    options: dict[str, Any] = {"num_steps": 200, "paired": False, "divergence": None, "seed": 3}
    result = find(training, metric=metric, **options)
    assert of_module(training["target"]) == state
    assert result.curve.names == (name, "loss")
    assert max(result.curve.values) > 0.85
    plain = find(training, **options)
    assert result.read_from("loss").curve.loss == plain.curve.loss
    assert result.read_from("loss").lr == plain.lr


SEVERAL: dict[str, dict[str, Any]] = {
    "accumulated": {"accumulate": 3},
    "held out": {"val_loader": batches(2, 64, seed=2), "read_on": "validation", "num_steps": 60},
    "repeats": {"repeats": 2},
    "paired": {"paired": True},
    "whole batches": {
        "batch_form": "whole",
        "loss_fn": lambda model, batch: F.cross_entropy(model(batch[0]), batch[1]),
        "metric": lambda model, batch: accuracy(model(batch[0]), batch[1]),
    },
}


@pytest.mark.parametrize("options", SEVERAL.values(), ids=SEVERAL)
def test_the_loss_beside_a_metric_is_the_one_that_would_be_read_without_it(
    training: dict[str, Any], options: dict[str, Any]
) -> None:
    training["target"] = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 2))
    training["optimizer"] = torch.optim.Adam(training["target"].parameters())
    options = {"num_steps": 200, "seed": 1, "divergence": None, **options}
    with_metric = find(training, **{"metric": accuracy, **options})
    options.pop("metric", None)
    plain = find(training, **options)
    by_loss = with_metric.read_from("loss")
    assert by_loss.curve.loss == pytest.approx(plain.curve.loss, rel=1e-6, nan_ok=True)
    assert by_loss.curve.unpaired.loss == pytest.approx(plain.curve.unpaired.loss, rel=1e-6, nan_ok=True)
    assert (by_loss.curve.measured is None) is (plain.curve.measured is None)
    assert [len(sweep) for sweep in by_loss.sweeps] == [len(sweep) for sweep in plain.sweeps]
    assert all(0 <= value <= 1 for value in with_metric.curve.unpaired.values)


def test_trials_of_a_metric_are_judged_by_it_on_held_out_data(training: dict[str, Any]) -> None:
    result = find(training, metric=accuracy, val_loader=batches(2, 64, seed=2), confirm=True, confirm_steps=120)
    assert result.confirmation is not None
    assert result.confirmation.quantity.name == "accuracy"
    assert result.confirmation.held_out
    assert -1 <= result.confirmation.best.loss < -0.5


def test_a_step_of_your_own_may_return_a_metric_with_its_loss(training: dict[str, Any]) -> None:
    model, optimizer = training["target"], training["optimizer"]
    data = training["loader"]
    taken = 0
    quantity = Quantity(name="accuracy", higher_is_better=True)

    def step() -> MetricValue:
        nonlocal taken
        taken += 1
        inputs, targets = data[taken % len(data)]
        outputs = model(inputs)
        loss = F.cross_entropy(outputs, targets)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        return MetricValue(quantity=quantity, value=accuracy(outputs, targets), loss=loss)

    result = lrrange.find_lr(step, optimizer=optimizer, restore=model)
    assert result.curve.names == ("accuracy", "loss")
    assert result.curve.values[0] < 0.8 < max(result.curve.values)
    assert result.curve.also is not None
    assert result.curve.also.loss[0] == pytest.approx(math.log(2), abs=0.3)


def test_a_comparison_of_runs_with_a_metric_ranks_by_it(training: dict[str, Any]) -> None:
    def make_run(seed: int) -> tuple[nn.Module, dict[str, Any]]:
        torch.manual_seed(seed)
        model = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 2))
        held_out = batches(2, 64, seed=2)
        options = {"loss_fn": F.cross_entropy, "loader": training["loader"], "val_loader": held_out, "metric": accuracy}
        return model, {"optimizer": torch.optim.Adam(model.parameters()), **options}

    comparison = lrrange.compare(make_run, policies={"low": 1e-5, "good": 1e-2}, steps=40, repeats=2)
    assert comparison.winner == "good"
    assert comparison.judged_by == "held-out accuracy"
    assert comparison.table[0].mean < -0.8
    means = _means_shown(comparison)
    assert len(means) == 2
    assert all(float(mean) > 0 for mean in means)


def _means_shown(comparison: lrrange.Comparison) -> list[str]:
    from rich.console import Console

    console = Console(width=120, record=True, file=io.StringIO())
    console.print(comparison)
    ends = [line.split() for line in console.export_text().splitlines() if line.split()[:1] in (["good"], ["low"])]
    return [words[1] for words in ends]
