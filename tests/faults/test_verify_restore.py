"""`verify_restore=True` detects a backend that does not restore everything, to the bit."""

import random
from collections.abc import Callable
from typing import Any

import numpy
import pytest
import torch
from lrrange_torch.loader_step import LoaderStep
from torch import nn

import lrrange
from lrrange.errors import OptionError, RestoreFailed
from tests.backend_torch.rigs import RIGS, Busy, data, loader_of, seed_all
from tests.core.training import Loop


class Digested(Loop):
    """A training with a digest. If `forgets` is set, `restore` leaves the weights changed."""

    forgets = False

    def digest(self) -> Any:
        self.log.append("digest")
        return {"weights": self.weights, "random": self.random.getstate()}.items()

    def restore(self, state: Any) -> None:
        super().restore(state)
        if self.forgets:
            self.weights += 1.0


class Forgetful(Digested):
    forgets = True


def test_a_complete_restore_is_verified_and_the_result_says_so() -> None:
    target = Digested()
    result = lrrange.find_lr(target, verify_restore=True)
    assert result.provenance.details["restore_verified"] is True
    assert target.log.count("digest") == 2


def test_the_error_names_what_was_not_restored_with_its_value_before_and_after() -> None:
    with pytest.raises(
        RestoreFailed, match=r"weights is not as it was .* was 0\.0 and is 1\.0\. The Forgetful"
    ) as caught:
        lrrange.find_lr(Forgetful(), verify_restore=True)
    assert (caught.value.name, caught.value.before, caught.value.after) == ("weights", 0.0, 1.0)


def test_an_incomplete_restore_after_an_error_has_that_error_as_its_cause() -> None:
    target, error = Forgetful(), RuntimeError("raised on purpose")
    target.loss = lambda lr: (_ for _ in ()).throw(error)
    with pytest.raises(RestoreFailed) as caught:
        lrrange.find_lr(target, verify_restore=True)
    assert caught.value.__cause__ is error


def test_the_restore_after_each_of_several_runs_is_verified() -> None:
    class Seeded(Digested):
        def seed(self, value: int) -> None:
            self.random.seed(value)

        def restore(self, state: Any) -> None:
            super().restore(state)
            if self.log.count("restore") == 2:
                self.weights += 1.0

    target = Seeded()
    with pytest.raises(RestoreFailed):
        lrrange.find_lr(target, repeats=3, seed=1, verify_restore=True)
    assert target.log.count("restore") == 2


def test_without_the_option_no_digest_is_taken() -> None:
    target = Forgetful()
    result = lrrange.find_lr(target, verify_restore=False)
    assert result.provenance.details["restore_verified"] is False
    assert "digest" not in target.log


def test_a_backend_without_a_digest_is_refused_with_the_option_and_reports_nothing_without_it() -> None:
    target = Loop()
    with pytest.raises(OptionError, match=r"a Loop has no digest\(\)"):
        lrrange.find_lr(target, verify_restore=True)
    assert target.log == []
    assert "restore_verified" not in lrrange.find_lr(target).provenance.details


def test_a_value_other_than_true_or_false_is_refused() -> None:
    with pytest.raises(OptionError, match="verify_restore='yes' is neither True nor False"):
        lrrange.find_lr(Digested(), verify_restore="yes")


def test_by_default_nothing_is_verified_however_long_the_steps_take() -> None:
    target = Digested()
    result = lrrange.find_lr(target, num_steps=60)
    assert result.provenance.details["restore_verified"] is False
    assert "digest" not in target.log


@pytest.mark.parametrize("make_rig", RIGS, ids=lambda make: make.__name__)
def test_every_kind_of_torch_training_is_restored_by_its_digest(make_rig: Any) -> None:
    rig = make_rig()
    rig.train(3)
    assert rig.find(verify_restore=True).provenance.details["restore_verified"] is True


def flip(tensor: torch.Tensor) -> None:
    """Change the last bit of the last element."""
    bits = tensor.detach().view(-1).view(torch.uint8)
    bits[-tensor.element_size()] ^= 1


class Training:
    """A loader step, with a model that has every kind of state that can change."""

    def __init__(self) -> None:
        seed_all()
        self.model = Busy()
        self.model.low = nn.Parameter(torch.ones(3).bfloat16())
        self.model.register_buffer("table", torch.eye(3).to_sparse())
        self.optimizer = torch.optim.AdamW(self.model.parameters(), 0.01)
        self.scheduler = torch.optim.lr_scheduler.StepLR(self.optimizer, 5)
        self.loader = loader_of(data())
        self.swept = LoaderStep(self.model, self.optimizer, nn.MSELoss(), self.loader, self.scheduler)
        self.swept.step(0.01)

    @property
    def momentum(self) -> torch.Tensor:
        return self.optimizer.state[self.model.last.weight]["exp_avg"]


FORGOTTEN: dict[str, tuple[Callable[[Training], Any], str]] = {
    "a bit of a parameter": (lambda t: flip(t.model.first.weight), r"model\.first\.weight"),
    "a bit of a bfloat16 parameter": (lambda t: flip(t.model.low), r"model\.low"),
    "a bit of a buffer that is not saved": (lambda t: flip(t.model.counted), r"model\.counted"),
    "a bit of a sparse buffer": (lambda t: flip(t.model.table._values()), r"model\.table"),
    "a bit of a gradient": (lambda t: flip(t.model.first.bias.grad), r"model\.first\.bias\.grad"),
    "a gradient": (lambda t: setattr(t.model.first.bias, "grad", None), r"model\.first\.bias\.grad"),
    "a bit of the optimizer's state": (lambda t: flip(t.momentum), r"optimizer\.state\[\d+\]\['exp_avg'\]"),
    "a rate": (lambda t: t.optimizer.param_groups[0].update(lr=0.02), r"optimizer\.param_groups\[0\]\['lr'\]"),
    "a hook": (lambda t: t.optimizer.register_step_pre_hook(print), r"optimizer\._optimizer_step_pre_hooks\[\d+\]"),
    "a mode": (lambda t: t.model.norm.eval(), r"model\.norm\.training"),
    "a count": (lambda t: setattr(t.model, "calls", 0), r"model\.calls"),
    "a frozen parameter": (lambda t: t.model.low.requires_grad_(False), r"model\.low"),
    "a bit of a tensor in a dict": (lambda t: flip(t.model.cache["mean"]), r"model\.cache\['mean'\]"),
    "a scheduler's count": (lambda t: setattr(t.scheduler, "last_epoch", 7), r"scheduler\.last_epoch"),
    "the loader's generator": (lambda t: t.loader.generator.manual_seed(0), "loader.sampler.generator"),
    "Python's random state": (lambda t: random.random(), "random state of Python"),
    "NumPy's random state": (lambda t: numpy.random.rand(), "random state of NumPy"),
    "torch's random state": (lambda t: torch.rand(1), "random state of torch"),
}


@pytest.mark.parametrize("forgotten", FORGOTTEN)
def test_the_error_names_each_kind_of_state_that_was_not_restored(forgotten: str) -> None:
    change, name = FORGOTTEN[forgotten]
    training = Training()
    restore = training.swept.restore

    def forget(state: Any) -> None:
        restore(state)
        change(training)

    training.swept.restore = forget
    with pytest.raises(RestoreFailed, match=f"^{name} is not as it was before the sweep"):
        lrrange.find_lr(training.swept, num_steps=5, verify_restore=True)
