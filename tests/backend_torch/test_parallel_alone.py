"""Runs that cannot be taken together are taken one by one. The result has the reason; watchers hear of each once."""

import itertools
import random
from collections.abc import Callable, Iterator
from typing import Any

import numpy
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import TensorDataset

import lrrange
from lrrange.errors import OptionError
from tests.backend_torch.rigs import DataSwapper, data, loader_of
from tests.backend_torch.side_by_side import Make, assert_together_is_as_off, find, mlp, training, ways


class WithForward(nn.Module):
    def __init__(self, forward: Callable[["WithForward", torch.Tensor], torch.Tensor], **attributes: Any) -> None:
        super().__init__()
        self.inner = mlp()
        self.other = forward
        self.register_buffer("average", torch.zeros(6))
        for name, value in attributes.items():
            setattr(self, name, value)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.other(self, x)


def of_forward(forward: Callable[[Any, torch.Tensor], torch.Tensor], **attributes: Any) -> Make:
    return training(lambda: WithForward(forward, **attributes))


def branches(self: Any, x: torch.Tensor) -> torch.Tensor:
    hidden = self.inner(x)
    return 2 * hidden if hidden.mean() > 0 else hidden


def reads(self: Any, x: torch.Tensor) -> torch.Tensor:
    return self.inner(x) * (1.0 + self.inner(x).mean().item())


def averages_anew(self: Any, x: torch.Tensor) -> torch.Tensor:
    self.average = 0.9 * self.average + 0.1 * x.detach().mean(0)
    return self.inner(x - self.average)


def averages_in_place(self: Any, x: torch.Tensor) -> torch.Tensor:
    self.average.mul_(0.9).add_(0.1 * x.detach().mean(0))
    return self.inner(x - self.average)


def counts(self: Any, x: torch.Tensor) -> torch.Tensor:
    self.calls += 1
    return self.inner(x) * (1 + self.calls / 100)


def remembers(self: Any, x: torch.Tensor) -> torch.Tensor:
    self.cache["last"] = self.inner(x).detach()
    return self.inner(x)


def skips_at_random(self: Any, x: torch.Tensor) -> torch.Tensor:
    return self.inner(x) * (1.0 if random.random() < 0.5 else 0.5)


def skips_at_numpys_random(self: Any, x: torch.Tensor) -> torch.Tensor:
    return self.inner(x) * (1.0 if numpy.random.rand() < 0.5 else 0.5)


def skips_at_its_own_random(self: Any, x: torch.Tensor) -> torch.Tensor:
    return self.inner(x) * (1.0 if self.numbers.random() < 0.5 else 0.5)


def with_compiled() -> nn.Module:
    model = mlp()
    model.compile(backend="eager")
    return model


class OwnSGD(torch.optim.SGD):
    pass


class LooksLikeSGD(torch.optim.Optimizer):
    def __init__(self, parameters: Any) -> None:
        super().__init__(parameters, {"lr": 0.01})

    def step(self, closure: Any = None) -> None:
        for one in self.param_groups[0]["params"]:
            if one.grad is not None:
                one.data.add_(one.grad, alpha=-self.param_groups[0]["lr"])


LooksLikeSGD.__name__ = "SGD"


def with_hooks(parameters: Any) -> torch.optim.Optimizer:
    optimizer = torch.optim.SGD(parameters, 0.01)
    optimizer.register_step_post_hook(lambda *_: None)
    return optimizer


def hooked_gradient() -> nn.Module:
    model = mlp()
    model[0].weight.register_hook(lambda grad: grad * 2)
    return model


def double_gradient(parameter: torch.Tensor) -> None:
    assert parameter.grad is not None
    parameter.grad.mul_(2)


def hooked_after_accumulation() -> nn.Module:
    model = mlp()
    model[0].weight.register_post_accumulate_grad_hook(double_gradient)
    return model


def hooked_backward() -> nn.Module:
    model = mlp()
    model[2].register_full_backward_hook(lambda *_: None)
    return model


def hooked_activation() -> nn.Module:
    model = mlp()
    model[1].register_forward_hook(lambda module, inputs, output: output.register_hook(lambda grad: grad * 2) and None)
    return model


