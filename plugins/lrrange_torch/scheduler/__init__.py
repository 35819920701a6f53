"""What lrrange knows of LR schedulers: which ones drive an optimizer, and which rates they will set."""

from lrrange_torch.scheduler.expectation import Expectation
from lrrange_torch.scheduler.forecast import Deviation, Forecast, NoForecast
from lrrange_torch.scheduler.rate_slots import RateSlot, slots_of
from lrrange_torch.scheduler.search import attached_schedulers, drives, holds_optimizer

__all__ = [
    "Deviation",
    "Expectation",
    "Forecast",
    "NoForecast",
    "RateSlot",
    "attached_schedulers",
    "drives",
    "holds_optimizer",
    "slots_of",
]
