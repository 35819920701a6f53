"""What Accelerate has prepared, as what it was made from: its wrappers decide when to step, and lrrange does that here.

Prepared models and loaders are PyTorch's own kinds and need nothing.
"""

import sys
from typing import Any

from lrrange.errors import OptionError


def unprepared(value: Any, scaler: object = None) -> Any:
    """The optimizer or LR scheduler inside a prepared one; anything else as it is.

    Args:
        value: of any kind.
        scaler: as the user gave it.
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


def accelerate_state() -> dict[str, Any]:
    """Where Accelerate notes which loader is being read; empty if it is not in use."""
    accelerate = sys.modules.get("accelerate")
    return vars(accelerate.state.GradientState()) if accelerate is not None else {}
