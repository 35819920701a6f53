"""What a sweep with Accelerate finds, and what it counts as one step."""

import json
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator, DataLoaderConfiguration
from torch import nn
from torch.utils.data import DataLoader

import lrrange
from lrrange.errors import OptionError, RateNotInForce, TargetError
from tests.backend_torch.rigs import data
from tests.distributed.test_processes import torchrun
from tests.frameworks.accelerate.trainings import FORMS, Loop, MakeAccelerator, on_the_prepared_one_and_not_prepared


@pytest.mark.shows("Accelerate", "finds")
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("accumulation", [1, 4])
def test_a_sweep_of_prepared_objects_is_that_of_the_bare_ones(
    accumulation: int, form: str, accelerators: MakeAccelerator
) -> None:
    # A pass has 8 batches of one size, so that accumulation by fours never meets the end of one.
    sweep = {"num_steps": 100, "start_lr": 1e-5, "end_lr": 100.0, "seed": 2, "paired": False}
    found = FORMS[form](Loop(accelerators(accumulation), count=128)).find(**sweep)
    bare = Loop(accelerators(accumulation), count=128)
    without = lrrange.find_lr(
        bare.made,
        optimizer=bare.inner,
        loss_fn=nn.MSELoss(),
        loader=DataLoader(data(count=128), batch_size=16, shuffle=True),
        accumulate=accumulation,
        clip_norm=1.0,
        progress=False,
        **sweep,
    )
    assert found.curve.loss == pytest.approx(without.curve.loss, rel=1e-4)
    assert found.lr == pytest.approx(without.lr, rel=1e-4)
    assert 1e-3 < found.lr < 1.0


@pytest.mark.parametrize("accumulation", [1, 4])
def test_a_rate_gets_all_the_micro_batches_of_a_step(accumulation: int, accelerators: MakeAccelerator) -> None:
    loop = Loop(accelerators(accumulation), count=128)
    details = loop.as_own_step().find(num_steps=20).provenance.details
    assert (details["optimizer_steps"], details["calls"]) == (20, 20 * accumulation)


def test_the_last_batches_of_a_pass_are_a_step_of_their_own_as_in_training(accelerators: MakeAccelerator) -> None:
    loop = Loop(accelerators(4))  # 7 batches: Accelerate steps after 4, and after the 3 that are left
    details = loop.as_own_step().find(num_steps=20).provenance.details
    assert (details["optimizer_steps"], details["calls"]) == (20, 70)


@pytest.mark.shows("Accelerate", "confirm")
def test_confirm_trains_with_the_rates_on_held_out_batches(accelerator: Accelerator) -> None:
    rig = Loop(accelerator).as_prepared_objects()
    held_out = accelerator.prepare(DataLoader(data(count=64), batch_size=32))
    before = rig.observe()
    result = rig.find(num_steps=100, end_lr=100.0, val_loader=held_out, confirm=True)
    assert result.confirmation is not None
    assert result.confirmation.held_out
    assert rig.observe() == before


@pytest.mark.shows("Accelerate", "repeats")
@pytest.mark.parametrize("form", FORMS)
def test_repeats_are_sweeps_over_other_batches(form: str, accelerator: Accelerator) -> None:
    rig = FORMS[form](Loop(accelerator))
    before = rig.observe()
    result = rig.find(num_steps=60, end_lr=100.0, repeats=3, seed=1)
    assert len({curve.loss for curve in result.sweeps}) == 3
    assert rig.observe() == before


@pytest.mark.parametrize("seed", [1, 2])
def test_a_seeded_sampler_of_accelerate_goes_on_with_its_next_order(seed: int, accelerators: MakeAccelerator) -> None:
    def losses(sweeps: bool) -> list[float]:
        accelerators()
        configuration = DataLoaderConfiguration(use_seedable_sampler=True, data_seed=seed)
        loop = Loop(Accelerator(cpu=True, dataloader_config=configuration))
        before = loop.train(10)
        if sweeps:
            loop.as_own_step().find()
        return before + loop.train(20)

    assert losses(sweeps=True) == losses(sweeps=False)


def test_an_own_step_that_names_only_the_accelerator_is_swept_in_two_processes_as_one(tmp_path: Path) -> None:
    done = torchrun(str(tmp_path), folder=tmp_path, script="../frameworks/accelerate/own_step_script.py")
    assert done.returncode == 0, done.stderr
    zero, one = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in (0, 1))
    assert zero == one
    assert zero["processes"] == 2


@pytest.mark.shows("Accelerate", "refuses")
def test_an_accelerator_alone_is_refused_with_the_line_to_write(accelerator: Accelerator) -> None:
    with pytest.raises(TargetError, match=r"Give what accelerator\.prepare\(\.\.\.\) has returned: find_lr\(model, "):
        lrrange.find_lr(accelerator)


@pytest.mark.shows("Accelerate", "refuses")
def test_a_scheduler_that_moves_the_rate_within_an_accumulation_is_refused(accelerators: MakeAccelerator) -> None:
    accelerator = accelerators(4)
    loop = Loop(accelerator, on_the_prepared_one_and_not_prepared)

    def step() -> torch.Tensor:
        loss = loop.step()
        loop.scheduler.step()  # after every micro-batch
        return loss

    before = loop.observe()
    with pytest.raises(RateNotInForce, match="Take warm-up and LR schedules out of the step"):
        lrrange.find_lr(step, optimizer=loop.optimizer, restore=accelerator, num_steps=20)
    assert loop.observe() == before


@pytest.mark.shows("Accelerate", "refuses")
def test_a_prepared_optimizer_with_a_loss_scale_needs_the_scaler(accelerator: Accelerator) -> None:
    loop = Loop(accelerator)
    loop.optimizer.scaler = torch.amp.GradScaler("cpu")
    with pytest.raises(OptionError, match=r"Give grad_scaler=accelerator\.scaler"):
        loop.as_prepared_objects().find()


def test_an_optimizer_that_the_step_does_not_use_is_refused(accelerator: Accelerator) -> None:
    loop = Loop(accelerator)
    other = accelerator.prepare(torch.optim.SGD(loop.made.parameters(), 0.1))
    with pytest.raises(TargetError, match="took no step"):
        lrrange.find_lr(loop.step, optimizer=other, restore=accelerator)
