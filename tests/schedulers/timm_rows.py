"""timm's schedulers, by the names that its training script gives them."""

import warnings
from typing import Any

from timm.scheduler import create_scheduler_v2
from torch.optim import Optimizer

from tests.schedulers.oracle import Row

NAMES = ("cosine", "tanh", "step", "multistep", "poly", "wsd", "rsqrt", "constant", "plateau")


def row(name: str, by_updates: bool) -> Row:
    """Return a timm schedule with a warm-up and a floor, by epochs or by updates."""

    def make(optimizer: Optimizer) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the plateau is deprecated
            options: dict[str, Any] = {"updates_per_epoch": 10, "step_on_epochs": False} if by_updates else {}
            scheduler, _ = create_scheduler_v2(
                optimizer,
                name,
                num_epochs=8 if by_updates else 80,
                decay_epochs=2 if by_updates else 20,
                decay_milestones=[2, 4] if by_updates else [20, 40],
                warmup_epochs=1 if by_updates else 5,
                warmup_lr=1e-4,
                min_lr=1e-3,
                **options,
            )
        return scheduler

    def step(scheduler: Any, step: int) -> None:
        if by_updates:
            scheduler.step_update(step + 1)
        else:
            scheduler.step(step + 1, metric=min(step, 20))

    return Row(make, step)


TIMM = {f"{name}": row(name, by_updates=False) for name in NAMES} | {
    f"{name}, by updates": row(name, by_updates=True) for name in NAMES if name != "plateau"
}
