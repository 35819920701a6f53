"""`lrrange_torch.batches`: the batches of an own step, without a trace of the sweep in them."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from lrrange_torch import batches
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import lrrange
from lrrange import testing
from lrrange.errors import NoData, NotKeptWarning, TargetError
from tests.backend_torch.observing import of_module, of_optimizer, of_random_states
from tests.backend_torch.rigs import data, loader_of, rounds, seed_all, step_of

SWEEP = {"start_lr": 1e-5, "end_lr": 0.1, "num_steps": 20}


def shuffled_globally() -> DataLoader:
    return DataLoader(data(), batch_size=16, shuffle=True)


def with_a_worker() -> DataLoader:
    return loader_of(data(), num_workers=1, persistent_workers=True, multiprocessing_context="fork")


LOADERS: dict[str, Callable[[], Any]] = {
    "shuffled by its own generator": lambda: loader_of(data()),
    "shuffled by torch's global one": shuffled_globally,
    "a list": lambda: [batch for batch, _ in zip(rounds(loader_of(data())), range(7), strict=False)],
}


def test_the_batches_of_a_loader_never_end() -> None:
    endless = batches([1, 2, 3])
    assert [next(endless) for _ in range(7)] == [1, 2, 3, 1, 2, 3, 1]


def test_nothing_is_drawn_before_the_first_batch() -> None:
    seed_all()
    loader = shuffled_globally()
    before = torch.get_rng_state()
    endless = batches(loader)
    assert torch.equal(torch.get_rng_state(), before)
    next(endless)  # draws the loader's seed, and the order
    assert not torch.equal(torch.get_rng_state(), before)


def test_every_pass_has_an_order_of_its_own() -> None:
    endless = batches(loader_of(data(), batch_size=96))
    assert not torch.equal(next(endless)[0], next(endless)[0])


def rig_with(make: Callable[[], Any]) -> testing.Rig:
    seed_all()
    loader = make()
    model = nn.Sequential(nn.Linear(6, 8), nn.Dropout(0.1), nn.Linear(8, 1))
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    endless = batches(loader)
    step = step_of(model, optimizer, endless)
    generator = getattr(loader, "generator", None)

    def observe() -> Any:
        return {
            "model": of_module(model),
            "optimizer": of_optimizer(optimizer),
            "random": of_random_states(*([] if generator is None else [generator])),
            "taken": endless.taken,
        }

    return testing.Rig(
        target=step,
        options={"optimizer": optimizer, "restore": model},
        observe=observe,
        train=lambda steps: [step().item() for _ in range(steps)],
        sweep={"start_lr": 1e-5, "end_lr": 1.0},
    )


@pytest.mark.parametrize("loader", LOADERS)
@pytest.mark.parametrize("check", testing.CHECKS, ids=lambda check: check.__name__)
def test_an_own_step_on_batches_keeps_the_contract(check: Callable[[testing.MakeRig], None], loader: str) -> None:
    check(lambda: rig_with(LOADERS[loader]))


@pytest.mark.filterwarnings("error::lrrange.errors.NotKeptWarning")
@pytest.mark.parametrize("loader", [*LOADERS, "with a persistent worker"])
def test_a_training_goes_on_in_the_middle_of_a_pass(loader: str) -> None:
    def losses(sweeps: bool) -> list[float]:
        rig = rig_with(LOADERS.get(loader, with_a_worker))
        before = rig.train(4)
        if sweeps:
            result = rig.find(verify_restore=True)
            assert result.provenance.details["restore_verified"] is True
        return before + rig.train(20)

    assert losses(sweeps=True) == losses(sweeps=False)


def test_the_loader_itself_goes_on_in_the_middle_of_a_pass() -> None:
    def seen(sweeps: bool) -> list[float]:
        seed_all()
        loader = with_a_worker()
        model = nn.Linear(6, 1)
        optimizer = torch.optim.SGD(model.parameters(), 0.01)
        under_way = iter(loader)
        first = [float(next(under_way)[0].sum())]
        if sweeps:
            lrrange.find_lr(step_of(model, optimizer, batches(loader)), optimizer=optimizer, restore=model, **SWEEP)
        return first + [float(x.sum()) for x, _ in under_way] + [float(x.sum()) for x, _ in loader]

    assert seen(sweeps=True) == seen(sweeps=False)


def test_a_seed_draws_other_batches_where_the_batches_are_named() -> None:
    seed_all()
    model = nn.Linear(6, 1)
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    endless = batches(loader_of(data()))
    step = step_of(model, optimizer, endless)
    found = [
        lrrange.find_lr(step, optimizer=optimizer, restore=(model, endless), seed=seed, **SWEEP) for seed in (1, 2, 1)
    ]
    first, other, again = (result.curve.loss for result in found)
    assert first == again
    assert first[0] != other[0]


def test_a_loader_step_takes_batches_as_its_loader() -> None:
    def losses(endless: bool) -> tuple[float, ...]:
        seed_all()
        loader = loader_of(data())
        model = nn.Linear(6, 1)
        result = lrrange.find_lr(
            model,
            optimizer=torch.optim.SGD(model.parameters(), 0.01),
            loss_fn=nn.MSELoss(),
            loader=batches(loader) if endless else loader,
            **SWEEP,
        )
        assert result.provenance.details["one_shot_loader"] is False
        return result.curve.loss

    assert losses(endless=True) == losses(endless=False)


def test_batches_of_a_generator_end_with_it_and_are_named() -> None:
    seed_all()
    model = nn.Linear(6, 1)
    optimizer = torch.optim.SGD(model.parameters(), 0.01)

    def generated() -> Iterator[Any]:
        yield from loader_of(data())

    step = step_of(model, optimizer, batches(generated()))
    with pytest.warns(NotKeptWarning, match="a generator"):
        result = lrrange.find_lr(step, optimizer=optimizer, restore=model, **SWEEP)
    assert result.stop_reason is lrrange.StopReason.DATA_EXHAUSTED
    assert len(result.curve) == 6


def test_what_gives_no_batches_is_refused() -> None:
    with pytest.raises(TargetError, match="a dataset, which gives one example at a time"):
        batches(data())
    with pytest.raises(TargetError, match="loader is None"):
        batches(None)  # type: ignore[arg-type]
    with pytest.raises(NoData):
        batches(DataLoader(TensorDataset(torch.zeros(0, 2))))
    with pytest.raises(NoData):
        next(batches(iter([])))
