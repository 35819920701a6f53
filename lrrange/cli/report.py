"""The command `lrrange report`: an HTML file of saved results and comparisons."""

import json
from pathlib import Path

import click

from lrrange.cli.help_pages import SectionedCommand
from lrrange.cli.output import json_option, print_json
from lrrange.comparison.comparison import Comparison
from lrrange.errors import LoadError
from lrrange.printable import printable
from lrrange.report.html_report.reportable import Reportable
from lrrange.report.html_report.write import write_report
from lrrange.result import load

_LARGEST_HEAD = 1000


@click.command(
    "report",
    cls=SectionedCommand,
    examples=["lrrange report result.json", "lrrange report batch-16.json batch-64.json -o batches.html"],
)
@click.argument(
    "paths", metavar="FILE...", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option(
    "--path",
    "-o",
    "out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="HTML file to write.  [default: FILE.html, or report.html for several]",
)
@json_option
def report(paths: tuple[Path, ...], out: Path | None, as_json: bool) -> None:
    """Write an interactive report, one HTML file that works offline.

    Each FILE is a result or a comparison that was saved. Several are shown side by side.
    """
    out = out or (paths[0].with_suffix(".html") if len(paths) == 1 else Path("report.html"))
    values = {name: _read(path) for name, path in zip(_names(paths), paths, strict=True)}
    write_report(values if len(values) > 1 else list(values.values()), out)
    if as_json:
        print_json(json.dumps({"wrote": [str(out)]}))
    else:
        click.echo(printable(str(out)))


def _read(path: Path) -> Reportable:
    """Return the result or the comparison in a file. Raises: LoadError if it holds neither."""
    try:
        return load(path)
    except LoadError as error:
        if not _holds_comparison(path):
            raise error
    return Comparison.load(path)


def _holds_comparison(path: Path) -> bool:
    with path.open("rb") as file:
        return b'"lrrange comparison"' in file.read(_LARGEST_HEAD)


def _names(paths: tuple[Path, ...]) -> list[str]:
    """Return a name for each file: its own without the suffix, or the whole path where two would be alike."""
    stems = [path.stem for path in paths]
    return stems if len(set(stems)) == len(stems) else [str(path) for path in paths]
