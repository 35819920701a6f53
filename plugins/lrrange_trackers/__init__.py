"""Watchers that show range tests and comparisons in experiment trackers while they run.

Use one as `lrrange.find_lr(..., watchers=[TensorBoardWatcher("runs")])`, or in `grid`, `compare` or Lightning's
`LRRangeTest`. Each needs the extra of its name: `pip install 'lrrange[tensorboard]'`, `[mlflow]` or `[wandb]`.
"""

from lrrange_trackers.mlflow import MLflowWatcher
from lrrange_trackers.tensorboard import TensorBoardWatcher
from lrrange_trackers.wandb import WandbWatcher

__all__ = ["MLflowWatcher", "TensorBoardWatcher", "WandbWatcher"]
