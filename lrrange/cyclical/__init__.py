"""Cyclical schedules over a range: the learning rate of each step, and the momentum that moves the other way.

A schedule is a frozen value that needs no framework: `lr_at(step)` is a plain function of the step, counted from 0 in
optimizer steps. The plug-in `lrrange_clr` turns schedules into torch schedulers.

>>> schedule = one_cycle(0.1, total_steps=100)
>>> f"{schedule.lr_at(0):g} {schedule.lr_at(29):g} {schedule.lr_at(99):g}"
'0.004 0.1 4e-07'
"""

from lrrange.cyclical.constructors import (
    EPOCHS_PER_HALF_CYCLE,
    Bounds,
    bounds_for,
    exp_range,
    half_cycle_steps,
    one_cycle,
    triangular,
    triangular2,
)
from lrrange.cyclical.scheduled_rate import ScheduledRate, ScheduleKind
from lrrange.cyclical.schedules import DIV_FACTOR, GAMMA, Anneal, Cycle, CycleMode, OneCycle, Schedule

__all__ = [
    "Anneal",
    "Bounds",
    "Cycle",
    "CycleMode",
    "DIV_FACTOR",
    "EPOCHS_PER_HALF_CYCLE",
    "GAMMA",
    "OneCycle",
    "Schedule",
    "ScheduleKind",
    "ScheduledRate",
    "bounds_for",
    "exp_range",
    "half_cycle_steps",
    "one_cycle",
    "triangular",
    "triangular2",
]
