"""The advice of a range test: the answer of every heuristic, the chosen one, the range, and how far to trust them."""

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any, Self

import attrs

from lrrange.advice.confirmation import Confirmation
from lrrange.advice.ending import UNFIT_SWEEP, Ending
from lrrange.advice.heuristics import DEFAULT, HEURISTICS, ask_heuristic, known_name
from lrrange.advice.ranges import DEFAULT_RANGE, RANGE_RULES, LRRange, range_rule
from lrrange.advice.suggestion import Heuristic, Refusal, Suggestion
from lrrange.advice.verdict import Verdict, judge
from lrrange.errors import LRRangeError, NoSuggestion, UnknownName
from lrrange.sweep.curve import Curve
from lrrange.sweep.plan import SweepPlan
from lrrange.sweep.planned_steps import StopReason

_UNFIT_SWEEP = tuple(kind.__name__ for kind in UNFIT_SWEEP)


@attrs.frozen(kw_only=True)
class Provenance:
    """The origin of a result.

    Args:
        backend: name of the plug-in that ran the sweep.
        versions: package versions, by package name.
        seed: the seed given to `find_lr`; None if none was given.
        steps_run: number of training steps of all sweeps and trials, and of the probe of the rate.
        wall_time: seconds from the first step until everything was restored.
        details: further facts from the backend, such as `skipped_steps`.
    """

    backend: str
    versions: dict[str, str] = attrs.field(factory=dict)
    seed: int | None = None
    steps_run: int = 0
    wall_time: float = 0.0
    details: dict[str, Any] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class Advice:
    """The advice of a finished range test.

    `lrrange.RangeTestResult` is an `Advice` that can also be applied, saved, plotted and printed. It describes the
    fields.
    """

    plan: SweepPlan
    curve: Curve
    stop_reason: StopReason
    answers: tuple[Suggestion | Refusal, ...] = attrs.field(validator=attrs.validators.min_len(1))
    heuristic: str | None = None
    ranges: tuple[LRRange, ...] = ()
    sweeps: tuple[Curve, ...] = ()
    confirmation: Confirmation | None = None
    provenance: Provenance

    @property
    def chosen(self) -> Suggestion | Refusal:
        """The answer of the heuristic that the user chose, or else the first suggestion, starting with the default's.

        A chosen heuristic that refuses is not replaced by another. The default heuristic is not replaced either if it
        refuses because the sweep ended too soon or was too coarse: the others would then answer from the edge of what
        was measured.
        """
        return chosen_answer(self.answers, self.heuristic)

    @property
    def lr(self) -> float:
        """The suggested rate. Raises: the `NoSuggestion` with the reason, if `chosen` is a refusal."""
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
        """Whether the answer can be trusted, and the reasons if it cannot. Raises: as `lr` does."""
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
    def _ending(self) -> Ending:
        return Ending(plan=self.plan, stop_reason=self.stop_reason)

    @property
    def _interval(self) -> tuple[float, float]:
        if self.confirmation is not None:
            return self.confirmation.low, self.confirmation.high
        chosen = self._suggestion
        return chosen.low or chosen.lr, chosen.high or chosen.lr

    @property
    def range(self) -> LRRange:
        """The range by the default rule. Raises: the `NoSuggestion` with the reason, if the curve has no range.

        Its `max_lr` is meant as the peak of a one-cycle schedule. `range_by("smith")` returns the range of Smith's
        paper.
        """
        bounds = self.range_by(DEFAULT_RANGE)
        return bounds if self.confirmation is None else self.confirmation.range(bounds.base_lr)

    def range_by(self, rule: str) -> LRRange:
        """Return the range by this rule: `"midway"`, `"smith"`, `"max/3"`, `"max/4"`, `"max/10"` or `"max/20"`.

        Raises: UnknownName; the `NoSuggestion` with the reason, if the curve has no such range.
        """
        find_range = range_rule(rule)
        for bounds in self.ranges:
            if bounds.rule == rule:
                return bounds
        try:
            return find_range(self.curve)  # a pure function of the curve, so it raises the same reason again
        except NoSuggestion as error:
            raise self._ending.explain(error, self.curve) from None

    def with_heuristic(
        self, heuristic: str | Heuristic | None, heuristics: Mapping[str, Heuristic] = HEURISTICS
    ) -> Self:
        """Return the same test with this heuristic as the chosen one. All answers are read from the curve again.

        The confirmation is left out, because it confirmed another answer. Raises: UnknownName.
        """
        name, heuristics = resolve_heuristic(heuristic, heuristics)
        answers = read_answers(self.curve, heuristics, self.sweeps, self._ending)
        return attrs.evolve(self, heuristic=name, answers=answers, ranges=read_ranges(self.curve), confirmation=None)


def resolve_heuristic(
    heuristic: str | Heuristic | None, heuristics: Mapping[str, Heuristic]
) -> tuple[str | None, Mapping[str, Heuristic]]:
    """Return the name of the chosen heuristic, and all heuristics by name. A function of the user's own is added.

    Args:
        heuristic: a name, a function of a `Curve`, or None for no choice.
        heuristics: the existing heuristics, by name.
    Raises: UnknownName.
    """
    if heuristic is None:
        return None, heuristics
    if isinstance(heuristic, str):
        return known_name(heuristic, heuristics), heuristics
    if not callable(heuristic):
        raise UnknownName(
            f"heuristic={heuristic!r} is neither a function of a curve nor one of {', '.join(heuristics)}.",
            name=heuristic,
        )
    name = getattr(heuristic, "__name__", type(heuristic).__name__)
    return name, {**heuristics, name: heuristic}


def chosen_answer(answers: Sequence[Suggestion | Refusal], heuristic: str | None) -> Suggestion | Refusal:
    """Return the answer that counts, as `Advice.chosen` explains.

    Args:
        answers: the answers of all heuristics.
        heuristic: name of the chosen heuristic; None for no choice.
    """
    ordered = sorted(answers, key=lambda answer: answer.heuristic != (heuristic or DEFAULT))
    first = ordered[0]
    if heuristic is not None or (isinstance(first, Refusal) and first.kind in _UNFIT_SWEEP):
        return first
    return next((answer for answer in ordered if isinstance(answer, Suggestion)), first)


def read_answers(
    curve: Curve, heuristics: Mapping[str, Heuristic], sweeps: Sequence[Curve] = (), ending: Ending | None = None
) -> tuple[Suggestion | Refusal, ...]:
    """Return the answer of every heuristic to this curve.

    Args:
        curve: the curve to read.
        heuristics: the heuristics, by name.
        sweeps: the single curves of a repeated test. The interval of each answer then spans the answers to them too.
        ending: how the sweep ended, to explain refusals; None for a curve without a sweep.
    """
    return tuple(ask_heuristic(name, heuristic, curve, sweeps, ending) for name, heuristic in heuristics.items())


def read_ranges(curve: Curve) -> tuple[LRRange, ...]:
    """Return the range of every range rule that finds one. For the others `Advice.range_by` raises the reason."""
    ranges = []
    for rule in RANGE_RULES.values():
        with contextlib.suppress(LRRangeError):
            ranges.append(rule(curve))
    return tuple(ranges)
