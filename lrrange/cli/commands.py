"""The command line. Answers go to standard output, everything else to standard error."""

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
from rich.text import Text

from lrrange.advice.heuristics import known_name
from lrrange.advice.ranges import RANGE_RULES
from lrrange.advice.suggestion import Refusal, Suggestion
from lrrange.cli.compare import compare
from lrrange.cli.factory import FactoryNotFound, UserCodeError, call_factory, errors_in_one_line
from lrrange.cli.output import JSON, Command, check_writable, json_option, stdout_for_the_answer, warn, write_all
from lrrange.errors import LRRangeError, MissingExtra
from lrrange.finder.main_process import is_main_process
from lrrange.finder.range_test import find_lr
from lrrange.finder.together import Parallel
from lrrange.plugins import Plugin, heuristics, list_plugins, make_manager
from lrrange.report.figures import check_plottable
from lrrange.report.plot import save_plot
from lrrange.report.table import as_rich
from lrrange.result import RangeTestResult, dumps, load
from lrrange.sweep.plan import Shape
from lrrange.sweep.smoothing import SmoothingKind

_DEMO = "lrrange_torch.demo:make"


class _Commands(click.Group):
    """Commands whose mistakes are one line and an exit code, never a traceback."""

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
            code = _fail(ctx, "KeyboardInterrupt", "interrupted. What a sweep had changed was put back.", 130)
        return ctx.exit(code)


def _fail(ctx: click.Context, kind: str, message: str, code: int, **more: str) -> int:
    if ctx.meta.get(JSON):
        click.echo(json.dumps({"error": {"type": kind, "message": message, **more}}))
    warn(f"{kind}: {message} ({more['where']})" if "where" in more else message)
    return code


def _sweep_options(
    *, start_lr: float | None = None, end_lr: float | None = None, num_steps: int | None = None
) -> Callable[[Command], Command]:
    """Options of every command that sweeps. None leaves the default to the factory's options, and then to `find_lr`."""
    steps = _default(num_steps, "25 a decade")
    options = (
        click.option("--start-lr", type=float, default=start_lr, metavar="LR", help=_default(start_lr, "1e-7")),
        click.option("--end-lr", type=float, default=end_lr, metavar="LR", help=_default(end_lr, "10")),
        click.option("--steps", "num_steps", type=int, default=num_steps, metavar="N", help=steps),
        click.option("--heuristic", metavar="NAME", help="Whose answer to take; by default lrrange chooses."),
        click.option("--no-progress", is_flag=True, help="No progress bar."),
    )

    def add(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return add


def _default(value: float | None, otherwise: str) -> str:
    return f"[default: {otherwise if value is None else format(value, 'g')}]"


_result_argument = click.argument("path", metavar="RESULT.json", type=click.Path(exists=True, dir_okay=False))


@click.group("lrrange", cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="lrrange", message="lrrange %(version)s")
def main() -> None:
    """Find a learning rate: the range test, for any training loop.

    Exit codes: 0 an answer, 1 a refusal or an error, 2 a mistake in the command, 130 Ctrl-C.
    """


@main.command()
@click.option("--data", type=click.Choice(["digits", "mnist", "fashion-mnist"]), default="digits", show_default=True)
@click.option("--root", type=click.Path(file_okay=False), help="Where MNIST is, or is to be downloaded to.")
@_sweep_options(start_lr=1e-5, end_lr=1.0, num_steps=200)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--out-dir", type=click.Path(file_okay=False), help="For the two files.  [default: here]")
@json_option
def demo(data: str, root: str | None, out_dir: str | None, as_json: bool, seed: int, **options: Any) -> None:
    """Sweep a real network: LeNet with Adam on scikit-learn's digits."""
    folder = Path(out_dir or ".")
    with contextlib.suppress(OSError):  # then writing into it fails too, and says why
        folder.mkdir(parents=True, exist_ok=True)
    plot, save = folder / "lrrange-demo.png", folder / "lrrange-demo.json"
    with stdout_for_the_answer(as_json):
        try:
            check_plottable("lrrange-demo.png")
            target, made = call_factory(_DEMO, data=data, root=root, seed=seed)
        except MissingExtra as error:  # of plots, or of the torch plug-in, and likely of the rest too
            text = f"{str(error).rstrip('.')}; for the whole demo: pip install 'lrrange[demo]'"
            raise MissingExtra(text, extra="demo") from error
        result = find_lr(target, backend="torch", seed=seed, **_merged(made, options))
    _show(result, as_json)
    complete = _write(result, plot, save, as_json)
    others = [answer.heuristic for answer in result.answers if isinstance(answer, Suggestion)]
    others = [name for name in others if name != result.chosen.heuristic]
    if complete and others and not as_json:
        click.echo(f"Next: lrrange suggest {shlex.quote(str(save))} --heuristic {others[0]}")
    _end(result, complete)


@main.command()
@click.argument("factory", metavar="MODULE:FACTORY")
@_sweep_options()
@click.option("--shape", type=click.Choice(get_args(Shape)), help="How the rate rises.  [default: exponential]")
@click.option("--smoothing", type=click.Choice(get_args(SmoothingKind)), help="Of the curve.  [default: ema]")
@click.option("--backend", metavar="NAME", help="The plug-in to use; by default, whichever knows the target.")
@click.option("--seed", type=int, help="Of every random number generator, during the sweep.")
@click.option("--repeats", type=int, metavar="N", help="Sweeps, with other batch orders.  [default: 1]")
@click.option("--confirm", is_flag=True, default=None, help="Try rates around the answer in short runs.")
@click.option("--confirm-steps", type=int, metavar="N", help="Steps of those runs together.  [default: 648]")
@click.option("--parallel", type=click.Choice(get_args(Parallel)), help="Repeats and trials.  [default: auto]")
@click.option("--save", type=click.Path(dir_okay=False, path_type=Path), help="Write the result here, as JSON.")
@click.option("--plot", type=click.Path(dir_okay=False, path_type=Path), help="Draw the curve here.")
@click.option("--traceback", "full", is_flag=True, help="Show where an error in your code came from.")
@json_option
def find(factory: str, save: Path | None, plot: Path | None, full: bool, as_json: bool, **options: Any) -> None:
    """Sweep what FACTORY() in MODULE returns: the target, or (target, options).

    The options are keyword arguments of lrrange.find_lr, such as optimizer, loss_fn and loader for PyTorch. What is
    given here goes before them. Modules are looked for in the working directory first.
    """
    check_writable(plot=plot, save=save)
    with stdout_for_the_answer(as_json), errors_in_one_line(full=full):
        target, made = call_factory(factory)
        result = find_lr(target, **_merged(made, options))
    _show(result, as_json)
    _end(result, _write(result, plot, save, as_json))


main.add_command(compare)


@main.command()
@_result_argument
@click.option("--heuristic", metavar="NAME", help="Whose answer to take.")
@click.option("--range", "rule", metavar="RULE", help=f"The range's rule: {', '.join(RANGE_RULES)}.")
@json_option
def suggest(path: str, heuristic: str | None, rule: str | None, as_json: bool) -> None:
    """Answer again from a saved curve, without training."""
    result = _answered_again(load(path), heuristic)
    if rule is not None:
        asked = result.range_by(rule)
        result = attrs.evolve(result, ranges=(asked, *(other for other in result.ranges if other != asked)))
    _show(result, as_json)
    _end(result)


@main.command()
@_result_argument
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="[default: RESULT.png]")
def plot(path: str, out: Path | None) -> None:
    """Draw a saved result."""
    out = out or Path(path).with_suffix(".png")
    save_plot(load(path), out)
    click.echo(out)


