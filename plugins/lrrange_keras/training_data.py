"""The data of a fit, as the user gives it: arrays, or a dataset of any kind that `fit` takes as its x."""

import inspect
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import attrs
import keras

from lrrange.errors import NoData, OptionError

_EXAMPLE = "find_lr(model, x=x, y=y) or find_lr(model, dataset=dataset)"


@attrs.frozen(kw_only=True)
class TrainingData:
    """What a fit trains on, checked before it begins.

    Args:
        x, y, sample_weight: arrays with one sample per row, or structures of them; or a dataset as `x` alone.
        dataset: anything else that `fit` takes: a `PyDataset`, a `tf.data.Dataset`, a `DataLoader` of torch, or a
            function without arguments that makes a generator of batches.
        options: further arguments of `fit`, by name.
    Raises: OptionError for arguments that do not go together; NoData for arrays without a sample.
    """

    x: Any = None
    y: Any = None
    sample_weight: Any = None
    dataset: Any = None
    options: Mapping[str, Any] = attrs.field(factory=dict)

    def __attrs_post_init__(self) -> None:
        if self.x is not None and self.dataset is not None:
            raise OptionError(f"x= and dataset= are both given, and a fit has one of them. Write {_EXAMPLE}.")
        if self.x is None and self.dataset is None:
            raise OptionError(f"there is nothing to train on. Give the data as for fit: {_EXAMPLE}.")
        if not self.is_arrays:
            self._check_dataset(self.source)
            return
        lengths = {name: sorted(set(_lengths(getattr(self, name), name))) for name in ("x", "y", "sample_weight")}
        if len({length for each in lengths.values() for length in each}) > 1:
            found = ", ".join(f"{name} has {' and '.join(map(str, each))}" for name, each in lengths.items() if each)
            raise OptionError(
                f"the arrays have different numbers of samples: {found}. Give one row per sample in each."
            )
        if 0 in lengths["x"]:
            raise NoData("x has no samples. Give at least one batch.")

    @property
    def source(self) -> Any:
        """What `fit` gets as its x, or a function that makes it."""
        return self.x if self.dataset is None else self.dataset

    @property
    def is_arrays(self) -> bool:
        """Whether the samples are in arrays, and not given by a dataset."""
        return self.dataset is None and all(hasattr(leaf, "shape") for leaf in _leaves(self.x))

    @property
    def _shuffles(self) -> bool:
        """Whether `fit` draws the order of the batches, unless told otherwise."""
        finite = isinstance(self.source, keras.utils.PyDataset) and self.source.num_batches is not None
        return self.is_arrays or finite

    @property
    def reshuffles(self) -> bool:
        """Whether this is a pipeline of TensorFlow that gives another order each time, which nothing can put back."""
        tensorflow = sys.modules.get("tensorflow")
        waiting = [self.source] if tensorflow is not None and isinstance(self.source, tensorflow.data.Dataset) else []
        while waiting:
            part = waiting.pop()
            if vars(part).get("_reshuffle_each_iteration"):
                return True
            waiting.extend(part._inputs())
        return False

    def arguments(self) -> dict[str, Any]:
        """Return the arguments of `fit` that stand for the data. A generator is made anew."""
        source = self.source
        options = {"shuffle": self._shuffles, **self.options}
        if inspect.isroutine(source) or inspect.isgeneratorfunction(source):
            source = source()
        return {"x": source, "y": self.y, "sample_weight": self.sample_weight, **options}

    def _check_dataset(self, source: Any) -> None:
        kind = type(source).__name__
        name = "x" if self.dataset is None else "dataset"
        if isinstance(source, type):
            raise OptionError(
                f"{name} is the class {source.__name__}, which has not been called. Make an object of it: "
                f"{name}={source.__name__}(...).",
            )
        for other in ("y", "sample_weight"):
            if getattr(self, other) is not None:
                raise OptionError(f"{name} is a {kind}, whose batches have the {other}. Leave {other}= out.")
        if hasattr(source, "__next__"):
            raise OptionError(
                f"{name} is a {kind}, which gives its batches once: the sweep would take those of your fit. Give the "
                f"function that makes it: dataset=make_batches, where make_batches() returns a {kind}.",
            )
        if isinstance(source, (str, int, float, bool)) or (isinstance(source, (list, tuple)) and not callable(source)):
            raise OptionError(f"{name} is a {kind}, which fit cannot train on. Give arrays: {_EXAMPLE}.")


def unpacked(data: Any, name: str) -> TrainingData:
    """Return held-out data as `fit` takes it: a tuple (x, y) or (x, y, sample_weight), or a dataset."""
    if not isinstance(data, tuple):
        return TrainingData(dataset=data)
    if not 1 <= len(data) <= 3:
        raise OptionError(f"{name} is a tuple of {len(data)}. Give (x, y), or (x, y, sample_weight).")
    return TrainingData(**dict(zip(("x", "y", "sample_weight"), data, strict=False)))


def _leaves(data: Any) -> list[Any]:
    return [leaf for leaf in keras.tree.flatten(data) if leaf is not None]


def _lengths(data: Any, name: str) -> Iterator[int]:
    for leaf in _leaves(data):
        if not hasattr(leaf, "shape") or not len(leaf.shape):
            raise OptionError(f"{name} has a {type(leaf).__name__} in it, without rows. Give it as an array.")
        yield int(leaf.shape[0])
