"""Sweep and train in two processes; started by torchrun from its test."""

from typing import Any

import torch.distributed as dist

import lrrange
from tests.frameworks.transformers.trainings import of_trainer, trained, trainer_of


def make() -> Any:
    return trainer_of(ddp_backend="gloo", lr_scheduler_type="constant")


if __name__ == "__main__":
    expected = trained(make())
    trainer = make()
    before = of_trainer(trainer) | {"files": None}  # the other process writes to the same folder
    result = lrrange.find_lr(trainer, progress=False, num_steps=60, start_lr=1e-5, end_lr=1.0)
    assert of_trainer(trainer) | {"files": None} == before
    assert trained(trainer) == expected

    answers = [None, None]
    dist.all_gather_object(answers, (result.lr, result.curve.loss, result.provenance.details["processes"]))
    assert answers[0] == answers[1]
    assert answers[0][2] == 2
    print("agreed")  # noqa: T201  for the test
