"""Compiled Keras models of many kinds, what a sweep of them could change, and the fit that follows."""

import random
import sys
from collections.abc import Callable
from typing import Any

import attrs
import keras
import numpy
import torch

from lrrange.testing import Rig

BACKEND = keras.config.backend()
SAMPLES, BATCH = 160, 16


def arrays(seed: int = 0, samples: int = SAMPLES) -> tuple[Any, Any]:
    """Points of three classes."""
    generator = numpy.random.default_rng(seed)
    y = generator.integers(0, 3, samples)
    x = generator.normal(size=(samples, 8)) + 1.5 * numpy.eye(8)[y]
    return x.astype("float32"), y


X, Y = arrays()
LOSS = keras.losses.SparseCategoricalCrossentropy


def plain_layers() -> list[Any]:
    layers = keras.layers
    return [layers.Dense(12, activation="relu"), layers.BatchNormalization(), layers.Dropout(0.2), layers.Dense(3)]


def compiled(model: Any, optimizer: Any = None, **options: Any) -> Any:
    optimizer = keras.optimizers.SGD(0.01, momentum=0.9) if optimizer is None else optimizer
    model.compile(optimizer, **{"loss": LOSS(from_logits=True), "metrics": ["accuracy"], **options})
    return model


def sequential(optimizer: Any = None, **options: Any) -> Any:
    keras.utils.set_random_seed(1)
    return compiled(keras.Sequential([keras.layers.Input((8,)), *plain_layers()]), optimizer, **options)


def one_layer(optimizer: Any = None, **options: Any) -> Any:
    """A model without dropout, whose losses depend on the batches alone."""
    keras.utils.set_random_seed(1)
    return compiled(keras.Sequential([keras.layers.Input((8,)), keras.layers.Dense(3)]), optimizer, **options)


class Subclassed(keras.Model):  # type: ignore[misc]  # Keras has no types
    """A model that is built by its first batch, with a training step and a loss of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.layers_of_mine = plain_layers()
        self.notes = {"calls": 0}

    def call(self, x: Any, training: bool = False) -> Any:
        for layer in self.layers_of_mine:
            x = layer(x, training=training) if isinstance(layer, keras.layers.Dropout) else layer(x)
        return x

    def train_step(self, *arguments: Any) -> Any:
        self.notes["calls"] += 1
        return super().train_step(*arguments)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):  # type: ignore[no-untyped-def]
        loss = super().compute_loss(x, y, y_pred, sample_weight, training)
        return loss + 1e-3 * keras.ops.mean(keras.ops.square(y_pred))


def subclassed() -> Any:
    keras.utils.set_random_seed(1)
    return compiled(Subclassed(), keras.optimizers.Adam(1e-3))


class Shuffled(keras.utils.PyDataset):  # type: ignore[misc]
    """The way in which most datasets of Keras shuffle: an array of indices, in place, at the end of an epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.indices = numpy.arange(SAMPLES)
        self.generator = numpy.random.default_rng(3)
        self.epochs = 0

    def __len__(self) -> int:
        return SAMPLES // BATCH

    def __getitem__(self, index: int) -> Any:
        chosen = self.indices[index * BATCH : (index + 1) * BATCH]
        return X[chosen] + self.generator.normal(0, 0.01, (BATCH, 8)).astype("float32"), Y[chosen]

    def on_epoch_end(self) -> None:
        self.epochs += 1
        self.generator.shuffle(self.indices)


def loader() -> Any:
    data = torch.utils.data.TensorDataset(torch.from_numpy(X), torch.from_numpy(Y))
    return torch.utils.data.DataLoader(data, BATCH, shuffle=True, generator=torch.Generator().manual_seed(4))


def endless() -> Any:
    generator = numpy.random.default_rng(5)
    while True:
        chosen = generator.integers(0, SAMPLES, BATCH)
        yield X[chosen], Y[chosen]


def two_outputs() -> Any:
    keras.utils.set_random_seed(1)
    inputs = keras.layers.Input((8,))
    hidden = keras.layers.Dense(12, activation="relu")(inputs)
    outputs = [keras.layers.Dense(3, name="kind")(hidden), keras.layers.Dense(8, name="again")(hidden)]
    model = keras.Model(inputs, outputs)
    losses = [LOSS(from_logits=True), "mse"]
    return compiled(model, loss=losses, loss_weights=[1.0, 0.3], metrics=[["accuracy"], ["mae"]])


def of_two_optimizers() -> Any:
    first = keras.optimizers.SGD(0.01, momentum=0.9)
    second = keras.optimizers.Adam(0.001)
    return keras.optimizers.MultiOptimizer(keras.optimizers.OptimizerMap(first, {".*bias": second}))


def warm_then_cosine(peak: float = 0.02) -> Any:
    cosine = keras.optimizers.schedules.CosineDecay
    return cosine(0.001, 60, warmup_target=peak, warmup_steps=10)


@attrs.frozen(kw_only=True)
class Training:
    """A compiled model, and the arguments of `find_lr` for it that are also those of `fit`."""

    model: Any
    data: dict[str, Any] = attrs.field(factory=lambda: {"x": X, "y": Y, "batch_size": BATCH})

    def fit(self, epochs: int = 2, **options: Any) -> Any:
        """Fit, and return everything of it: the history, and all weights as bytes."""
        data = {"x" if name == "dataset" else name: value for name, value in self.data.items()}
        if callable(data["x"]) and not hasattr(data["x"], "__getitem__") and not hasattr(data["x"], "dataset"):
            data["x"] = data["x"]()
        shuffles = {} if hasattr(data["x"], "shape") or isinstance(data["x"], keras.utils.PyDataset) else {"shuffle": 0}
        history = self.model.fit(**data, **shuffles, epochs=epochs, verbose=0, **options)
        return history.history, [weight.tobytes() for weight in self.model.get_weights()]


