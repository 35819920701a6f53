"""The public names of `lrrange_torch.optimizer` and `lrrange_torch.snapshot`, on which other plug-ins build."""

import inspect
import random
import sys
from types import SimpleNamespace
from typing import Any, get_args

import lrrange_torch.optimizer
import lrrange_torch.snapshot
import pytest
import torch
from lrrange_torch.optimizer import (
    GroupMomenta,
    GroupRates,
    RateControl,
    RateGuard,
    apply_rate,
    base_rate,
    facts_of,
    groups_of,
    momentum_of,
    same_rate,
    set_momentum,
    set_rate,
    unwrap,
    verify,
)
from lrrange_torch.snapshot import (
    CopyLocation,
    LazySnapshot,
    Snapshot,
    check_copy_location,
    copies_in,
    digest_of,
    seed_everything,
    why_not_lazy,
)
from torch import nn

from lrrange.errors import OptionError, RateNotInForce, TargetError

FACES = (lrrange_torch.optimizer, lrrange_torch.snapshot)
NAMES = [(face, name) for face in FACES for name in face.__all__]


@pytest.fixture
def optimizer() -> torch.optim.SGD:
    torch.manual_seed(0)
    body, head = nn.Linear(3, 3), nn.Linear(3, 1)
    groups = [{"params": body.parameters()}, {"params": head.parameters(), "lr": 0.01, "name": "head"}]
    return torch.optim.SGD(groups, 0.1, momentum=0.9)


def step(optimizer: torch.optim.Optimizer) -> None:
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            parameter.grad = torch.ones_like(parameter)
    optimizer.step()


def rates(optimizer: torch.optim.Optimizer) -> list[float]:
    return [float(group["lr"]) for group in optimizer.param_groups]


@pytest.mark.parametrize(("face", "name"), NAMES, ids=[name for _, name in NAMES])
def test_every_name_is_there_and_says_what_it_does(face: Any, name: str) -> None:
    value = getattr(face, name)
    if name == "CopyLocation":
        assert set(get_args(value)) == {"device", "cpu", "disk"}
        return
    assert value.__module__.startswith(f"{face.__name__}.") or value in (same_rate, seed_everything, unwrap)
    summary = inspect.getdoc(value).partition("\n")[0]
    assert len(summary.split()) > 3
    for method_name, method in vars(value).items() if inspect.isclass(value) else ():
        if inspect.isfunction(method) and not method_name.startswith("_"):
            assert inspect.getdoc(method), f"{name}.{method_name} has no docstring"


@pytest.mark.parametrize("face", FACES)
def test_every_name_is_imported_by_the_tests_below(face: Any) -> None:
    assert set(face.__all__) <= set(globals())


# -- lrrange_torch.optimizer -------------------------------------------------------------------------------------------


def test_groups_of_names_every_param_group(optimizer: torch.optim.SGD) -> None:
    assert [name for name, _ in groups_of([optimizer])] == ["param group 0", "param group 1 (head)"]
    assert [name for name, _ in groups_of([optimizer, optimizer])][2] == "SGD 1, param group 0"
    assert [group for _, group in groups_of([optimizer])] == optimizer.param_groups


def test_base_rate_is_the_rate_from_which_a_scheduler_starts(optimizer: torch.optim.SGD) -> None:
    assert base_rate(optimizer.param_groups[0]) == 0.1
    torch.optim.lr_scheduler.LambdaLR(optimizer, lambda _: 0.5)
    assert (rates(optimizer)[0], base_rate(optimizer.param_groups[0])) == (0.05, 0.1)


def test_facts_of_tells_the_kind_of_an_optimizer_and_the_steps_it_has_taken(optimizer: torch.optim.SGD) -> None:
    assert facts_of([optimizer]) == {"optimizer": "sgd", "momentum": 0.9, "weight_decay": 0.0, "steps_taken": 0}
    step(optimizer)
    assert facts_of([optimizer])["steps_taken"] == 1


def test_set_rate_sets_a_number_and_fills_a_tensor(optimizer: torch.optim.SGD) -> None:
    group = optimizer.param_groups[0]
    set_rate(group, "lr", 0.3)
    assert group["lr"] == 0.3
    held = group["lr"] = torch.tensor(0.1)
    set_rate(group, "lr", 0.5)
    assert group["lr"] is held
    assert float(held) == 0.5


