"""Batches for a sweep from the loaders of a fit, without any effect on the fit's own iteration."""

import copy
from typing import Any

from lrrange_torch.stop_iteration import error_instead, is_end_of_data
from torch.utils.data import DataLoader

from lrrange.errors import NoData, TargetError
from lrrange_lightning.compat import to_device

# The most batches in a row that may be None, or refused by the module.
_MOST_SKIPPED = 25


class LoadersExhausted(StopIteration):
    """The loaders have run out and cannot start again. Any other StopIteration is the user's code's."""


class Batches:
    """An endless sequence of batches, as `training_step` gets them.

    A new epoch begins where the loaders end, or at `limit_train_batches`.

    Args:
        trainer, module: of the fit.
        combined: the fit's CombinedLoader. A copy of it is iterated, over copies of its loaders, because the fit may
            have taken batches from it already.
        epoch: number of the first epoch, for samplers that shuffle by it.
        takes_index: whether `training_step` takes the index of the batch.

    Attributes:
        index: of the last batch in its epoch.
        is_drawing: whether a batch is being drawn.
    """

    def __init__(self, trainer: Any, module: Any, combined: Any, epoch: int, takes_index: bool) -> None:
        self._trainer = trainer
        self._module = module
        self._combined = copy.copy(combined)
        self._combined.flattened = [_copy_of(loader) for loader in combined.flattened]
        self._epoch = epoch
        self._takes_index = takes_index
        self._running = False
        self._had_a_batch = False
        self._batches_this_epoch = 0
        self.index = -1
        self.is_drawing = False

    def next(self) -> tuple[Any, list[Any]]:
        """Return the next batch, on its device, and the arguments of `training_step` for it.

        The module's and the strategy's `on_train_batch_start` have been called with it.
        Raises: NoData if there has been no batch at all; LoadersExhausted if loaders that cannot start again have run
            out; TargetError if too many batches in a row are skipped.
        """
        for _ in range(_MOST_SKIPPED):
            batch = self._next_in_all_processes()
            if batch is None:
                continue
            batch = to_device(self._trainer, batch)
            self.index += 1
            if self._module.on_train_batch_start(batch, self.index) != -1:
                self._trainer.strategy.on_train_batch_start(batch, self.index)
                return batch, [batch, self.index] if self._takes_index else [batch]
            self._leave_epoch()
        raise TargetError(
            f"{_MOST_SKIPPED} batches in a row were None, or refused by the module's on_train_batch_start."
        )

    def close(self) -> None:
        """Drop the iterators, which ends the worker processes that were started for them."""
        self._combined._iterator = None

    def _next_in_all_processes(self) -> Any:
        """Return the next batch. If one process has none left, all stop, so that none waits for another forever."""
        try:
            batch, has_batch = self._draw(), True
        except LoadersExhausted:
            batch, has_batch = None, False
        if not self._trainer.strategy.reduce_boolean_decision(has_batch, all=True):
            raise LoadersExhausted
        return batch

    def _draw(self) -> Any:
        if self._batches_this_epoch >= self._trainer.num_training_batches:
            self._leave_epoch()  # at limit_train_batches, of which the loaders know nothing
        for _ in range(2):
            if not self._running:
                self._begin_epoch()
            self.is_drawing = True
            try:
                batch = next(self._combined)[0]
            except StopIteration as end:
                if not is_end_of_data(end):
                    raise error_instead("the loader's dataset") from end
                self._leave_epoch()
            else:
                self._batches_this_epoch += 1
                self._had_a_batch = True
                self.is_drawing = False
                return batch
        if self._had_a_batch:
            raise LoadersExhausted
        raise NoData(
            "the training loader gives no batch. Check the length of the dataset, limit_train_batches, and drop_last "
            "if the dataset is smaller than one batch.",
        )

    def _begin_epoch(self) -> None:
        for loader in self._combined.flattened:
            for sampler in (getattr(loader, "sampler", None), getattr(loader, "batch_sampler", None)):
                if sampler is not None and hasattr(sampler, "set_epoch"):
                    sampler.set_epoch(self._epoch)
        iter(self._combined)
        self._running = True
        self._batches_this_epoch = 0
        self.index = -1

    def _leave_epoch(self) -> None:
        self._running = False
        self._epoch += 1


def _copy_of(loader: Any) -> Any:
    """Return a loader that shares no iterator with the fit's."""
    if not isinstance(loader, DataLoader):
        return loader
    # A DataLoader with persistent workers keeps one iterator for all its users, and the fit is in the middle of it.
    loader = copy.copy(loader)
    loader._iterator = None
    return loader
