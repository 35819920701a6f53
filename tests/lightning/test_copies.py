"""What a sweep of a fit copies, how many copies exist at a time, and that every change is put back."""

import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from lrrange_lightning import LRRangeTest
from lrrange_torch.snapshot.copy_stores import Copies
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from tests.backend_torch.observing import of_module, of_optimizer
from tests.backend_torch.rigs import seed_all
from tests.lightning.finding import find
from tests.lightning.observing import of_training
from tests.lightning.trainings import classes, gan, loader, trainer, wide

ROWS = 20_000
SMALL = 1 << 14
SWEEP = {"start_lr": 1e-5, "end_lr": 0.1, "num_steps": 20, "divergence": None}


class Alive:
    """The bytes of all copies that exist now, and the most that existed at a time."""

    def __init__(self) -> None:
        self.now = self.most = 0

    def add(self, count: int) -> None:
        self.now += count
        self.most = max(self.most, self.now)


@pytest.fixture
def alive(monkeypatch: pytest.MonkeyPatch) -> Alive:
    alive, keep = Alive(), Copies.keep

    def counted(copies: Copies, tensor: torch.Tensor) -> Any:
        put_back = keep(copies, tensor)
        alive.add(tensor.nbytes)
        weakref.finalize(put_back, alive.add, -tensor.nbytes)
        return put_back

    monkeypatch.setattr(Copies, "keep", counted)
    return alive


def bytes_of(module: nn.Module) -> int:
    return sum(parameter.nbytes for parameter in module.parameters())


def sweep(package: Any, model: Any, **options: Any) -> Any:
    """Sweep, check that nothing has changed, and return the provenance's details."""
    fitting = options.pop("trainer", None) or trainer(package)
    before = of_training(fitting, model)
    result = find(package, model, trainer=fitting, **{**SWEEP, **options})
    assert of_training(fitting, model) == before
    assert len(set(result.curve.loss)) > 4, "the sweep trained nothing"
    return result.provenance.details


def sweep_inside(package: Any, model: Any, **options: Any) -> Any:
    """Do the same with the callback, inside a fit."""
    seen: list[Any] = []

    class Observing(package.Callback):
        def on_train_epoch_start(self, trainer: Any, module: Any) -> None:
            seen.append((of_module(module), [of_optimizer(one) for one in trainer.optimizers]))

    callback = LRRangeTest(apply=False, **SWEEP)
    data = options.pop("train_dataloaders", None) or loader()
    trainer(package, callbacks=[Observing(), callback, Observing()], max_epochs=1, **options).fit(model, data)
    assert seen[0] == seen[1]
    assert len(set(callback.result.curve.loss)) > 4, "the sweep trained nothing"
    return callback.result.provenance.details


SWEEPS = pytest.mark.parametrize("sweep", [sweep, sweep_inside], ids=["before a fit", "inside a fit"])


@SWEEPS
def test_what_training_changes_is_copied_once(package: Any, alive: Alive, sweep: Any) -> None:
    model = wide(package)
    details = sweep(package, model)
    assert details["snapshot"] == "lazy"
    assert details["copied_bytes"] == alive.most == bytes_of(model)


@SWEEPS
def test_frozen_weights_are_not_copied(pl: Any, sweep: Any) -> None:
    model = wide(pl)
    model.net[2].requires_grad_(False)
    assert sweep(pl, model)["copied_bytes"] <= bytes_of(model) - bytes_of(model.net[2]) + SMALL


@SWEEPS
def test_weights_that_get_no_gradient_are_not_copied(pl: Any, sweep: Any) -> None:
    model = wide(pl)
    model.unused = nn.Linear(160, 160)
    assert sweep(pl, model)["copied_bytes"] <= bytes_of(model.net) + SMALL


def test_several_sweeps_hold_one_copy_at_a_time(pl: Any, alive: Alive) -> None:
    model = wide(pl)
    details = sweep(pl, model, repeats=3)
    assert details["copied_bytes"] == alive.most == bytes_of(model)
    assert alive.now == 0


def test_weights_that_the_fit_has_in_other_memory_need_no_copy(pl: Any) -> None:
    assert sweep(pl, wide(pl), trainer=trainer(pl, precision="64-true"))["copied_bytes"] <= SMALL


