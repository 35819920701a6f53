"""What a backend is written against."""

from lrrange.protocol.optional import (
    DeferredLoss,
    Digestible,
    Evaluates,
    Replica,
    Replicates,
    Reports,
    Seedable,
    SetsMomentum,
    SuggestsBounds,
)
from lrrange.protocol.training_step import (
    Driver,
    StepDriver,
    TrainingStep,
    deferred_interrupts,
    split_made,
    with_options,
)

__all__ = [
    "DeferredLoss",
    "Digestible",
    "Driver",
    "Evaluates",
    "Replica",
    "Replicates",
    "Reports",
    "Seedable",
    "SetsMomentum",
    "StepDriver",
    "SuggestsBounds",
    "TrainingStep",
    "deferred_interrupts",
    "split_made",
    "with_options",
]
