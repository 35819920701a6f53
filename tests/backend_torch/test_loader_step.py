"""What a loader step does: the loader, accumulation, clipping, mixed precision, modes."""

from collections import OrderedDict, namedtuple
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from lrrange_torch.endless_batches import Batches, to_device
from lrrange_torch.inventory.inventory import Inventory
from lrrange_torch.inventory.kind_of import TENSORS
from lrrange_torch.loader_step import LoaderStep
from lrrange_torch.optimizer.rates import GroupRates
from torch import nn
from torch.nn import functional as F

import lrrange
from lrrange import StopReason, TrainingStep, protocol
from lrrange.errors import NotKeptWarning
from tests.backend_torch.rigs import data, loader_of, seed_all


def sweep(model: nn.Module, loader: Any, **options: Any) -> lrrange.RangeTestResult:
    options.setdefault("optimizer", torch.optim.SGD(model.parameters(), 0.1))
    options.setdefault("loss_fn", nn.MSELoss())
    arguments = {"start_lr": 1e-6, "end_lr": 0.01, "num_steps": 12, **options}
    return lrrange.find_lr(model, loader=loader, **arguments)


@pytest.fixture
def model() -> nn.Module:
    seed_all()
    return nn.Sequential(nn.Linear(6, 4), nn.Tanh(), nn.Linear(4, 1))


def test_the_losses_are_those_of_the_loop_a_user_would_write(model: nn.Module) -> None:
    batches = list(loader_of(data()))
    result = sweep(model, batches)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    losses = []
    for k, lr in enumerate(result.curve.lr):
        optimizer.param_groups[0]["lr"] = lr
        x, y = batches[k % len(batches)]
        optimizer.zero_grad()
        loss = F.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert result.curve.loss == tuple(losses)


def test_a_loader_shorter_than_the_sweep_goes_round(model: nn.Module) -> None:
    result = sweep(model, loader_of(data(count=32)))
    assert result.stop_reason is StopReason.COMPLETED
    assert result.provenance.details["batches_taken"] == 12


def test_a_generator_that_runs_out_ends_the_sweep_with_its_points(model: nn.Module) -> None:
    with pytest.warns(NotKeptWarning, match=r"loader \(a generator\)"):
        result = sweep(model, (batch for batch in loader_of(data(count=80))))
    assert result.stop_reason is StopReason.DATA_EXHAUSTED
    assert len(result.curve.lr) == 5
    assert result.provenance.details["one_shot_loader"] is True


def test_a_loader_without_length_is_swept(model: nn.Module) -> None:
    class Stream(torch.utils.data.IterableDataset[Any]):
        def __iter__(self) -> Iterator[Any]:
            yield from data(count=48)

    result = sweep(model, torch.utils.data.DataLoader(Stream(), batch_size=16))
    assert result.stop_reason is StopReason.COMPLETED


def test_the_users_place_in_a_persistent_loader_is_kept(model: nn.Module) -> None:
    loader = torch.utils.data.DataLoader(data(count=64), batch_size=16, num_workers=1, persistent_workers=True)
    users = iter(loader)
    first = next(users)[0]
    sweep(model, loader, num_steps=5)
    rest = [batch[0] for batch in users]
    assert torch.equal(torch.cat([first, *rest]), data(count=64).tensors[0])
    assert loader._iterator is users


def test_accumulation_records_the_mean_of_the_micro_batches_and_steps_once(model: nn.Module) -> None:
    batches = list(loader_of(data()))
    steps: list[int] = []
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    optimizer.register_step_post_hook(lambda *_: steps.append(1))
    with torch.no_grad():
        losses = [F.mse_loss(model(x), y).item() for x, y in batches[:3]]
    result = sweep(model, batches, optimizer=optimizer, accumulate=3)
    assert result.curve.loss[0] == pytest.approx(sum(losses) / 3)
    assert len(steps) == 12
    assert result.provenance.details["batches_taken"] == 36


def test_accumulated_gradients_are_those_of_one_large_batch(model: nn.Module) -> None:
    x, y = data(count=48).tensors
    parts = [(x[i : i + 16], y[i : i + 16]) for i in (0, 16, 32)]
    apart = sweep(model, parts, accumulate=3)
    together = sweep(model, [(x, y)])
    assert apart.curve.loss == pytest.approx(together.curve.loss, rel=1e-5)


