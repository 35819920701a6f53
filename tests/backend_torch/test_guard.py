"""The proof that a rate is in force, and each way in which it is not."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from lrrange_torch import verify
from lrrange_torch.optimizer import apply_rate
from torch import nn

from lrrange import find_lr
from lrrange.errors import OptionError, RateNotInForce
from tests.backend_torch.observing import of_optimizer

KINDS = (
    *(torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW, torch.optim.NAdam, torch.optim.RAdam, torch.optim.Adamax),
    *(torch.optim.Adagrad, torch.optim.Adadelta, torch.optim.RMSprop, torch.optim.Rprop, torch.optim.ASGD),
    *(torch.optim.Adafactor, torch.optim.LBFGS),
)
OPTIMIZERS: dict[str, Callable[[Any], torch.optim.Optimizer]] = {
    **{kind.__name__: partial(kind, lr=0.1) for kind in KINDS},
    "foreach Adam": partial(torch.optim.Adam, lr=0.1, foreach=True),
    "fused Adam": partial(torch.optim.Adam, lr=0.1, fused=True),
    "tensor rate": lambda parameters: torch.optim.Adam(parameters, lr=torch.tensor(0.1)),
}


def steps(optimizer: torch.optim.Optimizer, count: int, after: Callable[[], object] = lambda: None) -> None:
    for _ in range(count):
        optimizer.step(lambda: loss_of(optimizer))
        after()


def loss_of(optimizer: torch.optim.Optimizer) -> torch.Tensor:
    optimizer.zero_grad()
    with torch.enable_grad():
        loss = sum((p**2).sum() for group in optimizer.param_groups for p in group["params"])
        loss.backward()
    return loss.detach()


@pytest.fixture
def optimizer() -> torch.optim.Optimizer:
    torch.manual_seed(0)
    first, second = nn.Linear(2, 2), nn.Linear(2, 2)
    return torch.optim.SGD(
        [{"params": first.parameters()}, {"params": second.parameters(), "lr": 0.01, "name": "head"}], 0.1
    )


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_of_torch_is_proved_and_trains_as_without_a_guard(name: str) -> None:
    def train(guarded: bool) -> Any:
        torch.manual_seed(0)
        model = nn.Linear(2, 2)
        optimizer = OPTIMIZERS[name](model.parameters())
        apply_rate(optimizer, 0.03)
        if guarded:
            with verify(optimizer, 0.03, steps=3) as guard:
                steps(optimizer, 5)
            assert guard.proved
            assert guard.steps_seen == 3
            assert all(type(group) is dict for group in optimizer.param_groups)
        else:
            steps(optimizer, 5)
        return [parameter.tolist() for parameter in model.parameters()]

    assert train(True) == train(False)


def test_a_rate_that_was_never_applied_is_named_with_both_rates(optimizer: torch.optim.Optimizer) -> None:
    """The article's bug: the found rate went to an attribute, and the optimizer was made with another."""
    with pytest.raises(RateNotInForce, match=r"param group 0 trains at lr=0.1, not at the 0.0363") as error:
        with verify(optimizer, 0.0363):
            steps(optimizer, 1)
    assert (error.value.group, error.value.wanted, error.value.actual) == ("param group 0", 0.0363, 0.1)


def test_a_rate_set_by_something_else_is_caught_at_the_next_step_and_the_group_is_named(
    optimizer: torch.optim.Optimizer,
) -> None:
    apply_rate(optimizer, 0.03)
    guard = verify(optimizer, 0.03, steps=10)
    steps(optimizer, 4)
    optimizer.param_groups[1]["lr"] = 0.5
    with pytest.raises(
        RateNotInForce, match=r"param group 1 \(head\) trains at lr=0.5, not at the 0.003.*something else sets it"
    ):
        steps(optimizer, 1)
    assert guard.steps_seen == 4


def test_a_scheduler_whose_base_is_stale_is_caught_when_it_steps(optimizer: torch.optim.Optimizer) -> None:
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda _: 1.0)  # sets the rate to its base at each step
    for group in optimizer.param_groups:
        group["lr"] *= 0.3  # as a finder does that knows nothing of the scheduler
    verify(optimizer, 0.03)
    with pytest.raises(RateNotInForce, match="its LambdaLR starts from 0.1"):
        steps(optimizer, 3, scheduler.step)


def test_a_scheduler_around_the_right_rate_may_move_it(optimizer: torch.optim.Optimizer) -> None:
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda epoch: min(1.0, (epoch + 1) / 5))
    apply_rate(optimizer, 0.03)
    with verify(optimizer, 0.03, steps=8) as guard:
        steps(optimizer, 8, scheduler.step)
    assert guard.proved
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.03)


