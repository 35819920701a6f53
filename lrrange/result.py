"""What a range test found, and where it came from."""

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from lrrange.advice.heuristics import DEFAULT, HEURISTICS, Heuristic, Refusal, Suggestion, ask, known_name
from lrrange.advice.ranges import DEFAULT_RANGE, RANGE_RULES, LRRange, range_rule
from lrrange.advice.verdict import Verdict, judge
from lrrange.errors import LRRangeError, RatesTooFarApart, StillFalls, TargetError, UnknownName
from lrrange.finder.trials import Confirmation
from lrrange.sweep.curve import Curve
from lrrange.sweep.plan import SweepPlan
from lrrange.sweep.sweep import StopReason

if TYPE_CHECKING:
    from matplotlib.axes import Axes


# Refusals that speak of the sweep and not of a heuristic.
_UNFIT_SWEEP = (StillFalls.__name__, RatesTooFarApart.__name__)


@attrs.frozen(kw_only=True)
class Provenance:
    """Where a result came from.

    Args:
        backend: name of the plug-in that ran the sweep.
        versions: version by package.
        seed: as given to `find_lr`; None if none was.
        steps_run: steps the sweep took.
        wall_time: seconds from the first step until everything was restored.
        details: what the backend reports besides, such as `skipped_steps`.
    """

    backend: str
    versions: dict[str, str] = attrs.field(factory=dict)
    seed: int | None = None
    steps_run: int = 0
    wall_time: float = 0.0
    details: dict[str, Any] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class RangeTestResult:
    """A finished range test.

    Args:
        plan: the rates that were to be swept.
        curve: the rates that were, with raw and smoothed losses.
        stop_reason: why the sweep ended.
        answers: every heuristic's suggestion, or its refusal with the reason.
        heuristic: the name of the heuristic the user asked for; None if the choice was lrrange's.
        ranges: every range rule's range; empty if the curve has none.
        sweeps: the single curves, if the test was repeated; `curve` is then their median.
        confirmation: what the short runs around the answer said, if they were asked for.
        provenance: where it came from.
    """

    plan: SweepPlan
    curve: Curve
    stop_reason: StopReason
    answers: tuple[Suggestion | Refusal, ...]
    heuristic: str | None = None
    ranges: tuple[LRRange, ...] = ()
    sweeps: tuple[Curve, ...] = ()
    confirmation: Confirmation | None = None
    provenance: Provenance

    @property
    def chosen(self) -> Suggestion | Refusal:
        """The answer of the heuristic asked for; if none was, the first that answers, the default one before others.

        A heuristic that was asked for and refuses is not replaced by another, nor is the default one where it says that
        the sweep ended too soon or was too coarse: the others would answer, from the edge of what was measured.
        """
        ordered = sorted(self.answers, key=lambda answer: answer.heuristic != (self.heuristic or DEFAULT))
        first = ordered[0]
        if self.heuristic is not None or (isinstance(first, Refusal) and first.kind in _UNFIT_SWEEP):
            return first
        return next((answer for answer in ordered if isinstance(answer, Suggestion)), ordered[0])

    @property
    def lr(self) -> float:
        """The suggested rate. Raises: the reason, a `NoSuggestion`, if the heuristic (or every heuristic) refused."""
        return self._suggestion.lr if self.confirmation is None else self.confirmation.lr

    @property
    def low(self) -> float:
        """Lower end of the interval in which the rate lies. Raises: as `lr` does."""
        return self._interval[0]

    @property
    def high(self) -> float:
        """Upper end of the interval in which the rate lies. Raises: as `lr` does."""
        return self._interval[1]

    @property
    def verdict(self) -> Verdict:
        """Whether the answer is confident, and if not, why. Raises: as `lr` does."""
        chosen = self._suggestion
        if self.confirmation is not None:
            return self.confirmation.verdict
        return judge(chosen, self.answers, self.curve, self.plan, self.stop_reason)

    @property
    def _suggestion(self) -> Suggestion:
        chosen = self.chosen
        if isinstance(chosen, Refusal):
            raise chosen.error
        return chosen

    @property
    def _interval(self) -> tuple[float, float]:
        if self.confirmation is not None:
            return self.confirmation.low, self.confirmation.high
        chosen = self._suggestion
        return chosen.low or chosen.lr, chosen.high or chosen.lr

    @property
    def range(self) -> LRRange:
        """The range by the default rule. Raises: the reason, a `NoSuggestion`, if the curve has none.

        Its `max_lr` is for the peak of a one-cycle; `range_by("smith")` is what the paper reads.
        """
        bounds = self.range_by(DEFAULT_RANGE)
        return bounds if self.confirmation is None else self.confirmation.range(bounds.base_lr)

    def range_by(self, rule: str) -> LRRange:
        """The range by a rule of that name: `"midway"`, `"smith"`, `"max/3"`, `"max/4"`, `"max/10"` or `"max/20"`.

        Raises: UnknownName, or the reason, a `NoSuggestion`, if the curve has no range.
        """
        read_anew = range_rule(rule)
        for bounds in self.ranges:
            if bounds.rule == rule:
                return bounds
        return read_anew(self.curve)  # raises why not: it is a pure function of the curve

    def with_heuristic(
        self, heuristic: str | Heuristic | None, heuristics: Mapping[str, Heuristic] = HEURISTICS
    ) -> "RangeTestResult":
        """The same test, answered anew with this heuristic as the chosen one.

        A confirmation was of another answer, and is left out. Raises: UnknownName.
        """
        name, heuristics = choose(heuristic, heuristics)
        return attrs.evolve(self, heuristic=name, confirmation=None, **read(self.curve, heuristics, self.sweeps))

    def apply(
        self, optimizer: object, *, scheduler: object | None = None, lr: float | None = None
    ) -> Mapping[str, Any]:
        """Set the suggested rate (or `lr`) in every param group of `optimizer`, ratios kept, and in its scheduler.

        Args:
            optimizer: of any framework that a plug-in knows.
            scheduler: an attached LR scheduler, whose base rates then follow and whose shape stays.
            lr: another rate, such as `result.range.max_lr`.
        Returns: what was set, by name.
        Raises: the reason if there is no suggestion; TargetError if no plug-in knows the optimizer.
        """
        from lrrange.plugins import make_manager

        rate = self.lr if lr is None else lr
        applied: Mapping[str, Any] | None = make_manager().hook.lrrange_apply(
            optimizer=optimizer, lr=rate, scheduler=scheduler
        )
        if applied is None:
            raise TargetError(
                f"no plug-in can set the rate of a {type(optimizer).__name__}. `lrrange plugins` lists them.",
                lr=rate,
            )
        return applied

    def save(self, path: str | Path) -> None:
        """Write the result as JSON, all of it or nothing. Raises: SaveError. `lrrange.load` reads it."""
        from lrrange.storage.documents import save

        save(self, path)

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """Draw raw and smoothed loss against the rate, with the suggestions and the range.

        Args:
            ax: where to draw; a new figure if None.
        Returns: the axes.
        Raises: MissingExtra if matplotlib is not installed.
        """
        from lrrange.report.plot import plot

        return plot(self, ax)

    def __rich__(self) -> Any:
        from lrrange.report.table import as_rich

        return as_rich(self)

    def _repr_html_(self) -> str:
        from lrrange.report.table import as_html

        return as_html(self)


