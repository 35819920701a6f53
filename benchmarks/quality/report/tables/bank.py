"""The tables of the bank."""

import operator
import textwrap
from collections.abc import Callable, Iterable

import numpy as np

from benchmarks.pages import table, table_or_nothing
from benchmarks.quality.bank.generator import AXES, ORIGINS
from benchmarks.quality.finders.lrrange_finders import MODES, TOLD
from benchmarks.quality.report.budgets import common_budgets, slope_of
from benchmarks.quality.report.measurements import DEFAULT, FORMS, OURS, PEERS, UNTOLD, BankMeasurements, label
from benchmarks.quality.report.reliability import CONFIDENT_BELOW, confident_and_bad
from benchmarks.quality.report.statistics import FinderRegret, TaskRegrets, difference, finder_regret, steps
from benchmarks.quality.report.tables.cells import mean_percent, percent, regret_and_interval, signed
from benchmarks.quality.store import Row

# Where the README links to. Its links are absolute, because a package index shows it too.
PUBLIC_PAGE = "https://github.com/lrrange/lrrange/blob/main/docs/evidence/quality.md"

# Forms of the released lrrange whose cost and effect are shown next to the default's.
_OPTIONS = (
    "lrrange_paired",
    "lrrange_train_steps",
    "lrrange_confirm",
    "lrrange_confirm_train_steps",
    "lrrange_confirm_held_out",
)

# Of others of our finders, how the names begin of those that give the default advice.
_IN_SAMPLE = ("lrrange_confirm", "lrrange_midway", "lrrange_400_steps")


def name_of_form(form: str) -> str:
    """Return the name of a form with constants fitted without the task's family."""
    return FORMS.get(form, f"lrrange ({form})")


def best_peer(bank: BankMeasurements, tasks: TaskRegrets) -> tuple[str, FinderRegret] | None:
    """Return the finder of another package with the least regret on these tasks; None if none ran on all of them."""
    found = {name: regret for name in PEERS if (regret := finder_regret(bank.rows.get(name, []), tasks))}
    return min(found.items(), key=lambda item: item[1].mean) if found else None


def best_lengths(bank: BankMeasurements, names: Iterable[str]) -> list[str]:
    """Return these finders, lowest mean regret first. One that ran with two numbers of steps is there at its better."""
    rules: dict[str, str] = {}
    for name in bank.complete(names):
        rules.setdefault(name.removesuffix("_200"), name)
    return [*rules.values()]


def _headline(bank: BankMeasurements) -> str:
    """Return three sentences on the held-out figures, each in a line of its own."""
    rows, peer = bank.of_form(OURS), best_peer(bank, bank.task_regrets)
    ours = finder_regret(rows, bank.task_regrets)
    untold = finder_regret(bank.of_form(UNTOLD), bank.task_regrets)
    if ours is None or peer is None:
        return ""
    others = len([name for name in PEERS if name in bank.complete()])
    count, bad = confident_and_bad(rows, bank.task_regrets) or (0, 0)
    broken = bad / max(1, count) > CONFIDENT_BELOW
    too_many = f", more than the {percent(CONFIDENT_BELOW)} that the word stands for" if broken else ""
    or_else = f" ({percent(untold.mean)} if it is not told how long the training will be)" if untold else ""
    sentences = (
        (
            f"One sweep of lrrange gives away {percent(ours.mean)} of what the best learning rate gains{or_else}; "
            f"the best of {others} other finders, {label(peer[0])}, gives away {percent(peer[1].mean)}."
        ),
        (
            f"Of lrrange's answers, {mean_percent(ours.bad)} are bad: they give away more than a tenth. Of the "
            f"other's, {mean_percent(peer[1].bad)} are."
        ),
        (
            f"lrrange calls {percent(count / max(1, _answers(rows)))} of its answers confident, and "
            f"{percent(bad / max(1, count))} of these are bad{too_many}."
        ),
    )
    return "\n".join(textwrap.fill(sentence, 120) for sentence in sentences)


def front(bank: BankMeasurements) -> str:
    """Return what the front page says of the held-out figures."""
    text = _given_away(bank)
    return f"{text} [How that was measured]({PUBLIC_PAGE})." if text else ""


def _given_away(bank: BankMeasurements) -> str:
    ours, peer = finder_regret(bank.of_form(OURS), bank.task_regrets), best_peer(bank, bank.task_regrets)
    untold = finder_regret(bank.of_form(UNTOLD), bank.task_regrets)
    if ours is None or peer is None:
        return ""
    if_not = f", and {untold.mean:.3f} if it is not" if untold else ""
    return (
        f"On {len(bank.task_regrets)} small trainings, judged with constants that were fitted without their kind of "
        f"training, one sweep of lrrange gives away {ours.mean:.3f} of what the best learning rate gains if it is told "
        f"how long the training will be{if_not}; the best of "
        f"{len([name for name in PEERS if name in bank.complete()])} other finders, {label(peer[0])}, gives away "
        f"{peer[1].mean:.3f}."
    )


