"""The command `lrrange` and its subcommands. Answers go to standard output, everything else to standard error."""

import contextlib
import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import attrs
import click

from lrrange.advice.heuristics import known_name
from lrrange.advice.ranges import RANGE_RULES
from lrrange.advice.suggestion import Suggestion
from lrrange.cli.command_line import CommandLine
from lrrange.cli.compare import compare
from lrrange.cli.completion import complete_backend, complete_factory, complete_heuristic, complete_range_rule
from lrrange.cli.factory import call_factory, errors_in_one_line
from lrrange.cli.output import (
    check_writable,
    json_option,
    print_json,
    print_rich,
    traceback_option,
    verbose_option,
    warn,
    write_all,
)
from lrrange.cli.plugins import plugins
from lrrange.cli.report import report
from lrrange.cli.sweep_options import merge_options, sweep_options
from lrrange.errors import MissingExtra
from lrrange.finder.lr_finder import find_lr
from lrrange.finder.main_process import is_main_process
from lrrange.finder.together import Parallel
from lrrange.plugins import heuristics, make_manager
from lrrange.printable import printable
from lrrange.report.pages.result_page import page_of
from lrrange.report.plots.figures import check_plottable
from lrrange.result import RangeTestResult, dumps, load
from lrrange.sweep.plan import Shape
from lrrange.sweep.smoothing import SmoothingKind

_DEMO = "lrrange_torch.demo:make"

_result_argument = click.argument("path", metavar="RESULT.json", type=click.Path(exists=True, dir_okay=False))


@click.group(
    "lrrange",
    cls=CommandLine,
    context_settings={"help_option_names": ["-h", "--help"]},
    sections={
        "Find a learning rate": ("find", "compare", "demo"),
        "Read a saved result": ("suggest", "plot", "report"),
        "About lrrange": ("plugins",),
    },
    exit_codes={
        0: "an answer",
        1: "a refusal or an error, in one line on standard error",
        2: "a mistake in the command, such as an unknown option",
        130: "Ctrl-C; everything that the sweep changed is put back",
        143: "SIGTERM, as from `timeout` or a job scheduler; the same",
    },
    examples=["lrrange find lrrange_torch.demo:make_points"],
)
@click.version_option(package_name="lrrange", message="lrrange %(version)s")
def main() -> None:
    """Find a learning rate with the range test, for any training loop."""


@main.command(
    short_help="Run a range test on a small real network.", examples=["lrrange demo --train-steps 3000 --out-dir demo"]
)
@click.option(
    "--data",
    type=click.Choice(["digits", "mnist", "fashion-mnist"]),
    default="digits",
    show_default=True,
    help="Data set to train on.",
)
@click.option("--root", type=click.Path(file_okay=False), help="Folder of the MNIST files, downloaded if missing.")
@sweep_options(start_lr=1e-5, end_lr=1.0, num_steps=200)
@click.option(
    "--seed", type=int, default=0, show_default=True, help="Seed of the weights, the batch order and the sweep."
)
@click.option("--out-dir", type=click.Path(file_okay=False), help="Folder for the two files.  [default: this one]")
@verbose_option
@json_option
def demo(
    data: str, root: str | None, out_dir: str | None, verbose: bool, as_json: bool, seed: int, **typed: Any
) -> None:
    """Run a range test on a real network: LeNet with Adam on scikit-learn's digits.

    It writes lrrange-demo.png and lrrange-demo.json.
    """
    folder = Path(out_dir or ".")
    with contextlib.suppress(OSError):  # writing the files will then fail too, with the reason
        folder.mkdir(parents=True, exist_ok=True)
    plot, save = folder / "lrrange-demo.png", folder / "lrrange-demo.json"
    try:
        check_plottable("lrrange-demo.png")
        target, options = call_factory(_DEMO, data=data, root=root, seed=seed)
    except MissingExtra as error:  # of plots or of the torch plug-in; the demo's other extras may be missing too
        text = f"{str(error).rstrip('.')}; for the whole demo: pip install 'lrrange[demo]'"
        raise MissingExtra(text, extra="demo") from error
    result = find_lr(target, backend="torch", seed=seed, **merge_options(options, typed, as_json))
    try:
        _show(result, as_json, verbose)
    finally:  # also where nobody reads standard output any more, as after `| head`
        complete = _write(result, plot, save, as_json)
    others = [answer.heuristic for answer in result.answers if isinstance(answer, Suggestion)]
    others = [name for name in others if name != result.chosen.heuristic]
    if complete and others and not as_json:
        click.echo(printable(f"Another heuristic: lrrange suggest {shlex.quote(str(save))} --heuristic {others[0]}"))
    _end(result, complete)


