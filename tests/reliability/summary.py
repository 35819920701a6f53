"""The picture, the sentences and the short table that `docs/evidence/reliability.md` begins with.

They are counted from the long tables of that page, which other tests compare with what happens.
"""

import textwrap
from functools import partial

from matplotlib.figure import Figure

from benchmarks import pages
from benchmarks.plots import WIDTH, Theme, legend_below, named_rows, save
from tests.faults.matrix import NOT_APPLICABLE
from tests.faults.page import PAGE, on_the_page
from tests.restored.page import shown as restored_table
from tests.schedulers.page import counts as schedulers_on_the_page

# What the rows of the table of what is put back are of.
_KINDS = {
    "modules": ("torch.nn", "torch.nn.utils"),
    "optimizers": ("torch.optim",),
    "data sets, samplers": ("torch.utils.data",),
    "metrics": ("torchmetrics",),
    "TorchScript modules": ("TorchScript",),
}

# The faults in groups, each with words that the names of its faults have, and what reaches the user. The first fits.
_GROUPS = {
    "a callback raises": (("callback",), "the error"),
    "a plug-in is broken": (("plug-in",), "the result, which says so"),
    "the model, loss or loader raises": (("exception", "worker"), "the error"),
    "out of memory": (("OutOfMemory",), "the error"),
    "Ctrl-C, or a signal's handler raises": (("Ctrl-C", "handler that raises"), "the error"),
    "NaN or infinite losses": (("NaN", "inf "), "the result, with gaps"),
    "the disk is full or read-only": (("disk while", "disk full"), "`SaveError`"),
    "the process is killed": (("SIGTERM", "SIGKILL"), "the process ends"),
}


def objects() -> dict[str, tuple[int, int]]:
    """Return for each kind of object how many trainings with one were as before after a sweep, and of how many."""
    counts = dict.fromkeys(_KINDS, (0, 0))
    for package, names, _, after in pages.cells(restored_table())[1:]:
        kind = next(kind for kind, packages in _KINDS.items() if package in packages)
        number = len(names.split(", "))
        good, every = counts[kind]
        counts[kind] = good + number * (after == "as before"), every + number
    return counts


def faults() -> dict[str, tuple[int, int]]:
    """Return for each group of faults in how many trainings all was as it should be, and of how many."""
    counts = dict.fromkeys(_GROUPS, (0, 0))
    for (fault, _), text in on_the_page().items():
        if text != NOT_APPLICABLE:
            group = next(group for group, (words, _) in _GROUPS.items() if any(word in fault for word in words))
            good, every = counts[group]
            counts[group] = good + ("**" not in text), every + 1
    return counts


def schedulers() -> tuple[int, int]:
    """Return how many schedulers follow a learning rate that was applied, and of how many."""
    scaled, refused = schedulers_on_the_page()
    return scaled, scaled + refused


def sections() -> dict[str, str]:
    """Return the parts of the page that are counted."""
    swept, provoked, (follow, tried) = _sum(objects()), _sum(faults()), schedulers()
    sentences = (
        (
            f"In {swept[0]} of {swept[1]} trainings, one for each kind of module, optimizer, sampler and metric, a "
            f"sweep left every bit as it was."
        ),
        (
            f"In {provoked[0]} of {provoked[1]} trainings with a fault, everything was restored and the error was "
            f"raised, or the process was killed and left nothing behind."
        ),
        (
            f"Of {tried} learning-rate schedulers, {follow} follow a learning rate that you apply; the other "
            f"{tried - follow} raise an error before anything is changed."
        ),
    )
    rows = [
        [group, str(every), seen, "yes" if good == every else f"**{good}**"]
        for (group, (good, every)), (_, seen) in zip(faults().items(), _GROUPS.values(), strict=True)
    ]
    header = ["fault", "trainings", "what you get", "as it should be"]
    return {
        "headline": "\n".join(textwrap.fill(sentence, 120) for sentence in sentences),
        "faults": pages.table(header, rows),
    }


def write() -> None:
    """Write these parts to the page, and draw its picture."""
    PAGE.write_text(pages.fill(PAGE.read_text(), sections()))
    save(partial(_picture, {**objects(), "provoked faults": _sum(faults()), "schedulers": schedulers()}),
         PAGE.parent / "images" / "reliability-tested")  # fmt: skip


def _sum(counts: dict[str, tuple[int, int]]) -> tuple[int, int]:
    return sum(good for good, _ in counts.values()), sum(every for _, every in counts.values())


def _picture(counts: dict[str, tuple[int, int]], theme: Theme) -> Figure:
    """Draw the share of the trainings of each kind in which all was as it should be."""
    figure = Figure(figsize=(WIDTH, 0.34 * len(counts) + 0.9))
    axes = figure.subplots()
    named_rows(axes, [*counts])
    for y, (good, every) in enumerate(counts.values()):
        share = 100 * good / every
        axes.barh(y, share, color=theme.ours, height=0.6, label="restored, or followed")
        axes.barh(y, 100 - share, left=share, color=theme.worse, height=0.6, label="refused, with an error")
        axes.annotate(f"{good} of {every}", (100, y), (6, 0), textcoords="offset points", va="center")
    axes.grid(visible=False)
    axes.set_xlim(0, 118)
    axes.set_xticks(())
    axes.spines["bottom"].set_visible(False)
    legend_below(figure, axes, 2)
    return figure