class KeepsItsOwn(nn.Module):
    """A model that uses a parameter through a list, and not only through its attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = mlp()
        self.kept = [self.inner[0].weight]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner(x) + (x @ self.kept[0].T).mean(1, keepdim=True)


def towards_the_start() -> Make:
    """A penalty that uses the weights directly. It is zero at the start, and so is its gradient."""

    def make() -> tuple[nn.Module, dict[str, Any]]:
        model, options = training()()
        weights = list(model.parameters())
        starts = [one.detach().clone() for one in weights]

        def loss(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
            away = sum((one - start).square().sum() for one, start in zip(weights, starts, strict=True))
            return F.mse_loss(output, target) + away

        return model, {**options, "loss_fn": loss}

    return make


def sparse() -> Make:
    def words() -> Any:
        words = torch.randint(0, 50, (96, 5), generator=torch.Generator().manual_seed(6))
        return loader_of(TensorDataset(words, words.float().mean(1, keepdim=True).expand(-1, 4) / 25))

    return training(lambda: nn.Sequential(nn.EmbeddingBag(50, 4, sparse=True)), torch.optim.SGD, words)


def learned_in_the_loss() -> Make:
    def make() -> tuple[nn.Module, dict[str, Any]]:
        model, options = training()()
        width = nn.Parameter(torch.ones(()))
        options["optimizer"].add_param_group({"params": [width]})
        return model, {**options, "loss_fn": lambda output, target: F.mse_loss(output * width, target)}

    return make


def reads_a_metric(output: torch.Tensor, target: torch.Tensor) -> float:
    return float((output - target).abs().mean())


def adam(parameters: Any) -> torch.optim.Optimizer:
    return torch.optim.Adam(parameters, 0.01)


REASONS: dict[str, tuple[Make, str]] = {
    "batch norm": (
        training(lambda: nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Linear(8, 1))),
        "BatchNorm1d keeps running statistics of its batches",
    ),
    "dropout": (
        training(lambda: nn.Sequential(mlp(), nn.Dropout(0.1))),
        "Dropout draws random numbers in each pass",
    ),
    "functional dropout": (
        of_forward(lambda self, x: F.dropout(self.inner(x), 0.1)),
        "a forward pass changes random state of torch",
    ),
    "numbers of python": (of_forward(skips_at_random), "a forward pass changes random state of Python"),
    "numbers of numpy": (of_forward(skips_at_numpys_random), "a forward pass changes random state of NumPy"),
    "numbers of its own": (
        training(lambda: WithForward(skips_at_its_own_random, numbers=random.Random(3))),
        "a forward pass changes numbers",
    ),
    "a branch that depends on the data": (of_forward(branches), "RuntimeError: vmap"),
    "a number read": (of_forward(reads), "RuntimeError: vmap"),
    "an average made anew": (of_forward(averages_anew), "a forward pass changes average"),
    "an average in place": (of_forward(averages_in_place), "a forward pass changes average"),
    "a counter": (of_forward(counts, calls=0), "a forward pass changes calls"),
    "a cache": (training(lambda: WithForward(remembers, cache={})), "a forward pass changes cache['last']"),
    "an LSTM": (
        training(lambda: WithForward(lambda self, x: self.lstm(x)[0].mean(1, keepdim=True), lstm=nn.LSTM(6, 4))),
        "RuntimeError: ",
    ),
    "LBFGS": (
        training(optimizer=lambda p: torch.optim.LBFGS(p, 0.01, max_iter=2)),
        "LBFGS evaluates the loss itself",
    ),
    "a GradScaler": (
        training(grad_scaler=torch.amp.GradScaler("cpu"), autocast=torch.bfloat16),
        "a GradScaler skips steps",
    ),
    "a compiled model": (training(with_compiled), "the model is compiled"),
    "an optimizer of one's own": (training(optimizer=lambda p: OwnSGD(p, 0.01)), "OwnSGD is not one of PyTorch's own"),
    "one of another name": (training(optimizer=LooksLikeSGD), "SGD is not one of PyTorch's own optimizers"),
    "one that swaps data": (training(optimizer=lambda p: DataSwapper(p, 0.01)), "DataSwapper is not one of"),
    "hooks on steps": (training(optimizer=with_hooks), "the optimizer's steps have hooks"),
    "hooks on a gradient": (training(hooked_gradient), "a parameter has hooks on its gradient"),
    "hooks after a gradient": (training(hooked_after_accumulation), "a parameter has hooks on its gradient"),
    "hooks on a backward pass": (training(hooked_backward), "a Linear has hooks on its backward pass"),
    "hooks on an activation": (training(hooked_activation), "RuntimeError: "),
    "a parameter kept apart": (training(KeepsItsOwn), "the gradient of inner.0.weight differs in a batched pass"),
    "a parameter kept in the loss": (
        towards_the_start(),
        "the loss uses 0.weight directly, and not only",
    ),
    "a parameter of the loss": (learned_in_the_loss(), "the optimizer holds parameters that are not the model's"),
    "sparse gradients": (sparse(), "NotImplementedError: "),
    "validation losses": (
        training(val_loader=list(loader_of(data())), read_on="validation"),
        "validation losses are read",
    ),
    "a metric that is a number": (training(metric=reads_a_metric, metric_mode="min"), "RuntimeError: vmap"),
    "a loader that gives its batches once": (
        training(loader=lambda: iter(list(loader_of(data())) * 40)),
        "the loader cannot start again",
    ),
}


class Heard:
    def __init__(self) -> None:
        self.log: list[str] = []

    @lrrange.hookimpl
    def lrrange_started(self, plan: lrrange.SweepPlan) -> None:
        self.log.append(f"started {plan.num_steps}")

    @lrrange.hookimpl
    def lrrange_advanced(self, point: lrrange.Point) -> None:
        self.log.append(f"{point.step}")

    @lrrange.hookimpl
    def lrrange_finished(self, sweep: lrrange.Sweep) -> None:
        self.log.append(f"finished {len(sweep.points)}")


@pytest.mark.parametrize(("make", "reason"), REASONS.values(), ids=REASONS)
def test_runs_that_cannot_be_taken_together_give_the_curves_that_they_give_alone_and_the_reason(
    make: Make, reason: str
) -> None:
    alone, heard = Heard(), Heard()
    off = find(make, "off", watchers=[alone])
    together = find(make, "vmap", watchers=[heard])
    (way,) = ways(together)
    assert way.startswith(f"2 runs one by one: {reason}")
    assert together.sweeps == off.sweeps
    assert together.provenance.steps_run == off.provenance.steps_run
    assert heard.log == alone.log


@pytest.mark.parametrize("repeats", [3, 5])
def test_watchers_hear_of_each_sweep_once_when_they_are_taken_together(repeats: int) -> None:
    heard = Heard()
    find(training(), "vmap", repeats=repeats, watchers=[heard])
    assert heard.log.count("started 30") == heard.log.count("finished 30") == repeats
    assert all(heard.log.count(str(step)) == repeats for step in range(30))
    assert heard.log[:32] == ["started 30", *map(str, range(30)), "finished 30"]  # the first, which is taken alone


def test_watchers_hear_nothing_of_trials() -> None:
    heard = Heard()
    result = find(training(), "vmap", repeats=1, confirm=True, confirm_steps=90, watchers=[heard])
    assert ways(result) == ["2 runs together"]
    assert len(heard.log) == 32


def test_an_error_in_the_batched_pass_only_is_a_reason_even_without_a_message() -> None:
    calls = itertools.count(1)

    def loss(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        if next(calls) == 32:  # after the first sweep, and the pass that is to be compared
            raise ArithmeticError
        return F.mse_loss(output, target)

    together = find(training(loss_fn=loss), "vmap")
    assert ways(together) == ["2 runs one by one: ArithmeticError: "]
    assert together.sweeps == find(training(), "off").sweeps


def test_a_model_that_only_looks_at_its_own_state_is_taken_together() -> None:
    def looks(self: Any, x: torch.Tensor) -> torch.Tensor:
        return self.inner(x - self.average) * len(self.cache)

    assert_together_is_as_off(training(lambda: WithForward(looks, cache={"a": torch.ones(2)})))


def test_a_first_loss_that_is_not_finite_is_a_reason() -> None:
    class Opening:
        def __iter__(self) -> Iterator[Any]:
            for number, (x, y) in enumerate(loader_of(data())):
                yield x, y * float("nan") if number == 0 else y

    off, together = (find(training(loader=Opening), way) for way in ("off", "vmap"))
    assert ways(together)[0].startswith("2 runs one by one: the first loss is nan")
    assert [repr(curve) for curve in together.sweeps] == [repr(curve) for curve in off.sweeps]


@pytest.mark.parametrize("value", ["on", "VMAP", True, None, ["auto"]])
def test_an_unknown_value_of_parallel_is_refused_before_the_first_step(value: Any) -> None:
    def loss(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        raise AssertionError("a step was taken")

    with pytest.raises(OptionError, match=r"parallel=.* is none of 'auto', 'vmap', 'off'"):
        find(training(loss_fn=loss), value)
    with pytest.raises(OptionError, match=r"parallel=.* is none of 'auto', 'vmap', 'off'"):
        lrrange.grid(lambda width: None, {"width": [1, 2]}, parallel=value)
