"""The finders: lrrange, other packages, and answers without a range test.

To add a finder::

    @finder("mine")
    def mine(task: MeteredTask, seed: int) -> Answer:
        problem = task.build(seed)      # .model .criterion .optimizer(lr) .loader()
        return Answer.one_rate(my_lr_find(problem.model, problem.criterion, problem.optimizer(1e-3), problem.loader()))
"""

from benchmarks.quality.finders import baselines, lrrange_finders, peers
from benchmarks.quality.finders.registry import FINDERS, PACKAGES, Answer, Cost, Finder, MeteredTask, finder

__all__ = [
    "FINDERS",
    "PACKAGES",
    "Answer",
    "Cost",
    "Finder",
    "MeteredTask",
    "baselines",
    "finder",
    "lrrange_finders",
    "peers",
]