def choose(
    heuristic: str | Heuristic | None, heuristics: Mapping[str, Heuristic]
) -> tuple[str | None, Mapping[str, Heuristic]]:
    """The chosen heuristic's name, and all heuristics, a function of the user's own among them.

    Raises: UnknownName.
    """
    if heuristic is None:
        return None, heuristics
    if isinstance(heuristic, str):
        return known_name(heuristic, heuristics), heuristics
    if not callable(heuristic):
        raise UnknownName(
            f"heuristic={heuristic!r} is neither a name nor a function of a curve. There are {', '.join(heuristics)}.",
            name=heuristic,
        )
    name = getattr(heuristic, "__name__", type(heuristic).__name__)
    return name, {**heuristics, name: heuristic}


def read(curve: Curve, heuristics: Mapping[str, Heuristic], sweeps: Sequence[Curve] = ()) -> dict[str, Any]:
    """The fields of a result that are read from its curve: `answers` and `ranges`.

    Args:
        curve: to read.
        heuristics: to ask, by name.
        sweeps: the single curves of a repeated test; each answer's interval spans what they say.
    """
    ranges = []
    for rule in RANGE_RULES.values():
        with contextlib.suppress(LRRangeError):  # `RangeTestResult.range_by` raises the reason
            ranges.append(rule(curve))
    return {
        "answers": tuple(ask(name, heuristic, curve, sweeps) for name, heuristic in heuristics.items()),
        "ranges": tuple(ranges),
    }