def seeded(make: Callable[[], Any], **data: Any) -> Training:
    keras.utils.set_random_seed(1)
    training = Training(model=make(), **({"data": data} if data else {}))
    keras.utils.set_random_seed(2)
    return training


def with_accumulation() -> Training:
    return seeded(lambda: sequential(keras.optimizers.AdamW(1e-3, gradient_accumulation_steps=4)))


def with_a_schedule() -> Training:
    return seeded(lambda: sequential(keras.optimizers.SGD(warm_then_cosine(), momentum=0.9)))


def with_a_loss_scale() -> Training:
    scaled = keras.optimizers.LossScaleOptimizer
    return seeded(lambda: sequential(scaled(keras.optimizers.Adam(1e-3), initial_scale=2.0**10)))


def several_outputs_and_weights() -> Training:
    weights = numpy.linspace(0.1, 1.0, SAMPLES).astype("float32")
    return seeded(two_outputs, x=X, y=[Y, X], sample_weight=[weights, weights], batch_size=BATCH)


def of_arrays() -> Training:
    return seeded(sequential)


def not_built() -> Training:
    return seeded(subclassed)


def of_a_dataset() -> Training:
    return seeded(sequential, dataset=Shuffled())


def of_a_loader() -> Training:
    return seeded(sequential, dataset=loader())


def of_a_generator() -> Training:
    return seeded(sequential, dataset=endless, steps_per_epoch=10)


def with_two_optimizers() -> Training:
    return seeded(lambda: sequential(of_two_optimizers()))


def with_averaged_weights() -> Training:
    """On JAX without the average, because there Keras 3.15 cannot fit twice with it."""
    averaging = {"use_ema": BACKEND != "jax", "ema_overwrite_frequency": 7, "clipnorm": 1.0, "weight_decay": 1e-3}
    return seeded(lambda: sequential(keras.optimizers.Adam(1e-3, **averaging)))


def with_class_weights() -> Training:
    return seeded(sequential, x=X, y=Y, batch_size=BATCH, class_weight={0: 1.0, 1: 2.0, 2: 0.5}, shuffle=False)


def run_eagerly() -> Training:
    x, y = arrays(samples=32)
    return seeded(lambda: one_layer(run_eagerly=True), x=x, y=y, batch_size=BATCH)


def several_steps_at_once() -> Training:
    """On torch, where Keras has no such thing, one step at a time."""
    return seeded(lambda: sequential(steps_per_execution=1 if BACKEND == "torch" else 3))


TRAININGS: tuple[Callable[[], Training], ...] = (
    of_arrays,
    not_built,
    of_a_dataset,
    of_a_loader,
    of_a_generator,
    with_accumulation,
    with_a_schedule,
    with_a_loss_scale,
    with_two_optimizers,
    with_averaged_weights,
    several_outputs_and_weights,
    with_class_weights,
    run_eagerly,
    several_steps_at_once,
)


def bits_of(variable: Any) -> Any:
    """Return the identity, the name and all bytes of a variable."""
    return id(variable), variable.path, keras.ops.convert_to_numpy(variable.value).tobytes()


def observed(training: Training) -> dict[str, Any]:
    """Return everything of a training that a sweep could change, as plain values."""
    model = training.model
    optimizer, metrics, losses = model.optimizer, model._compile_metrics, model._compile_loss
    data = training.data.get("dataset")
    generator = getattr(data, "generator", None)
    return {
        "variables": list(map(bits_of, model.variables)),
        "optimizer": list(map(bits_of, optimizer.variables)),
        "built": [model.built, optimizer.built, metrics.built, losses.built, *(each.built for each in model.layers)],
        "of the model": {name: id(value) for name, value in vars(model).items()},
        "of the optimizer": {name: id(value) for name, value in vars(optimizer).items()},
        "mode": [getattr(each, "training", None) for each in [model, *model.layers]],
        "names": sorted(keras.src.backend.common.global_state.get_global_attribute("object_name_uids").items()),
        "gradients": [_gradient_of(each.value) for each in model.trainable_variables],
        "random": [
            repr(random.getstate()),
            repr(numpy.random.get_state()[1].tobytes()) + repr(numpy.random.get_state()[2:]),
            torch.get_rng_state().numpy().tobytes(),
        ],
        "data": [
            None if not hasattr(data, "indices") else data.indices.tobytes(),
            None if not hasattr(data, "indices") else repr(generator.bit_generator.state),
            None if not isinstance(generator, torch.Generator) else generator.get_state().numpy().tobytes(),
        ],
        "loaded": "tensorflow" in sys.modules,
    }


def _gradient_of(value: Any) -> Any:
    if not isinstance(value, torch.Tensor) or value.grad is None:
        return None
    return value.grad.numpy().tobytes()


def rig_of(make: Callable[[], Training]) -> Rig:
    training = make()

    def train(steps: int) -> list[float]:
        losses: list[float] = []
        listening = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: losses.append(logs["loss"]))
        limits = {"epochs": 1, "steps_per_epoch": steps} if steps < 10 else {"epochs": steps // 10}
        training.fit(**limits, callbacks=[listening])
        return [float(loss) for loss in losses]

    return Rig(
        target=training.model,
        options=training.data,
        observe=lambda: observed(training),
        train=train,
        sweep={"start_lr": 1e-5, "end_lr": 1.0},
    )
