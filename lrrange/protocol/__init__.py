"""The protocols that a backend implements, and functions that help to write one."""

from lrrange.protocol.blow_up import is_blow_up
from lrrange.protocol.factories import split_made
from lrrange.protocol.interrupts import between_steps, deferred_interrupts, raised_by_a_signal
from lrrange.protocol.loop_driver import LoopDriver
from lrrange.protocol.optional import (
    DeferredLoss,
    Digestible,
    Evaluates,
    EvaluatesBatches,
    KnowsFacts,
    ProvesRate,
    RecognisesBlowUps,
    Replica,
    Replicates,
    Reports,
    Seedable,
    SetsMomentum,
    StartsFrom,
    SuggestsBounds,
)
from lrrange.protocol.options import OPTIONS_OF_VERIFY, with_options
from lrrange.protocol.rate_proof import ProvedRate, RateProof, check_steps
from lrrange.protocol.step_driver import StepDriver
from lrrange.protocol.training_step import Driver, TrainingStep
from lrrange.random_state import kept_random_state

__all__ = [
    "DeferredLoss",
    "Digestible",
    "Driver",
    "Evaluates",
    "EvaluatesBatches",
    "KnowsFacts",
    "LoopDriver",
    "OPTIONS_OF_VERIFY",
    "ProvedRate",
    "ProvesRate",
    "RateProof",
    "RecognisesBlowUps",
    "Replica",
    "Replicates",
    "Reports",
    "Seedable",
    "SetsMomentum",
    "StartsFrom",
    "StepDriver",
    "SuggestsBounds",
    "TrainingStep",
    "between_steps",
    "check_steps",
    "deferred_interrupts",
    "is_blow_up",
    "kept_random_state",
    "raised_by_a_signal",
    "split_made",
    "with_options",
]
