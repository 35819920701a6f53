"""What lrrange does to a torch optimizer: set its rates and its momentum, and check that they are in force."""

from lrrange_torch.accelerate import unwrap
from lrrange_torch.optimizer.facts import facts_of
from lrrange_torch.optimizer.guard import RateGuard, verify
from lrrange_torch.optimizer.momentum import GroupMomenta, momentum_of, set_momentum
from lrrange_torch.optimizer.new_rate import apply_rate
from lrrange_torch.optimizer.rate_control import RateControl
from lrrange_torch.optimizer.rates import GroupRates, base_rate, groups_of, set_rate
from lrrange_torch.same_rate import same_rate

__all__ = [
    "GroupMomenta",
    "GroupRates",
    "RateControl",
    "RateGuard",
    "apply_rate",
    "base_rate",
    "facts_of",
    "groups_of",
    "momentum_of",
    "same_rate",
    "set_momentum",
    "set_rate",
    "unwrap",
    "verify",
]