def test_same_rate_allows_for_the_rounding_of_float32() -> None:
    assert same_rate(0.1, float(torch.tensor(0.1)))
    assert not same_rate(0.1, 0.1001)


def test_group_rates_keep_the_proportions_and_notice_another_rate(optimizer: torch.optim.SGD) -> None:
    group_rates = GroupRates([optimizer])
    assert group_rates.ratios == pytest.approx((1.0, 0.1))
    group_rates.set(0.2)
    assert rates(optimizer) == pytest.approx([0.2, 0.02])
    assert group_rates.wanted(1.0) == pytest.approx((1.0, 0.1))
    group_rates.check(0.2)
    optimizer.param_groups[1]["lr"] = 0.5
    with pytest.raises(RateNotInForce, match="head"):
        group_rates.check(0.2)


def test_momentum_is_read_and_set_where_the_optimizer_keeps_it(optimizer: torch.optim.SGD) -> None:
    adam = torch.optim.Adam(nn.Linear(2, 2).parameters(), betas=(0.8, 0.99)).param_groups[0]
    assert momentum_of(optimizer.param_groups[0]) == 0.9
    assert momentum_of(adam) == 0.8
    set_momentum(optimizer.param_groups[0], 0.5)
    set_momentum(adam, 0.5)
    assert optimizer.param_groups[0]["momentum"] == 0.5
    assert adam["betas"] == (0.5, 0.99)


def test_group_momenta_keep_the_proportions(optimizer: torch.optim.SGD) -> None:
    optimizer.param_groups[1]["momentum"] = 0.45
    assert GroupMomenta([optimizer]).set(0.8)
    assert [group["momentum"] for group in optimizer.param_groups] == pytest.approx([0.8, 0.4])
    assert not GroupMomenta([torch.optim.Adagrad(nn.Linear(2, 2).parameters())]).set(0.8)


def test_rate_control_sets_rates_and_checks_them_at_every_step(optimizer: torch.optim.SGD) -> None:
    control = RateControl([optimizer])
    assert (control.optimizers, control.ratios) == ((optimizer,), pytest.approx((1.0, 0.1)))
    state = Snapshot()
    state.keep(optimizer)
    control.watch(state)
    control.set(0.3)
    step(optimizer)
    assert control.optimizer_steps == 1
    optimizer.param_groups[0]["lr"] = 1.0
    with pytest.raises(RateNotInForce):
        step(optimizer)
    control.unwatch()
    step(optimizer)
    assert control.optimizer_steps == 2
    state.restore()
    assert rates(optimizer) == [0.1, 0.01]
    assert control.set_momentum(0.5)
    assert control.bounds() == {}
    held = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    assert list(map(id, control.parameters())) == list(map(id, held))
    assert RateControl([torch.optim.Adadelta(nn.Linear(2, 2).parameters())]).bounds() == {"end_lr": 1e3}
    not_an_optimizer: Any = "SGD"
    with pytest.raises(OptionError, match="optimizer is a str"):
        RateControl([not_an_optimizer])


def test_apply_rate_sets_the_groups_and_the_base_of_the_scheduler(optimizer: torch.optim.SGD) -> None:
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda _: 0.5)
    assert apply_rate(optimizer, 0.4, scheduler) == pytest.approx({"param group 0": 0.2, "param group 1 (head)": 0.02})
    assert scheduler.base_lrs == pytest.approx([0.4, 0.04])


def test_verify_returns_a_guard_that_proves_the_rate_or_raises(optimizer: torch.optim.SGD) -> None:
    with verify(optimizer, 0.1, steps=1) as guard:
        step(optimizer)
    assert isinstance(guard, RateGuard)
    assert guard.proved
    with pytest.raises(RateNotInForce, match="param group 0 trains at lr=0.1"):
        with verify(optimizer, 0.2, steps=1):
            step(optimizer)


