"""Both Lightning packages: the callback in a real fit, and the helper for `configure_optimizers`."""

import pickle
import subprocess
import sys

import lightning.pytorch
import pytest
import pytorch_lightning
import torch
from lrrange_clr import ScheduleLR
from lrrange_clr.lightning import CyclicalLR, configure_optimizers

import lrrange
from lrrange.errors import OptionError, TargetError
from tests.clr.rigs import BOUNDS, now, result, sgd

# Warnings of Lightning: about its use of torch, and advice on speed.
pytestmark = [
    pytest.mark.filterwarnings(r"ignore:.isinstance\(treespec, LeafSpec\). is deprecated:FutureWarning"),
    pytest.mark.filterwarnings("ignore:The '.*dataloader' does not have many workers"),
    pytest.mark.filterwarnings("ignore:.*this fit will run with no optimizer"),
]

PACKAGES = {"pytorch_lightning": pytorch_lightning, "lightning.pytorch": lightning.pytorch}


@pytest.fixture(params=PACKAGES)
def package(request):
    return PACKAGES[request.param]


def module_of(package, configure=None, automatic=True):
    class Module(package.LightningModule):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(3, 1)
            self.automatic_optimization = automatic
            self.seen = []

        def training_step(self, batch, _):
            return self.layer(batch[0]).square().mean()

        def configure_optimizers(self):
            optimizer = torch.optim.SGD(self.parameters(), lr=0.1, momentum=0.9)
            return configure(self, optimizer) if configure else optimizer

        def optimizer_step(self, epoch, batch_idx, optimizer, closure):
            self.seen += now(optimizer)
            super().optimizer_step(epoch, batch_idx, optimizer, closure)

    return Module()


def loader():
    generator = torch.Generator().manual_seed(0)
    data = torch.utils.data.TensorDataset(torch.randn(40, 3, generator=generator))
    return torch.utils.data.DataLoader(data, batch_size=4)  # ten batches


def trainer_of(package, *callbacks, **options):
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    defaults = {"max_epochs": 2, "accelerator": "cpu", "enable_checkpointing": False}
    return package.Trainer(callbacks=list(callbacks), **{**quiet, **defaults, **options})


def along(schedule, steps):
    return [(schedule.lr_at(step), schedule.momentum_at(step)) for step in range(steps)]


def test_two_epochs_train_at_the_rates_of_the_cycle(package) -> None:
    module = module_of(package)
    trainer = trainer_of(package, CyclicalLR(BOUNDS, steps_per_half_cycle=4))
    trainer.fit(module, loader())
    scheduler = trainer.lr_scheduler_configs[0].scheduler
    assert isinstance(scheduler, ScheduleLR)
    assert module.seen == along(scheduler.schedule, 20)


def test_the_length_of_an_epoch_comes_from_the_trainer(package, caplog) -> None:
    trainer = trainer_of(package, CyclicalLR(result(), "triangular"), accumulate_grad_batches=3)
    trainer.fit(module_of(package), loader())
    schedule = trainer.lr_scheduler_configs[0].scheduler.schedule
    assert schedule.steps_up == 8  # two epochs of four optimizer steps
    assert schedule.max_lr == result().range_by("smith").max_lr
    assert "2 epochs (8 steps)" in caplog.text


def test_the_length_of_a_single_cycle_comes_from_the_trainer(package) -> None:
    module = module_of(package)
    trainer = trainer_of(package, CyclicalLR(BOUNDS, "one_cycle"))
    trainer.fit(module, loader())
    schedule = trainer.lr_scheduler_configs[0].scheduler.schedule
    assert schedule.total_steps == 20
    assert module.seen == along(schedule, 20)


def test_a_fit_resumed_from_a_checkpoint_goes_on_in_the_middle_of_the_cycle(package, tmp_path) -> None:
    whole = module_of(package)
    trainer_of(package, CyclicalLR(BOUNDS, steps_per_half_cycle=7)).fit(whole, loader())

    first = trainer_of(package, CyclicalLR(BOUNDS, steps_per_half_cycle=7), max_epochs=1)
    first.fit(module_of(package), loader())
    first.save_checkpoint(tmp_path / "after.ckpt")
    module = module_of(package)
    second = trainer_of(package, CyclicalLR(BOUNDS, steps_per_half_cycle=7))
    second.fit(module, loader(), ckpt_path=tmp_path / "after.ckpt")
    assert module.seen == whole.seen[10:]


