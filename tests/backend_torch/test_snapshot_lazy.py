"""What the lazy snapshot copies, and that it also restores what changed unexpectedly."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import lrrange
from tests.backend_torch.observing import of_module, of_optimizer
from tests.backend_torch.rigs import seed_all

# Torch's own remark on the sparse tensors that Adagrad makes.
pytestmark = pytest.mark.filterwarnings("ignore:Sparse invariant checks are implicitly disabled")

# Large enough for a guard: 256 KiB a layer.
WIDTH = 256
ROWS = 20_000


def wide(*more: nn.Module) -> nn.Sequential:
    seed_all()
    return nn.Sequential(nn.Linear(6, WIDTH), nn.Tanh(), nn.Linear(WIDTH, WIDTH), *more, nn.Linear(WIDTH, 1))


def batches(inputs: int = 6) -> list[tuple[torch.Tensor, torch.Tensor]]:
    generator = torch.Generator().manual_seed(1)
    return [(x, x[:, :1] * 2) for x in (torch.randn(8, inputs, generator=generator) for _ in range(4))]


def words(rows: int = ROWS) -> list[tuple[torch.Tensor, torch.Tensor]]:
    generator = torch.Generator().manual_seed(1)
    bags = [torch.randint(rows, (8, 4), generator=generator) for _ in range(4)]
    return [(bag, bag[:, :1] / rows) for bag in bags]


class Table(nn.Module):
    """A large table with sparse gradients under a small dense head."""

    def __init__(self, **options: Any) -> None:
        super().__init__()
        seed_all()
        self.table = nn.EmbeddingBag(ROWS, 16, mode="sum", sparse=True, **options)
        self.head = nn.Linear(16, 1)

    def forward(self, bag: torch.Tensor) -> torch.Tensor:
        return self.head(self.table(bag))


def sweep(model: nn.Module, loader: Any, optimizer: torch.optim.Optimizer | None = None, **options: Any) -> Any:
    """Sweep, check that nothing shows it, and give the provenance's details."""
    optimizer = optimizer or torch.optim.SGD(list(model.parameters()), 0.1)
    before = of_module(model), of_optimizer(optimizer)
    options = {"start_lr": 1e-4, "end_lr": 0.1, "num_steps": 12, "divergence": None, "paired": False, **options}
    result = lrrange.find_lr(model, optimizer=optimizer, loss_fn=nn.MSELoss(), loader=loader, **options)
    assert (of_module(model), of_optimizer(optimizer)) == before
    assert len(set(result.curve.loss)) > 4, "the sweep trained nothing"
    return result.provenance.details


def bytes_of(module: nn.Module) -> int:
    return sum(parameter.nbytes for parameter in module.parameters())


SMALL = 1 << 14


def test_what_training_changes_is_copied_once() -> None:
    model = wide()
    details = sweep(model, batches())
    assert details["snapshot"] == "lazy"
    assert details["copied_bytes"] == bytes_of(model)


def test_state_of_the_optimizer_is_copied_once_too() -> None:
    model = wide()
    optimizer = torch.optim.Adam(model.parameters())
    x, y = batches()[0]
    F.mse_loss(model(x), y).backward()
    optimizer.step()
    optimizer.zero_grad()
    assert sweep(model, batches(), optimizer)["copied_bytes"] == pytest.approx(3 * bytes_of(model), abs=100)


def test_frozen_weights_are_not_copied() -> None:
    model = wide()
    model[2].requires_grad_(False)
    assert sweep(model, batches())["copied_bytes"] <= bytes_of(model) - bytes_of(model[2]) + SMALL


def test_weights_outside_the_optimizer_are_not_copied() -> None:
    model = wide()
    details = sweep(model, batches(), torch.optim.SGD(model[3].parameters(), 0.1))
    assert details["copied_bytes"] < SMALL


def test_weights_that_get_no_gradient_are_not_copied() -> None:
    model = wide()
    model.unused = nn.Linear(WIDTH, WIDTH)
    model.forward = lambda x: model[3](model[2](model[1](model[0](x))))
    assert sweep(model, batches())["copied_bytes"] < bytes_of(model) - bytes_of(model.unused) + SMALL


