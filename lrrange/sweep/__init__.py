"""The range test without a training: rates out, losses in."""

from lrrange.sweep.sweep import Point, StopReason, Sweep

__all__ = ["Point", "StopReason", "Sweep"]