def test_gradients_are_clipped_to_the_norm(model: nn.Module) -> None:
    norms: list[float] = []
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    optimizer.register_step_pre_hook(
        lambda *_: norms.append(torch.cat([p.grad.flatten() for p in model.parameters()]).norm().item())
    )
    sweep(model, loader_of(data()), optimizer=optimizer, clip_norm=0.01)
    assert norms == pytest.approx([0.01] * 12, rel=1e-3)


def test_steps_that_the_scaler_skips_are_counted(model: nn.Module) -> None:
    class Overflowing(nn.Module):
        """Gradients overflow until the scale has come down."""

        def forward(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
            return F.mse_loss(output.float(), target)

    for parameter in model.parameters():
        parameter.register_hook(lambda grad: torch.where(grad.abs().max() > 1e4, torch.inf, grad))
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**20)
    result = sweep(
        model, loader_of(data()), loss_fn=Overflowing(), grad_scaler=scaler, autocast=torch.bfloat16, num_steps=20
    )
    assert 1 <= result.provenance.details["skipped_steps"] < 15
    assert scaler.get_scale() == 2.0**20


def test_the_forward_pass_runs_under_autocast_with_a_scaler(model: nn.Module) -> None:
    dtypes: set[torch.dtype] = set()

    def loss(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        dtypes.add(output.dtype)
        return F.mse_loss(output.float(), target)

    sweep(model, loader_of(data()), loss_fn=loss, grad_scaler=torch.amp.GradScaler("cpu"), autocast=torch.bfloat16)
    assert dtypes == {torch.bfloat16}


def test_a_model_in_train_mode_keeps_the_modes_of_its_parts(model: nn.Module) -> None:
    modes: list[tuple[bool, bool]] = []
    model[1].eval()
    model.register_forward_hook(lambda *_: modes.append((model.training, model[1].training)))
    sweep(model, loader_of(data()))
    assert set(modes) == {(True, False)}


def test_a_model_in_eval_mode_is_swept_in_train_mode(model: nn.Module) -> None:
    modes: list[bool] = []
    model.eval()
    model.register_forward_hook(lambda *_: modes.append(model[0].training))
    sweep(model, loader_of(data()))
    assert set(modes) == {True}
    assert not model[0].training


def test_the_users_scheduler_takes_no_step(model: nn.Module) -> None:
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1)
    sweep(model, loader_of(data()), optimizer=optimizer, scheduler=scheduler)
    assert (scheduler.last_epoch, scheduler.get_last_lr(), optimizer.param_groups[0]["lr"]) == (0, [0.1], 0.1)


def test_a_seed_makes_two_sweeps_equal_and_leaves_the_random_states_alone(model: nn.Module) -> None:
    loader = loader_of(data())
    one, other, third = (sweep(model, loader, seed=seed) for seed in (1, 1, 2))
    assert one.curve == other.curve != third.curve
    assert one.provenance.seed == 1


def test_a_whole_batch_goes_to_a_loss_of_model_and_batch(model: nn.Module) -> None:
    batches = [{"x": x, "extra": {"y": [y]}} for x, y in loader_of(data())]

    def loss(model: nn.Module, batch: Any) -> torch.Tensor:
        return F.mse_loss(model(batch["x"]), batch["extra"]["y"][0])

    whole = sweep(model, batches, loss_fn=loss, batch_form="whole")
    assert whole.curve == sweep(model, list(loader_of(data()))).curve


def test_a_loader_step_has_every_ability_that_a_training_step_may_have(model: nn.Module) -> None:
    target = LoaderStep(model, torch.optim.SGD(model.parameters(), 0.1), nn.MSELoss(), loader_of(data()))
    abilities = (protocol.Seedable, protocol.Reports, protocol.SuggestsBounds, protocol.Evaluates)
    assert all(
        isinstance(target, ability)
        for ability in (TrainingStep, *abilities, protocol.SetsMomentum, protocol.Digestible, protocol.Replicates)
    )