def test_a_second_fit_begins_the_schedule_again(package) -> None:
    module = module_of(package)
    trainer = trainer_of(package, CyclicalLR(BOUNDS, steps_per_half_cycle=4), max_epochs=1)
    trainer.fit(module, loader())
    trainer.fit_loop.epoch_progress.reset()
    trainer.fit(module, loader())
    assert len(trainer.lr_scheduler_configs) == 1
    assert module.seen[:10] == module.seen[10:]


@pytest.mark.parametrize("mode", ["triangular2", "one_cycle"])
def test_the_helper_for_configure_optimizers_is_stepped_by_lightning(package, mode: str) -> None:
    module = module_of(
        package, lambda self, optimizer: configure_optimizers(optimizer, BOUNDS, mode, trainer=self.trainer)
    )
    trainer = trainer_of(package)
    trainer.fit(module, loader())
    (config,) = trainer.lr_scheduler_configs
    assert config.interval == "step"
    assert module.seen == along(config.scheduler.schedule, 20)


def test_the_helper_needs_no_trainer_if_it_is_given_the_steps() -> None:
    optimizer = sgd()
    returned = configure_optimizers(optimizer, BOUNDS, "one_cycle", total_steps=30)
    assert returned["optimizer"] is optimizer
    assert returned["lr_scheduler"]["scheduler"].schedule.total_steps == 30


def test_a_third_partys_mode_is_attached_too(package) -> None:
    class Fixed:
        @lrrange.hookimpl
        def lrrange_schedule(self, optimizer, bounds, mode, options):
            rate = bounds.max_lr / optimizer.param_groups[0]["lr"]
            return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: rate) if mode == "fixed" else None

    lrrange.register(Fixed(), "fixed")
    try:
        module = module_of(package)
        trainer_of(package, CyclicalLR(BOUNDS, "fixed")).fit(module, loader())
    finally:
        lrrange.unregister("fixed")
    assert {round(lr, 12) for lr, _ in module.seen} == {0.01}


@pytest.mark.parametrize(
    ("configure", "automatic", "says"),
    [
        (lambda self, one: ([one], [torch.optim.lr_scheduler.StepLR(one, 1)]), True, "returns a StepLR"),
        (lambda self, one: [one, torch.optim.SGD(self.parameters(), lr=0.1)], False, "uses manual optimization"),
        (lambda self, one: None, True, "nothing to train"),
    ],
)
def test_a_module_that_cannot_be_scheduled_is_refused_before_the_first_step(
    package, configure, automatic, says
) -> None:
    module = module_of(package, configure, automatic)
    with pytest.raises(TargetError, match=says):
        trainer_of(package, CyclicalLR(BOUNDS, steps_per_half_cycle=4)).fit(module, loader())
    assert module.seen == []


class Endless(torch.utils.data.IterableDataset):
    def __iter__(self):
        while True:
            yield (torch.ones(3),)


@pytest.mark.parametrize("mode", ["triangular2", "one_cycle"])
def test_data_without_a_length_needs_the_number_of_steps(package, mode: str) -> None:
    trainer = trainer_of(package, CyclicalLR(BOUNDS, mode))
    with pytest.raises(OptionError, match="Give steps_per_epoch= or|Give total_steps="):
        trainer.fit(module_of(package), torch.utils.data.DataLoader(Endless(), batch_size=4))


def test_the_callback_is_one_of_both_packages_and_can_be_sent_to_another_process() -> None:
    callback = CyclicalLR(BOUNDS, steps_per_half_cycle=4)
    assert isinstance(callback, pytorch_lightning.Callback)
    assert isinstance(callback, lightning.pytorch.Callback)
    assert pickle.loads(pickle.dumps(callback)).options == {"steps_per_half_cycle": 4}


def output_of(program):
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout


def test_no_lightning_is_imported_before_the_callback_is_used() -> None:
    frameworks = "{'pytorch_lightning', 'lightning', 'torch'}"
    assert output_of(f"import sys, lrrange_clr.lightning; print({frameworks} & sys.modules.keys())") == "set()\n"


def test_without_lightning_the_callback_names_the_extra_that_brings_it() -> None:
    program = """
import importlib.util
import lrrange_clr.lightning as module
from lrrange.errors import MissingExtra
importlib.util.find_spec = lambda name: None
try:
    module.CyclicalLR
except MissingExtra as error:
    print(error.extra, error)
"""
    assert (
        output_of(program)
        == "lightning CyclicalLR needs Lightning. Install it with: pip install 'lrrange[lightning]'\n"
    )
