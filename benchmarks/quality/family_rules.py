"""The rules of the default advice, each fitted without one family of the bank's trainings, to judge what finders do.

    $ python -m benchmarks.quality.family_rules

Other numbers of lrrange are not fitted again: those of the verdict, and of the short runs of `confirm=True`.
"""

import contextlib
import functools
import json
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import attrs
import click
import torch

from benchmarks.quality.bank.fitting import cases_of, families_of, fit
from benchmarks.quality.bank.generator import ORIGINS
from benchmarks.quality.bank.landmarks import look
from benchmarks.quality.bank.learnable import learnable
from benchmarks.quality.bank.store import BankStore
from benchmarks.quality.ground_truth import PROTOCOLS
from benchmarks.quality.store import RESULTS
from lrrange.advice import midway
from lrrange.advice.rule import Rule

# What the families are held out by.
AXIS = "architecture"

# The names that the advice has for the rule of each use.
_RULES = {"constant": "CONSTANT", "onecycle": "ONE_CYCLE"}

_FILE = "bank_rules.json"


def fit_rules(store: BankStore) -> dict[str, dict[str, Rule]]:
    """Return the rules that are fitted without each family, by use."""
    tasks = [task for task in store.measured() if learnable(store.ground_truth(task))]
    seen = [sweep for task in tasks for sweep in look(task, store, paired=None)]
    found: dict[str, dict[str, Rule]] = {}
    for protocol in PROTOCOLS:
        cases = cases_of(seen, store, protocol, "auto", ladder=True)
        for family in families_of(cases, AXIS):
            others = [case for case in cases if ORIGINS[case.seen.task].families[AXIS] != family]
            found.setdefault(family, {})[protocol] = fit(others)
    return found


@contextlib.contextmanager
def rules_without_family(task: str, root: Path = RESULTS) -> Iterator[None]:
    """Give advice by the rules that were fitted without the family of this task of the bank."""
    rules = _stored(root)[ORIGINS[task].families[AXIS]]
    with mock.patch.multiple(midway, **{_RULES[protocol]: Rule(**rules[protocol]) for protocol in PROTOCOLS}):
        yield


@functools.cache
def _stored(root: Path) -> dict[str, dict[str, dict[str, object]]]:
    return json.loads((root / _FILE).read_text())


@click.command()
@click.option("--results", type=click.Path(path_type=Path), default=RESULTS, help="The folder of measurements.")
def main(results: Path) -> None:
    """Fit the rules without each family, and store them."""
    torch.set_num_threads(1)
    rules = fit_rules(BankStore(results))
    plain = {family: {use: attrs.asdict(rule) for use, rule in of.items()} for family, of in rules.items()}
    (results / _FILE).write_text(json.dumps(plain, indent=1) + "\n")


if __name__ == "__main__":
    main()
