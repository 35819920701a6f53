"""Tensors in unusual places: gradients of frozen parameters, views, memory that is resized, modules of TorchScript."""

import io
from collections.abc import Callable
from typing import Any

import numpy
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.backend_torch.rigs import data, loader_of
from tests.backend_torch.sweeping import Trained, sweep, sweep_own

SIZES = (4, 1 << 15)  # copied at once, and guarded by copy-on-write if it is a parameter

INPUTS, TARGETS = data().tensors


def frozen(size: int) -> nn.Module:
    layer = nn.Linear(size, 1)
    return layer.requires_grad_(False)


@pytest.mark.parametrize("size", SIZES)
def test_the_gradient_of_a_frozen_parameter_is_put_back(size: int) -> None:
    def add(module: Any) -> None:
        weight = module.frozen.weight
        if weight.grad is None:
            weight.grad = torch.zeros_like(weight)
        weight.grad += 1

    sweep(Trained(add, frozen=frozen(size)))
    sweep(Trained(add, frozen=frozen(size)), before=0)


def test_gradients_that_an_own_step_leaves_are_put_back() -> None:
    model = Trained(frozen=frozen(4))
    optimizer = torch.optim.SGD(model.parameters(), 0.1)

    def step() -> torch.Tensor:
        for parameter in model.parameters():
            parameter.requires_grad_(True)
        loss = F.mse_loss(model(INPUTS), TARGETS) + model.frozen(torch.ones(4)).sum()
        loss.backward()
        optimizer.step()
        return loss

    sweep_own(step, optimizer, model)


def grow(held: torch.Tensor) -> None:
    held.resize_(len(held) + 1000)[-1] = 1.0


def grow_and_write(held: torch.Tensor) -> None:
    held.resize_(2 * len(held)).fill_(3.0)


