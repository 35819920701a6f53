"""Every optimizer of torch, by every implementation the CPU has of it, over every kind of parameter, is put back."""

import inspect

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import lrrange
from tests.backend_torch.observing import of_module, of_optimizer
from tests.backend_torch.rigs import seed_all

# Torch's own remark on the sparse tensors that Adagrad makes.
pytestmark = pytest.mark.filterwarnings("ignore:Sparse invariant checks are implicitly disabled")

OPTIMIZERS: dict[str, type[torch.optim.Optimizer]] = {
    name: found
    for name, found in vars(torch.optim).items()
    if isinstance(found, type) and issubclass(found, torch.optim.Optimizer) and found is not torch.optim.Optimizer
}
SWITCHES = ({}, {"foreach": True}, {"foreach": False}, {"fused": True}, {"capturable": True}, {"differentiable": True})

# 64 KiB a matrix of this width, from which on a tensor is guarded and not copied at once.
WIDTH = 128
ROWS = 2000


class Dense(nn.Module):
    """Matrices alone, because Muon takes nothing else."""

    def __init__(self, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        width = WIDTH if dtype is torch.float32 else 2 * WIDTH
        self.layers = nn.ModuleList([nn.Linear(width, width, bias=False, dtype=dtype) for _ in range(3)])

    def forward(self, seed: torch.Tensor) -> torch.Tensor:
        first = self.layers[0].weight
        x = torch.linspace(-1, 1, 2 * len(first), dtype=first.dtype).view(2, -1) * seed[0, 0]
        for layer in self.layers:
            x = torch.tanh(layer(x))
        return x.float()


class Frozen(Dense):
    def __init__(self) -> None:
        super().__init__()
        self.layers[1].requires_grad_(False)


class Tied(Dense):
    def __init__(self) -> None:
        super().__init__()
        self.layers[2].weight = self.layers[0].weight


class Half(Dense):
    def __init__(self) -> None:
        super().__init__(torch.bfloat16)


class Sparse(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(ROWS, 16, sparse=True)

    def forward(self, seed: torch.Tensor) -> torch.Tensor:
        return self.table((seed * torch.arange(1, 9)).long() % ROWS)


MODELS: dict[str, type[nn.Module]] = {kind.__name__.lower(): kind for kind in (Dense, Frozen, Tied, Half, Sparse)}

# What these cannot do on a CPU, with the parameters of a module, or at all. Everything else is a case.
_TAKES_SPARSE = {"SGD", "SparseAdam", "Adagrad"}


def can(name: str, switch: dict[str, bool], kind: str) -> bool:
    if not switch.keys() <= inspect.signature(OPTIMIZERS[name]).parameters.keys():
        return False
    if "differentiable" in switch or "capturable" in switch:
        return False  # see the last test
    if kind == "sparse":
        return name in _TAKES_SPARSE and "fused" not in switch
    return name != "SparseAdam"


CASES = [
    (name, switch, kind) for name in OPTIMIZERS for switch in SWITCHES for kind in MODELS if can(name, switch, kind)
]


def loader() -> list[tuple[torch.Tensor, torch.Tensor]]:
    return [(torch.full((1, 1), seed), torch.zeros(1)) for seed in (1.0, 2.0, 3.0)]


def loss_of(output: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
    return F.mse_loss(output, torch.ones_like(output))


def train(model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    for x, y in loader():

        def closure(x: torch.Tensor = x, y: torch.Tensor = y) -> torch.Tensor:
            optimizer.zero_grad()
            loss = loss_of(model(x), y)
            loss.backward()
            return loss

        optimizer.step(closure)


def make(name: str, switch: dict[str, bool], kind: str) -> tuple[nn.Module, torch.optim.Optimizer]:
    seed_all()
    model = MODELS[kind]()
    more = {"max_iter": 2} if name == "LBFGS" else {}
    return model, OPTIMIZERS[name](model.parameters(), lr=1e-3, **switch, **more)


@pytest.mark.parametrize("trained", [False, True], ids=["new", "trained"])
@pytest.mark.parametrize(
    ("name", "switch", "kind"),
    CASES,
    ids=[f"{name}-{'-'.join(map(str, switch))}-{kind}" for name, switch, kind in CASES],
)
def test_a_sweep_leaves_no_trace(name: str, switch: dict[str, bool], kind: str, trained: bool) -> None:
    model, optimizer = make(name, switch, kind)
    if trained:
        train(model, optimizer)
    before = of_module(model), of_optimizer(optimizer)
    result = lrrange.find_lr(
        model,
        optimizer=optimizer,
        loss_fn=loss_of,
        loader=loader(),
        start_lr=1e-3,
        end_lr=1.0,
        num_steps=6,
        divergence=None,
    )
    assert (of_module(model), of_optimizer(optimizer)) == before
    # The steps that LBFGS takes after some round to nothing in bfloat16.
    moved = len(set(result.curve.loss)) > 3 or (name, kind, trained) == ("LBFGS", "half", True)
    assert moved, "the sweep trained nothing"
    assert result.provenance.details["snapshot"] == "lazy"


BEYOND = [
    (name, switch)
    for name, optimizer in OPTIMIZERS.items()
    for switch in ("capturable", "differentiable")
    if switch in inspect.signature(optimizer).parameters
]


@pytest.mark.parametrize(("name", "switch"), BEYOND)
def test_switches_that_are_no_case_above_cannot_train_a_module_on_a_cpu_and_fail_without_a_trace(
    name: str, switch: str
) -> None:
    model, optimizer = make(name, {switch: True}, "dense")
    try:
        train(model, optimizer)
    except (AssertionError, RuntimeError) as without_a_sweep:
        kind = type(without_a_sweep)
    else:
        raise AssertionError(f"{name} can train by {switch} now: make it a case of the test above")
    model, optimizer = make(name, {switch: True}, "dense")
    before = of_module(model), of_optimizer(optimizer)
    with pytest.raises(kind):
        lrrange.find_lr(model, optimizer=optimizer, loss_fn=loss_of, loader=loader(), num_steps=6)
    assert (of_module(model), of_optimizer(optimizer)) == before
