"""Lightning's two class trees, `pytorch_lightning` and `lightning.pytorch`: twins that share no class.

What of Lightning is private and used all the same stands here, in one place.
"""

import sys
from importlib import import_module
from importlib.util import find_spec
from typing import Any

NAMES = ("pytorch_lightning", "lightning.pytorch")

# Packages whose objects make up a Trainer.
PACKAGES = ("pytorch_lightning", "lightning", "lightning_fabric")


def loaded() -> tuple[Any, ...]:
    """The trees that somebody has imported."""
    found = (sys.modules.get(name) for name in NAMES)
    return tuple(tree for tree in found if hasattr(tree, "Trainer"))


def installed() -> tuple[str, ...]:
    """The names of the trees that can be imported."""
    return tuple(name for name in NAMES if find_spec(name.partition(".")[0]) is not None)


def needed() -> tuple[Any, ...]:
    """The trees that are loaded; if none is, all that are installed, because any may be imported next."""
    return loaded() or tuple(import_module(name) for name in installed())


def tree_of(target: object, kind: str) -> Any:
    """The tree whose `kind` ("Trainer", "LightningModule", ...) this is; None if it is of neither."""
    return next((tree for tree in loaded() if isinstance(target, getattr(tree, kind))), None)


def part(tree: Any, module: str, name: str) -> Any:
    """A class of this tree that its top level does not export."""
    return getattr(import_module(f"{tree.__name__}.{module}"), name)


def outside_a_fit(tree: Any) -> tuple[type, ...]:
    """Classes of what a Trainer holds and a sweep leaves alone.

    Callbacks, loggers and profilers are taken away for the sweep; processes and their rendezvous outlive every fit; a
    data module holds data.
    """
    return (
        *(tree.Callback, tree.LightningDataModule),
        part(tree, "loggers.logger", "Logger"),
        part(tree, "profilers", "Profiler"),
        part(tree, "strategies.launchers.launcher", "_Launcher"),
        part(tree, "plugins.environments", "ClusterEnvironment"),
    )


def leave_fit(tree: Any) -> Exception:
    """What a callback raises to end a fit before its first batch, with every teardown as after a fit that went well.

    Lightning's own tuner ends its fits so.
    """
    error: Exception = part(tree, "utilities.exceptions", "_TunerExitException")()
    return error


def combined_loader(trainer: Any) -> Any:
    """The training loaders of a fit that is under way, samplers and limits in place."""
    return trainer.fit_loop._combined_loader


def to_device(trainer: Any, batch: Any, dataloader_idx: int = 0) -> Any:
    """The batch as `training_step` gets it: converted, and through the user's three batch-transfer hooks."""
    batch = trainer.precision_plugin.convert_input(batch)
    batch = trainer.lightning_module._on_before_batch_transfer(batch, dataloader_idx=dataloader_idx)
    return trainer.strategy.batch_to_device(batch, dataloader_idx=dataloader_idx)


def has_spawning_launcher(trainer: Any, tree: Any) -> bool:
    """Whether a fit would run in new processes that start from a copy of this one, and leave nothing behind here."""
    launchers = import_module(f"{tree.__name__}.strategies.launchers")
    return isinstance(trainer.strategy.launcher, launchers._MultiProcessingLauncher)
