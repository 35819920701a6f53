"""Cyclical learning rates for torch optimizers.

>>> import torch
>>> from lrrange import LRRange
>>> from lrrange_clr import cyclical
>>> optimizer = torch.optim.SGD(torch.nn.Linear(2, 1).parameters(), lr=0.1, momentum=0.9)
>>> bounds = LRRange(base_lr=0.01, max_lr=0.1, rule="mine", source="an example")
>>> scheduler = cyclical(optimizer, bounds, steps_per_half_cycle=100)
>>> scheduler.get_last_lr()
[0.01]

The hook is here, and imports torch only when it is called with a torch optimizer. The same for Lightning is in
`lrrange_clr.lightning`.
"""

import sys
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from lrrange import LRRange, hookimpl
from lrrange.errors import MissingExtra, OptionError
from lrrange.spelling import attribute_error, did_you_mean

if TYPE_CHECKING:
    from lrrange_clr.scheduler import ScheduleLR, cyclical, one_cycle

__all__ = ["ScheduleLR", "cyclical", "one_cycle"]

if find_spec("torch") is None:
    raise MissingExtra("lrrange_clr needs PyTorch. Install it with: pip install 'lrrange[torch]'", extra="torch")


# Last, because it takes every torch optimizer: a plug-in with a mode of its own comes before it.
@hookimpl(trylast=True)
def lrrange_schedule(optimizer: object, bounds: LRRange, mode: str, options: Mapping[str, Any]) -> object | None:
    """Make a `ScheduleLR` for any torch optimizer."""
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(optimizer, torch.optim.Optimizer):
        return None
    from lrrange_clr.scheduler import MODES, cyclical, one_cycle

    if mode not in MODES:
        raise OptionError(f"mode {mode!r} is not one of {', '.join(MODES)}.{did_you_mean(mode, MODES)}", mode=mode)
    if mode == "one_cycle":
        return _call(one_cycle, mode, (optimizer, bounds), options)
    return _call(cyclical, mode, (optimizer, bounds, mode), options)


def _call(make: Callable[..., object], mode: str, given: tuple[object, ...], options: Mapping[str, Any]) -> object:
    try:
        return make(*given, **options)
    except OptionError as error:
        if "options" not in error.numbers:  # of the values
            raise
        raise OptionError(f"mode {mode!r}: {error}", mode=mode, options=tuple(options)) from None


if not TYPE_CHECKING:  # a type checker would take any name for one that exists

    def __getattr__(name: str) -> Any:
        if name not in __all__:
            raise attribute_error("module 'lrrange_clr'", name, __all__)
        from lrrange_clr import scheduler

        return getattr(scheduler, name)
