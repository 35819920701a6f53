"""Batches for a sweep from the loaders of a fit, which go on undisturbed."""

import copy
from typing import Any

from torch.utils.data import DataLoader

from lrrange.errors import NoData, TargetError
from lrrange_lightning.compat import to_device

# Batches in a row that may be None, or refused by the module.
_PATIENCE = 25


class Batches:
    """Endless batches, as `training_step` gets them: a new epoch begins where the loaders, or their limit, end.

    Args:
        trainer, module: of the fit.
        combined: the fit's CombinedLoader. It is iterated anew, from copies of its loaders, because
            the fit may have taken batches from it already.
        epoch: what samplers are told that shuffle by the number of the epoch.
        takes_index: whether `training_step` wants the batch's index.
    """

    def __init__(self, trainer: Any, module: Any, combined: Any, epoch: int, takes_index: bool) -> None:
        self._trainer = trainer
        self._module = module
        self._combined = copy.copy(combined)
        self._combined.flattened = [_own(loader) for loader in combined.flattened]
        self._epoch = epoch
        self._takes_index = takes_index
        self._running = False
        self._any = False
        self._drawn_this_epoch = 0
        self.index = -1

    def next(self) -> tuple[Any, list[Any]]:
        """The next batch, on its device and announced to the module, and the arguments of `training_step` for it.

        Raises: NoData if there never was a batch; StopIteration if loaders that cannot start again have run out.
        """
        for _ in range(_PATIENCE):
            batch = self._agreed()
            if batch is None:
                continue
            batch = to_device(self._trainer, batch)
            self.index += 1
            if self._module.on_train_batch_start(batch, self.index) != -1:
                self._trainer.strategy.on_train_batch_start(batch, self.index)
                return batch, [batch, self.index] if self._takes_index else [batch]
            self._leave_epoch()
        raise TargetError(f"{_PATIENCE} batches in a row were None, or refused by the module's on_train_batch_start.")

    def close(self) -> None:
        """Let go of the iterators, and with them of worker processes that were started for them."""
        self._combined._iterator = None

    def _agreed(self) -> Any:
        """The next batch. Where one process has none left, all stop, so that none waits for it for ever."""
        try:
            batch, there = self._drawn(), True
        except StopIteration:
            batch, there = None, False
        if not self._trainer.strategy.reduce_boolean_decision(there, all=True):
            raise StopIteration
        return batch

    def _drawn(self) -> Any:
        if self._drawn_this_epoch >= self._trainer.num_training_batches:
            self._leave_epoch()  # limit_train_batches: the loaders themselves do not know of it
        for _ in range(2):
            if not self._running:
                self._begin_epoch()
            try:
                batch = next(self._combined)[0]
            except StopIteration:
                self._leave_epoch()
            else:
                self._drawn_this_epoch += 1
                self._any = True
                return batch
        if self._any:
            raise StopIteration
        raise NoData(
            "the training loader gives no batch. Check the dataset's length, limit_train_batches, and drop_last if the "
            "data are fewer than one batch.",
        )

    def _begin_epoch(self) -> None:
        for loader in self._combined.flattened:
            for sampler in (getattr(loader, "sampler", None), getattr(loader, "batch_sampler", None)):
                if sampler is not None and hasattr(sampler, "set_epoch"):
                    sampler.set_epoch(self._epoch)
        iter(self._combined)
        self._running = True
        self._drawn_this_epoch = 0
        self.index = -1

    def _leave_epoch(self) -> None:
        self._running = False
        self._epoch += 1


def _own(loader: Any) -> Any:
    if not isinstance(loader, DataLoader):
        return loader
    # A DataLoader with persistent workers keeps one iterator for all, and the fit is in the middle of it.
    loader = copy.copy(loader)
    loader._iterator = None
    return loader