def _answers(rows: Iterable[Row]) -> int:
    return sum(row["lr"] is not None for row in rows)


def _size(bank: BankMeasurements) -> str:
    if not bank.task_regrets:
        return ""
    subjects = {ORIGINS[task].subject.name for task in bank.task_regrets}
    families = ", ".join(f"{len(bank.families(axis))} kinds of {axis}" for axis in AXES)
    return (
        f"The bank has {len(bank.task_regrets) + len(bank.left_out)} trainings. On {len(bank.left_out)} of them, "
        f"the best rate improves the loss by less than 2 % of its scale, or by less than four times the difference "
        f"between two seeds, so that no rate can be called better than another: these are left out. The other "
        f"{len(bank.task_regrets)} have {len(subjects)} subjects and {families}."
    )


def _short(bank: BankMeasurements) -> str:
    """Return the table of our two forms on held-out families, and of each other finder at its better length."""
    lines = []
    for form in (OURS, UNTOLD):
        regret = finder_regret(bank.of_form(form), bank.task_regrets)
        if regret:
            cost = np.mean([row["steps"] for row in bank.of_form(form) if row["steps"] is not None] or [0])
            lines.append((regret, f"**{name_of_form(form)}**", cost))
    for name in best_lengths(bank, [*PEERS, "default", "always_1e-3"]):
        spent = steps(bank.rows[name])
        lines.append((bank.finder_regrets[name], label(name), spent.forwards if spent else 0))
    return table_or_nothing(
        ["finder", "gives away", "bad", "catastrophic", "steps"],
        [
            [
                name,
                f"{regret.mean:.3f}",
                mean_percent(regret.bad),
                mean_percent(regret.catastrophic),
                f"{cost:.0f}",
            ]
            for regret, name, cost in sorted(lines, key=lambda line: line[0].mean)
        ],
        numbers=True,
    )


def _finders(bank: BankMeasurements) -> str:
    lines = []
    for form in bank.forms():
        regret = finder_regret(bank.of_form(form), bank.task_regrets)
        if regret:
            cost = np.mean([row["steps"] for row in bank.of_form(form) if row["steps"] is not None] or [0])
            axes = bank.axes_of(form)
            origin = "held out" if len(axes) == len(AXES) else f"held out ({', '.join(axes)})"
            lines.append((regret, [f"**{name_of_form(form)}**", origin, f"{cost:.0f}"]))
    for name in bank.complete():
        if name.startswith("oracle"):
            continue
        cost = steps(bank.rows[name])
        origin = "not fitted here"
        if name.removesuffix(TOLD) in MODES or name.startswith(_IN_SAMPLE):
            origin = "in-sample"
        shown = f"**{label(name)}**" if name.startswith(DEFAULT) else label(name)
        lines.append((bank.finder_regrets[name], [shown, origin, f"{cost.forwards:.0f}" if cost else "0"]))
    lines.sort(key=lambda line: line[0].mean)
    return table_or_nothing(
        ["finder", "its constants are", "regret (90 %)", "bad / catastrophic", "no answer", "steps"],
        [
            [
                shown,
                origin,
                regret_and_interval(regret),
                f"{mean_percent(regret.bad)} / {mean_percent(regret.catastrophic)}",
                percent(regret.unanswered / regret.suggestions),
                cost,
            ]
            for regret, (shown, origin, cost) in lines
        ],
    )


def compared_families(bank: BankMeasurements, axis: str) -> list[tuple[str, int, float, str, float]]:
    """Return each family with its number of tasks, our regret with it held out, and the best other finder and its."""
    found = []
    for family, tasks in bank.families(axis).items():
        ours = finder_regret([row for row in bank.of_form(OURS, axis) if row["task"] in tasks], tasks)
        peer = best_peer(bank, tasks)
        if ours and peer:
            found.append((family, len(tasks), ours.mean, label(peer[0]), peer[1].mean))
    return found


def _families(bank: BankMeasurements) -> str:
    parts = []
    for axis in AXES:
        lines = [
            [family, count, f"{ours:.3f}", name, f"{theirs:.3f}", f"{_ratio(ours, theirs):.2f}"]
            for family, count, ours, name, theirs in compared_families(bank, axis)
        ]
        if lines:
            header = [axis, "tasks", "lrrange", "best other finder", "its regret", "ratio"]
            parts.append(table(header, lines))
    return "\n\n".join(parts)


