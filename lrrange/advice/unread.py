"""Fields of a frozen value that are computed when they are first read.

A user of a range test reads one answer of its curve. The others, and the ranges, cost as much again.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lrrange.advice.suggestion import Refusal, Suggestion


class Unread:
    """Stands in a `ReadWhenAsked` field for the value that this function returns."""

    def __init__(self, read: Callable[[], Any]) -> None:
        self.read = read


class UnreadAnswers(Unread):
    """The answers of heuristics, of which only the chosen one has been read.

    Args:
        asked: for each heuristic, by name, a function that returns its answer.
        wanted: name of the one whose answer counts; the first one's does if there is none of that name.
    """

    def __init__(self, asked: "Mapping[str, Callable[[], Suggestion | Refusal]]", wanted: str) -> None:
        chosen_name = wanted if wanted in asked else next(iter(asked))
        self.chosen = asked[chosen_name]()
        self._count = len(asked)
        super().__init__(lambda: tuple(self.chosen if name == chosen_name else ask() for name, ask in asked.items()))

    def __len__(self) -> int:
        return self._count


class ReadWhenAsked:
    """A field of a slotted class that may be given as an `Unread`. Its value takes that one's place when it is read.

    Args:
        slot: the descriptor of the field's slot, which this one replaces in the class.
    """

    def __init__(self, slot: Any) -> None:
        self._slot = slot

    def __get__(self, owner: Any, _: type | None = None) -> Any:
        if owner is None:
            return self
        value = self.held(owner)
        if isinstance(value, Unread):
            value = value.read()
            self._slot.__set__(owner, value)
        return value

    def __set__(self, owner: Any, value: Any) -> None:
        self._slot.__set__(owner, value)

    def held(self, owner: Any) -> Any:
        """Return what the slot holds, read or not."""
        return self._slot.__get__(owner)
