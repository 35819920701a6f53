"""Fit the default advice on the bank, print its numbers, and store the answers of rules that did not see a family.

The numbers are fitted on sweeps in even steps, and judged on the sweeps that `find_lr` takes: they hold for both.
"""

import pprint
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import attrs
import click
import torch

from benchmarks.quality.bank.calibrating import Judged, fit_chance, fit_intervals, judged
from benchmarks.quality.bank.fitting import Case, Model, cases_of, fit, held_out
from benchmarks.quality.bank.generator import AXES, ORIGINS
from benchmarks.quality.bank.jobs import SEEDS
from benchmarks.quality.bank.landmarks import Seen, look
from benchmarks.quality.bank.learnable import learnable
from benchmarks.quality.bank.store import BankStore
from benchmarks.quality.ground_truth import PROTOCOLS
from benchmarks.quality.store import RESULTS, Row
from lrrange.advice.calibration import chance_of_bad
from lrrange.advice.rule import Rule

# The form that is read from sweeps in 200 even steps, and not from those of the default.
EVEN = "in even steps"

# The forms of the advice whose answers are stored, by name: the option `paired=`, and what the rule may read.
_FORMS: dict[str, tuple[str, Model]] = {
    "default": ("auto", Model()),
    EVEN: ("auto", Model()),
    "paired": ("paired", Model()),
    "never paired": ("plain", Model()),
    "no train_steps": ("auto", Model(steps=False)),
    "no facts": ("auto", Model(kinds=False, steps=False)),
}

# A forward pass alone costs about this part of a training step.
_FORWARD = 1 / 3

# The verdict is fitted and judged along this axis.
_VERDICT_AXIS = "architecture"


@click.command()
@click.option("--results", type=click.Path(path_type=Path), default=RESULTS, help="The folder of measurements.")
def main(results: Path) -> None:
    """Fit the default advice on the bank, print its numbers, and store answers of rules that did not see a family."""
    torch.set_num_threads(1)
    store = BankStore(results)
    tasks = [task for task in store.measured() if learnable(store.ground_truth(task))]
    even = [sweep for task in tasks for sweep in look(task, store, paired=None)]
    click.echo(f"{len(tasks)} tasks, {len(even)} sweeps")
    for protocol in PROTOCOLS:
        click.echo(f"{protocol}: {fit(cases_of(even, store, protocol, 'auto', ladder=True))}")
    for_the_verdict = list(_for_the_verdict([sweep for sweep in even if sweep.seed in SEEDS], store, _VERDICT_AXIS))
    verdict = _Verdict.fit(for_the_verdict)
    click.echo(pprint.pformat(verdict.coefficients, sort_dicts=False))
    click.echo(pprint.pformat(verdict.intervals, sort_dicts=False))
    rows: list[Row] = []
    for form, (paired, model) in _FORMS.items():
        judged_on = [
            sweep for task in tasks for sweep in look(task, store, SEEDS, None if form == EVEN else paired)
        ]  # fmt: skip
        for axis in AXES if form in ("default", EVEN) else (_VERDICT_AXIS,):
            rows += _rows(form, axis, _answers(judged_on, store, paired, model, axis, even), for_the_verdict)
    store.save_held_out(rows)


def _answers(
    seen: Sequence[Seen],
    store: BankStore,
    paired: str,
    model: Model,
    axis: str,
    fitted_on: Sequence[Seen] | None = None,
) -> Iterator[tuple[Judged | None, Case]]:
    """Yield the answer to each sweep, by rules that were fitted without its family, and the sweep."""
    pairs = {}
    for protocol in PROTOCOLS:
        cases = cases_of(seen if fitted_on is None else fitted_on, store, protocol, paired, ladder=True)
        of_own_budget = cases_of(seen, store, protocol, paired, ladder=False)
        pairs[protocol] = held_out(cases, of_own_budget, axis, lambda cases: fit(cases, model))
    by_sweep: Mapping[tuple[str, int], Rule] = {
        (case.seen.task, case.seen.seed): rule for case, rule in pairs["onecycle"]
    }
    for case, rule in pairs["constant"]:
        known = case if model.kinds else attrs.evolve(case, seen=_without_facts(case.seen))
        yield judged(known, rule, by_sweep[case.seen.task, case.seen.seed], model.steps), case


def _without_facts(seen: Seen) -> Seen:
    return attrs.evolve(seen, facts=type(seen.facts)())


def _for_the_verdict(seen: Sequence[Seen], store: BankStore, axis: str) -> Iterator[Judged]:
    """Yield answers of rules that were fitted without the answer's family: with all facts, and with fewer."""
    for model in (Model(), Model(steps=False), Model(kinds=False, steps=False)):
        yield from (answer for answer, _ in _answers(seen, store, "auto", model, axis) if answer is not None)


@attrs.frozen(kw_only=True)
class _Verdict:
    coefficients: dict[str, float]
    intervals: dict[str, tuple[float, float]]

    @classmethod
    def fit(cls, answers: Sequence[Judged]) -> "_Verdict":
        return cls(
            coefficients=fit_chance(answers),
            intervals=fit_intervals([answer for answer in answers if not answer.features.unknown_length]),
        )


def _rows(
    form: str, axis: str, answers: Iterable[tuple[Judged | None, Case]], for_the_verdict: Sequence[Judged]
) -> list[Row]:
    """Return the stored rows of these answers. The verdict on each is fitted without its family, too."""
    verdicts: dict[str, _Verdict] = {}
    rows = []
    for answer, case in answers:
        family = ORIGINS[case.seen.task].families.get(axis, "")
        if family not in verdicts:
            verdicts[family] = _Verdict.fit([
                other
                for other in for_the_verdict
                if not family or ORIGINS[other.case.seen.task].families[axis] != family
            ])  # fmt: skip
        verdict = verdicts[family]
        row: Row = {"task": case.seen.task, "seed": case.seen.seed, "axis": axis, "form": form}
        steps = case.seen.steps(_FORMS[form][0], _FORWARD)
        row |= dict.fromkeys(("lr", "max_lr", "low", "high", "chance_of_bad")) | {"steps": round(steps)}
        if answer is not None:
            below, above = verdict.intervals[answer.category]
            row |= {"lr": answer.lr, "max_lr": answer.max_lr, "low": answer.lr / 10**below}
            row |= {"high": answer.lr * 10**above}
            row |= {"chance_of_bad": chance_of_bad(answer.features, verdict.coefficients)}
        rows.append(row)
    return rows


if __name__ == "__main__":
    main()
