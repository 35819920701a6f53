"""A subject of the bank: a model, a loss and data, without an optimizer, a batch size or a budget."""

from collections.abc import Callable

import attrs
from torch import nn

from benchmarks.quality.bank.data import Split
from benchmarks.quality.tasks.task import Criterion

Parts = tuple[nn.Module, Criterion, Split]


@attrs.frozen
class Subject:
    """What is trained.

    Args:
        name: for the names of tasks.
        architecture, data: the families that are held out as a whole.
        make: returns a fresh model, the loss, and the split of the data.
        batches: usual batch sizes; 0 for all of the data.
        longest: the largest budget, in steps, that a grid of complete runs can afford.
        ignores_input: whether a constant output is a possible answer, so that a loss no lower than that of the best
            one counts as nothing learnt.
    """

    name: str
    architecture: str
    data: str
    make: Callable[[], Parts] = attrs.field(repr=False)
    batches: tuple[int, ...] = (16, 32, 64)
    longest: int = 1200
    ignores_input: bool = True


SUBJECTS: dict[str, Subject] = {}


def subject(architecture: str, data_name: str, **options: object) -> Callable[[Callable[[], Parts]], Subject]:
    """Register the decorated function as a subject, under its name."""

    def register(make: Callable[[], Parts]) -> Subject:
        SUBJECTS[make.__name__] = Subject(make.__name__, architecture, data_name, make, **options)  # type: ignore[arg-type]
        return SUBJECTS[make.__name__]

    return register
