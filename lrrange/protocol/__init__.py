"""The protocols that a backend implements, and functions that help to write one."""

from lrrange.protocol.factories import split_made
from lrrange.protocol.interrupts import deferred_interrupts
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
from lrrange.protocol.options import with_options
from lrrange.protocol.step_driver import StepDriver
from lrrange.protocol.training_step import Driver, TrainingStep

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
