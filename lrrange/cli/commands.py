"""The command `lrrange` and its subcommands. Answers go to standard output, everything else to standard error."""

import contextlib
import functools
import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import attrs
import click
from rich.console import Console
from rich.table import Table

from lrrange.advice.heuristics import known_name
from lrrange.advice.ranges import RANGE_RULES
from lrrange.advice.suggestion import Suggestion
from lrrange.cli.compare import compare
from lrrange.cli.factory import FactoryNotFound, UserCodeError, call_factory, errors_in_one_line
from lrrange.cli.output import (
    JSON,
    Command,
    check_writable,
    json_option,
    stdout_for_the_answer,
    traceback_option,
    warn,
    write_all,
)
from lrrange.errors import LRRangeError, MissingExtra
from lrrange.finder.main_process import is_main_process
from lrrange.finder.range_test import find_lr
from lrrange.finder.together import Parallel
from lrrange.plugins import Plugin, heuristics, list_plugins, make_manager
from lrrange.printable import printable
from lrrange.report.figures import check_plottable
from lrrange.report.plot import save_plot
from lrrange.report.table import as_rich, plain_text
from lrrange.result import RangeTestResult, dumps, load
from lrrange.sweep.plan import Shape
from lrrange.sweep.smoothing import SmoothingKind

_DEMO = "lrrange_torch.demo:make"

_TRAIN_STEPS = "Optimizer steps of the training that the rate is for."


class _Commands(click.Group):
    """A command group that reports every error in one line, with an exit code and without a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except FactoryNotFound as error:
            code = _fail(ctx, "FactoryNotFound", error.message, error.exit_code)
        except UserCodeError as error:
            code = _fail(ctx, error.kind, error.text, error.exit_code, where=error.where)
        except LRRangeError as error:
            code = _fail(ctx, type(error).__name__, str(error), 1)
        except KeyboardInterrupt:
            code = _fail(ctx, "KeyboardInterrupt", "interrupted. Everything that a sweep changed was put back.", 130)
        return ctx.exit(code)


def _fail(ctx: click.Context, kind: str, message: str, code: int, where: str | None = None) -> int:
    """Report an error, and return its exit code. `where` is the line of the user's code that raised it."""
    if ctx.meta.get(JSON):
        place = {} if where is None else {"where": where}
        click.echo(json.dumps({"error": {"type": kind, "message": message, **place}}))
    warn(message if where is None else f"{kind}: {message} ({where})")
    return code