def shrink(held: torch.Tensor) -> None:
    held.resize_(max(len(held) // 2, 1)).fill_(2.0)


def free(held: torch.Tensor) -> None:
    held.untyped_storage().resize_(0)


def free_and_fill(held: torch.Tensor) -> None:
    size = held.untyped_storage().nbytes()
    held.untyped_storage().resize_(0)
    held.untyped_storage().resize_(size or 4)
    held.fill_(1.0)


def set_other(held: torch.Tensor) -> None:
    held.set_(torch.ones(7))


def assign(held: torch.Tensor) -> None:
    held.data = torch.ones(len(held) + 1)


RESIZES = (free, grow, grow_and_write, shrink, free_and_fill, set_other, assign)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("change", RESIZES)
def test_a_buffer_that_is_resized_in_place_is_put_back(change: Callable[[torch.Tensor], None], size: int) -> None:
    model = Trained(lambda module: change(module.held))
    model.register_buffer("held", torch.zeros(size))
    sweep(model)
    sweep(Trained(lambda module: change(module.held), held=torch.zeros(size)))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("change", RESIZES)
def test_state_of_an_optimizer_that_is_resized_is_put_back(change: Callable[[torch.Tensor], None], size: int) -> None:
    class Resizing(torch.optim.SGD):
        def step(self, closure: Any = None) -> Any:
            for parameter in self.param_groups[0]["params"]:
                change(self.state[parameter]["held"])
            return super().step(closure)

    model = Trained()
    optimizer = Resizing(model.parameters(), 0.1)
    for parameter in model.parameters():
        optimizer.state[parameter]["held"] = torch.zeros(size)
    sweep(model, optimizer=optimizer)


@pytest.mark.parametrize("size", SIZES)
def test_a_frozen_parameter_that_is_written_to_or_replaced_is_put_back(size: int) -> None:
    def write(module: Any) -> None:
        module.frozen.weight.data += 1

    def swap(module: Any) -> None:
        module.frozen.weight.data = module.frozen.weight.data + 1

    def replace(module: Any) -> None:
        module.frozen.weight = nn.Parameter(module.frozen.weight + 1, requires_grad=False)

    for change in (write, swap, replace):
        sweep(Trained(change, frozen=frozen(size)))


@pytest.mark.parametrize("size", SIZES)
def test_a_view_and_its_base_are_put_back(size: int) -> None:
    base = torch.zeros(size)
    sweep(Trained(lambda m: m.view.add_(1), view=base[1:], base=base))
    sweep(Trained(lambda m: m.base.add_(1), view=base[1:], base=base))
    sweep(Trained(lambda m: m.view.add_(1), view=base[1:]), also=base)


@pytest.mark.parametrize("size", SIZES)
def test_an_array_and_a_tensor_on_the_same_memory_are_put_back(size: int) -> None:
    array = numpy.zeros(size, "f4")
    sweep(Trained(lambda m: m.array.__iadd__(1), array=array, tensor=torch.from_numpy(array)))
    sweep(Trained(lambda m: m.tensor.add_(1), array=array, tensor=torch.from_numpy(array)))


def test_a_read_only_array_is_no_obstacle() -> None:
    array = numpy.arange(4.0)
    array.flags.writeable = False
    sweep(Trained(held=array))
    broadcast = numpy.broadcast_to(numpy.ones(1), (3,))
    sweep(Trained(held=broadcast))
    sweep(Trained(held=numpy.frombuffer(b"abcd", "u1")))


def test_a_read_only_view_of_an_array_that_changes_is_put_back() -> None:
    base = numpy.zeros((4, 3))
    view = base[1:, ::2]
    view.flags.writeable = False
    sweep(Trained(lambda m: m.base.__iadd__(1), view=view, base=base))
    sweep(Trained(lambda m: m.base.__iadd__(1), base=base, view=view))
    sweep(Trained(lambda m: base.__iadd__(1), view=view), also=base)


def test_an_array_that_was_made_read_only_is_writeable_again() -> None:
    sweep(
        Trained(
            lambda m: (m.held.flags.writeable and m.held.__iadd__(1), setattr(m.held.flags, "writeable", False)),
            held=numpy.zeros(3),
        )
    )


def test_an_array_of_another_shape_in_place_is_put_back() -> None:
    sweep(Trained(lambda m: setattr(m.held, "shape", (m.held.size, 1)), held=numpy.zeros((2, 3))))


class Scripted(nn.Module):
    """A module with everything that TorchScript can change: buffers, numbers, texts, lists, dicts, tensors."""

    calls: int
    history: list[float]
    counts: dict[str, int]

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(6, 1)
        self.norm = nn.BatchNorm1d(6)
        self.register_buffer("seen", torch.zeros(1))
        self.register_buffer("unsaved", torch.zeros(1), persistent=False)
        self.calls = 0
        self.name = "a"
        self.history = [0.0]
        self.counts = {"a": 1}
        self.plain = torch.zeros(2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        self.name = self.name + "b"
        self.seen += 1
        self.unsaved = self.unsaved + 1
        self.history.append(float(self.calls))
        self.counts["b"] = self.calls
        self.plain += 1
        return self.layer(self.norm(x))


class Traceable(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(6, 1)
        self.norm = nn.BatchNorm1d(6)
        self.register_buffer("seen", torch.zeros(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.seen += 1
        return self.layer(self.norm(x))


def loaded(module: Any) -> Any:
    file = io.BytesIO()
    torch.jit.save(module, file)
    file.seek(0)
    return torch.jit.load(file)


SCRIPTS: dict[str, Callable[[], Any]] = {
    "scripted": lambda: torch.jit.script(Scripted()),
    "scripted and loaded": lambda: loaded(torch.jit.script(Scripted())),
    "traced": lambda: torch.jit.trace(Traceable(), torch.randn(4, 6)),
    "traced and loaded": lambda: loaded(torch.jit.trace(Traceable(), torch.randn(4, 6))),
}


class Holding(nn.Module):
    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner(x)


@pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning")
@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize("what", SCRIPTS)
def test_a_module_of_torchscript_is_put_back(what: str) -> None:
    sweep(SCRIPTS[what]())
    sweep(Holding(SCRIPTS[what]()))


@pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning")
def test_a_loss_of_torchscript_is_put_back() -> None:
    class Counting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("seen", torch.zeros(1))
            self.calls = 0

        def forward(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
            self.seen += 1
            self.calls += 1
            return torch.nn.functional.mse_loss(outputs, targets)

    sweep(loss_fn=torch.jit.script(Counting()))


def test_a_tensor_without_values_in_the_model_is_no_obstacle_unless_it_is_a_parameter() -> None:
    sweep(Trained(held=[torch.empty(3, device="meta")]))


def test_tied_tensors_stay_tied() -> None:
    model = Trained(other=nn.Linear(6, 1))
    model.other.weight = model.layer.weight
    sweep(model)
    sweep(model, loader=loader_of(data()))