def test_the_state_of_an_optimizer_from_an_earlier_fit_needs_no_copy(pl: Any) -> None:
    model, fitting = wide(pl), trainer(pl)
    fitting.fit(model, loader())
    assert sweep(pl, model, trainer=fitting)["copied_bytes"] <= 1.2 * bytes_of(model)


def test_finding_where_the_rate_is_read_copies_no_weights_and_puts_them_back(pl: Any, alive: Alive) -> None:
    def configured(self: Any) -> Any:
        self.net[2].weight.data.mul_(1.0)  # like a method that initializes the last layer
        return torch.optim.Adam(self.parameters(), self.lr)

    model = wide(pl, configure_optimizers=configured)
    address = model.net[2].weight.data_ptr()
    callback = LRRangeTest(**SWEEP | {"end_lr": 10.0, "num_steps": 80})
    trainer(pl, callbacks=[callback]).fit(model, loader())
    assert callback.applied["self.lr"] == callback.result.lr
    assert model.net[2].weight.data_ptr() == address
    assert alive.most <= bytes_of(model) + SMALL


# -- sparse tables -----------------------------------------------------------------------------------------------------


def table(package: Any, make: Callable[..., torch.optim.Optimizer] = torch.optim.SGD, **attributes: Any) -> Any:
    """Return a module of a large table with sparse gradients and a small head."""

    def step(self: Any, batch: Any, batch_idx: int) -> torch.Tensor:
        return F.mse_loss(self.net[1](self.net[0](batch[0])), batch[1])

    methods = {"training_step": step, "configure_optimizers": lambda self: make(self.parameters(), 0.1)}
    seed_all()
    model = type("Table", (classes(package).Plain,), methods | attributes)()
    model.net = nn.Sequential(nn.EmbeddingBag(ROWS, 16, mode="sum", sparse=True), nn.Linear(16, 1))
    return model


def words() -> DataLoader:
    generator = torch.Generator().manual_seed(1)
    bags = torch.randint(ROWS, (64, 4), generator=generator)
    return DataLoader(TensorDataset(bags, bags[:, :1] / ROWS), 8)


@SWEEPS
@pytest.mark.parametrize("accumulate", [1, 2])
def test_only_the_touched_rows_of_a_sparse_table_are_copied(pl: Any, sweep: Any, accumulate: int) -> None:
    options = {"accumulate_grad_batches": accumulate}
    options = options if sweep is sweep_inside else {"trainer": trainer(pl, **options)}
    model = table(pl)
    assert sweep(pl, model, train_dataloaders=words(), **options)["copied_bytes"] <= 0.05 * bytes_of(model)


def test_a_sparse_table_whose_other_rows_may_change_is_copied_whole(pl: Any) -> None:
    model = table(pl, lambda parameters, lr: torch.optim.SGD(parameters, lr, momentum=0.9))
    assert sweep(pl, model, train_dataloaders=words())["copied_bytes"] >= bytes_of(model)


def test_a_gradient_that_a_hook_gives_more_rows_changes_no_row_that_is_not_put_back(pl: Any) -> None:
    def hook(self: Any, optimizer: Any) -> None:
        rows = torch.randint(ROWS, (1, 100))
        self.net[0].weight.grad = torch.sparse_coo_tensor(rows, torch.ones(100, 16), (ROWS, 16), check_invariants=False)

    details = sweep(pl, table(pl, on_before_optimizer_step=hook), train_dataloaders=words())
    assert details["copied_bytes"] <= 0.15 * ROWS * 16 * 4


# -- full copies --------------------------------------------------------------------------------------------


@SWEEPS
def test_under_manual_optimization_all_is_copied_once_and_the_result_says_why(
    package: Any, alive: Alive, sweep: Any
) -> None:
    model = gan(package)
    model.unused = nn.Linear(160, 160)
    details = sweep(package, model)
    assert details["snapshot"].startswith("full: the steps are the module's own (manual optimization)")
    assert details["copied_bytes"] == alive.most == bytes_of(model)


def replaced_step(model: Any) -> None:
    step = model.training_step
    model.training_step = lambda batch, batch_idx: step(batch, batch_idx)


def compiled_part(model: Any) -> None:
    model.net.compile(backend="eager")


COMPILED = {
    "training_step was replaced, maybe by compiled code": replaced_step,
    "the model is compiled": compiled_part,
}


