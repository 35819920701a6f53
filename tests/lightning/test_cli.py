"""The callback in LightningCLI's YAML."""

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lrrange.errors import OptionError
from tests.backend_torch.rigs import seed_all
from tests.lightning.trainings import classes

CONFIGURATION = """
seed_everything: 3
trainer:
  accelerator: cpu
  max_epochs: 2
  logger: false
  enable_checkpointing: false
  enable_progress_bar: false
  enable_model_summary: false
  callbacks:
    - class_path: lrrange_lightning.LRRangeTest
      init_args:
        heuristic: {heuristic}
        start_lr: 1.0e-5
        end_lr: 10
        num_steps: 80
        at_epochs: [0, 1]
        smoothing: ema
model:
  lr: 0.01
"""


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """`python train.py fit --config configuration.yaml`."""

    def run(package: Any, model: type, *arguments: str, heuristic: str = "null") -> Any:
        Path("configuration.yaml").write_text(CONFIGURATION.format(heuristic=heuristic))
        monkeypatch.setattr(sys, "argv", ["train.py", "fit", "--config", "configuration.yaml", *arguments])
        cli = importlib.import_module(f"{package.__name__}.cli")
        seed_all()
        return cli.LightningCLI(model, classes(package).Data, save_config_callback=None)

    return run


# jsonargparse, which LightningCLI is made of, is deprecating parts of itself that Lightning uses.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:jsonargparse", "ignore::DeprecationWarning:.*cli")


def test_the_callback_runs_from_a_configuration_file(package: Any, run: Callable[..., Any]) -> None:
    done = run(package, classes(package).Validated)
    (callback,) = done.trainer.callbacks
    assert isinstance(callback, package.Callback)
    assert sorted(callback.results) == [0, 1]
    assert callback.result.plan.num_steps == 80
    assert done.model.lr == callback.result.lr == done.trainer.optimizers[0].param_groups[0]["lr"]


def test_an_optimizer_that_the_command_line_configures_gets_the_rate_too(package: Any, run: Callable[..., Any]) -> None:
    class Unconfigured(classes(package).Validated):
        configure_optimizers = package.LightningModule.configure_optimizers

    done = run(package, Unconfigured, "--optimizer=Adam", "--optimizer.lr=0.5", heuristic="min/10")
    (callback,) = done.trainer.callbacks
    assert callback.applied == {"param group 0": callback.result.lr}
    assert callback.result.heuristic == "min/10"
    assert done.trainer.optimizers[0].param_groups[0]["lr"] == callback.result.lr != 0.5


def test_without_a_sweep_there_is_no_result(pl: Any) -> None:
    from lrrange_lightning import LRRangeTest

    with pytest.raises(OptionError, match="no sweep has run yet"):
        LRRangeTest().result  # noqa: B018  asking is what raises
