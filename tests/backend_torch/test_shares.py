"""A sweep over several optimizers: applied to all of them, or to one of them, which gets its share."""

from pathlib import Path
from typing import Any

import attrs
import pytest
import torch
from lrrange_torch import verify
from torch import nn
from torch.nn import functional as F

import lrrange
from lrrange.errors import OptionError, RateNotInForce
from tests.backend_torch.rigs import data, seed_all


def muon_and_adamw(matrix: float = 0.02, rest: float = 0.001) -> tuple[nn.Module, Any, Any]:
    seed_all()
    model = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 1))
    muon = torch.optim.Muon([model[0].weight], lr=matrix)
    adamw = torch.optim.AdamW(
        [{"params": [model[0].bias, model[2].bias]}, {"params": [model[2].weight], "lr": rest * 4}], lr=rest
    )
    return model, muon, adamw


@pytest.fixture(scope="module")
def result() -> lrrange.RangeTestResult:
    model, muon, adamw = muon_and_adamw()
    examples = data(count=512)
    batches = iter([*torch.utils.data.DataLoader(examples, 32)] * 100)

    def step() -> torch.Tensor:
        inputs, targets = next(batches)
        muon.zero_grad()
        adamw.zero_grad()
        loss = F.mse_loss(model(inputs), targets)
        loss.backward()
        muon.step()
        adamw.step()
        return loss

    return lrrange.find_lr(step, optimizer=[muon, adamw], restore=model, num_steps=100)


@pytest.fixture(params=["as it is", "loaded"])
def either(result: lrrange.RangeTestResult, request: pytest.FixtureRequest, tmp_path: Path) -> lrrange.RangeTestResult:
    if request.param == "as it is":
        return result
    result.save(tmp_path / "result.json")
    return lrrange.load(tmp_path / "result.json")


def rates(*optimizers: torch.optim.Optimizer) -> list[float]:
    return [float(group["lr"]) for optimizer in optimizers for group in optimizer.param_groups]


def test_all_of_them_keep_their_ratios(either: lrrange.RangeTestResult) -> None:
    _, muon, adamw = muon_and_adamw()
    either.apply([muon, adamw])
    assert rates(muon, adamw) == pytest.approx([either.lr, either.lr / 20, either.lr / 5])


def test_one_of_them_gets_its_share_and_the_other_stays(either: lrrange.RangeTestResult) -> None:
    _, muon, adamw = muon_and_adamw()
    either.apply(adamw)
    assert rates(muon, adamw) == pytest.approx([0.02, either.lr / 20, either.lr / 5])
    either.apply(muon)
    assert rates(muon) == pytest.approx([either.lr])


def test_one_of_them_is_verified_at_its_share(either: lrrange.RangeTestResult) -> None:
    _, _, adamw = muon_and_adamw()
    for group in adamw.param_groups:
        for parameter in group["params"]:
            parameter.grad = torch.zeros_like(parameter)
    either.apply(adamw)
    with verify(adamw, either) as guard:
        adamw.step()
    assert guard.proved
    with pytest.raises(RateNotInForce), verify(adamw, either.lr):
        adamw.step()


def test_the_share_is_known_by_the_class_when_the_rates_have_changed(either: lrrange.RangeTestResult) -> None:
    _, _, adamw = muon_and_adamw(rest=0.3)
    either.apply(adamw)
    assert rates(adamw) == pytest.approx([either.lr / 20, either.lr / 5])


def test_a_rate_of_the_users_own_is_set_as_it_is(either: lrrange.RangeTestResult) -> None:
    _, _, adamw = muon_and_adamw()
    either.apply(adamw, lr=0.3)
    assert rates(adamw) == pytest.approx([0.3, 1.2])


def swept(result: lrrange.RangeTestResult, **details: Any) -> lrrange.RangeTestResult:
    return attrs.evolve(result, provenance=attrs.evolve(result.provenance, details=details))


def adam(lr: float) -> torch.optim.Adam:
    return torch.optim.Adam(nn.Linear(2, 2).parameters(), lr=lr)


def test_two_of_one_class_are_told_apart_by_their_rates(result: lrrange.RangeTestResult) -> None:
    gan = swept(result, optimizer="Adam, Adam", group_rates=[[1e-4], [4e-4]])
    critic, generator = adam(4e-4), adam(1e-4)
    gan.apply(critic)
    gan.apply(generator)
    assert rates(generator, critic) == pytest.approx([gan.lr, 4 * gan.lr])


def test_two_of_one_class_with_one_rate_need_not_be_told_apart(result: lrrange.RangeTestResult) -> None:
    gan = swept(result, optimizer="Adam, Adam", group_rates=[[1e-4], [1e-4]])
    critic = adam(0.5)
    gan.apply(critic)
    assert rates(critic) == [gan.lr]


@pytest.mark.parametrize(
    "details",
    [
        {"optimizer": "Adam, Adam", "group_rates": [[1e-4], [4e-4]]},
        {"optimizer": "Muon, AdamW", "group_rates": [[1e-4], [4e-4]]},
        {"optimizer": "Muon, Adam"},  # a result of an earlier version
    ],
    ids=["the rates fit neither", "another class", "nothing known"],
)
def test_one_that_is_not_known_is_refused_and_not_given_the_rate_of_another(
    result: lrrange.RangeTestResult, details: dict[str, Any]
) -> None:
    optimizer = adam(0.7)
    with pytest.raises(OptionError, match=r"result.apply\(\[first, second\]\)"):
        swept(result, **details).apply(optimizer)
    assert rates(optimizer) == [0.7]


def test_schedulers_may_be_given_for_several(result: lrrange.RangeTestResult) -> None:
    _, muon, adamw = muon_and_adamw()
    schedulers = [torch.optim.lr_scheduler.CosineAnnealingLR(each, 10, eta_min=1e-4) for each in (muon, adamw)]
    result.apply([muon, adamw], scheduler=schedulers)
    assert schedulers[0].eta_min == pytest.approx(1e-4 * result.lr / 0.02)
    assert schedulers[1].eta_min == pytest.approx(1e-4 * result.lr / 0.02)
