"""Runs of the same training from the same start, taken side by side where a backend can and where it pays."""

from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol, get_args

from lrrange.errors import OptionError

Parallel = Literal["auto", "vmap", "off"]


class Replica(Protocol):
    """One of several runs whose steps a backend may take together.

    A `TrainingStep` that offers them has two methods more. `why_alone(count, measure)` says what speaks against taking
    so many together, as far as is known without a step, or None; with `measure` it should also pay. `replica(sweep,
    seed, reset)` makes one of these, with the seed and the reset of `find_lr` or None; it takes note of the global
    random state, from which the run is to begin where it has no seed.
    """

    def together(self, others: Sequence[Any], measure: bool, begin: Callable[[], object]) -> str | None:
        """Take the runs of this one and the others, step by step side by side, and put everything back.

        Each sweep is told the losses that it would be told alone, to rounding. When it is told the last one of its
        plan, the training is as that run has left it, for those who then evaluate.

        Args:
            others: further replicas, of this training or of one that is like it.
            measure: give up if the first steps show that one after another they would be faster.
            begin: to be called before the first loss is told.
        Returns: None when all is done; or why not, and then no sweep was told anything.
        """


def check_parallel(parallel: object) -> None:
    """Raise OptionError if there is no such way."""
    if parallel not in get_args(Parallel):
        raise OptionError(f"parallel={parallel!r} is none of {', '.join(map(repr, get_args(Parallel)))}.")
