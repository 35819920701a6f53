"""Optimizers and LR schedulers without the wrappers of Accelerate around them, and what an Accelerator has prepared.

Those wrappers decide when to step, which lrrange does itself during a sweep. Prepared models and loaders are of
PyTorch's own classes and need nothing.
"""

import sys
from collections.abc import Iterable
from typing import Any

from lrrange.errors import OptionError


def unwrap(value: Any, scaler: object = None) -> Any:
    """Return the optimizer or LR scheduler inside Accelerate's wrapper; any other value unchanged.

    Args:
        value: an object of any class.
        scaler: the GradScaler that the user gave, or None.
    Raises: OptionError if Accelerate scales the loss and the user gave no scaler.
    """
    accelerate = sys.modules.get("accelerate")
    if accelerate is None:
        return value
    if isinstance(value, accelerate.optimizer.AcceleratedOptimizer):
        if value.scaler is not None and scaler is None:
            raise OptionError("Accelerate scales the loss in this precision. Give grad_scaler=accelerator.scaler.")
        return value.optimizer
    return value.scheduler if isinstance(value, accelerate.scheduler.AcceleratedScheduler) else value


def with_prepared(values: Iterable[Any]) -> tuple[Any, ...]:
    """Return the values, and after them the models and loaders that each Accelerator among them has prepared."""
    accelerate = sys.modules.get("accelerate")
    accelerators = [value for value in values if accelerate is not None and isinstance(value, accelerate.Accelerator)]
    prepared = [value for each in accelerators for value in [*each._models, *each._dataloaders]]
    return (*values, *prepared)


def accelerate_state() -> dict[str, Any]:
    """Return the attributes in which Accelerate notes the loader being read; an empty dict if it is not in use."""
    accelerate = sys.modules.get("accelerate")
    return vars(accelerate.state.GradientState()) if accelerate is not None else {}