ROW_BY_ROW: dict[str, Callable[[Any], torch.optim.Optimizer]] = {
    "SGD": lambda parameters: torch.optim.SGD(parameters, 0.1),
    "Adagrad": lambda parameters: torch.optim.Adagrad(parameters, 0.1),
}
WHOLE: dict[str, Callable[[Any], torch.optim.Optimizer]] = {
    "momentum": lambda parameters: torch.optim.SGD(parameters, 0.1, momentum=0.9),
    "a subclass": lambda parameters: type("Own", (torch.optim.SGD,), {})(parameters, 0.1),
}


@pytest.mark.parametrize("make", ROW_BY_ROW.values(), ids=ROW_BY_ROW)
@pytest.mark.parametrize("scheduled", [False, True], ids=["alone", "scheduled"])
def test_of_a_sparse_table_only_touched_rows_are_copied(make: Any, scheduled: bool) -> None:
    model = Table()
    optimizer = make(model.parameters())
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1) if scheduled else None
    details = sweep(model, words(), optimizer, scheduler=scheduler)
    tables = 2 if isinstance(optimizer, torch.optim.Adagrad) else 1
    assert details["copied_bytes"] <= 0.05 * bytes_of(model) * tables


def test_of_a_sparse_table_and_its_state_only_touched_rows_are_copied() -> None:
    model = nn.Sequential(Table().table)
    optimizer = torch.optim.SparseAdam(model.parameters())
    for bag, target in words():
        optimizer.zero_grad()
        F.mse_loss(model(bag), target.expand(-1, 16)).backward()
        optimizer.step()
    optimizer.zero_grad()
    loader = [(bag, target.expand(-1, 16)) for bag, target in words()]
    assert sweep(model, loader, optimizer)["copied_bytes"] <= 0.05 * bytes_of(model) * 3


@pytest.mark.parametrize("make", WHOLE.values(), ids=WHOLE)
def test_a_sparse_table_of_which_more_may_change_is_copied_whole(make: Any) -> None:
    model = Table()
    assert sweep(model, words(), make(model.parameters()))["copied_bytes"] >= bytes_of(model)


def test_a_sparse_table_is_copied_whole_if_another_hook_sees_its_steps() -> None:
    model = Table()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    optimizer.register_step_post_hook(lambda *_: model.table.weight.data.clamp_(-0.5, 0.5))
    sweep(model, words(), optimizer)


@pytest.mark.parametrize("rows", [10, 1000])
def test_a_row_that_many_steps_touch_gets_its_first_value_back(rows: int) -> None:
    model = Table()
    sweep(model, words(rows), torch.optim.SGD(model.parameters(), 0.1), num_steps=40)


# -- changes that no optimizer step announces --------------------------------------------------------------------------


class Writes(nn.Module):
    """A module whose forward pass changes a large tensor, from one call on."""

    def __init__(self, write: Callable[[torch.Tensor], object], since: int, kind: str) -> None:
        super().__init__()
        values = torch.randn(WIDTH, WIDTH)
        self.write, self.since, self.calls = write, since, 0
        if kind == "buffer":
            self.register_buffer("held", values, persistent=False)
        else:
            self.held = nn.Parameter(values, requires_grad=kind == "trained")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        if self.calls > self.since:
            self.write(self.held)
        return x + 0.001 * (x @ self.held.clone())


def _no_grad(tensor: torch.Tensor) -> None:
    with torch.no_grad():
        tensor.mul_(0.9)


def _numpy(tensor: torch.Tensor) -> None:
    tensor.detach().numpy()[0] += 1


def _swap(tensor: torch.Tensor) -> None:
    tensor.data = tensor.data * 0.9


def _set(tensor: torch.Tensor) -> None:
    tensor.data.set_(torch.zeros_like(tensor))


WRITES: dict[str, Callable[[torch.Tensor], object]] = {
    "in place": _no_grad,
    ".data": lambda tensor: tensor.data.mul_(0.9),
    "a view": lambda tensor: tensor.detach()[:, 0].zero_(),
    "foreach": lambda tensor: torch._foreach_mul_([tensor.data], 0.9),
    "out=": lambda tensor: torch.mul(tensor.detach(), 0.9, out=tensor.data),
    "numpy": _numpy,
    "new memory": _swap,
    "set_": _set,
    "storage": lambda tensor: tensor.untyped_storage().fill_(0),
}


