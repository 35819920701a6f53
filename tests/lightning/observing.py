"""Everything about a Trainer that a sweep could change, as plain values, without any code of lrrange's own restore."""

import os
from pathlib import Path
from typing import Any

import torch
from torch import nn

from tests.backend_torch.observing import of_module, of_optimizer, of_random_states, plain

PACKAGES = ("pytorch_lightning", "lightning", "lightning_fabric")


def of_object(value: Any, seen: dict[int, int] | None = None) -> Any:
    """Return a Lightning object with everything in it as plain values; modules and optimizers by their identity."""
    seen = {} if seen is None else seen
    if isinstance(value, (nn.Module, torch.optim.Optimizer)):
        return id(value)
    if isinstance(value, (list, tuple)):
        return [of_object(one, seen) for one in value]
    if isinstance(value, dict) and type(value).__module__ == "builtins":
        return {str(key): of_object(one, seen) for key, one in value.items()}
    if type(value).__module__.partition(".")[0] not in PACKAGES or not hasattr(value, "__dict__"):
        return plain(value)
    if id(value) in seen:
        return f"object {seen[id(value)]}"
    seen[id(value)] = len(seen)
    inside = plain(dict(value)) if isinstance(value, dict) else None
    return {"kind": type(value).__name__, "id": id(value), "inside": inside} | {
        name: of_object(one, seen) for name, one in vars(value).items()
    }


def files(folder: str = ".") -> list[str]:
    return sorted(str(path) for path in Path(folder).rglob("*"))


def of_training(trainer: Any, model: Any, datamodule: Any = None, *generators: torch.Generator) -> Any:
    return {
        "trainer": of_object(trainer),
        "module": of_module(model),
        "datamodule": {name: plain(one) for name, one in vars(datamodule).items()} if datamodule else None,
        "optimizers": [of_optimizer(one) for one in trainer.strategy.optimizers],
        "random": of_random_states(*generators),
        "files": files(),
        "environment": dict(os.environ),
    }
