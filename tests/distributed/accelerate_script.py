"""Run by torchrun: what Accelerate prepares in two processes, swept in both."""

import json
import os
import sys
import warnings
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import nn

import lrrange
from tests.backend_torch.rigs import data, loader_of, seed_all


def main(folder: Path) -> None:
    seed_all()
    accelerator = Accelerator(cpu=True)
    model = nn.Linear(6, 1)
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    model, optimizer, loader = accelerator.prepare(model, optimizer, loader_of(data()))
    result = lrrange.find_lr(
        model,
        optimizer=optimizer,
        loss_fn=nn.MSELoss(),
        loader=loader,
        start_lr=1e-4,
        end_lr=1e3,
        num_steps=50,
        verify_restore=True,
    )
    found = {"lr": result.lr, "loss": result.curve.loss, "processes": result.provenance.details["processes"]}
    (folder / f"{os.environ['RANK']}.json").write_text(json.dumps(found))
    accelerator.end_training()


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    main(Path(sys.argv[1]))
