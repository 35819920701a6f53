"""The ways to run a sweep with lrrange. Each includes the answer: `result.lr`, or the reason why there is none."""

from typing import Any

import torch

import lrrange
from benchmarks.overhead.variants.bare_loops import END_LR, START_LR, Run
from benchmarks.overhead.variants.peers import lightning_parts
from benchmarks.overhead.workloads import Job


def _find(target: object, job: Job, **options: Any) -> lrrange.RangeTestResult:
    # Not paired: at rates at which nothing is learnt, that would add as many forward passes, and no finder has others.
    fixed = {"start_lr": START_LR, "end_lr": END_LR, "num_steps": job.steps, "divergence": None, "paired": False}
    result = lrrange.find_lr(target, **fixed | options)
    if result.refusal is None:
        _ = result.lr
    return result


def lrrange_torch(job: Job) -> Run:
    """Sweep a model with its optimizer, loss function and loader."""
    optimizer = job.optimizer()
    return lambda: _find(job.model, job, optimizer=optimizer, loss_fn=job.criterion, loader=job.loader)


def lrrange_paired(job: Job) -> Run:
    """Sweep as `lrrange_torch` does, and then take the steps again as forward passes of the initial weights."""
    optimizer = job.optimizer()
    options = {"optimizer": optimizer, "loss_fn": job.criterion, "loader": job.loader, "paired": True}
    return lambda: _find(job.model, job, **options)


def lrrange_printed(job: Job) -> Run:
    """Sweep as `lrrange_torch` does, and make the text that `print` shows, for which every answer and range is read."""
    run = lrrange_torch(job)
    return lambda: str(run())


def lrrange_verified(job: Job) -> Run:
    """Sweep as `lrrange_torch` does, and compare a digest of everything from before with one from after it."""
    optimizer = job.optimizer()
    options = {"optimizer": optimizer, "loss_fn": job.criterion, "loader": job.loader, "verify_restore": True}
    return lambda: _find(job.model, job, **options)


def lrrange_disk(job: Job) -> Run:
    """Sweep as `lrrange_torch` does, with the snapshot in a temporary file."""
    optimizer = job.optimizer()
    options = {"optimizer": optimizer, "loss_fn": job.criterion, "loader": job.loader, "snapshot": "disk"}
    return lambda: _find(job.model, job, **options)


def lrrange_own_step(job: Job) -> Run:
    """Sweep a training step that the user wrote."""
    optimizer = job.optimizer()

    def run() -> lrrange.RangeTestResult:
        job.model.train()
        batches = iter(job.loader)

        def step() -> torch.Tensor:
            nonlocal batches
            try:
                x, y = next(batches)
            except StopIteration:
                batches = iter(job.loader)
                x, y = next(batches)
            optimizer.zero_grad()
            loss = job.criterion(job.model(x), y)
            loss.backward()
            optimizer.step()
            return loss

        return _find(step, job, optimizer=optimizer, restore=(job.model, job.loader))

    return run


def lrrange_lightning(job: Job) -> Run:
    """Sweep in a Lightning Trainer. Compare it with `lightning_fit`."""
    trainer, module = lightning_parts(job, max_epochs=10)
    return lambda: _find(trainer, job, model=module, train_dataloaders=job.loader)
