"""What Lightning knows of a training: its optimizers, how far it has come, and how long its Trainer will go on."""

from typing import Any

import pytest
import torch
from lrrange_lightning import LRRangeTest, VerifyRate
from lrrange_lightning.apply_rate import rate_to_apply
from torch.utils.data import DataLoader, IterableDataset

from lrrange import NoSuggestion
from lrrange.errors import OptionError, StillFalls
from tests.lightning.finding import find
from tests.lightning.trainings import data, gan, loader, plain, trainer

# Short, and without an answer that would be applied.
SHORT: dict[str, Any] = {"start_lr": 1e-5, "end_lr": 1.0, "num_steps": 20}

# Limits of a Trainer over a loader of six batches, and the steps until then; None if they set no end.
LIMITS = {
    "epochs": ({"max_epochs": 3}, 18),
    "steps": ({"max_epochs": -1, "max_steps": 40}, 40),
    "the earlier of both": ({"max_epochs": 3, "max_steps": 7}, 7),
    "accumulated": ({"max_epochs": 3, "accumulate_grad_batches": 4}, 6),
    "batches": ({"max_epochs": 3, "limit_train_batches": 2}, 6),
    "no end": ({"max_epochs": -1}, None),
}


class Stream(IterableDataset):  # type: ignore[type-arg]
    """Data without a length."""

    def __iter__(self) -> Any:
        return iter(data(96))


@pytest.mark.parametrize("case", LIMITS)
def test_the_length_of_the_training_is_taken_from_the_trainer(package: Any, case: str) -> None:
    limits, steps = LIMITS[case]
    result = find(package, plain(package), trainer=trainer(package, **limits), **SHORT)
    assert result.facts.train_steps == steps


def test_data_without_a_length_end_only_by_steps(pl: Any) -> None:
    stream = DataLoader(Stream(), 32)
    for limits, steps in (({"max_epochs": 3}, None), ({"max_epochs": -1, "max_steps": 9}, 9)):
        result = find(pl, plain(pl), trainer=trainer(pl, **limits), train_dataloaders=stream, **SHORT)
        assert result.facts.train_steps == steps


def test_what_the_user_gives_counts_more_than_the_trainer(pl: Any) -> None:
    assert find(pl, plain(pl), train_steps=500, **SHORT).facts.train_steps == 500
    with pytest.raises(OptionError, match="train_epochs"):
        find(pl, plain(pl), train_epochs=3, **SHORT)


def test_the_optimizers_are_known(pl: Any) -> None:
    facts = find(pl, plain(pl), **SHORT).facts
    assert (facts.optimizer, facts.momentum, facts.weight_decay, facts.steps_taken) == ("adam", 0.9, 0.0, 0)
    assert find(pl, gan(pl), **SHORT).facts.momentum == 0.5


@pytest.mark.parametrize("epoch", [0, 2])
def test_inside_a_fit_the_steps_that_are_left_count(package: Any, epoch: int) -> None:
    callback = LRRangeTest(apply=False, at_epochs=(epoch,), **SHORT)
    trainer(package, callbacks=[callback], max_epochs=5).fit(plain(package), loader())
    assert callback.result.facts.train_steps == 6 * (5 - epoch)
    assert callback.result.facts.steps_taken == 6 * epoch


def test_inside_a_fit_of_two_optimizers_each_of_them_counts_once(pl: Any) -> None:
    callback = LRRangeTest(apply=False, at_epochs=(1,), **SHORT)
    trainer(pl, callbacks=[callback], max_epochs=5).fit(gan(pl), loader())
    assert (callback.result.facts.train_steps, callback.result.facts.steps_taken) == (24, 6)


def test_sgd_without_momentum_shows_its_steps_by_the_count_of_the_trainer(pl: Any) -> None:
    class Sgd(type(plain(pl))):  # type: ignore[misc]
        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), self.lr)

    callback = LRRangeTest(apply=False, at_epochs=(0, 1), **SHORT)
    trainer(pl, callbacks=[callback], max_epochs=2).fit(Sgd(), loader())
    assert [result.facts.steps_taken for result in callback.results.values()] == [None, 6]


def test_accumulation_that_changes_from_epoch_to_epoch_leaves_the_length_unknown(pl: Any) -> None:
    schedule = pl.callbacks.GradientAccumulationScheduler({0: 1, 1: 2})
    callback = LRRangeTest(apply=False, **SHORT)
    fitting = trainer(pl, callbacks=[schedule, callback], max_epochs=2)
    fitting.fit(plain(pl), loader())
    assert callback.result.facts.train_steps in (None, 12)  # None where Lightning refuses to estimate it


# -- silence -----------------------------------------------------------------------------------------------------------

# The loss falls up to the last rate, so the default heuristic refuses; others answer.
TOO_LOW: dict[str, Any] = {"start_lr": 1e-5, "end_lr": 3e-3, "num_steps": 60, "seed": 1}


def test_the_callback_raises_the_reason_where_the_default_refuses_and_changes_no_rate(pl: Any) -> None:
    model, callback = plain(pl), LRRangeTest(**TOO_LOW)
    with pytest.raises(NoSuggestion) as caught:
        trainer(pl, callbacks=[callback]).fit(model, loader())
    result = callback.result
    assert type(caught.value) is type(result.refusal)
    assert str(caught.value) == str(result.refusal)
    assert model.lr == 0.01
    assert callback.applied == {}


def test_no_range_takes_the_place_of_a_refused_rate_under_a_cycle(pl: Any) -> None:
    class Cycling(type(plain(pl))):  # type: ignore[misc]
        def configure_optimizers(self) -> Any:
            optimizer = torch.optim.SGD(self.parameters(), self.lr, momentum=0.9)
            cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=100)
            return [optimizer], [{"scheduler": cycle, "interval": "step"}]

    def refuse(curve: Any) -> float:
        raise StillFalls("on purpose.")

    callback = LRRangeTest(refuse, **TOO_LOW)
    with pytest.raises(StillFalls, match="on purpose"):
        trainer(pl, callbacks=[callback]).fit(Cycling(), loader())


def test_a_result_without_a_rate_cannot_be_verified_or_applied(pl: Any) -> None:
    result = find(pl, plain(pl), **TOO_LOW)
    assert result.refusal is not None
    for use in (lambda: VerifyRate(result), lambda: rate_to_apply(result, None, []), lambda: result.apply(plain(pl))):
        with pytest.raises(NoSuggestion) as caught:
            use()
        assert str(caught.value) == str(result.refusal)