@main.command()
@json_option
def plugins(as_json: bool) -> None:
    """List the plug-ins, those set aside too, with the reason."""
    found = list_plugins()
    if as_json:
        click.echo(json.dumps({"plugins": [_described(plugin) for plugin in found]}))
        return
    table = Table("name", "source", "hooks, or why it was set aside")
    for plugin in found:
        state = Text(str(plugin.problem), style="red") if plugin.problem else Text("\n".join(plugin.hooks))
        table.add_row(Text(plugin.name), Text(plugin.source), state)
    Console().print(table if found else "No plug-in is installed.")


def _merged(made: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """The factory's options, under those typed on the command line."""
    typed = {name: value for name, value in given.items() if value is not None and name != "no_progress"}
    if given["no_progress"]:
        typed["progress"] = False
    return {"progress": True, **made, **typed}


def _answered_again(result: RangeTestResult, heuristic: str | None) -> RangeTestResult:
    known = heuristics(make_manager())
    # A heuristic that was a function in the user's program is not known here; what it answered then still stands.
    stored = tuple(answer for answer in result.answers if answer.heuristic not in known)
    if heuristic is None:
        name = result.heuristic
    else:
        name = heuristic if heuristic in {answer.heuristic for answer in stored} else known_name(heuristic, known)
    fresh = result.with_heuristic(None, known)
    return attrs.evolve(fresh, answers=fresh.answers + stored, heuristic=name)


def _write(result: RangeTestResult, plot: Path | None, save: Path | None, quiet: bool) -> bool:
    """Write the files that were asked for; return whether all could be written."""
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
    """Exit as the result deserves: one without a rate is shown, and is a failure."""
    if isinstance(result.chosen, Refusal):
        warn(result.chosen.reason)
    if isinstance(result.chosen, Refusal) or not complete:
        click.get_current_context().exit(1)


def _described(plugin: Plugin) -> dict[str, Any]:
    problem = str(plugin.problem) if plugin.problem else None
    return {"name": plugin.name, "source": plugin.source, "hooks": plugin.hooks, "problem": problem}
