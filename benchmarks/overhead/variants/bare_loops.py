"""The bare training loop, and the least that a sweep in place can do around it."""

import random
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

from benchmarks.overhead.workloads import Job

# Low enough that nothing diverges: every variant takes all of its steps.
START_LR, END_LR = 1e-7, 1e-4

Run = Callable[[], object]


def _rounds(loader: Any) -> Iterator[Any]:
    while True:
        yield from loader


def _loop(
    job: Job, optimizer: torch.optim.Optimizer, each: Callable[[int, torch.Tensor], object] | None = None
) -> None:
    job.model.train()
    batches = _rounds(job.loader)
    for step in range(job.steps):
        x, y = next(batches)
        optimizer.zero_grad()
        loss = job.criterion(job.model(x), y)
        loss.backward()
        if each is not None:
            each(step, loss)
        optimizer.step()


def bare(job: Job) -> Run:
    """Forward, backward, step, next batch; the loss is not read."""
    optimizer = job.optimizer()
    return lambda: _loop(job, optimizer)


def bare_item(job: Job) -> Run:
    """The bare loop, reading the loss each step."""
    optimizer = job.optimizer()
    losses: list[float] = []
    return lambda: _loop(job, optimizer, lambda _, loss: losses.append(loss.item()))


def rates(steps: int) -> list[float]:
    """Of a sweep from START_LR to END_LR."""
    return [START_LR * (END_LR / START_LR) ** (step / (steps - 1)) for step in range(steps)]


def floor(job: Job) -> Run:
    """Copy everything, step at rising rates, read the losses, copy back. No smoothing, no answer: no product."""
    optimizer = job.optimizer()

    def run() -> None:
        tensors = [*job.model.parameters(), *job.model.buffers()]
        saved = [tensor.detach().clone() for tensor in tensors]
        modes = [(module, module.training) for module in job.model.modules()]
        groups = [{key: value for key, value in group.items() if key != "params"} for group in optimizer.param_groups]
        state = dict(optimizer.state)  # which is empty here
        generators = torch.get_rng_state(), np.random.get_state(), random.getstate()
        lrs = rates(job.steps)
        losses: list[float] = []

        def each(step: int, loss: torch.Tensor) -> None:
            for group in optimizer.param_groups:
                group["lr"] = lrs[step]
            losses.append(loss.item())

        try:
            _loop(job, optimizer, each)
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
