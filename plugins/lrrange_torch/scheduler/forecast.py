"""The rates that schedulers will set, found out by stepping copies of them, not by knowing their classes."""

import contextlib
import inspect
import io
import logging
import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import attrs
import torch
from torch.optim import Optimizer

from lrrange_torch.random_state import undo_of_global_states
from lrrange_torch.same_rate import same_rate
from lrrange_torch.scheduler.copier import Copier, OriginalGroups, copy_of
from lrrange_torch.scheduler.rate_slots import RateSlot, slots_of
from lrrange_torch.scheduler.search import with_nested

# Steps to look ahead, and steps to take twice, to see whether they give the same rates.
_HORIZON, _AGAIN = 1000, 100

# Near 0, two rates are also the same if they differ by no more than this part of the schedule's highest rate.
_OF_THE_HIGHEST = 1e-9

# Writes new rates into the param groups of an optimizer, or of a copy.
Write = Callable[[Optimizer], None]


@attrs.frozen
class Deviation:
    """The first step at which a scheduler does not set the rate that it should.

    Args:
        scheduler: the name of its class.
        step: number of its steps from now.
        group: index of the param group.
        wanted: the rate that it should set.
        actual: the rate that it would set.
        reason: why it is not known what it sets; None if it is known.
    """

    scheduler: str
    step: int = 0
    group: int = 0
    wanted: float = 0.0
    actual: float = 0.0
    reason: str | None = None


class NoForecast(Exception):
    """The schedulers do not follow the rate. `deviation` says which one, and how."""

    def __init__(self, deviation: Deviation) -> None:
        super().__init__(deviation.scheduler)
        self.deviation = deviation


@attrs.frozen
class Row:
    """The rates and momenta of all param groups after some steps of a scheduler."""

    rates: tuple[float, ...]
    momenta: tuple[float, ...]


@attrs.frozen
class Case:
    """One scheduler, stepped alone.

    Args:
        index: of the scheduler.
        rising: whether the metric that it is given rises, or falls. A scheduler that counts steps is given 0, 1, 2, ...
    """

    index: int
    rising: bool


