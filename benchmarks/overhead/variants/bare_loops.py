"""The bare training loop, and the least that a sweep of the user's own model has to do around it."""

import random
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

from benchmarks.overhead.workloads import Job

# So low that nothing diverges, and every variant takes all of its steps.
START_LR, END_LR = 1e-7, 1e-4

Run = Callable[[], object]


def _endless_batches(loader: Any) -> Iterator[Any]:
    while True:
        yield from loader


def _train(
    job: Job, optimizer: torch.optim.Optimizer, before_step: Callable[[int, torch.Tensor], object] | None = None
) -> None:
    job.model.train()
    batches = _endless_batches(job.loader)
    for step in range(job.steps):
        x, y = next(batches)
        optimizer.zero_grad()
        loss = job.criterion(job.model(x), y)
        loss.backward()
        if before_step is not None:
            before_step(step, loss)
        optimizer.step()


def bare(job: Job) -> Run:
    """Train without reading the loss: next batch, forward, backward, step."""
    optimizer = job.optimizer()
    return lambda: _train(job, optimizer)


def bare_item(job: Job) -> Run:
    """Train as `bare` does, and read the loss of each step."""
    optimizer = job.optimizer()
    losses: list[float] = []
    return lambda: _train(job, optimizer, lambda _, loss: losses.append(loss.item()))


def rates(steps: int) -> list[float]:
    """Return the learning rates of a sweep from START_LR to END_LR."""
    return [START_LR * (END_LR / START_LR) ** (step / (steps - 1)) for step in range(steps)]


def floor(job: Job) -> Run:
    """Copy everything, train at rising rates, read the losses and copy back. Nothing is smoothed or suggested."""
    optimizer = job.optimizer()

    def run() -> None:
        tensors = [*job.model.parameters(), *job.model.buffers()]
        saved = [tensor.detach().clone() for tensor in tensors]
        modes = [(module, module.training) for module in job.model.modules()]
        groups = [{key: value for key, value in group.items() if key != "params"} for group in optimizer.param_groups]
        state = dict(optimizer.state)  # empty, because the optimizer is fresh
        generators = torch.get_rng_state(), np.random.get_state(), random.getstate()
        lrs = rates(job.steps)
        losses: list[float] = []

        def set_rate_and_read_loss(step: int, loss: torch.Tensor) -> None:
            for group in optimizer.param_groups:
                group["lr"] = lrs[step]
            losses.append(loss.item())

        try:
            _train(job, optimizer, set_rate_and_read_loss)
        finally:
            with torch.no_grad():
                for tensor, values in zip(tensors, saved, strict=True):
                    tensor.copy_(values)
            for module, training in modes:
                module.training = training
            for parameter in job.model.parameters():
                parameter.grad = None
            for group, before in zip(optimizer.param_groups, groups, strict=True):
                group.update(before)
            optimizer.state.clear()
            optimizer.state.update(state)
            torch.set_rng_state(generators[0])
            np.random.set_state(generators[1])
            random.setstate(generators[2])

    return run
