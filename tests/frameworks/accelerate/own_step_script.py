"""Run by torchrun: an own step of which only the Accelerator is named, swept in two processes."""

import json
import os
import sys
import warnings
from pathlib import Path

from accelerate import Accelerator

from tests.frameworks.accelerate.trainings import Loop


def main(folder: Path) -> None:
    accelerator = Accelerator(cpu=True, gradient_accumulation_steps=2)
    result = Loop(accelerator).as_own_step().find(end_lr=1e3, num_steps=50, verify_restore=True)
    found = {"lr": result.lr, "loss": result.curve.loss, "processes": result.provenance.details["processes"]}
    (folder / f"{os.environ['RANK']}.json").write_text(json.dumps(found))
    accelerator.end_training()


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    main(Path(sys.argv[1]))