class Deaf(torch.optim.SGD):
    """An optimizer that keeps its own rate and never reads that of its groups."""

    def step(self, closure: Any = None) -> None:
        with torch.no_grad():
            for group in self.param_groups:
                for parameter in group["params"]:
                    parameter -= 0.002 * parameter.grad


def test_an_optimizer_that_never_reads_its_rate_is_caught() -> None:
    optimizer = Deaf(nn.Linear(2, 2).parameters(), lr=0.03)
    loss_of(optimizer)
    with pytest.raises(RateNotInForce, match="Deaf never read lr of param group 0 in 2 steps"):
        with verify(optimizer, 0.03):
            optimizer.step()
            optimizer.step()
    assert type(optimizer.param_groups[0]) is dict


def test_a_guard_kept_without_a_with_raises_by_itself_after_its_steps() -> None:
    optimizer = Deaf(nn.Linear(2, 2).parameters(), lr=0.03)
    loss_of(optimizer)
    guard = verify(optimizer, 0.03, steps=2)
    optimizer.step()
    with pytest.raises(RateNotInForce, match="never read"):
        optimizer.step()
    assert not guard.proved


def test_the_repr_of_a_guard_has_the_rate_and_how_far_it_is_proved(optimizer: torch.optim.Optimizer) -> None:
    guard = verify(optimizer, 0.1, steps=2)
    assert repr(guard) == "<RateGuard lr=1.00e-01, 0 of 2 steps>"
    steps(optimizer, 3)
    assert repr(guard) == "<RateGuard lr=1.00e-01, proved in 2 of 2 steps>"


def test_no_step_at_all_is_no_proof(optimizer: torch.optim.Optimizer) -> None:
    with pytest.raises(RateNotInForce, match="took no step while it was watched"):
        with verify(optimizer, 0.1):
            pass


def test_an_error_of_the_training_is_not_hidden_and_the_guard_is_gone(optimizer: torch.optim.Optimizer) -> None:
    before = of_optimizer(optimizer)
    with pytest.raises(ZeroDivisionError):
        with verify(optimizer, 0.1):
            optimizer.step(lambda: 1 / 0)
    assert of_optimizer(optimizer) == before


def test_what_a_step_writes_into_its_group_stays(optimizer: torch.optim.Optimizer) -> None:
    class Writing(torch.optim.SGD):
        def step(self, closure: Any = None) -> None:
            for group in self.param_groups:
                group["seen"] = group.get("seen", 0) + 1
                group.pop("dampening", None)
                assert group["lr"] > 0

    optimizer = Writing(nn.Linear(2, 2).parameters(), lr=0.03)
    group = optimizer.param_groups[0]
    with verify(optimizer, 0.03):
        optimizer.step()
        optimizer.step()
    assert optimizer.param_groups[0] is group
    assert group["seen"] == 2
    assert "dampening" not in group


@pytest.mark.parametrize("read", ["items", "values", "unpack", "copy"])
def test_every_way_to_read_a_group_counts(read: str) -> None:
    ways: dict[str, Callable[[dict[str, Any]], Any]] = {
        "items": lambda group: dict(group.items())["lr"],
        "values": lambda group: list(group.values()),
        "unpack": lambda group: {**group}["lr"],
        "copy": lambda group: dict(group)["lr"],
    }

    class Reader(torch.optim.SGD):
        def step(self, closure: Any = None) -> None:
            ways[read](self.param_groups[0])

    optimizer = Reader(nn.Linear(2, 2).parameters(), lr=0.03)
    with verify(optimizer, 0.03) as guard:
        optimizer.step()
    assert guard.proved


def test_nothing_to_watch_is_refused(optimizer: torch.optim.Optimizer) -> None:
    with pytest.raises(OptionError, match="steps=0"):
        verify(optimizer, 0.1, steps=0)


def test_a_guard_waits_while_a_sweep_takes_the_steps(optimizer: torch.optim.Optimizer) -> None:
    guard = verify(optimizer, 0.1, steps=3)
    steps(optimizer, 1)

    def step() -> torch.Tensor:
        loss = loss_of(optimizer)
        optimizer.step()
        return loss

    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    find_lr(step, optimizer=optimizer, restore=parameters, num_steps=20, progress=False)
    assert guard.steps_seen == 1
    optimizer.param_groups[0]["lr"] = 0.2
    with pytest.raises(RateNotInForce, match=r"trains at lr=0\.2, not at the 0\.1"):
        steps(optimizer, 1)