@main.command(
    short_help="Run a range test on what a function of yours returns.",
    examples=[
        "lrrange find train:make --train-steps 3000",
        "lrrange find lrrange_torch.demo:make_points --save run.json --plot run.png",
    ],
)
@click.argument("factory", metavar="MODULE:FACTORY", shell_complete=complete_factory)
@sweep_options()
@click.option(
    "--shape", type=click.Choice(get_args(Shape)), help="How the learning rate rises.  [default: exponential]"
)
@click.option("--smoothing", type=click.Choice(get_args(SmoothingKind)), help="Smoothing of the curve.  [default: ema]")
@click.option(
    "--backend",
    metavar="NAME",
    shell_complete=complete_backend,
    help="Plug-in to use.  [default: the first that can train the target]",
)
@click.option("--seed", type=int, help="Seed of every random number generator during the sweep.")
@click.option("--repeats", type=int, metavar="N", help="Number of sweeps, in different batch orders.  [default: 1]")
@click.option(
    "--confirm/--no-confirm",
    default=None,
    help="Try rates around the answer in short training runs.  [default: no]",
)
@click.option("--confirm-steps", type=int, metavar="N", help="Steps of all these runs together.  [default: 500]")
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
@click.option("--divergence/--no-divergence", default=None, help="Stop early if the loss diverges.  [default: yes]")
@click.option(
    "--non-finite-limit",
    type=int,
    metavar="N",
    help="NaN or infinite losses in a row that end the sweep.  [default: 3]",
)
@click.option(
    "--verify-restore/--no-verify-restore",
    default=None,
    help="Check that everything is put back, to the last bit.  [default: no]",
)
@click.option("--save", type=click.Path(dir_okay=False, path_type=Path), help="Write the result to this file, as JSON.")
@click.option("--plot", type=click.Path(dir_okay=False, path_type=Path), help="Plot the curve to this file.")
@verbose_option
@traceback_option
@json_option
def find(
    factory: str, save: Path | None, plot: Path | None, verbose: bool, traceback: bool, as_json: bool, **typed: Any
) -> None:
    """Run a range test on the target that FACTORY() in MODULE returns.

    FACTORY returns the target, or (target, options). The options are keyword arguments of lrrange.find_lr, such as
    optimizer, loss_fn and loader for PyTorch. Options on the command line take precedence. MODULE is looked for in the
    working directory first.
    """
    check_writable(plot=plot, save=save)
    with errors_in_one_line(traceback=traceback):
        target, options = call_factory(factory)
        result = find_lr(target, **merge_options(options, typed, as_json))
    try:
        _show(result, as_json, verbose, f"lrrange find {shlex.quote(factory)}")
    finally:
        complete = _write(result, plot, save, as_json)
    _end(result, complete)


main.add_command(compare)


@main.command(examples=["lrrange suggest result.json --heuristic valley --range smith"])
@_result_argument
@click.option(
    "--heuristic",
    metavar="NAME",
    shell_complete=complete_heuristic,
    help="Heuristic for the answer.  [default: as saved]",
)
@click.option(
    "--range",
    "rule",
    metavar="RULE",
    shell_complete=complete_range_rule,
    help=f"Rule for the range: {', '.join(RANGE_RULES)}.",
)
@verbose_option
@json_option
def suggest(path: str, heuristic: str | None, rule: str | None, verbose: bool, as_json: bool) -> None:
    """Read the answer from a saved curve again, without training."""
    result = _read_again(load(path), heuristic)
    if rule is not None:
        requested = result.range_by(rule)
        others = tuple(lr_range for lr_range in result.ranges if lr_range != requested)
        result = attrs.evolve(result, ranges=(requested, *others))
    _show(result, as_json, verbose)
    _end(result)


@main.command(examples=["lrrange plot result.json --path curve.svg"])
@_result_argument
@click.option(
    "--path",
    "out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Image file; its suffix chooses the format.  [default: RESULT.png]",
)
@json_option
def plot(path: str, out: Path | None, as_json: bool) -> None:
    """Plot a saved result."""
    out = out or Path(path).with_suffix(".png")
    load(path).plot(path=out)
    if as_json:
        print_json(json.dumps({"wrote": [str(out)]}))
    else:
        click.echo(printable(str(out)))


main.add_command(report)
main.add_command(plugins)


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
    writers: dict[Path | None, Callable[[Path], object]] = {
        plot: lambda path: result.plot(path=path),
        save: result.save,
    }
    return write_all(writers, quiet)


def _show(result: RangeTestResult, as_json: bool, verbose: bool, command: str = "") -> None:
    """Print the answer. `command` is what to type again with further options, if there is such a command."""
    if not is_main_process():
        return
    if as_json:
        print_json(dumps(result))
    else:
        print_rich(page_of(result, command).as_rich(verbose=verbose))


def _end(result: RangeTestResult, complete: bool = True) -> None:
    """Exit with code 1 if the result, which is shown by now, has no rate, or if a file could not be written."""
    if (refusal := result.refusal) is not None:
        warn(str(refusal))
    if refusal is not None or not complete:
        click.get_current_context().exit(1)
