"""Trainings that `lrrange.testing` runs its contract on: each a fresh Trainer with its module."""

from collections.abc import Callable
from typing import Any

import torch

from lrrange.testing import Rig
from tests.lightning.observing import of_training
from tests.lightning.trainings import classes, gan, loader, plain, trainer, validated, wide


def rig_of(package: Any, model: Any, data: dict[str, Any], **options: Any) -> Rig:
    losses: list[float] = []

    class Listening(package.Callback):
        def on_train_batch_end(self, trainer: Any, module: Any, outputs: Any, *_: Any) -> None:
            losses.append(float(outputs["loss"]))

    fitting = trainer(package, callbacks=[Listening()], max_epochs=-1, max_steps=0, **options)
    steps_each = 1 if model.automatic_optimization else 2  # Lightning counts every optimizer's step

    def train(steps: int) -> list[float]:
        losses.clear()
        fitting.fit_loop.epoch_loop.max_steps = fitting.global_step + steps * steps_each
        fitting.fit(model, **data)
        return list(losses)

    return Rig(
        target=fitting,
        options={"model": model, **data},
        observe=lambda: of_training(fitting, model, data.get("datamodule"), *_generators(data)),
        train=train,
        sweep={"start_lr": 1e-5, "end_lr": 0.1},
    )


def _generators(data: dict[str, Any]) -> list[torch.Generator]:
    loader = data.get("train_dataloaders")
    return [loader.generator] if loader is not None and loader.generator is not None else []


def automatic(package: Any) -> Rig:
    return rig_of(package, plain(package), {"train_dataloaders": loader(generator=torch.Generator().manual_seed(5))})


def manual_gan(package: Any) -> Rig:
    return rig_of(package, gan(package), {"train_dataloaders": loader()})


def accumulated_clipped_and_mixed(package: Any) -> Rig:
    options = {"accumulate_grad_batches": 2, "gradient_clip_val": 0.5, "precision": "bf16-mixed"}
    return rig_of(package, plain(package), {"train_dataloaders": loader()}, **options)


def in_another_precision(package: Any) -> Rig:
    """Lightning converts the module itself."""
    return rig_of(package, plain(package), {"train_dataloaders": loader()}, precision="64-true")


def of_a_large_layer(package: Any) -> Rig:
    """The layer is copied only when a step is about to change it."""
    return rig_of(package, wide(package), {"train_dataloaders": loader()})


def of_a_large_layer_in_another_precision(package: Any) -> Rig:
    """The fit keeps the layer in other memory."""
    return rig_of(package, wide(package), {"train_dataloaders": loader()}, precision="64-true")


def with_a_data_module(package: Any) -> Rig:
    model = validated(package)
    return rig_of(package, model, {"datamodule": classes(package).Data()}, limit_train_batches=4)


RIGS: tuple[Callable[[Any], Rig], ...] = (
    automatic,
    manual_gan,
    accumulated_clipped_and_mixed,
    in_another_precision,
    of_a_large_layer,
    of_a_large_layer_in_another_precision,
    with_a_data_module,
)
