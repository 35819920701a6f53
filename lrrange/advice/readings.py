"""All answers to a curve, and all of its ranges, read at once or when they are asked for."""

import contextlib
import functools
from collections.abc import Callable, Mapping, Sequence

from lrrange.advice.ending import Ending
from lrrange.advice.facts import TrainingFacts
from lrrange.advice.heuristics import DEFAULT, ask_heuristic, midway
from lrrange.advice.ranges import RANGE_RULES, LRRange, range_rule
from lrrange.advice.suggestion import Heuristic, Refusal, Suggestion
from lrrange.advice.unread import Unread, UnreadAnswers
from lrrange.errors import LRRangeError
from lrrange.sweep.curve import Curve


def read_answers(
    curve: Curve,
    heuristics: Mapping[str, Heuristic],
    sweeps: Sequence[Curve] = (),
    ending: Ending | None = None,
    facts: TrainingFacts = TrainingFacts(),  # noqa: B008  a frozen value
) -> tuple[Suggestion | Refusal, ...]:
    """Return the answer of every heuristic to this curve.

    Args:
        curve: the curve to read.
        heuristics: the heuristics, by name.
        sweeps: the single curves of a repeated test. The interval of each answer then spans the answers to them too.
        ending: how the sweep ended, to explain refusals; None for a curve without a sweep.
        facts: what else is known of the training, for the default heuristic.
    """
    return tuple(ask() for ask in _questions(curve, heuristics, sweeps, ending, facts).values())


def unread_answers(
    curve: Curve,
    heuristics: Mapping[str, Heuristic],
    chosen: str | None,
    sweeps: Sequence[Curve],
    ending: Ending,
    facts: TrainingFacts,
) -> UnreadAnswers:
    """Return what `read_answers` does, of which only the answer that counts is read now. Give it to an `Advice`.

    Args:
        chosen: name of the chosen heuristic; None for no choice.
        curve, heuristics, sweeps, ending, facts: as for `read_answers`.
    """
    return UnreadAnswers(_questions(curve, heuristics, sweeps, ending, facts), chosen or DEFAULT)


def _questions(
    curve: Curve,
    heuristics: Mapping[str, Heuristic],
    sweeps: Sequence[Curve],
    ending: Ending | None,
    facts: TrainingFacts,
) -> dict[str, Callable[[], Suggestion | Refusal]]:
    """Return, for each heuristic, a function that returns its answer."""
    return {
        name: functools.partial(
            ask_heuristic,
            name,
            functools.partial(midway, facts=facts) if heuristic is midway else heuristic,
            curve,
            sweeps,
            ending,
        )
        for name, heuristic in heuristics.items()
    }


def read_ranges(
    curve: Curve,
    facts: TrainingFacts = TrainingFacts(),  # noqa: B008  a frozen value
) -> tuple[LRRange, ...]:
    """Return the range of every range rule that finds one. For the others `Advice.range_by` raises the reason."""
    ranges = []
    for name in RANGE_RULES:
        with contextlib.suppress(LRRangeError):
            ranges.append(range_rule(name, facts)(curve))
    return tuple(ranges)


def unread_ranges(curve: Curve, facts: TrainingFacts) -> Unread:
    """Return what `read_ranges` does, unread. Give it to an `Advice`."""
    return Unread(functools.partial(read_ranges, curve, facts))
