"""What a backend is written against."""

from lrrange.protocol.training_step import (
    Driver,
    StepDriver,
    TrainingStep,
    deferred_interrupts,
    split_made,
    with_options,
)

__all__ = ["Driver", "StepDriver", "TrainingStep", "deferred_interrupts", "split_made", "with_options"]