class Forecast:
    """The rates that the schedulers of an optimizer will set, as they are now.

    Args:
        optimizer: what they drive.
        schedulers: those that the training steps. Schedulers inside them are looked at, too.

    Attributes:
        schedulers: all of them.
        rows: the rates to come, for each case; the first row has the present ones.

    Raises: NoForecast if a scheduler cannot be copied or stepped, or does not set the same rates twice.
    """

    def __init__(self, optimizer: Optimizer, schedulers: Sequence[Any]) -> None:
        self._optimizer = optimizer
        self.schedulers = with_nested(schedulers)
        self.rows: dict[Case, list[Row]] = {}
        self._slots, self._positions = self._own_slots()
        inner = {id(value) for outer in self.schedulers for value in with_nested([outer]) if value is not outer}
        for index, scheduler in enumerate(self.schedulers):
            if not callable(getattr(scheduler, "step", None)):
                raise NoForecast(Deviation(type(scheduler).__name__, reason="it has no method `step`"))
            cases = [Case(index, rising) for rising in ((True, False) if _arguments_of(scheduler).metrics else (True,))]
            rows = {case: self._run(case) for case in cases}
            if id(scheduler) not in inner:
                self._check(scheduler, rows)
            self.rows |= rows

    def slots_to_scale(self, write: Write, factor: float) -> list[RateSlot]:
        """Return what to scale, beside what `write` writes, so that all rates to come are `factor` times these.

        Slots named after a rate are tried first. Then one more is taken in, or left out, as long as that brings the
        rates nearer to what they should be.

        Raises: NoForecast if that does not get there.
        """
        named = {index for index, slot in enumerate(self._slots) if slot.is_named_after_a_rate}
        chosen, error = named, self._error(named, write, factor, math.inf)
        while error > 0:
            best, better = error, None
            for index, slot in enumerate(self._slots):
                if index in chosen or not slot.is_whole:
                    tried = self._error(chosen ^ {index}, write, factor, best)
                    if tried < best:
                        best, better = tried, chosen ^ {index}
            if better is None:
                raise NoForecast(self._deviation(named, write, factor))
            chosen, error = better, best
        return [self._slots[index] for index in sorted(chosen)]

    def can_be_scaled(self, factor: float) -> bool:
        """Return whether there is anything to scale that makes all rates to come `factor` times these."""
        try:
            self.slots_to_scale(lambda optimizer: _scale_groups(optimizer, factor), factor)
        except NoForecast:
            return False
        return True

    def rows_from_other_bases(self, factor: float, names: Sequence[str]) -> dict[Case, list[Row]]:
        """Return the rates to come if only the base rates were `factor` times what they are.

        Args:
            factor: for the rates of the param groups, and the attributes named.
            names: of the attributes in which schedulers keep the base rates of param groups.
        """
        bases = {index for index, slot in enumerate(self._slots) if slot.name in names}
        scaling = self._scaling(bases, lambda optimizer: _scale_groups(optimizer, factor), factor)
        return {case: self._run(case, scaling, steps=len(rows) - 1) for case, rows in self.rows.items()}

    def _own_slots(self) -> tuple[list[RateSlot], list[int]]:
        """Return the slots that a copy does not share with the original, and their positions among all."""
        copy = self._copy()
        slots = slots_of(self._optimizer, self.schedulers)
        copied = slots_of(copy.optimizer, copy.schedulers)
        if [slot.name for slot in slots] != [slot.name for slot in copied]:
            raise NoForecast(Deviation(self._names(), reason="its copy has other attributes"))
        own = [index for index, slot in enumerate(slots) if slot.holder is not copied[index].holder]
        return [slots[index] for index in own], own

    def _copy(self) -> Copier:
        try:
            return copy_of(self._optimizer, self.schedulers)
        except Exception as error:
            raise NoForecast(Deviation(self._names(), reason=f"it cannot be copied ({error})")) from error

    def _names(self) -> str:
        return ", ".join(type(scheduler).__name__ for scheduler in self.schedulers)

    def _check(self, scheduler: Any, rows: dict[Case, list[Row]]) -> None:
        """Raise NoForecast unless a scheduler can be stepped, and sets the same rates if it is stepped again."""
        name = type(scheduler).__name__
        if max(map(len, rows.values())) < 2:
            raise NoForecast(Deviation(name, reason=f"it cannot take its next step ({self._failure})"))
        for case, expected in rows.items():
            again = self._run(case, steps=_AGAIN)
            if any(_error(row, other, 1.0, 0.0) for row, other in zip(expected, again, strict=False)):
                raise NoForecast(Deviation(name, reason="it sets other rates when the same steps are taken again"))

    def _run(
        self,
        case: Case,
        prepare: Callable[[Copier], None] = lambda _: None,
        go_on: Callable[[int, Row], bool] = lambda *_: True,
        steps: int = _HORIZON,
    ) -> list[Row]:
        """Step a copy of a scheduler, until it raises or `go_on` returns False."""
        copy = self._copy()
        scheduler = copy.schedulers[case.index]
        arguments, by_updates = _arguments_of(scheduler), hasattr(scheduler, "step_update")
        original = OriginalGroups(self._optimizer)
        with _undisturbed():
            prepare(copy)
            rows = [_row(copy.optimizer)]
            for step in range(steps):
                if not go_on(step, rows[-1]):
                    break
                try:
                    scheduler.step(**arguments.at(step, case.rising))
                    if by_updates:  # timm's schedules by optimizer steps; `step` is for those by epochs
                        scheduler.step_update(step)
                    rows.append(_row(copy.optimizer))
                except Exception as error:
                    self._failure = f"{type(error).__name__}: {error}"
                    break
        if original.put_back():
            reason = "a copy of it sets the rates of the original optimizer"
            raise NoForecast(Deviation(type(scheduler).__name__, reason=reason))
        return rows

    def _error(self, chosen: set[int], write: Write, factor: float, limit: float) -> float:
        """Return how far the rates are from what they should be if these slots are scaled; 0 if they are right.

        It stops looking when the sum has reached `limit`.
        """
        total = 0.0
        for case, expected in self.rows.items():
            highest = factor * _highest(expected)

            def add(step: int, row: Row, expected: list[Row] = expected, highest: float = highest) -> bool:
                nonlocal total
                total += _error(expected[step], row, factor, highest) if step < len(expected) else 1.0
                return total < limit

            rows = self._run(case, self._scaling(chosen, write, factor), add, steps=len(expected) - 1)
            if total < limit and len(rows) == len(expected):
                add(len(rows) - 1, rows[-1])
            elif total < limit:
                total += len(expected) - len(rows)
        return total

    def _deviation(self, chosen: set[int], write: Write, factor: float) -> Deviation:
        for case, expected in self.rows.items():
            rows = self._run(case, self._scaling(chosen, write, factor), steps=len(expected) - 1)
            name, highest = type(self.schedulers[case.index]).__name__, factor * _highest(expected)
            for step, (before, after) in enumerate(zip(expected, rows, strict=False)):
                for group, (rate, actual) in enumerate(zip(before.rates, after.rates, strict=False)):
                    if not _same(factor * rate, actual, highest):
                        return Deviation(name, step, group, factor * rate, actual)
                if _error(before, after, factor, highest) > 0:
                    return Deviation(name, reason=f"it would change the momentum at its step {step}")
            if len(rows) < len(expected):
                return Deviation(name, reason=f"with that rate it raises at its step {len(rows)} ({self._failure})")
        return Deviation(self._names(), reason="what it sets cannot be scaled")

    def _scaling(self, chosen: set[int], write: Write, factor: float) -> Callable[[Copier], None]:
        def scale(copy: Copier) -> None:
            slots = slots_of(copy.optimizer, copy.schedulers)
            write(copy.optimizer)
            for index in chosen:
                slots[self._positions[index]].scale(factor)

        return scale


