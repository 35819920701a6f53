"""The range test without a training: rates out, losses in."""

from lrrange.quantity import MetricValue, Quantity, mean_recorded
from lrrange.sweep.curve import Curve, paired_curve
from lrrange.sweep.divergence import Divergence
from lrrange.sweep.plan import AdaptivePlan, Shape, SweepPlan
from lrrange.sweep.planned_steps import PlannedSteps, Point, StopReason
from lrrange.sweep.smoothing import SmoothingKind
from lrrange.sweep.sweep import Sweep

__all__ = [
    "AdaptivePlan",
    "Curve",
    "Divergence",
    "MetricValue",
    "PlannedSteps",
    "Point",
    "Quantity",
    "Shape",
    "SmoothingKind",
    "StopReason",
    "Sweep",
    "SweepPlan",
    "mean_recorded",
    "paired_curve",
]
