"""Several runs of one training in one batched pass, by `torch.func.vmap`. Nothing outside knows how it works."""

from lrrange_torch.vmap.loader_runs import LoaderRuns
from lrrange_torch.vmap.runs import Replica
from lrrange_torch.vmap.step_timer import StepTimer

__all__ = ["LoaderRuns", "Replica", "StepTimer"]
