"""`result.verify(trainer)`: the next fit trains at the rate, or raises where it does not."""

from typing import Any

import pytest

from lrrange import find_lr
from lrrange.errors import OptionError, RateNotInForce
from lrrange.protocol import RateProof
from tests.lightning.trainings import loader, plain, trainer

SWEEP = {"start_lr": 1e-5, "end_lr": 10.0, "num_steps": 80}


@pytest.fixture
def trained(package: Any) -> tuple[Any, Any, Any]:
    fresh, model = trainer(package), plain(package)
    return find_lr(fresh, model=model, train_dataloaders=loader(), **SWEEP), fresh, model


def test_a_fit_at_the_applied_rate_is_proved_and_close_takes_the_callback_away(trained: Any) -> None:
    result, fresh, model = trained
    before = list(fresh.callbacks)
    result.apply(model)
    proof = result.verify(fresh, steps=2)
    assert isinstance(proof, RateProof)
    assert not proof.proved
    fresh.fit(model, loader())
    assert proof.proved
    proof.close()
    assert fresh.callbacks == before


def test_a_fit_at_another_rate_raises_from_its_first_step(trained: Any) -> None:
    result, fresh, model = trained
    with pytest.raises(RateNotInForce, match="trains at lr="), result.verify(fresh) as proof:
        fresh.fit(model, loader())
    assert not proof.proved
    assert fresh.global_step == 0


def test_a_block_without_a_fit_proves_nothing(trained: Any) -> None:
    result, fresh, _ = trained
    with pytest.raises(RateNotInForce, match="took no step while it was watched"), result.verify(fresh, lr=0.1):
        pass


def test_unknown_options_are_refused_and_leave_no_callback(trained: Any) -> None:
    result, fresh, _ = trained
    before = list(fresh.callbacks)
    with pytest.raises(OptionError, match="Did you mean optimizer="):
        result.verify(fresh, optimiser=0)
    assert fresh.callbacks == before
