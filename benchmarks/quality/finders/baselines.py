"""Answers without a range test, for comparison."""

from benchmarks.quality.finders.registry import Answer, MeteredTask, finder
from benchmarks.quality.regret import TaskRegret
from benchmarks.quality.store import Store


@finder("default")
def default(task: MeteredTask, _: int) -> Answer:
    """Suggest the rate that users commonly give to this optimizer."""
    return Answer.one_rate(task.default_lr)


@finder("always_1e-3")
def always_one_thousandth(_: MeteredTask, __: int) -> Answer:
    """Suggest the same rate for every task."""
    return Answer.one_rate(1e-3)


@finder("oracle_constant")
def oracle_constant(task: MeteredTask, _: int) -> Answer:
    """Suggest the best rate of the constant protocol for both protocols."""
    return Answer.one_rate(TaskRegret(task.name, Store()).best_lr("constant"))


@finder("oracle_onecycle")
def oracle_onecycle(task: MeteredTask, _: int) -> Answer:
    """Suggest the best rate of the one-cycle protocol for both protocols."""
    return Answer.one_rate(TaskRegret(task.name, Store()).best_lr("onecycle"))
