"""The command line: `python -m benchmarks.fine_tuning --help`."""

import json
import platform
from importlib.metadata import version
from pathlib import Path

import click
import torch

from benchmarks.fine_tuning import answers, grid
from benchmarks.fine_tuning.page import RESULTS, write_page
from benchmarks.fine_tuning.pretrained import Recipe, pretrain
from benchmarks.fine_tuning.tasks import TASKS

_WEIGHTS = Path("build/fine_tuning/pretrained")

# What made the stored results.
_COMMANDS = [
    f"python -m benchmarks.fine_tuning {options}"
    for options in ("--grid --start pretrained", "--grid --start random --seed 0", "--answers", "--report")
]


@click.command()
@click.option(
    "--weights",
    type=click.Path(path_type=Path),
    default=_WEIGHTS,
    show_default=True,
    help="The pretrained model. It is made if it is not there: about ten minutes.",
)
@click.option("--grid", "on_grid", is_flag=True, help="Fine-tune over the grid of rates, where that is not done yet.")
@click.option("--answers", "asked", is_flag=True, help="Run the range tests that are not done yet.")
@click.option(
    "--report", is_flag=True, help="Write docs/guides/fine-tuning.md and its plot from the stored measurements."
)
@click.option(
    "--start", "starts", multiple=True, type=click.Choice(grid.STARTS), default=grid.STARTS, help="Of the grid."
)
@click.option("--task", "tasks", multiple=True, type=click.Choice([*TASKS]), default=[*TASKS], help="Only this one.")
@click.option("--form", "forms", multiple=True, type=click.Choice([*answers.FORMS]), default=[*answers.FORMS])
@click.option("--seed", "seeds", multiple=True, type=int, default=grid.SEEDS, help="Only this seed. May be repeated.")
@click.option("--results", type=click.Path(path_type=Path), default=RESULTS, help="The folder of measurements.")
def main(
    weights: Path,
    on_grid: bool,
    asked: bool,
    report: bool,
    starts: tuple[str, ...],
    tasks: tuple[str, ...],
    forms: tuple[str, ...],
    seeds: tuple[int, ...],
    results: Path,
) -> None:
    """Fine-tune a small language model over a grid of rates, and judge the answers of a range test by it."""
    torch.set_num_threads(1)
    chosen = [TASKS[name] for name in tasks]
    if on_grid or asked:
        pretrained = pretrain(weights, Recipe())
        results.mkdir(parents=True, exist_ok=True)
        about = {"commands": _COMMANDS, "versions": _versions(), **pretrained.about}
        (results / "about.json").write_text(json.dumps(about, indent=1) + "\n")
    if on_grid:
        path = results / "grid.json"
        for row in grid.measure(path, pretrained, tasks=chosen, starts=starts, rates=grid.RATES, seeds=seeds):
            click.echo(row)
    if asked:
        for row in answers.measure(results, pretrained, tasks=chosen, forms=forms, seeds=seeds):
            click.echo(row)
    if report:
        write_page(results)


def _versions() -> dict[str, str]:
    packages = {package: version(package) for package in ("torch", "transformers", "tokenizers")}
    return {"python": platform.python_version(), **packages}


if __name__ == "__main__":
    main(prog_name="python -m benchmarks.fine_tuning")
