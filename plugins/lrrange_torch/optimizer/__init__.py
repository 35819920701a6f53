"""What lrrange does to a torch optimizer: set its rates and its momentum, and check that they are in force."""

from lrrange_torch.optimizer.guard import RateGuard, verify
from lrrange_torch.optimizer.momentum import GroupMomenta, momentum_of, set_momentum
from lrrange_torch.optimizer.rate_control import Optimizing as RateControl
from lrrange_torch.optimizer.rates import GroupRates, apply_rate, base_rate, groups_of, same_rate, set_rate

__all__ = [
    "GroupMomenta",
    "GroupRates",
    "RateControl",
    "RateGuard",
    "apply_rate",
    "base_rate",
    "groups_of",
    "momentum_of",
    "same_rate",
    "set_momentum",
    "set_rate",
    "verify",
]