def test_unwrap_returns_what_accelerate_has_wrapped(
    optimizer: torch.optim.SGD, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Prepared:
        def __init__(self, inner: Any, scaler: Any = None) -> None:
            self.optimizer = self.scheduler = inner
            self.scaler = scaler

    class PreparedScheduler(Prepared):
        pass

    accelerate = SimpleNamespace(
        optimizer=SimpleNamespace(AcceleratedOptimizer=Prepared),
        scheduler=SimpleNamespace(AcceleratedScheduler=PreparedScheduler),
    )
    monkeypatch.setitem(sys.modules, "accelerate", accelerate)
    assert unwrap(Prepared(optimizer)) is optimizer
    assert unwrap(PreparedScheduler("a scheduler")) == "a scheduler"
    assert unwrap(optimizer) is optimizer
    with pytest.raises(OptionError, match=r"Give grad_scaler=accelerator\.scaler"):
        unwrap(Prepared(optimizer, scaler="a scaler"))
    assert unwrap(Prepared(optimizer, scaler="a scaler"), scaler="a scaler") is optimizer


# -- lrrange_torch.snapshot --------------------------------------------------------------------------------------------


def changed_by(train: Any, model: nn.Module, optimizer: Any) -> bool:
    before = list(digest_of({"model": model, "optimizer": optimizer}))
    train()
    return list(digest_of({"model": model, "optimizer": optimizer})) != before


@pytest.fixture
def wide() -> nn.Linear:
    """A model with a weight that is large enough to be guarded."""
    torch.manual_seed(0)
    return nn.Linear(256, 256)


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("location", get_args(CopyLocation))
def test_a_snapshot_puts_back_what_a_step_changed(lazy: bool, location: CopyLocation, wide: nn.Linear) -> None:
    optimizer = torch.optim.SGD(wide.parameters(), 0.1, momentum=0.9)
    step(optimizer)

    def there_and_back() -> None:
        copies = copies_in(location)
        state = LazySnapshot([optimizer], copies) if lazy else Snapshot(copies)
        state.keep(wide)
        state.keep(optimizer)
        state.keep_random_state()
        hooks = state.watch()
        assert changed_by(lambda: (step(optimizer), torch.rand(1), random.random()), wide, optimizer)
        for hook in hooks:
            hook.remove()
        assert state.copied_bytes >= wide.weight.nbytes
        state.restore()

    assert not changed_by(there_and_back, wide, optimizer)


def test_a_lazy_snapshot_copies_no_large_weight_that_stays(wide: nn.Linear) -> None:
    assert why_not_lazy(wide) is None
    state = LazySnapshot()
    state.keep(wide.weight)
    assert state.copied_bytes == 0
    state.copy_now()
    assert state.copied_bytes == wide.weight.nbytes
    state.restore()


def test_why_not_lazy_names_a_compiled_model(wide: nn.Linear) -> None:
    assert why_not_lazy(wide, torch.compile(nn.Linear(2, 2), backend="eager")) == "the model is compiled"
    wide.compile(backend="eager")
    assert why_not_lazy(wide) == "the model is compiled"


def test_what_cannot_be_put_back_is_refused() -> None:
    with pytest.raises(TargetError, match="restore= holds an object"):
        Snapshot().keep_what_the_user_named(object())


def test_check_copy_location_accepts_the_three_locations_only() -> None:
    for location in get_args(CopyLocation):
        check_copy_location(location)
    with pytest.raises(OptionError, match="snapshot='gpu' is none of 'device', 'cpu', 'disk'"):
        check_copy_location("gpu")


def test_digest_of_names_everything_that_can_change(wide: nn.Linear) -> None:
    generator = torch.Generator().manual_seed(1)
    loader = torch.utils.data.DataLoader([1, 2, 3], shuffle=True, generator=generator)
    names = [name for name, _ in digest_of({"model": wide}, {"loader": loader})]
    assert {"model.weight", "model.training", "random state of Python", "loader.generator"} <= set(names)
    before = list(digest_of({"model": wide}, {"loader": loader}))
    torch.rand(1, generator=generator)
    assert list(digest_of({"model": wide}, {"loader": loader})) != before


def test_seed_everything_makes_random_numbers_repeat() -> None:
    state = Snapshot()
    state.keep_random_state()
    loader = torch.utils.data.DataLoader([1, 2], shuffle=True, generator=torch.Generator())

    def numbers() -> list[float]:
        seed_everything(7, loader)
        return [random.random(), float(torch.rand(1)), float(torch.rand(1, generator=loader.generator))]

    assert numbers() == numbers()
    state.restore()
