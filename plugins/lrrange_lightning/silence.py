"""A Trainer that nobody listens to, for the length of a sweep."""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

from lrrange_lightning.compat import part

_LOG = ("log", "log_dict")


class Logged:
    """What `self.log` was given since the last `clear`, by name. It goes nowhere else."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    def log(self, name: str, value: Any, *_: Any, **__: Any) -> None:
        """Stands in for `LightningModule.log`."""
        self.values[name] = value

    def log_dict(self, dictionary: Mapping[str, Any], *_: Any, **__: Any) -> None:
        """Stands in for `LightningModule.log_dict`."""
        self.values.update(dictionary.items())

    def clear(self) -> None:
        """Forget them."""
        self.values.clear()


def silence(trainer: Any, tree: Any) -> None:
    """Take callbacks, loggers and the profiler away. Undone by restoring the Trainer's attributes."""
    trainer.callbacks = []
    dummy = part(tree, "loggers.logger", "DummyLogger")
    trainer.loggers = [dummy() for _ in trainer.loggers]
    trainer.profiler = part(tree, "profilers", "PassThroughProfiler")()


def redirect_logging(module: Any, tree: Any) -> Logged:
    """Send what the module logs to the `Logged` returned. Undone by restoring the module's attributes."""
    logged = Logged()
    for one in module.modules():
        if isinstance(one, tree.LightningModule):
            vars(one).update(log=logged.log, log_dict=logged.log_dict)
    return logged


@contextlib.contextmanager
def undirected_logging(module: Any) -> Iterator[None]:
    """Let the module log as in a fit, for the length of the block."""
    redirected = [
        (vars(one), {name: vars(one)[name] for name in _LOG}) for one in module.modules() if "log" in vars(one)
    ]
    for attributes, _ in redirected:
        for name in _LOG:
            del attributes[name]
    try:
        yield
    finally:
        for attributes, logs in redirected:
            attributes.update(logs)


def hold_schedulers(trainer: Any) -> None:
    """Let the user's own calls of `scheduler.step()` do nothing. Undone by restoring the schedulers' attributes."""
    for config in trainer.lr_scheduler_configs:
        vars(config.scheduler).update(step=_no_step)


def _no_step(*_: Any, **__: Any) -> None:
    pass
