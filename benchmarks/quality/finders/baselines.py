"""Answers without a range test, to compare with."""

from benchmarks.quality.finders.registry import Answer, MeteredTask, finder
from benchmarks.quality.regret import Truth
from benchmarks.quality.store import Store


@finder("default")
def default(task: MeteredTask, _: int) -> Answer:
    """The rate that a user would type for this optimizer."""
    return Answer.one_rate(task.default_lr)


@finder("always_1e-3")
def always(_: MeteredTask, __: int) -> Answer:
    """One rate, whatever the task."""
    return Answer.one_rate(1e-3)


@finder("oracle_constant")
def oracle_constant(task: MeteredTask, _: int) -> Answer:
    """The best rate of the constant protocol, for both."""
    return Answer.one_rate(Truth(task.name, Store()).best("constant"))


@finder("oracle_onecycle")
def oracle_onecycle(task: MeteredTask, _: int) -> Answer:
    """The best rate of the one-cycle protocol, for both."""
    return Answer.one_rate(Truth(task.name, Store()).best("onecycle"))
