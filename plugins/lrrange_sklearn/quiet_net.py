"""A net of skorch as a fit would begin to train it, without anything of the user's noticing."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from lrrange_torch.snapshot import Snapshot
from skorch import NeuralNet
from skorch.callbacks import GradientNormClipping, InputShapeSetter, LoadInitState, ParamMapper

__all__ = ["QuietNet", "callbacks_of", "optimizers_of"]

# Callbacks that are part of the training itself. All others watch it, save it, stop it or set its rate.
_PART_OF_TRAINING = (GradientNormClipping, ParamMapper, InputShapeSetter, LoadInitState)


class QuietNet:
    """A net, and what it and its data held at first.

    Args:
        net: of skorch, initialized or not.
        X, y: the data, as for `fit`.
        fit_params: further arguments of `fit`.
        anew: whether training begins with new weights, as in a `fit`, though the net is initialized.
    """

    def __init__(self, net: NeuralNet, X: Any, y: Any, fit_params: Mapping[str, Any], *, anew: bool) -> None:  # noqa: N803
        self.net = net
        self.makes_weights = anew or not net.initialized_
        self._data = X, y
        self._fit_params = fit_params
        self._kept = dict(vars(net))
        self._state = Snapshot()
        try:
            for _, callback in callbacks_of(net):  # they are not called, and may hold open files
                self._state.leave_out(callback)
            self._state.keep(net, "net")
            self._state.keep(self._data, "data", is_data=True)
            self._state.keep_random_state()
        except BaseException:
            self._state.restore()
            raise

    @property
    def not_kept(self) -> Mapping[str, str]:
        """The name of each object that cannot be put back, with the reason."""
        return self._state.not_kept

    def initialize(self) -> None:
        """Make new weights and a new optimizer, if the net needs them. It has only the callbacks that train it."""
        net, held = self.net, vars(self.net)
        callbacks = [
            (name, copy.deepcopy(each)) for name, each in callbacks_of(net) if isinstance(each, _PART_OF_TRAINING)
        ]
        held["history_"] = copy.deepcopy(self._kept.get("history_"))
        held["callbacks"], held["verbose"] = "disable", 0
        if self.makes_weights:
            net.initialize()
        for _, callback in callbacks:
            callback.initialize()
        held["callbacks_"] = callbacks

    def begin(self) -> tuple[Any, Any]:
        """Make the net ready for its first batch. Return its training and held-out data sets.

        The net's own methods run as at the beginning of a fit, with those callbacks that are part of the training.
        """
        self.initialize()
        net, (X, y) = self.net, self._data  # noqa: N806
        net.notify("on_train_begin", X=X, y=y)
        net.check_data(X, y)
        train, valid = net.get_split_datasets(X, y, **self._fit_params)
        return train, valid

    def restore(self) -> None:
        """Put everything back."""
        held = vars(self.net)
        held.clear()
        held.update(self._kept)
        self._state.restore()
        self._state.forget()


def callbacks_of(net: NeuralNet) -> Sequence[tuple[str, Any]]:
    """Return the callbacks of a net with their names, as objects. No method of theirs is called."""
    made = vars(net).get("callbacks_")
    if made is not None:
        return list(made)
    if not isinstance(net.callbacks, (list, tuple)):
        return []
    pairs = [each if isinstance(each, tuple) else (None, each) for each in net.callbacks]
    objects = [(name, each() if isinstance(each, type) else each) for name, each in pairs]
    return [(name or type(each).__name__, each) for name, each in objects]


def optimizers_of(net: NeuralNet) -> list[Any]:
    """Return the optimizers of an initialized net, of which a net of the user's own class may have several."""
    return [getattr(net, f"{name}_") for name in net._optimizers]
