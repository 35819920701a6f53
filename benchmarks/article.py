"""Write the generated parts of `docs/evidence/article.md`, and its plots, from the results of the example.

    python -m benchmarks.article

`examples/fashion_mnist_lenet.py` makes these results; `examples/results` has them.
"""

import json
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

import lrrange
from benchmarks.pages import fill, table
from benchmarks.plots import WIDTH, Theme, legend_below, named_rows, save
from examples.fashion_mnist_lenet import ARTICLE, as_comparison, compared, final, summary

_REPOSITORY = Path(__file__).resolve().parents[1]

RESULTS, PAGE = _REPOSITORY / "examples" / "results", _REPOSITORY / "docs" / "evidence" / "article.md"

# The folders of results, and what their pictures and sentences call them.
FOLDERS = {"mnist-10k": "MNIST, 8,000 images", "fashion-mnist-mini": "Fashion-MNIST, 720 images"}

# The loss of a random guess among ten classes, which is written above the losses that are far above it.
_TOP = 3

Results = dict[str, Any]


def read(folder: str, root: Path = RESULTS) -> Results:
    """Return the results in a folder."""
    results: Results = json.loads((root / folder / "results.json").read_text(encoding="utf-8"))
    return results


def sections(root: Path = RESULTS) -> dict[str, str]:
    """Return the generated parts of the page, by the name of their markers."""
    parts = {"headline": _headline(read("mnist-10k", root))}
    for folder in FOLDERS:
        results = read(folder, root)
        parts[f"{folder}-table"] = _table(results)
        parts[f"{folder}-differences"] = "\n".join(f"- {line}" for line in compared(results))
        parts[f"{folder}-printed"] = f"```text\n{summary(results)}\n```"
    return parts


def write_page(page: Path = PAGE) -> None:
    """Fill the generated parts of the page, and draw its plots. Raises: ValueError if the page lacks a marker."""
    page.write_text(fill(page.read_text(encoding="utf-8"), sections()), encoding="utf-8")
    draw(page.parent / "images")


def draw(folder: Path) -> None:
    """Draw every plot into a folder."""
    save(partial(_ends, {title: read(name) for name, title in FOLDERS.items()}), folder / "article-ends")
    save(partial(_losses, read("mnist-10k")), folder / "article-loss")
    save(partial(_range_test, lrrange.load(RESULTS / "mnist-10k" / "range-test.json")), folder / "article-range-test")


def _headline(results: Results) -> str:
    def accuracy(name: str) -> str:
        return f"{100 * fmean(final(results, name, 'val_acc')):.0f} %"

    winner = as_comparison(results).table[0].policy
    return (
        f"At the article's suggestion, 0.0363, MNIST is not learnt at all: {accuracy('0.0363')} of the validation "
        f"images are right.\nAt the learning rate that lrrange finds, {accuracy('lrrange')} are right; at 2e-3, which "
        f"the article really used, {accuracy('2e-3')} are, too.\nThe lowest loss is that of `{winner}` over lrrange's "
        f"range, with {accuracy(winner)}."
    )


def _table(results: Results) -> str:
    rows = [
        [
            f"`{name}`",
            f"{fmean(run['highest_lr'] for run in seeds):.2g}",
            f"{100 * fmean(final(results, name, 'val_acc')):.1f} %",
            f"{fmean(final(results, name, 'val_loss')):.3f}",
        ]
        for name, seeds in results["runs"].items()
    ]
    return table(["run", "highest rate", "accuracy", "loss"], rows, numbers=True)


def _ends(by_title: dict[str, Results], theme: Theme) -> Figure:
    """Draw the validation loss after the last epoch, with a mark for each seed."""
    names = list(next(iter(by_title.values()))["runs"])
    colours = [theme.others if name in ARTICLE else theme.ours for name in names]
    figure = Figure(figsize=(WIDTH, 0.3 * len(names) + 1.2))
    panels = figure.subplots(1, len(by_title), sharey=True)
    for axes, (title, results) in zip(panels, by_title.items(), strict=True):
        named_rows(axes, [name.replace("_", "-") for name in names], colours)
        for y, (name, colour) in enumerate(zip(names, colours, strict=True)):
            losses = final(results, name, "val_loss")
            axes.plot(losses, [y] * len(losses), "o", color=colour, markersize=7, alpha=0.6, markeredgewidth=0)
        axes.set_title(title)
        axes.set_xscale("log")
        axes.xaxis.set(major_locator=LogLocator(subs=(1, 2, 5)), major_formatter="{x:g}")
        axes.minorticks_off()
    figure.supxlabel("validation loss after the last epoch", fontsize=10)
    return figure


def _losses(results: Results, theme: Theme) -> Figure:
    """Draw the validation loss by epoch: what lrrange suggests in colour, the article's learning rates in grey."""
    figure = Figure(figsize=(WIDTH, 3.8))
    axes = figure.subplots()
    marks, ours = dict(zip(results["runs"], "v^sD*osP", strict=True)), iter(theme.palette)
    for name, seeds in results["runs"].items():
        by_epoch = list(zip(*(run["val_loss"] for run in seeds), strict=True))
        epochs = range(1, len(by_epoch) + 1)
        colour = theme.others if name in ARTICLE else next(ours)
        line = {"color": colour, "marker": marks[name], "label": name.replace("_", "-")}
        line |= {"linewidth": 1, "linestyle": "--", "markersize": 5} if name in ARTICLE else {"linewidth": 2}
        axes.fill_between(epochs, [*map(min, by_epoch)], [*map(max, by_epoch)], color=colour, alpha=0.15, linewidth=0)
        axes.plot(epochs, [*map(fmean, by_epoch)], **line)
    axes.set(yscale="log", ylim=(None, _TOP), xticks=epochs, xlabel="epoch", ylabel="validation loss")
    axes.yaxis.set(major_locator=LogLocator(subs=(1, 2, 5)), major_formatter="{x:g}")
    axes.minorticks_off()
    axes.grid(visible=True, axis="y")
    legend_below(figure, axes, 4)
    return figure


def _range_test(result: lrrange.RangeTestResult, theme: Theme) -> Figure:
    """Draw the range test as lrrange does, with the article's suggestion."""
    figure = Figure(figsize=(WIDTH, 3.2))
    axes = figure.subplots()
    curve = result.curve
    axes.plot(curve.lr, curve.loss, ".", color=theme.others, markersize=4, label="loss")
    axes.plot(curve.lr, curve.smoothed, color=theme.ours, linewidth=2, label="smoothed")
    marks = {"lrrange": (result.lr, theme.worse, "o"), "0.0363": (0.0363, theme.ink, "X")}
    for name, (lr, colour, mark) in marks.items():
        at = min(range(len(curve.lr)), key=lambda i: abs(curve.lr[i] - lr))
        axes.plot(lr, curve.smoothed[at], mark, color=colour, markersize=9, markeredgecolor=theme.paper, label=name)
    axes.set(xscale="log", ylim=(0, 1.25 * curve.start), xlabel="learning rate", ylabel="training loss")
    legend_below(figure, axes, 4)
    return figure


if __name__ == "__main__":
    write_page()