def _sweep_options(
    *, start_lr: float | None = None, end_lr: float | None = None, num_steps: int | None = None
) -> Callable[[Command], Command]:
    """Return a decorator that adds the options of every command that sweeps.

    A default of None means that the factory's option holds, and without one the default of `find_lr`.
    """
    first = f"First learning rate.  {_default(start_lr, '1e-7')}"
    last = f"Last learning rate.  {_default(end_lr, '10')}"
    steps = f"Training steps of the sweep.  {_default(num_steps, '25 per decade')}"
    options = (
        click.option("--start-lr", type=float, default=start_lr, metavar="LR", help=first),
        click.option("--end-lr", type=float, default=end_lr, metavar="LR", help=last),
        click.option("--steps", "num_steps", type=int, default=num_steps, metavar="N", help=steps),
        click.option("--heuristic", metavar="NAME", help="Heuristic for the answer.  [default: lrrange chooses]"),
        click.option("--train-steps", type=int, metavar="N", help=_TRAIN_STEPS),
        click.option("--no-progress", is_flag=True, help="Show no progress bar."),
    )

    def add(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return add


def _default(value: float | None, of_find_lr: str) -> str:
    return f"[default: {of_find_lr if value is None else format(value, 'g')}]"


_result_argument = click.argument("path", metavar="RESULT.json", type=click.Path(exists=True, dir_okay=False))


@click.group("lrrange", cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="lrrange", message="lrrange %(version)s")
def main() -> None:
    """Find a learning rate with the range test, for any training loop.

    Exit codes: 0 answer, 1 refusal or error, 2 mistake in the command, 130 Ctrl-C.
    """


@main.command()
@click.option(
    "--data",
    type=click.Choice(["digits", "mnist", "fashion-mnist"]),
    default="digits",
    show_default=True,
    help="Data set to train on.",
)
@click.option("--root", type=click.Path(file_okay=False), help="Folder of the MNIST files, downloaded if missing.")
@_sweep_options(start_lr=1e-5, end_lr=1.0, num_steps=200)
@click.option(
    "--seed", type=int, default=0, show_default=True, help="Seed of the weights, the batch order and the sweep."
)
@click.option("--out-dir", type=click.Path(file_okay=False), help="Folder for the two files.  [default: this one]")
@json_option
def demo(data: str, root: str | None, out_dir: str | None, as_json: bool, seed: int, **typed: Any) -> None:
    """Run a range test on a real network: LeNet with Adam on scikit-learn's digits."""
    folder = Path(out_dir or ".")
    with contextlib.suppress(OSError):  # writing the files will then fail too, with the reason
        folder.mkdir(parents=True, exist_ok=True)
    plot, save = folder / "lrrange-demo.png", folder / "lrrange-demo.json"
    with stdout_for_the_answer(as_json):
        try:
            check_plottable("lrrange-demo.png")
            target, options = call_factory(_DEMO, data=data, root=root, seed=seed)
        except MissingExtra as error:  # of plots or of the torch plug-in; the demo's other extras may be missing too
            text = f"{str(error).rstrip('.')}; for the whole demo: pip install 'lrrange[demo]'"
            raise MissingExtra(text, extra="demo") from error
        result = find_lr(target, backend="torch", seed=seed, **_merged(options, typed))
    _show(result, as_json)
    complete = _write(result, plot, save, as_json)
    others = [answer.heuristic for answer in result.answers if isinstance(answer, Suggestion)]
    others = [name for name in others if name != result.chosen.heuristic]
    if complete and others and not as_json:
        click.echo(printable(f"Next: lrrange suggest {shlex.quote(str(save))} --heuristic {others[0]}"))
    _end(result, complete)


@main.command()
@click.argument("factory", metavar="MODULE:FACTORY")
@_sweep_options()
@click.option(
    "--shape", type=click.Choice(get_args(Shape)), help="How the learning rate rises.  [default: exponential]"
)
@click.option("--smoothing", type=click.Choice(get_args(SmoothingKind)), help="Smoothing of the curve.  [default: ema]")
@click.option("--backend", metavar="NAME", help="Plug-in to use.  [default: the first that can train the target]")
@click.option("--seed", type=int, help="Seed of every random number generator during the sweep.")
@click.option("--repeats", type=int, metavar="N", help="Number of sweeps, in different batch orders.  [default: 1]")
@click.option("--confirm", is_flag=True, default=None, help="Try rates around the answer in short training runs.")
@click.option("--confirm-steps", type=int, metavar="N", help="Steps of all these runs together.  [default: 648]")
@click.option(
    "--parallel",
    type=click.Choice(get_args(Parallel)),
    help="Take repeats and confirming runs side by side; auto measures whether it is faster.  [default: off]",
)
@click.option(
    "--paired",
    type=click.Choice(["auto", "on", "off"]),
    callback=lambda _context, _option, value: {"on": True, "off": False}.get(value, value),
    help="Take the noise of the batches out of the curve; auto does so where it hides the fall.  [default: auto]",
)
@click.option("--save", type=click.Path(dir_okay=False, path_type=Path), help="Write the result to this file, as JSON.")
@click.option("--plot", type=click.Path(dir_okay=False, path_type=Path), help="Plot the curve to this file.")
@traceback_option
@json_option
def find(factory: str, save: Path | None, plot: Path | None, traceback: bool, as_json: bool, **typed: Any) -> None:
    """Run a range test on the target that FACTORY() in MODULE returns.

    FACTORY returns the target, or (target, options). The options are keyword arguments of lrrange.find_lr, such as
    optimizer, loss_fn and loader for PyTorch. Options on the command line take precedence. MODULE is looked for in the
    working directory first.
    """
    check_writable(plot=plot, save=save)
    with stdout_for_the_answer(as_json), errors_in_one_line(traceback=traceback):
        target, options = call_factory(factory)
        result = find_lr(target, **_merged(options, typed))
    _show(result, as_json)
    _end(result, _write(result, plot, save, as_json))


main.add_command(compare)


@main.command()
@_result_argument
@click.option("--heuristic", metavar="NAME", help="Heuristic for the answer.  [default: as saved]")
@click.option("--range", "rule", metavar="RULE", help=f"Rule for the range: {', '.join(RANGE_RULES)}.")
@json_option
def suggest(path: str, heuristic: str | None, rule: str | None, as_json: bool) -> None:
    """Read the answer from a saved curve again, without training."""
    result = _read_again(load(path), heuristic)
    if rule is not None:
        requested = result.range_by(rule)
        others = tuple(lr_range for lr_range in result.ranges if lr_range != requested)
        result = attrs.evolve(result, ranges=(requested, *others))
    _show(result, as_json)
    _end(result)


@main.command()
@_result_argument
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Image file.  [default: RESULT.png]")
def plot(path: str, out: Path | None) -> None:
    """Plot a saved result."""
    out = out or Path(path).with_suffix(".png")
    save_plot(load(path), out)
    click.echo(printable(str(out)))


@main.command()
@json_option
def plugins(as_json: bool) -> None:
    """List the plug-ins, and why a broken one is set aside."""
    known = list_plugins()
    if as_json:
        click.echo(json.dumps({"plugins": [_plugin_document(plugin) for plugin in known]}))
        return
    table = Table("name", "source", "hooks, or why it is set aside")
    for plugin in known:
        state = plain_text(str(plugin.problem), style="red") if plugin.problem else plain_text("\n".join(plugin.hooks))
        table.add_row(plain_text(plugin.name), plain_text(plugin.source), state)
    Console().print(table if known else "No plug-in is installed.")


def _merged(options: dict[str, Any], typed: dict[str, Any]) -> dict[str, Any]:
    """Return the factory's options, overridden by those typed on the command line."""
    overrides = {name: value for name, value in typed.items() if value is not None and name != "no_progress"}
    if typed["no_progress"]:
        overrides["progress"] = False
    if "train_steps" in overrides:  # takes precedence over the factory's length in epochs, too
        options = {name: value for name, value in options.items() if name != "train_epochs"}
    return {"progress": True, **options, **overrides}


def _read_again(result: RangeTestResult, heuristic: str | None) -> RangeTestResult:
    """Return the result with the answers of the heuristics known here, and this heuristic chosen."""
    known = heuristics(make_manager())
    # A heuristic that was a function in the user's program is unknown here. Its saved answer is kept.
    stored = tuple(answer for answer in result.answers if answer.heuristic not in known)
    if heuristic is None:
        name = result.heuristic
    else:
        name = heuristic if heuristic in {answer.heuristic for answer in stored} else known_name(heuristic, known)
    fresh = result.with_heuristic(None, known)
    return attrs.evolve(fresh, answers=fresh.answers + stored, heuristic=name)


def _write(result: RangeTestResult, plot: Path | None, save: Path | None, quiet: bool) -> bool:
    """Write the requested files, and return whether all could be written."""
    if not is_main_process():
        return True
    writers = {
        path: functools.partial(write, result)
        for path, write in ((plot, save_plot), (save, RangeTestResult.save))
        if path
    }
    return write_all(writers, quiet)


def _show(result: RangeTestResult, as_json: bool) -> None:
    if not is_main_process():
        return
    if as_json:
        click.echo(dumps(result), nl=False)
    else:
        Console().print(as_rich(result))


def _end(result: RangeTestResult, complete: bool = True) -> None:
    """Exit with code 1 if the result, which is shown by now, has no rate, or if a file could not be written."""
    if (refusal := result.refusal) is not None:
        warn(str(refusal))
    if refusal is not None or not complete:
        click.get_current_context().exit(1)


def _plugin_document(plugin: Plugin) -> dict[str, Any]:
    problem = str(plugin.problem) if plugin.problem else None
    return {"name": plugin.name, "source": plugin.source, "hooks": plugin.hooks, "problem": problem}
