"""Whether a scheduler may move the rates of an optimizer to where they are: judged by what copies of it set."""

from collections.abc import Sequence
from typing import Any

from torch.optim import Optimizer

from lrrange_torch.same_rate import same_rate
from lrrange_torch.scheduler.forecast import Case, Forecast, NoForecast, Row
from lrrange_torch.scheduler.search import attached_schedulers, with_nested

# Attributes with the rate of each param group from which a schedule starts, and with the highest it goes up to.
_BASES = ("base_lrs", "base_values")
_PEAKS = ("max_lrs", "max_lr", "base_max_lr")


class Expectation:
    """What the schedulers of an optimizer may make of the rates that it was given.

    A scheduler may move a rate if it starts from the wanted one, and if what it sets follows from that. It does not if
    it sets rates of its own, or goes up to a rate that no other base rate would change, such as a floor above the base.

    Args:
        optimizer: whose rates are watched.
        bases: the base rate wanted for each param group.
        is_base: whether the optimizer's own base rates are the wanted ones.
        given: schedulers of classes that are not found; see `attached_schedulers`.
    """

    def __init__(self, optimizer: Optimizer, bases: Sequence[float], is_base: bool, given: Sequence[Any] = ()) -> None:
        self._optimizer = optimizer
        self._bases = bases
        self._is_base = is_base
        self._given = given
        self._schedulers = with_nested(self._given)
        self._rows = self._rows_of(self._schedulers)
        self._judged: dict[int, str | None] = {}

    def cause(self, group: int, actual: float) -> str | None:
        """Return why a group's rate is not one that a scheduler may have set; None if it is."""
        cause = self._cause(group, actual)
        if cause is not None:
            # Searched for only now, because the search goes through every living object.
            self._schedulers = with_nested([*self._given, *attached_schedulers(self._optimizer)])
            self._rows |= self._rows_of(self._schedulers)
            cause = self._cause(group, actual)
        return cause

    def _cause(self, group: int, actual: float) -> str | None:
        nested = {id(value) for outer in self._schedulers for value in with_nested([outer]) if value is not outer}
        # The base rates of a scheduler inside another one are set by that, where it has some: as a multiple, perhaps.
        set_outside = {
            id(value)
            for outer in self._schedulers
            if _base_of(outer, group) is not None
            for value in with_nested([outer])
            if value is not outer
        }
        for scheduler in self._schedulers:
            base = None if id(scheduler) in set_outside else _base_of(scheduler, group)
            if base is None or same_rate(base, self._bases[group]) or (self._is_base and _has_other_rates(scheduler)):
                continue
            return f"its {type(scheduler).__name__} starts from {base:.6g}"
        setting = [scheduler for scheduler in self._schedulers if self._sets(scheduler, group, actual)]
        if not setting:
            return "something else sets it, and no LR scheduler of this optimizer explains it"
        # A scheduler inside another one is stepped by that, which decides what becomes of its rates.
        setting = [scheduler for scheduler in setting if id(scheduler) not in nested] or setting
        for scheduler in setting:
            if id(scheduler) not in self._judged:
                self._judged[id(scheduler)] = self._judge(scheduler)
        causes = [self._judged[id(scheduler)] for scheduler in setting]
        return None if None in causes else causes[0]

    def _sets(self, scheduler: Any, group: int, actual: float) -> bool:
        """Return whether a scheduler that starts from the wanted rate has set this one."""
        base = _base_of(scheduler, group)
        if base is None and not self._is_base:
            return False
        if base is not None and same_rate(base, actual):
            return True
        last = getattr(scheduler, "_last_lr", None)
        if isinstance(last, list):
            return group < len(last) and same_rate(float(last[group]), actual)
        rates = [row.rates[group] for row in self._rows.get(id(scheduler), ()) if group < len(row.rates)]
        # A schedule that is longer than the forecast, and still moving at its end, goes on from there.
        unfinished = len(rates) > 1 and rates[-1] != rates[-2] and actual <= max(rates[-2:])
        return unfinished or any(same_rate(rate, actual) for rate in rates)

    def _rows_of(self, schedulers: list[Any]) -> dict[int, list[Row]]:
        """Return the rates to come of schedulers that do not note which ones they have set."""
        rows = {}
        for scheduler in schedulers:
            if not hasattr(scheduler, "_last_lr") and id(scheduler) not in getattr(self, "_rows", {}):
                try:
                    forecast = Forecast(self._optimizer, [scheduler]).rows
                except NoForecast:
                    continue
                rows[id(scheduler)] = [row for case, ahead in forecast.items() if case.index == 0 for row in ahead]
        return rows

    def _judge(self, scheduler: Any) -> str | None:
        """Return how a scheduler moves the rates elsewhere than they should go; None if it does not."""
        name = type(scheduler).__name__
        try:
            forecast = Forecast(self._optimizer, [scheduler])
            other = forecast.rows_from_other_bases(2.0, _BASES)
        except NoForecast:
            return None  # its base rates and its last rates are all that is known of it
        ceiling = max([*self._bases, *_peaks(scheduler, self._optimizer)])
        for case in (Case(0, True), Case(0, False)):
            for step, (row, doubled) in enumerate(zip(forecast.rows.get(case, ()), other.get(case, ()), strict=False)):
                for rate, twice in zip(row.rates, doubled.rates, strict=True):
                    if rate > ceiling * (1 + 1e-6) and twice < 1.5 * rate:  # noise and floors may add to it
                        return (
                            f"its {name} sets {rate:.6g} at its step {step} from now, a rate that does not follow from "
                            f"the base rate. Make the {name} again, with rates that fit {self._bases[0]:.6g}"
                        )
        if not forecast.can_be_scaled(2.0):
            return f"its {name} sets rates of its own, whatever the base rate is"
        return None


def _base_of(scheduler: Any, group: int) -> float | None:
    """Return the rate from which a scheduler starts; None if it holds none for this group."""
    for name in _BASES:
        bases = getattr(scheduler, name, None)
        if isinstance(bases, list) and group < len(bases):
            return float(bases[group])
    return None


def _has_other_rates(scheduler: Any) -> bool:
    """Return whether a scheduler, not one of torch's, has a peak, so that its `base_lrs` may be floors."""
    own = not type(scheduler).__module__.startswith("torch.")
    return own and any(isinstance(getattr(scheduler, name, None), (int, float, list)) for name in _PEAKS)


def _peaks(scheduler: Any, optimizer: Optimizer) -> list[float]:
    """Return the highest rates that a scheduler climbs to, by its attributes and those of the param groups."""
    peaks = [float(group["max_lr"]) for group in optimizer.param_groups if "max_lr" in group]
    for each in with_nested([scheduler]):
        for name in _PEAKS:
            peak = getattr(each, name, None)
            if isinstance(peak, (int, float)):
                peaks.append(float(peak))
            elif isinstance(peak, list):
                peaks += map(float, peak)
    return peaks