def test_without_held_out_batches_there_is_no_held_out_loss(model: nn.Module) -> None:
    def evaluate(val_loader: Any) -> float | None:
        optimizer = torch.optim.SGD(model.parameters(), 0.1)
        return LoaderStep(model, optimizer, nn.MSELoss(), loader_of(data()), val_loader=val_loader).evaluate()

    x, y = data().tensors
    assert evaluate(None) is None
    assert evaluate([(x, y)]) == F.mse_loss(model(x), y).item()


Pair = namedtuple("Pair", ["left", "right"])


@pytest.mark.parametrize(
    "batch",
    [
        [torch.ones(2), "text", None],
        (torch.ones(2), 3),
        Pair(torch.ones(2), [torch.ones(1)]),
        {"a": {"b": (torch.ones(2),)}},
        OrderedDict(a=torch.ones(1)),
    ],
)
def test_every_tensor_of_a_batch_is_moved_and_its_form_is_kept(batch: Any) -> None:
    def kinds(value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            return value.device.type
        if isinstance(value, dict):
            return type(value), {key: kinds(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return type(value), [kinds(item) for item in value]
        return value

    moved = to_device(batch, torch.device("meta"))
    assert str(kinds(moved)) == str(kinds(batch)).replace("'cpu'", "'meta'")


def test_batches_go_round_in_the_loaders_order() -> None:
    batches = Batches([1, 2, 3])
    assert [next(batches) for _ in range(7)] == [1, 2, 3, 1, 2, 3, 1]


def test_autocast_can_be_switched_off_by_name(model: nn.Module) -> None:
    batches = list(loader_of(data()))
    assert sweep(model, batches, autocast=False).curve == sweep(model, batches).curve


def test_the_arguments_after_the_model_may_be_given_by_position(model: nn.Module) -> None:
    batches, optimizer = list(loader_of(data())), torch.optim.SGD(model.parameters(), 0.1)
    by_position = lrrange.find_lr(model, optimizer, nn.MSELoss(), batches, num_steps=12)
    by_name = lrrange.find_lr(model, optimizer=optimizer, loss_fn=nn.MSELoss(), loader=batches, num_steps=12)
    assert by_position.curve == by_name.curve
    mixed = lrrange.find_lr(model, optimizer, loader=batches, loss_fn=nn.MSELoss(), num_steps=12)
    assert mixed.curve == by_name.curve


def test_a_step_sets_the_rates_once_and_checks_them_once(model: nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    for name in ("set", "check", "_groups"):
        counted = getattr(GroupRates, name)

        def note(*given: Any, name: str = name, counted: Any = counted) -> Any:
            calls.append(name)
            return counted(*given)

        monkeypatch.setattr(GroupRates, name, note)
    sweep(model, loader_of(data()), divergence=None, paired=False)
    assert calls == ["set", "_groups", "check", "_groups"] * 12


def test_what_a_step_adds_to_the_empty_registries_of_a_module_is_taken_out_again(model: nn.Module) -> None:
    layer = model[1]

    def registering(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        layer.register_buffer(f"seen {len(layer._buffers)}", torch.zeros(1), persistent=False)
        layer.register_parameter(f"new {len(layer._parameters)}", nn.Parameter(torch.zeros(1)))
        layer.add_module(f"part {len(layer._modules)}", nn.Tanh())
        return F.mse_loss(outputs, targets)

    registries = [layer._buffers, layer._parameters, layer._modules, layer._non_persistent_buffers_set]
    result = sweep(model, loader_of(data()), loss_fn=registering, verify_restore=True)
    now = [layer._buffers, layer._parameters, layer._modules, layer._non_persistent_buffers_set]
    assert all(after is before for after, before in zip(now, registries, strict=True))
    assert not any(registries)
    assert result.provenance.details["restore_verified"] is True


def test_empty_registries_of_a_module_are_no_items_of_their_own() -> None:
    held = [item.value for item in Inventory().items("", nn.Linear(2, 2)) if item.kind is not TENSORS]
    assert [type(value) for value in held] == [nn.Linear, dict]
    assert list(held[1]) == ["weight", "bias"]
