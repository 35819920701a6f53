"""The advice of a range test: the answer of every heuristic, the chosen one, the range, and how far to trust them."""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, Self

import attrs

from lrrange.advice.confirmation import Confirmation
from lrrange.advice.ending import Ending
from lrrange.advice.facts import TrainingFacts
from lrrange.advice.heuristics import DEFAULT, HEURISTICS, known_name
from lrrange.advice.ranges import DEFAULT_RANGE, LRRange, range_rule
from lrrange.advice.readings import unread_answers, unread_ranges
from lrrange.advice.suggestion import Heuristic, Refusal, Suggestion
from lrrange.advice.unread import ReadWhenAsked, Unread, UnreadAnswers
from lrrange.advice.verdict import Circumstances, Verdict, judge
from lrrange.advice.ways_out import join_ways
from lrrange.errors import (
    AtTheEdge,
    FlatCurve,
    NoInterval,
    NoSuggestion,
    OnlyRises,
    OptionError,
    UnknownName,
)
from lrrange.printable import brief
from lrrange.spelling import spell_checked
from lrrange.sweep.curve import Curve
from lrrange.sweep.plan import AnyPlan
from lrrange.sweep.planned_steps import StopReason
from lrrange.validators import shown, takes


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
        untried: those of the options `"paired"`, `"repeats"`, `"confirm"` and `"val_loader"` of `find_lr` that could
            make the answer surer: this training can take them, and the test did not use them.
    """

    backend: str
    versions: dict[str, str] = attrs.field(factory=dict)
    seed: int | None = None
    steps_run: int = 0
    wall_time: float = 0.0
    details: dict[str, Any] = attrs.field(factory=dict)
    untried: tuple[str, ...] = ()

    def __repr__(self) -> str:
        seed = "" if self.seed is None else f", seed {brief(self.seed, 20)}"
        return f"<Provenance {brief(self.backend)}: {self.steps_run} steps in {self.wall_time:.3g} s{seed}>"


def _one_or_more(answers: tuple[Suggestion | Refusal, ...] | UnreadAnswers) -> tuple[Suggestion | Refusal, ...]:
    if not len(answers):
        raise ValueError("answers must have at least one answer")
    return answers  # type: ignore[return-value]  # `ReadWhenAsked` returns the tuple


def _ranges(ranges: tuple[LRRange, ...] | Unread) -> tuple[LRRange, ...]:
    return ranges  # type: ignore[return-value]  # as above


@attrs.frozen(kw_only=True)
class Advice:
    """The advice of a finished range test.

    `lrrange.RangeTestResult` is an `Advice` that can also be applied, saved, plotted and printed. It describes the
    fields. `answers` and `ranges` may be given unread; the chosen answer is read in any case.
    """

    plan: AnyPlan
    curve: Curve
    stop_reason: StopReason
    answers: tuple[Suggestion | Refusal, ...] = attrs.field(converter=_one_or_more)
    heuristic: str | None = None
    ranges: tuple[LRRange, ...] = attrs.field(default=(), converter=_ranges)
    sweeps: tuple[Curve, ...] = ()
    confirmation: Confirmation | None = None
    facts: TrainingFacts = attrs.field(factory=TrainingFacts)
    provenance: Provenance

    @property
    def chosen(self) -> Suggestion | Refusal:
        """The answer of the heuristic that the user chose, or else that of the default heuristic.

        If it is a refusal, no other heuristic answers in its place: one that reads less of the curve answers where
        there is nothing to read.
        """
        answers = _ANSWERS.held(self)
        return answers.chosen if isinstance(answers, UnreadAnswers) else chosen_answer(answers, self.heuristic)

    @property
    def lr(self) -> float:
        """The suggested learning rate. Raises: the `NoSuggestion` with the reason, if `chosen` is a refusal."""
        return self._suggestion.lr if self.confirmation is None else self.confirmation.lr

    @property
    def low(self) -> float:
        """Lower end of the interval in which the rate lies. Raises: as `lr` does; NoInterval if there is none."""
        return self._known_interval[0]

    @property
    def high(self) -> float:
        """Upper end of the interval in which the rate lies. Raises: as `lr` does; NoInterval if there is none."""
        return self._known_interval[1]

    @property
    def interval(self) -> tuple[float, float] | None:
        """`low` and `high`; None if the answer is a rate without an interval. Raises: as `lr` does."""
        if self.confirmation is not None:
            return self.confirmation.low, self.confirmation.high
        return self._suggestion.interval

    @property
    def verdict(self) -> Verdict:
        """Whether the answer can be trusted, and the reasons if it cannot. Raises: as `lr` does."""
        chosen = self._suggestion
        if self.confirmation is not None:
            return self.confirmation.verdict
        around = Circumstances(
            answers=self.answers,
            curve=self.curve,
            plan=self.plan,
            stop_reason=self.stop_reason,
            facts=self.facts,
            untried=self.provenance.untried,
        )
        return judge(chosen, around)

    @property
    def refusal(self) -> NoSuggestion | None:
        """The error that `lr` raises, with its reason and what to do; None if there is an answer."""
        chosen = self.chosen
        if isinstance(chosen, Suggestion):
            return None
        error = chosen.error
        ways = join_ways(self.provenance.untried, "paired", "repeats") if _may_hide_in_noise(error) else ""
        hidden = f"To see a {self.curve.quantity.fall} that the noise hides, give {ways}." if ways else ""
        sentences = [str(error), hidden]
        others = [answer for answer in self.answers if isinstance(answer, Suggestion)]
        if self.heuristic is None and others:
            rates = ", ".join(f"{answer.heuristic} {answer.lr:.2g}" for answer in others)
            name = next((answer.heuristic for answer in others if answer.heuristic == "valley"), others[0].heuristic)
            sentences.append(
                f"Other heuristics answer with less care ({rates}): to take such an answer all the same, choose one, "
                f'as heuristic="{name}".'
            )
        return type(error)(" ".join(filter(None, sentences)), **error.numbers)

    @property
    def _suggestion(self) -> Suggestion:
        chosen = self.chosen
        if (refusal := self.refusal) is not None:
            raise refusal
        assert isinstance(chosen, Suggestion)
        return chosen

    @property
    def _ending(self) -> Ending:
        return Ending(plan=self.plan, stop_reason=self.stop_reason)

    @property
    def _known_interval(self) -> tuple[float, float]:
        interval = self.interval
        if interval is None:
            ways = join_ways(self.provenance.untried, "confirm", "repeats")
            raise NoInterval(
                f'"{self.chosen.heuristic}" suggests lr={self.lr:.2g}, and no interval around it: it gives the same '
                f"rate for every part of the curve. Use result.lr alone{f', or give {ways}' if ways else ''}.",
                heuristic=self.chosen.heuristic,
                lr=self.lr,
            )
        return interval

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
        find_range = range_rule(rule, self.facts)
        for bounds in self.ranges:
            if bounds.rule == rule:
                return bounds
        try:
            return find_range(self.curve)  # a pure function of the curve, so it raises the same reason again
        except NoSuggestion as error:
            raise self._ending.explain(error, self.curve) from None

    @spell_checked
    def with_heuristic(
        self, heuristic: str | Heuristic | None, heuristics: Mapping[str, Heuristic] = HEURISTICS
    ) -> Self:
        """Return the same test with this heuristic as the chosen one. Answers are read from the curve again.

        The confirmation is left out, because it confirmed another answer. Raises: UnknownName.
        """
        name, heuristics = resolve_heuristic(heuristic, heuristics)
        answers = unread_answers(self.curve, heuristics, name, self.sweeps, self._ending, self.facts)
        ranges = unread_ranges(self.curve, self.facts)
        return attrs.evolve(self, heuristic=name, answers=answers, ranges=ranges, confirmation=None)

    @spell_checked
    def read_from(self, name: str, heuristics: Mapping[str, Heuristic] = HEURISTICS) -> Self:
        """Return the same test with its answers read from this quantity: `"loss"`, or the metric by its name.

        A sweep with a metric records the loss, too, so that no new one is needed. The confirmation is left out, because
        it confirmed another answer.

        Args:
            name: one of `curve.names`.
            heuristics: the heuristics, by name. If you chose a function of your own, it must be among them.
        Raises: UnknownName.
        """
        curve, sweeps = self.curve.of(name), tuple(sweep.of(name) for sweep in self.sweeps)
        return attrs.evolve(self, curve=curve, sweeps=sweeps).with_heuristic(self.heuristic, heuristics)


# In place of the slots that attrs has made.
_ANSWERS = Advice.answers = ReadWhenAsked(Advice.answers)  # type: ignore[assignment]
Advice.ranges = ReadWhenAsked(Advice.ranges)  # type: ignore[assignment]


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
            f"heuristic={shown(heuristic)} is neither a function of a curve nor one of {', '.join(heuristics)}.",
            name=heuristic,
        )
    _check_takes_a_curve(heuristic)
    name = getattr(heuristic, "__name__", type(heuristic).__name__)
    return name, {**heuristics, name: heuristic}


def _check_takes_a_curve(heuristic: Heuristic) -> None:
    """Raise OptionError unless the function can be called with a curve alone, as far as its signature shows."""
    if not takes(heuristic, None):
        raise OptionError(
            f"heuristic takes ({', '.join(inspect.signature(heuristic).parameters)}), and it is called with one Curve. "
            f"Give a function such as lambda curve: curve.lr[10]."
        )


def chosen_answer(answers: Sequence[Suggestion | Refusal], heuristic: str | None) -> Suggestion | Refusal:
    """Return the answer that counts, as `Advice.chosen` explains.

    Args:
        answers: the answers of all heuristics.
        heuristic: name of the chosen heuristic; None for no choice.
    """
    wanted = heuristic or DEFAULT
    return next((answer for answer in answers if answer.heuristic == wanted), answers[0])


def _may_hide_in_noise(error: NoSuggestion) -> bool:
    """Return whether the loss may fall unseen: less noise could then show it."""
    if isinstance(error, OnlyRises):
        return "level_until" in error.numbers
    return isinstance(error, AtTheEdge) or (isinstance(error, FlatCurve) and error.numbers.get("noise") != 0)
