"""Param groups that note when their rate is read, in the place of an optimizer's own during a step."""

from collections.abc import Iterator
from typing import Any

from torch.optim import Optimizer

_ABSENT = object()


class RateListener:
    """A listener to one optimizer, which notes which groups' rates are read. Several may listen at the same time.

    Attributes:
        unread: indices of the groups whose rates have not been read yet.
    """

    def __init__(self, optimizer: Optimizer) -> None:
        self._optimizer = optimizer
        self.unread = set(range(len(optimizer.param_groups)))

    def listen(self) -> None:
        """Put recording groups in the place of those that are still unread."""
        groups = self._optimizer.param_groups
        for index, group in enumerate(groups):
            if index in self.unread:
                recording = group if isinstance(group, _RecordingGroup) else _RecordingGroup(group)
                recording.listeners[id(self)] = self.unread, index
                groups[index] = recording

    def leave(self) -> None:
        """Put the optimizer's own groups back, except those that others still listen to."""
        groups = self._optimizer.param_groups
        for index, group in enumerate(groups):
            if isinstance(group, _RecordingGroup):
                group.listeners.pop(id(self), None)
                if not group.listeners:
                    groups[index] = group.original


class _RecordingGroup(dict[str, Any]):
    """A param group that notes when its rate is read, in any of the ways in which a dict can be read.

    What is written into it is written into the original as well.
    """

    def __init__(self, original: dict[str, Any]) -> None:
        super().__init__(original)
        self.original = original
        self.listeners: dict[int, tuple[set[int], int]] = {}

    def _read(self) -> None:
        for unread, index in self.listeners.values():
            unread.discard(index)

    def __getitem__(self, key: str) -> Any:
        if key == "lr":
            self._read()
        return super().__getitem__(key)

    def get(self, key: str, default: Any = None) -> Any:
        return self[key] if key in self else default  # noqa: SIM401  this is `get` itself

    def __iter__(self) -> Iterator[str]:
        self._read()
        return super().__iter__()

    def values(self) -> Any:
        self._read()
        return super().values()

    def items(self) -> Any:
        self._read()
        return super().items()

    def copy(self) -> dict[str, Any]:
        self._read()
        return self.original.copy()

    def __setitem__(self, key: str, value: Any) -> None:
        super().__setitem__(key, value)
        self.original[key] = value

    def __delitem__(self, key: str) -> None:
        super().__delitem__(key)
        del self.original[key]

    def setdefault(self, key: str, default: Any = None) -> Any:
        if key not in self:
            self[key] = default
        return self[key]

    def pop(self, key: str, default: Any = _ABSENT) -> Any:
        if key not in self and default is not _ABSENT:
            return default
        value = self[key]
        del self[key]
        return value

    def popitem(self) -> tuple[str, Any]:
        key = next(reversed(self.original))
        return key, self.pop(key)

    def clear(self) -> None:
        super().clear()
        self.original.clear()

    def update(self, *others: Any, **more: Any) -> None:
        super().update(*others, **more)
        self.original.update(dict.items(self))

    def __ior__(self, other: Any) -> "_RecordingGroup":  # type: ignore[override, misc]  # as dict's own
        self.update(other)
        return self

    def __reduce__(self) -> Any:
        return dict, (dict(self.original),)  # a copy of it, and what is saved of it, is a plain group

    def __deepcopy__(self, memo: dict[int, Any]) -> dict[str, Any]:
        import copy

        return copy.deepcopy(self.original, memo)