@pytest.mark.parametrize("reason", COMPILED)
def test_a_compiled_module_is_copied_in_full_once_and_the_result_says_why(pl: Any, alive: Alive, reason: str) -> None:
    model = wide(pl)
    model.net[2].requires_grad_(False)
    COMPILED[reason](model)
    details = sweep(pl, model)
    assert details["snapshot"] == f"full: {reason}"
    assert details["copied_bytes"] == alive.most == bytes_of(model)


def test_a_module_that_the_fit_compiles_is_copied_in_full_once_and_the_result_says_why(pl: Any, alive: Alive) -> None:
    model = wide(pl, configure_model=compiled_part)
    model.net[2].requires_grad_(False)
    details = sweep(pl, model)
    assert details["snapshot"] == "full: the model is compiled"
    assert details["copied_bytes"] == alive.most == bytes_of(model)


# -- changes that no optimizer step announces --------------------------------------------------------------------------


def _write(self: Any, *_: Any, **__: Any) -> None:
    for layer in (self.net[0], self.net[2], self.held):
        layer.weight.data.mul_(0.999)  # .data, because autograd is running in some hooks and would object


def _swap(self: Any, *_: Any, **__: Any) -> None:
    for layer in (self.net[0], self.net[2], self.held):
        layer.weight.data = layer.weight.data * 0.999


HOOKS = (
    *("setup", "configure_model", "on_fit_start", "on_train_start", "on_train_epoch_start"),
    *("on_train_batch_start", "on_before_zero_grad", "on_before_backward", "on_before_optimizer_step"),
    *("on_train_batch_end", "teardown"),
)


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("write", [_write, _swap], ids=["in place", "new memory"])
def test_what_a_hook_writes_is_put_back(pl: Any, hook: str, write: Any) -> None:
    model = wide(pl, **{hook: write})
    model.held = nn.Linear(160, 160).requires_grad_(False)
    sweep(pl, model)


@pytest.mark.parametrize("precision", ["32-true", "64-true"])
def test_a_sweep_from_a_checkpoint_puts_the_weights_from_before_it_back(
    pl: Any, tmp_path: Path, alive: Alive, precision: Any
) -> None:
    trained = wide(pl)
    fitting = trainer(pl, enable_checkpointing=True, default_root_dir=tmp_path, max_epochs=4)
    fitting.fit(trained, loader())
    fitting.save_checkpoint(path := tmp_path / "trained.ckpt")
    fresh = wide(pl)
    fresh.net[2].requires_grad_(False)
    fitting = trainer(pl, max_epochs=20, precision=precision)
    details = sweep(pl, fresh, trainer=fitting, ckpt_path=path, repeats=2)
    # The optimizer in the checkpoint has two numbers per weight, which steps change.
    of_state = 2 * bytes_of(fresh) * (2 if precision == "64-true" else 1)
    assert details["copied_bytes"] <= bytes_of(fresh) + of_state + SMALL
    assert torch.equal(fresh.net[0].weight, wide(pl).net[0].weight)


def test_layers_that_the_fit_makes_are_gone_after_a_sweep_and_were_not_copied(pl: Any) -> None:
    def configured(self: Any) -> None:
        self.more = nn.Linear(160, 160)

    def step(self: Any, batch: Any, batch_idx: int) -> torch.Tensor:
        return F.mse_loss(self.net[4](self.more(self.net[:4](batch[0]))), batch[1])

    model = wide(pl, configure_model=configured, training_step=step)
    details = sweep(pl, model)
    assert not hasattr(model, "more")
    assert details["copied_bytes"] <= 2 * bytes_of(model)


@SWEEPS
def test_after_a_sweep_no_weight_is_copied_on_write_any_more(pl: Any, sweep: Any) -> None:
    model = wide(pl)
    model.net[2].requires_grad_(False)
    sweep(pl, model)
    assert not any(torch._C._is_cow_tensor(parameter) for parameter in model.parameters())


def test_a_sweep_that_cannot_begin_leaves_no_weight_copied_on_write(pl: Any) -> None:
    model = wide(pl)
    with pytest.raises(Exception, match="which lrrange cannot put back"):
        find(pl, model, restore=object())
    assert not any(torch._C._is_cow_tensor(parameter) for parameter in model.parameters())
