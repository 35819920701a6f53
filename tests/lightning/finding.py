"""Sweeps of the small trainings, with changes that a test asks for."""

from typing import Any

from lrrange import find_lr
from tests.backend_torch.rigs import seed_all
from tests.lightning.trainings import classes, loader, trainer

SWEEP = {"start_lr": 1e-5, "end_lr": 10.0, "num_steps": 40}


def changed(package: Any, **attributes: Any) -> Any:
    seed_all()
    return type("Changed", (classes(package).Plain,), attributes)()


def find(package: Any, model: Any, **options: Any) -> Any:
    mine = {"train_dataloaders": loader(), **options}
    fitting = mine.pop("trainer", None) or trainer(package)
    return find_lr(fitting, model=model, **{**SWEEP, **mine})
