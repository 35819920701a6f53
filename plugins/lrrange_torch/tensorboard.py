"""The former place of `lrrange_trackers.TensorBoardWatcher`. Import it from there."""

from lrrange_trackers import TensorBoardWatcher

__all__ = ["TensorBoardWatcher"]