def _scale_groups(optimizer: Optimizer, factor: float) -> None:
    for group in optimizer.param_groups:
        for key in ("lr", "initial_lr"):
            if isinstance(group.get(key), torch.Tensor):
                group[key].mul_(factor)
            elif key in group:
                group[key] = group[key] * factor


def _row(optimizer: Optimizer) -> Row:
    groups = optimizer.param_groups
    momenta = [group["betas"][0] if group.get("betas") else group.get("momentum") or 0.0 for group in groups]
    return Row(tuple([float(group["lr"]) for group in groups]), tuple(map(float, momenta)))


def _highest(rows: list[Row]) -> float:
    return max((rate for row in rows for rate in row.rates if math.isfinite(rate)), default=0.0)


def _same(wanted: float, actual: float, highest: float) -> bool:
    near = same_rate(wanted, actual) or abs(wanted - actual) <= _OF_THE_HIGHEST * abs(highest)
    return near or (math.isnan(wanted) and math.isnan(actual))


def _error(expected: Row, row: Row, factor: float, highest: float) -> float:
    """Return by how much the rates of a row are not `factor` times the expected ones; 0 if they are."""
    if len(expected.rates) != len(row.rates):
        return 1.0
    error = 0.0
    for rate, actual in zip(expected.rates, row.rates, strict=True):
        if not _same(factor * rate, actual, highest):
            away = abs(actual - factor * rate) / (abs(factor * rate) + 1e-3 * abs(highest) or 1.0)
            error += min(away, 1e6) if math.isfinite(away) else 1e6
    momenta = zip(expected.momenta, row.momenta, strict=True)
    return error + sum(not _same(before, after, 1.0) for before, after in momenta)


@attrs.frozen
class _StepArguments:
    """The names of the arguments that a scheduler's `step` needs: numbers of steps or epochs, and metrics."""

    counts: tuple[str, ...]
    metrics: tuple[str, ...]

    def at(self, step: int, rising: bool) -> dict[str, float]:
        """Return the arguments of one step."""
        metric = step if rising else 1 / (step + 1)
        return dict.fromkeys(self.counts, step) | dict.fromkeys(self.metrics, metric)


def _arguments_of(scheduler: Any) -> _StepArguments:
    counts: list[str] = []
    metrics: list[str] = []
    for parameter in inspect.signature(scheduler.step).parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        if "metric" in parameter.name:
            metrics.append(parameter.name)
        elif parameter.default is parameter.empty:
            counted = any(word in parameter.name for word in ("epoch", "step", "update", "iter", "batch"))
            (counts if counted else metrics).append(parameter.name)
    return _StepArguments(tuple(counts), tuple(metrics))


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Keep what copies print, log, warn of and draw at random from being noticed."""
    undo = [undo for _, undo in undo_of_global_states()]
    logged = logging.root.manager.disable
    logging.disable()
    unseen = io.StringIO()
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(unseen), contextlib.redirect_stderr(unseen):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logged)
        for put_back in undo:
            put_back()
