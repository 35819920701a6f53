"""The command line: `python -m benchmarks.quality.schedules --help`."""

import json
from pathlib import Path

import click
import torch

from benchmarks.quality.bank.store import BankStore
from benchmarks.quality.schedules.grid import TASKS, measure
from benchmarks.quality.schedules.peaks import read, summary
from benchmarks.quality.store import RESULTS


@click.command()
@click.option(
    "--measure", "measuring", is_flag=True, help="Train the tasks that have no measurements yet: minutes each."
)
@click.option("--results", type=click.Path(path_type=Path), default=RESULTS, help="The folder of measurements.")
def main(measuring: bool, results: Path) -> None:
    """Print where the best peak rates of schedules lie, and what the rates of a constant and of one cycle cost them."""
    torch.set_num_threads(1)
    folder = results / "schedules"
    folder.mkdir(parents=True, exist_ok=True)
    for name in TASKS if measuring else ():
        path = folder / f"{name}.json"
        if not path.exists():
            measured = measure(name, BankStore(RESULTS))
            path.write_text(json.dumps(measured) + "\n")
            click.echo(f"{name}: {len(measured['lr'])} rates, {measured['seconds']} s")
    if tasks := read(folder):
        click.echo(json.dumps(summary(tasks), indent=1))


if __name__ == "__main__":
    main(prog_name="python -m benchmarks.quality.schedules")
