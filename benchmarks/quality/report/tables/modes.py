"""The picture of regret against steps, what it says of the default, and which mode to take for which budget."""

from collections.abc import Callable

from benchmarks.pages import table_or_nothing
from benchmarks.quality.finders.lrrange_finders import TOLD
from benchmarks.quality.report.frontier import Mark, frontier, modes, others, recommended
from benchmarks.quality.report.measurements import DEFAULT, BankMeasurements
from benchmarks.quality.report.reliability import confident_and_bad, coverage
from benchmarks.quality.report.statistics import difference
from benchmarks.quality.report.tables.cells import mean_percent, percent

_PICTURE = """```{{image}} images/quality-frontier-{theme}.svg
:class: only-{theme}
:alt: {text}
```"""


def _picture(bank: BankMeasurements) -> str:
    """Return the picture, with a text for those who cannot see it."""
    shown = [f"{mark.name} {_in_words(mark)}" for mark in modes(bank) if mark.told]
    if not shown:
        return ""
    text = f"What lrrange's modes give away against the steps they take: {', '.join(shown)}."
    best = min(others(bank), key=lambda mark: mark.regret.mean, default=None)
    if best is not None:
        text += f" Of the other finders, {best.name} gives away least: {_in_words(best)} steps."
    return "\n\n".join(_PICTURE.format(theme=theme, text=text.replace("`", "")) for theme in ("light", "dark"))


def _in_words(mark: Mark) -> str:
    return f"{mark.regret.mean:.3f} in {mark.steps:.0f}"


def _default(bank: BankMeasurements) -> str:
    """Return whether the default lies on the frontier, with the length of the training and without."""
    marks = [*modes(bank), *others(bank)]
    sentences = [_on_frontier([mark for mark in marks if told or not mark.told], told, bank) for told in (True, False)]
    if not all(mark.fair for mark in modes(bank)):
        sentences.append(
            "Hollow marks have constants that were fitted on the same trainings. They look better than they are, and "
            "the line leaves them out."
        )
    return " ".join(filter(None, sentences))


def _on_frontier(marks: list[Mark], told: bool, bank: BankMeasurements) -> str:
    name = DEFAULT + TOLD if told else DEFAULT
    default = next((mark for mark in marks if mark.finder == name and mark.fair), None)
    if default is None:
        return ""
    subject = "The default sweep with `train_steps=`" if told else "Without `train_steps=`, it"
    whose = "" if told else " of what does not know the length"
    if default in frontier(marks):
        reason = ": nothing that was measured gives away less in as few steps" if told else ""
        return f"{subject} takes {default.steps:.0f} steps and is on the frontier{whose}{reason}."
    better = min((mark for mark in marks if mark.fair and mark.dominates(default)), key=lambda mark: mark.regret.mean)
    more = difference(default.rows, better.rows, bank.task_regrets)
    much = f" {more.mean:.3f} more ({more.low:.3f} to {more.high:.3f})" if more else " more"
    return (
        f"{subject} takes {default.steps:.0f} steps and is not on the frontier{whose}: {better.name} takes "
        f"{better.steps:.0f}, and the default gives away{much}."
    )


def _modes(bank: BankMeasurements) -> str:
    """Return a table of the modes, and of the budgets that each is best for."""
    marks = modes(bank)
    best = recommended(marks, bank)
    lines = []
    for mark in marks:
        budget = ""
        if mark in best:
            longer = best[best.index(mark) + 1 :]
            budget = f"{mark.steps:.0f} {f'to {longer[0].steps - 1:.0f}' if longer else 'or more'}"
        options = filter(None, ("train_steps=" if mark.told else "", mark.given))
        give = f"`{', '.join(options)}`" if mark.told or mark.given else "nothing"
        lines.append([
            give if mark.fair else f"{give} (in-sample)",
            budget,
            f"{mark.steps:.0f}",
            f"{mark.regret.mean:.3f}",
            mean_percent(mark.regret.bad),
        ])  # fmt: skip
    return table_or_nothing(["give", "for a budget of", "steps", "gives away", "bad"], lines, numbers=True)


def _after_confirm(bank: BankMeasurements) -> str:
    """Return what confident answers and intervals of confirmed sweeps are worth, and intervals of plain ones."""
    confirmed, swept = (bank.rows.get(f"{name}{TOLD}", []) for name in (f"{DEFAULT}_confirm", DEFAULT))
    verdicts = confident_and_bad(confirmed, bank.task_regrets)
    narrow, wide = (coverage(rows, bank.task_regrets, 0) for rows in (confirmed, swept))
    if not (verdicts and narrow and wide):
        return ""
    bad = percent(verdicts[1] / max(1, verdicts[0]))
    return (
        f"With `confirm=True` and `train_steps=`, {bad} of the confident answers are bad. The interval is "
        f"{narrow.width:.1f} decades wide in place of {wide.width:.1f}. It holds the best learning rate for "
        f"{percent(narrow.inside)} of the answers, where that of one sweep does for {percent(wide.inside)}."
    )


PARTS: dict[str, Callable[[BankMeasurements], str]] = {
    "frontier": _picture,
    "default-on-frontier": _default,
    "modes": _modes,
}

# Of the guide on surer answers.
GUIDE_PARTS: dict[str, Callable[[BankMeasurements], str]] = {"modes": _modes, "after-confirm": _after_confirm}
