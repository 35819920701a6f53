"""Compatibility with both Lightning packages, `pytorch_lightning` and `lightning.pytorch`, and their private names.

The two have the same content and share no class: a `pytorch_lightning.Trainer` is no `lightning.pytorch.Trainer`. Code
that depends on which of the two the user's Trainer comes from takes that package as its argument `package`.
"""

import functools
import math
import sys
from importlib import import_module
from importlib.util import find_spec
from typing import Any

PACKAGES = ("pytorch_lightning", "lightning.pytorch")

# Top-level names of the packages that define a Trainer and the objects it is made of.
TRAINER_MODULES = ("pytorch_lightning", "lightning", "lightning_fabric")


def loaded_packages() -> tuple[Any, ...]:
    """Return the Lightning packages that have been imported."""
    modules = (sys.modules.get(name) for name in PACKAGES)
    # One that is in the middle of its own import has no Trainer yet.
    return tuple(module for module in modules if hasattr(module, "Trainer"))


def installed_packages() -> tuple[str, ...]:
    """Return the names of the Lightning packages that can be imported."""
    return tuple(name for name in PACKAGES if find_spec(name.partition(".")[0]) is not None)


def package_of(target: object, kind: str) -> Any:
    """Return the Lightning package whose `kind` the target is an instance of; None if neither is. Imports neither.

    Args:
        target: any object.
        kind: name of a class that both packages export: `"Trainer"`, `"LightningModule"` or another.
    """
    return next((package for package in loaded_packages() if isinstance(target, getattr(package, kind))), None)


def callback_class(hooks: type, path: str) -> type:
    """Return a class with these hooks that is a `Callback` of both Lightning packages, so that either Trainer takes it.

    It inherits from `hooks` and from the `Callback` of each package that has been imported. If none has, it first
    imports all that are installed, because the user may import any of them next. The same arguments give the same class
    until another package is imported. So call it at each access, in the `__getattr__` of a module.

    Args:
        hooks: a class with the methods of a callback, and without a base class of Lightning's.
        path: where the class can be imported, `"package.module.Name"`. It becomes the name of the class, by which
            `pickle` and the command line of Lightning find it.

    >>> import pytorch_lightning
    >>> class Hooks:
    ...     def on_train_start(self, trainer, pl_module):
    ...         trainer.should_stop = True
    >>> StopAtOnce = callback_class(Hooks, "mine.StopAtOnce")
    >>> issubclass(StopAtOnce, pytorch_lightning.Callback), StopAtOnce.__module__
    (True, 'mine')
    """
    packages = loaded_packages() or tuple(import_module(name) for name in installed_packages())
    return _callback_class(hooks, path, packages)


@functools.cache
def _callback_class(hooks: type, path: str, packages: tuple[Any, ...]) -> type:
    module, _, name = path.rpartition(".")
    attributes = {"__doc__": hooks.__doc__, "__module__": module, "__qualname__": name}
    return type(name, (hooks, *(package.Callback for package in packages)), attributes)


def import_from(package: Any, module: str, name: str) -> Any:
    """Import a name that the Lightning package does not export at its top level."""
    return getattr(import_module(f"{package.__name__}.{module}"), name)


def outside_a_fit(package: Any) -> tuple[type, ...]:
    """Return the classes of those parts of a Trainer that a sweep leaves alone.

    Callbacks, loggers and profilers are replaced for the sweep, processes and their rendezvous outlive every fit, and
    a data module holds data.
    """
    return (
        *(package.Callback, package.LightningDataModule),
        import_from(package, "loggers.logger", "Logger"),
        import_from(package, "profilers", "Profiler"),
        import_from(package, "strategies.launchers.launcher", "_Launcher"),
        import_from(package, "plugins.environments", "ClusterEnvironment"),
    )


def leave_fit(package: Any) -> Exception:
    """Return the exception by which a callback ends a fit before its first batch, with the teardown of a normal end.

    Lightning's own tuner ends its fits with it.
    """
    error: Exception = import_from(package, "utilities.exceptions", "_TunerExitException")()
    return error


def combined_loader(trainer: Any) -> Any:
    """Return the training loaders of a running fit, with its samplers and limits."""
    return trainer.fit_loop._combined_loader


def steps_taken(trainer: Any) -> int:
    """Return the steps that each optimizer of a fit has taken. Lightning's count is of all of them together."""
    return int(trainer.global_step) // max(1, len(trainer.optimizers))


def remaining_steps(trainer: Any, package: Any) -> int | None:
    """Return the optimizer steps that a fit has left by the limits of its Trainer; None if they set no end."""
    try:
        total = trainer.estimated_stepping_batches
    except import_from(package, "utilities.exceptions", "MisconfigurationException"):
        return None  # the number of batches over which gradients are accumulated changes from epoch to epoch
    remaining = total - steps_taken(trainer)
    return int(remaining) if 0 < remaining < math.inf else None


def to_device(trainer: Any, batch: Any, dataloader_idx: int = 0) -> Any:
    """Return the batch as `training_step` gets it: converted, and through the user's three batch-transfer hooks."""
    batch = trainer.precision_plugin.convert_input(batch)
    batch = trainer.lightning_module._on_before_batch_transfer(batch, dataloader_idx=dataloader_idx)
    return trainer.strategy.batch_to_device(batch, dataloader_idx=dataloader_idx)


def has_spawning_launcher(trainer: Any, package: Any) -> bool:
    """Return whether a fit would run in new processes that start from a copy of this one and return nothing to it."""
    launchers = import_module(f"{package.__name__}.strategies.launchers")
    return isinstance(trainer.strategy.launcher, launchers._MultiProcessingLauncher)
