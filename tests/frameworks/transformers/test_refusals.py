"""What cannot be swept is refused before the first step, with the reason and what to do."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import Adafactor, Trainer
from transformers.trainer_pt_utils import LayerWiseDummyOptimizer

import lrrange
from lrrange.errors import TargetError
from tests.frameworks.transformers.trainings import Forbidden, bert, of_trainer, trainer_of


def refused(trainer: Any, match: str) -> None:
    before = of_trainer(trainer)
    trainer.add_callback(Forbidden)
    step = trainer.training_step

    def counted(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError("a step was taken")

    trainer.training_step = counted
    with pytest.raises(TargetError, match=match):
        lrrange.find_lr(trainer, progress=False)
    trainer.training_step = step
    del trainer.training_step
    trainer.remove_callback(Forbidden)
    assert of_trainer(trainer) == before


@pytest.mark.shows("transformers", "refuses")
@pytest.mark.parametrize(
    ("attribute", "match"),
    [("is_in_train", "in the middle of train"), ("is_deepspeed_enabled", "DeepSpeed"), ("is_fsdp_enabled", "FSDP")],
)
def test_a_state_of_the_trainer(attribute: str, match: str) -> None:
    trainer = trainer_of()
    setattr(trainer, attribute, True)
    refused(trainer, match)


def test_a_model_that_was_loaded_in_shards() -> None:
    trainer = trainer_of()
    model = trainer.model

    class Sharded(type(model)):  # type: ignore[misc]  # a class that is only known at run time
        is_distributed_loading_by_transformers = True

    model.__class__ = Sharded
    refused(trainer, "distributed_config")


def test_several_gpus_without_processes() -> None:
    trainer = trainer_of()
    trainer.args = SimpleNamespace(**{**vars(trainer.args), "n_gpu": 2, "optim": trainer.args.optim})
    refused(trainer, "DataParallel")


@pytest.mark.parametrize("optim", ["lomo", "adalomo"])
def test_an_optimizer_that_steps_in_the_backward_pass(optim: str) -> None:
    refused(trainer_of(optim=optim), f"optim='{optim}' updates the weights during the backward pass")


@pytest.mark.parametrize("optim", ["galore_adamw_layerwise", "apollo_adamw_layerwise"])
def test_one_optimizer_per_layer(optim: str) -> None:
    refused(trainer_of(optim=optim), f"Sweep with optim='{optim.removesuffix('_layerwise')}'")


def test_a_dummy_of_the_users() -> None:
    optimizer = LayerWiseDummyOptimizer({})
    refused(trainer_of(given={"optimizers": (optimizer, None)}), "LayerWiseDummyOptimizer")


def test_an_adafactor_that_computes_its_own_rate() -> None:
    model = bert()
    optimizer = Adafactor(model.parameters(), lr=None, relative_step=True)
    scheduler = torch.optim.lr_scheduler.LambdaLR(torch.optim.SGD([torch.zeros(1)], lr=1.0), lambda _: 1.0)
    refused(trainer_of(model, given={"optimizers": (optimizer, scheduler)}), "relative_step=False")


def test_a_model_that_is_frozen() -> None:
    refused(trainer_of(bert().requires_grad_(False)), "no parameter that requires a gradient")


def test_a_train_of_another_kind() -> None:
    class Another(Trainer):
        def train(self, **_: Any) -> None:
            """Do nothing."""

    refused(trainer_of(kind=Another), "does not run the loop of transformers")


def test_torchs_adafactor_is_swept_up_to_the_rate_at_which_it_still_listens() -> None:
    model = bert()
    trainer = trainer_of(model, given={"optimizer_cls_and_kwargs": (torch.optim.Adafactor, {"lr": 0.01})})
    result = lrrange.find_lr(trainer, progress=False, num_steps=20)
    assert max(result.plan.lr_at(step) for step in range(20)) <= 1.0
