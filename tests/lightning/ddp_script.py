"""A user's script for test_ddp.py: two processes on the CPU, each of which writes its results to a file of its own."""

import importlib
import json
import os
import sys
import warnings
from pathlib import Path
from typing import Any

from lrrange import find_lr
from tests.lightning.trainings import loader, plain, trainer, wide

RANK = int(os.environ.get("LOCAL_RANK", "0"))  # set by Lightning, which runs this script again for the second process
SWEEP = {"start_lr": 1e-5, "end_lr": 1e4, "num_steps": 40}


def failing(package: Any) -> Any:
    """Return a module that raises in the second process, in the middle of a sweep."""
    model = plain(package)
    step = model.training_step

    def training_step(batch: Any, batch_idx: int) -> Any:
        if RANK == 1 and batch_idx == 2:
            raise ValueError("raised on purpose in one process")
        return step(batch, batch_idx)

    model.training_step = training_step
    return model


def fitted(package: Any, *callbacks: Any) -> list[Any]:
    model = wide(package)
    trainer(package, devices=2, strategy="ddp", callbacks=list(callbacks)).fit(model, loader())
    return state(model)


def state(model: Any) -> list[Any]:
    return [[tensor.tolist() for tensor in model.state_dict().values()], model.seen]


def main(package: Any, what: str, folder: Path) -> None:
    from lrrange_lightning import LRRangeTest

    model = failing(package) if what == "fail" else wide(package)
    fitting = trainer(package, devices=2, strategy="ddp")
    result = find_lr(fitting, model=model, train_dataloaders=loader(), **SWEEP)
    fitting.fit(model, loader())
    applying = LRRangeTest(**SWEEP)
    found = {
        "lr": result.lr,
        "loss": result.curve.loss,
        "ended": result.stop_reason.name,
        "processes": result.provenance.details["processes"],
        "snapshot": result.provenance.details["snapshot"],
        "after": state(model),
        "without": fitted(package),
        "inside": fitted(package, LRRangeTest(apply=False, **SWEEP)),
        "trained": fitted(package, applying),
        "applied": [applying.result.lr, applying.applied],
    }
    (folder / f"rank{RANK}.json").write_text(json.dumps(found))


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    main(importlib.import_module(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
