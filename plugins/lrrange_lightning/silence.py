"""Silence everything that would notice a sweep: callbacks, loggers, the profiler, logged metrics, schedulers."""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

from lrrange_lightning.compat import import_from
from lrrange_lightning.stand_ins import do_nothing, stand_in_callbacks, stand_in_loggers

_LOG = ("log", "log_dict")


class LoggedMetrics:
    """The metrics that a module has logged since the last `clear`, by name. They go nowhere else."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    def log(self, name: str, value: Any, *_: Any, **__: Any) -> None:
        """Replace `LightningModule.log`."""
        self.values[name] = value

    def log_dict(self, dictionary: Mapping[str, Any], *_: Any, **__: Any) -> None:
        """Replace `LightningModule.log_dict`."""
        self.values.update(dictionary.items())

    def clear(self) -> None:
        """Forget all metrics."""
        self.values.clear()


def silence(trainer: Any, package: Any) -> None:
    """Put stand-ins in the place of callbacks and loggers, and take the profiler and checkpoints away.

    Restoring the Trainer's attributes brings them back.
    """
    trainer.callbacks = stand_in_callbacks(trainer.callbacks, package)
    trainer.loggers = stand_in_loggers(trainer.loggers, package)
    trainer.profiler = import_from(package, "profilers", "PassThroughProfiler")()
    vars(trainer)["save_checkpoint"] = do_nothing


def redirect_logging(module: Any, package: Any) -> LoggedMetrics:
    """Return the metrics that the module logs from now on. Restoring the module's attributes ends the redirection."""
    logged = LoggedMetrics()
    for submodule in module.modules():
        if isinstance(submodule, package.LightningModule):
            vars(submodule).update(log=logged.log, log_dict=logged.log_dict)
    return logged


@contextlib.contextmanager
def own_logging(module: Any) -> Iterator[None]:
    """Suspend the redirection inside the block, so that the module logs as in a fit."""
    redirected = [
        (vars(submodule), {name: vars(submodule)[name] for name in _LOG})
        for submodule in module.modules()
        if "log" in vars(submodule)
    ]
    for attributes, _ in redirected:
        for name in _LOG:
            del attributes[name]
    try:
        yield
    finally:
        for attributes, methods in redirected:
            attributes.update(methods)


def hold_schedulers(trainer: Any) -> None:
    """Disable the user's calls of `scheduler.step()`. Restoring the schedulers' attributes enables them again."""
    for config in trainer.lr_scheduler_configs:
        vars(config.scheduler).update(step=do_nothing)
