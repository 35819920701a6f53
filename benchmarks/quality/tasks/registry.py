"""All tasks by name, and their groups."""

from typing import Literal, get_args

from benchmarks.quality.tasks.original import ORIGINAL
from benchmarks.quality.tasks.own import OWN
from benchmarks.quality.tasks.task import Task

Group = Literal["original", "own"]

GROUPS: tuple[Group, ...] = get_args(Group)

TASKS: dict[str, Task] = {**ORIGINAL, **OWN}


def group_of(name: str) -> Group:
    """Return the group of a task."""
    return "original" if name in ORIGINAL else "own"
