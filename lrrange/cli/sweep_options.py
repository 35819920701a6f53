"""The options of the commands that sweep, and how they go together with those of a factory."""

from collections.abc import Callable
from typing import Any

import click

from lrrange.cli.completion import complete_heuristic
from lrrange.cli.output import Command
from lrrange.sweep.divergence import Divergence

_TRAIN_STEPS = "Optimizer steps of the training that the rate is for."
_LENGTHS = ("train_steps", "train_epochs")
_TRAIN_EPOCHS = "The same in passes over the loader, where it has a length."


def sweep_options(
    *, start_lr: float | None = None, end_lr: float | None = None, num_steps: int | None = None
) -> Callable[[Command], Command]:
    """Return a decorator that adds the options of every command that sweeps.

    A default of None means that the factory's option holds, and without one the default of `find_lr`.
    """
    first = f"First learning rate.  {_default(start_lr, '1e-7')}"
    last = f"Last learning rate.  {_default(end_lr, '10')}"
    steps = f"Training steps of the sweep.  {_default(num_steps, 'about 100, most where the loss moves')}"
    options = (
        click.option("--start-lr", type=float, default=start_lr, metavar="LR", help=first),
        click.option("--end-lr", type=float, default=end_lr, metavar="LR", help=last),
        click.option("--num-steps", type=int, default=num_steps, metavar="N", help=steps),
        click.option(
            "--heuristic",
            metavar="NAME",
            shell_complete=complete_heuristic,
            help="Heuristic for the answer.  [default: lrrange chooses]",
        ),
        click.option("--train-steps", type=int, metavar="N", help=_TRAIN_STEPS),
        click.option("--train-epochs", type=float, metavar="N", help=_TRAIN_EPOCHS),
        click.option("--progress/--no-progress", default=None, help="Show a progress bar.  [default: yes]"),
    )

    def add(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return add


def _default(value: float | None, of_find_lr: str) -> str:
    return f"[default: {of_find_lr if value is None else format(value, 'g')}]"


def merge_options(options: dict[str, Any], typed: dict[str, Any], as_json: bool) -> dict[str, Any]:
    """Return the factory's options, overridden by those typed on the command line."""
    overrides = {name: value for name, value in typed.items() if value is not None}
    if "divergence" in overrides:
        overrides["divergence"] = Divergence() if overrides["divergence"] else None
    if not overrides.keys().isdisjoint(_LENGTHS):  # in steps or epochs, one typed replaces either of the factory
        options = {name: value for name, value in options.items() if name not in _LENGTHS}
    # What reads a JSON document is a program, which has no use for lines about progress in its log.
    return {"progress": None if as_json else True, **options, **overrides}
