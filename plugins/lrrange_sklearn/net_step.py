"""Steps of a net of skorch, by its own `train_step`."""

from collections.abc import Generator, Iterator, Mapping
from typing import Any

import skorch
import torch
from lrrange_torch.optimizer import RateControl, facts_of
from lrrange_torch.snapshot import Snapshot, digest_of, seed_everything
from skorch.dataset import get_len

from lrrange.errors import NoData, TargetError
from lrrange_sklearn.quiet_net import QuietNet, optimizers_of
from lrrange_sklearn.targets import Swept

__all__ = ["NetStep"]

# Batches within which an optimizer must take a step: more than anybody accumulates.
_PATIENCE = 256


class NetStep:
    """A `TrainingStep` of a net of skorch: batches come from `get_iterator`, and `train_step` trains on them.

    The net's own methods run as in a fit, so its accumulation of gradients, closures and devices are as usual. Of its
    callbacks only those that are part of the training run: clipping of gradients, freezing and mapping of parameters,
    the input's shape, the initial state. Schedulers take no step; no other callback, and no history, notices the sweep.

    Args:
        target: the net, or a pipeline that ends in one. A net that is initialized is swept as it is, and any other, or
            one in a pipeline, from new weights.
        X: the data, as for `fit`.
        y: their targets; None if `X` is a data set that has them.
        fit_params: further arguments of `fit`, by name.

    The held-out data, by which `find_lr(confirm=True)` judges, are those of the net's `train_split`.
    Raises: what skorch raises when it makes the net's parts.
    """

    proves_rate = True  # at every `optimizer.step()`

    def __init__(self, target: Any, X: Any, y: Any = None, fit_params: Mapping[str, Any] | None = None) -> None:  # noqa: N803
        swept = Swept.of(target)
        self._net = swept.estimator
        self._parameter = swept.prefix + "lr"
        self._anew = swept.pipeline is not None
        self._X, self._y = swept.transformed(X, y)[0], y
        self._fit_params = dict(fit_params or {})
        self._not_kept: dict[str, str] = {}
        self._is_drawing = False
        self.restore(self.snapshot())  # to know the optimizer, and whether everything can be made

    def snapshot(self) -> QuietNet:
        """Keep everything that a step may change, and make the net ready."""
        quiet = QuietNet(self._net, self._X, self._y, self._fit_params, anew=self._anew)
        self._rates: RateControl | None = None
        try:
            self._begin(quiet)
        except BaseException:
            self.restore(quiet)
            raise
        self._quiet = quiet
        return quiet

    def _begin(self, quiet: QuietNet) -> None:
        self._train, self._valid = quiet.begin()
        self._iterator = self._net.get_iterator(self._train, training=True)
        self._batches = self._endless()
        self._rates = RateControl(optimizers_of(self._net))
        self._rates.watch(Snapshot())
        self._facts = facts_of(self._rates.optimizers)
        if hasattr(self._iterator, "__len__"):
            self._facts["train_steps"] = max(1, self._net.max_epochs * len(self._iterator))

    def restore(self, state: QuietNet) -> None:
        """Put everything back."""
        if self._rates is not None:
            self._rates.unwatch()
            self._batches.close()
        state.restore()
        self._not_kept |= state.not_kept

    def _endless(self) -> Generator[Any, None, None]:
        """Yield batches, in epochs that begin as the net's own do."""
        while True:
            self._net.notify("on_epoch_begin", dataset_train=self._train, dataset_valid=self._valid)
            empty = True
            for batch in self._iterator:
                empty = False
                yield batch
            if empty:
                raise NoData("the net's iterator_train gives no batch. Check X, the train_split and the batch_size.")

    def step(self, lr: float) -> float:
        """Train on batches at `lr` until an optimizer has taken a step, which is one unless the net accumulates.

        Returns: the mean of their losses.
        """
        assert self._rates is not None
        self._rates.set(lr)
        before = self._rates.steps_watched
        losses = [self._train_batch()]
        while self._rates.steps_watched == before:
            if len(losses) == _PATIENCE:
                raise TargetError(
                    f"train_step of this {type(self._net).__name__} was called {_PATIENCE} times and no optimizer of "
                    f"the net took a step. Make the optimizers in initialize_optimizer."
                )
            losses.append(self._train_batch())
        return sum(losses) / len(losses)

    def _train_batch(self) -> float:
        self._is_drawing = True
        batch = next(self._batches)
        self._is_drawing = False
        net = self._net
        net.notify("on_batch_begin", batch=batch, training=True)
        trained = net.train_step(batch, **self._fit_params)
        loss = float(trained["loss"].item())
        net.history.record_batch("train_loss", loss)
        net.notify("on_batch_end", batch=batch, training=True, **trained)
        return loss

    def evaluate(self) -> float | None:
        """Return the mean loss over the net's held-out data; None if its `train_split` holds none out."""
        if self._valid is None:
            return None
        total, samples = 0.0, 0
        for batch in self._net.get_iterator(self._valid, training=False):
            size = get_len(batch[0] if isinstance(batch, (tuple, list)) else batch)
            total += size * float(self._net.validation_step(batch, **self._fit_params)["loss"].item())
            samples += size
        return total / samples if samples else None

    def is_blow_up(self, _: Exception) -> bool:
        """Return whether a rate that is too high may have caused this error: not one of the data."""
        return not self._is_drawing

    def seed(self, value: int) -> None:
        """Seed every generator, and make new weights if the sweep makes them at all."""
        assert self._rates is not None
        seed_everything(value, self._iterator)
        if self._quiet.makes_weights:
            self._rates.unwatch()
            self._batches.close()
            self._begin(self._quiet)
            seed_everything(value, self._iterator)

    def set_momentum(self, value: float) -> bool:
        """Train the next steps at this momentum, in the groups that have one. Return whether any group has."""
        assert self._rates is not None
        return self._rates.set_momentum(value)

    def bounds(self) -> dict[str, float]:
        """Return the bounds of a sweep if the optimizer needs others than most."""
        assert self._rates is not None
        return self._rates.bounds()

    def facts(self) -> dict[str, Any]:
        """Return what the optimizer tells about the training, and the steps that `fit` would take."""
        return self._facts

    def digest(self) -> Iterator[tuple[str, Any]]:
        """Yield names with values or checksums of everything that a step changes."""
        return digest_of({"net": self._net}, {"X": self._X, "y": self._y})

    def report(self) -> dict[str, Any]:
        """Return versions, and facts about the sweeps."""
        assert self._rates is not None
        return {
            "versions": {"torch": str(torch.__version__), "skorch": skorch.__version__},
            "form": "train_step",
            "estimator": type(self._net).__name__,
            "rate": self._parameter,
            "optimizer": self._rates.names,
            "group_ratios": list(self._rates.ratios),
            "group_rates": self._rates.bases,
            "not_kept": self._not_kept,
        }