@pytest.mark.parametrize("since", [0, 5], ids=["at once", "late"])
@pytest.mark.parametrize("kind", ["frozen", "trained", "buffer"])
@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_what_the_forward_pass_writes_is_put_back_however_it_writes(write: Any, kind: str, since: int) -> None:
    sweep(wide(Writes(write, since, kind)), batches())


def test_a_table_that_the_forward_pass_renormalises_is_put_back() -> None:
    sweep(Table(max_norm=0.5), words(1000))


@pytest.mark.parametrize("since", [0, 5], ids=["at once", "late"])
def test_a_sparse_table_that_the_forward_pass_writes_too_is_put_back(since: int) -> None:
    model = Table()
    calls: Iterator[int] = iter(range(1000))

    def write(*_: Any) -> None:
        if next(calls) >= since:
            model.table.weight.data.mul_(0.99)

    model.table.register_forward_pre_hook(write)
    sweep(model, words())


def test_an_optimizer_that_moves_weights_without_a_gradient_is_undone() -> None:
    class Decaying(torch.optim.SGD):
        def step(self, closure: Any = None) -> None:
            super().step(closure)
            for group in self.param_groups:
                for parameter in group["params"]:
                    parameter.data.mul_(0.99)

    model = wide()
    model[2].requires_grad_(False)
    sweep(model, batches(), Decaying(model.parameters(), 0.1))


def test_other_weights_from_reset_are_put_back() -> None:
    model = wide()
    model[2].requires_grad_(False)

    def reset() -> None:
        for parameter in model.parameters():
            nn.init.normal_(parameter, std=0.1)

    sweep(model, batches(), repeats=2, reset=reset)


# -- memory that is shared ---------------------------------------------------------------------------------------------


def test_a_view_that_the_user_holds_still_follows_its_weight() -> None:
    model = wide(Writes(_no_grad, 0, "frozen"))
    row = model[3].held.detach()[0]
    sweep(model, batches())
    assert row.data_ptr() == model[3].held.data_ptr()
    _no_grad(model[3].held)
    assert torch.equal(row, model[3].held[0])


def test_an_array_that_the_user_holds_still_follows_its_weight() -> None:
    model = wide()
    model[2].requires_grad_(False)
    array = model[2].weight.detach().numpy()
    sweep(model, batches())
    array[0] = 7.0
    assert model[2].weight[0, 0] == 7.0


def test_weights_that_are_views_of_one_memory_stay_so() -> None:
    model = wide(nn.Linear(WIDTH, WIDTH))
    flat = torch.randn(2 * WIDTH * WIDTH) / WIDTH
    for layer, part in zip(model[2:4], flat.chunk(2), strict=True):
        layer.weight.data = part.view(WIDTH, WIDTH)
    sweep(model, batches())
    assert model[2].weight.data_ptr() == flat.data_ptr()
    assert torch.equal(torch.cat([layer.weight.detach().flatten() for layer in model[2:4]]), flat)


def test_tied_weights_stay_tied() -> None:
    model = wide(nn.Linear(WIDTH, WIDTH))
    model[3].weight = model[2].weight
    model[3].weight.requires_grad_(False)
    sweep(model, batches())
    assert model[3].weight is model[2].weight


def test_weights_in_memory_that_is_not_torchs_are_put_back() -> None:
    model = wide()
    model[2].weight.data = torch.from_numpy(model[2].weight.detach().numpy().copy())
    model[0].share_memory()
    sweep(model, batches())


def test_after_a_sweep_copy_on_write_is_off_for_every_weight() -> None:
    model = wide()
    model[2].requires_grad_(False)
    sweep(model, batches())
    lrrange.find_lr(model, optimizer=torch.optim.SGD(model.parameters(), 0.1), loss_fn=nn.MSELoss(), loader=batches())
    assert not any(torch._C._is_cow_tensor(parameter) for parameter in model.parameters())


def test_a_compiled_model_is_copied_in_full_and_the_result_says_so() -> None:
    model = wide()
    model[2].requires_grad_(False)
    model.compile(backend="eager")
    details = sweep(model, batches())
    assert details["snapshot"] == "full: the model is compiled"
    assert details["copied_bytes"] == bytes_of(model)