def _families_count(bank: BankMeasurements) -> str:
    ratios = [
        (family.replace("_", " "), _ratio(ours, theirs))
        for axis in AXES
        for family, _, ours, _, theirs in compared_families(bank, axis)
    ]
    if not ratios:
        return ""
    worse = [(family, ratio) for family, ratio in sorted(ratios, key=_SECOND, reverse=True) if ratio > 1]
    named = "".join(
        f"{', ' if number else ': '}{ratio:.1f}{'' if number else ' times as much'} on {family}"
        for number, (family, ratio) in enumerate(worse)
    )
    return (
        f"lrrange gives away at most half as much as the best other finder in {sum(r <= 0.5 for _, r in ratios)} of "
        f"{len(ratios)} families. It gives away more in {len(worse)}{named}."
    )


_SECOND = operator.itemgetter(1)


def _ratio(ours: float, theirs: float) -> float:
    return ours / theirs if theirs > 0 else np.inf


_ABLATED = ("regret", "more", "90 %", "bad", "bad if confident", "steps")


def _ablation(bank: BankMeasurements) -> str:
    forms = bank.forms()
    if OURS not in forms:
        return ""
    # Only what all of them were judged by, or else the difference would be one of families.
    axes = [axis for axis in AXES if all(axis in bank.axes_of(form) for form in forms)]
    lines = [
        _ablation_line(bank, name_of_form(form), bank.of_form(form, *axes), bank.of_form(OURS, *axes), form == OURS)
        for form in forms
    ]
    return table([f"held out by {', '.join(axes)}", *_ABLATED], lines, numbers=True)


def _options(bank: BankMeasurements) -> str:
    names = [name for name in (DEFAULT, *_OPTIONS) if name in bank.complete()]
    if DEFAULT not in names:
        return ""
    return table_or_nothing(
        ["find_lr as released", *_ABLATED],
        [_ablation_line(bank, label(name), bank.rows[name], bank.rows[DEFAULT], name == DEFAULT) for name in names],
        numbers=True,
    )


def _ablation_line(
    bank: BankMeasurements, name: str, rows: list[Row], default: list[Row], is_default: bool
) -> list[str]:
    regret = finder_regret(rows, bank.task_regrets)
    verdicts = confident_and_bad(rows, bank.task_regrets)
    counted = [row.get("steps") or row.get("forwards") for row in rows]
    cost = [count for count in counted if count]
    return [
        name,
        f"{regret.mean:.3f}" if regret else "",
        *(("", "") if is_default else signed(difference(rows, default, bank.task_regrets))),
        mean_percent(regret.bad) if regret else "",
        percent(verdicts[1] / verdicts[0]) if verdicts and verdicts[0] else "",
        f"{np.mean(cost):.0f}" if cost else "",
    ]


def _steps(bank: BankMeasurements) -> str:
    def lines() -> Iterable[list[str]]:
        for name in bank.complete():
            cost = steps(bank.rows[name])
            if cost:
                version = next((row["version"] for row in bank.rows[name] if row.get("version")), "")
                updates, evaluations = (
                    "" if n is None else f"{n:.0f}" for n in (cost.optimizer_steps, cost.evaluations)
                )
                yield [label(name), version, f"{cost.forwards:.0f}", str(cost.most_forwards), updates, evaluations]

    return table_or_nothing(["finder", "version", "forward passes", "the most", "updates", "evaluations"], [*lines()])


def _budgets(bank: BankMeasurements) -> str:
    if not bank.ladders:
        return ""
    budgets = common_budgets(bank.ladders)
    names = {"constant": "constant", "onecycle": "one-cycle"}
    return table(
        ["training", *(f"{steps} steps" for steps in budgets), "decades"],
        [
            [f"{ladder.name}, {names[protocol]}", *(f"{best[n]:.2g}" for n in budgets), f"{slope_of(best):+.2f}"]
            for ladder in bank.ladders
            for protocol, best in ladder.best.items()
        ],
        numbers=True,
    )


def _slopes(bank: BankMeasurements) -> str:
    every = [slope for of_kind in bank.slopes.values() for slope in of_kind]
    rows = [("all", every), *sorted(bank.slopes.items(), key=lambda item: float(np.median(item[1])))]
    return table_or_nothing(
        ["optimizer", "tasks", "median", "half of the tasks"],
        [
            [kind, len(found), f"{np.median(found):+.2f}", "{:+.2f} to {:+.2f}".format(*np.percentile(found, [25, 75]))]
            for kind, found in rows
            if found
        ],
        numbers=True,
    )


PARTS: dict[str, Callable[[BankMeasurements], str]] = {
    "headline": _headline,
    "bank-size": _size,
    "bank-short": _short,
    "bank-finders": _finders,
    "families-count": _families_count,
    "bank-families": _families,
    "ablation": _ablation,
    "options": _options,
    "steps": _steps,
    "budgets": _budgets,
    "slopes": _slopes,
}
