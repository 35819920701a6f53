"""Everything about a torch training that a sweep could change, as plain values. It shares no code with the restore."""

import random
from typing import Any

import numpy
import torch
from torch import nn


def bits(tensor: torch.Tensor | None) -> Any:
    """Identity, type, shape and every bit of a tensor."""
    if tensor is None:
        return None
    about = (id(tensor), str(tensor.dtype), tuple(tensor.shape), tensor.requires_grad)
    if tensor.is_sparse:
        return about, bits_of_values(tensor._indices()), bits_of_values(tensor._values())
    return about, tensor.stride(), tensor.data_ptr(), bits_of_values(tensor)


def bits_of_values(tensor: torch.Tensor) -> bytes:
    return tensor.detach().reshape(-1).contiguous().view(torch.uint8).numpy().tobytes()


def plain(value: Any) -> Any:
    """Any value, tensors as their bits and everything unknown by identity."""
    if isinstance(value, torch.Tensor):
        return bits(value)
    if isinstance(value, dict):
        return {str(id(key) if isinstance(key, torch.Tensor) else key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, (int, float, str, bool, type(None))):
        return value
    return id(value)


def of_module(module: nn.Module) -> Any:
    return {
        name: {key: plain(value) for key, value in vars(one).items() if key != "_modules"}
        for name, one in module.named_modules()
    } | {f"grad of {name}": bits(parameter.grad) for name, parameter in module.named_parameters()}


def of_optimizer(optimizer: torch.optim.Optimizer) -> Any:
    return {key: plain(value) for key, value in vars(optimizer).items()}


def of_scheduler(scheduler: torch.optim.lr_scheduler.LRScheduler) -> Any:
    return {key: plain(value) for key, value in vars(scheduler).items()}


def of_random_states(*generators: torch.Generator) -> Any:
    return {
        "python": random.getstate(),
        "numpy": [repr(part) for part in numpy.random.get_state()] + [numpy.random.get_state()[1].tobytes()],
        "torch": bits_of_values(torch.get_rng_state()),
        "generators": [bits_of_values(generator.get_state()) for generator in generators],
    }
