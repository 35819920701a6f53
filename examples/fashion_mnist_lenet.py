"""LeNet on Fashion-MNIST, trained in eight ways, after an article on four learning rates: see docs/evidence/article.md.

    python examples/fashion_mnist_lenet.py --data-root DIR --download

trains at the article's rates, at the rate that lrrange suggests, and with two schedules over the range that lrrange
suggests. It prints a table and the winner, and writes figures and numbers to --out-dir. It needs
pip install 'lrrange[all]' tensorboard.
"""

import json
import logging
import warnings
from pathlib import Path
from statistics import fmean

import click
import pytorch_lightning as pl
import torch
from lrrange_clr.lightning import CyclicalLR
from lrrange_lightning import VerifyRate
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator
from pytorch_lightning.loggers import TensorBoardLogger
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset, random_split
from torchvision.datasets import MNIST, FashionMNIST

import lrrange
from lrrange.errors import RateNotInForce

DATA = {"fashion-mnist": FashionMNIST, "mnist": MNIST}
ARTICLE = {"1e-5": 1e-5, "1e-4": 1e-4, "1e-1": 1e-1, "0.0363": 0.0363, "2e-3": 2e-3}
SCHEDULES = ("one_cycle", "triangular")

# Okabe and Ito's palette, which people with any colour vision can tell apart.
COLOURS = ("#999999", "#56B4E9", "#000000", "#CC79A7", "#E69F00", "#D55E00", "#0072B2", "#009E73")


class LeNet(pl.LightningModule):
    """The article's network. Its optimizer reads `self.lr`."""

    def __init__(self, lr: float = 2e-3) -> None:
        super().__init__()
        self.lr = lr
        self.net = nn.Sequential(
            *(nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)),
        )

    def training_step(self, batch, _):
        return self._measured(batch, "train")

    def validation_step(self, batch, _):
        self._measured(batch, "val")

    def _measured(self, batch, part):
        images, labels = batch
        scores = self.net(images)
        loss = F.cross_entropy(scores, labels)
        accuracy = (scores.argmax(1) == labels).float().mean()
        self.log_dict({f"{part}_loss": loss, f"{part}_acc": accuracy}, on_step=False, on_epoch=True)
        return loss

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=self.lr)


class History(pl.Callback):
    """The losses and accuracies of every epoch, and the learning rate of every step."""

    def __init__(self):
        self.measured = {f"{part}_{measure}": [] for part in ("train", "val") for measure in ("loss", "acc")}
        self.rates = []

    def on_train_batch_start(self, trainer, *_):
        self.rates.append(trainer.optimizers[0].param_groups[0]["lr"])

    def on_train_epoch_end(self, trainer, *_):
        for name, values in self.measured.items():
            values.append(float(trainer.callback_metrics[name]))

    def as_json(self):
        return {"lowest_lr": min(self.rates), "highest_lr": max(self.rates), **self.measured}


def loaders(data, root, download):
    """Return a function that makes the loaders: 80 % of the training images to train on, and 20 % to validate."""
    try:
        dataset = DATA[data](root, train=True, download=download)
    except RuntimeError as error:
        raise click.UsageError(f"{data} is not in {root}: {error}. Add --download, or give --data-root.") from error
    # All images as tensors: to read them one by one would take longer than to train on them.
    images = TensorDataset(dataset.data.unsqueeze(1) / 255, dataset.targets)
    train, val = random_split(images, [0.8, 0.2], generator=torch.Generator().manual_seed(7))  # the article's seed
    return lambda: {
        "train_dataloaders": DataLoader(train, batch_size=64, shuffle=True),
        "val_dataloaders": DataLoader(val, batch_size=500),
    }


def make_trainer(epochs, callbacks=(), logger=False):
    disabled = {"enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False}
    return pl.Trainer(max_epochs=epochs, callbacks=list(callbacks), logger=logger, log_every_n_steps=1, **disabled)


def show_the_bug(make_loaders):
    """Set the suggested rate in an attribute that the optimizer does not read. lrrange stops before the first step."""
    model = LeNet(lr=2e-3)
    model.hparams.lr = 0.0363
    try:
        make_trainer(1, [VerifyRate(0.0363)]).fit(model, **make_loaders())
    except RateNotInForce as error:
        print(f"The article's bug: {error}\n")


def range_test(seed, make_loaders):
    torch.manual_seed(seed)
    return lrrange.find_lr(make_trainer(1), model=LeNet(), **make_loaders(), seed=seed)


def run(name, seed, result, make_loaders, epochs, log_dir):
    """Train once. The seed alone sets the weights and the batches."""
    torch.manual_seed(seed)
    model, history = LeNet(), History()
    if name in SCHEDULES:
        length = {"epochs_per_half_cycle": epochs / 2} if name == "triangular" else {}  # one triangle
        callback = CyclicalLR(result, name, **length)
    elif name == "lrrange":
        result.apply(model)  # to the attribute that configure_optimizers reads
        callback = VerifyRate(result)
    else:
        model.lr = ARTICLE[name]
        callback = VerifyRate(model.lr)
    logger = TensorBoardLogger(log_dir, name=name, version=f"seed-{seed}")
    make_trainer(epochs, [callback, history], logger).fit(model, **make_loaders())
    return history.as_json()


def final(results, name, measure):
    """Return a measure after the last epoch, for each seed."""
    return [run[measure][-1] for run in results["runs"][name]]


def spread(values, shown):
    """Return mean, lowest and highest value as text."""
    mean = shown(fmean(values))
    return mean if len(set(values)) == 1 else f"{mean} ({shown(min(values))} to {shown(max(values))})"


def as_comparison(results):
    """Return the runs as a `Comparison`, which ranks them and pairs them by seed as `lrrange.compare` does."""
    return lrrange.Comparison(
        make_run="examples.fashion_mnist_lenet:run",
        policies=tuple(lrrange.Policy(name=name, lr=()) for name in results["runs"]),  # the rates play no part in it
        steps=0,
        seeds=tuple(range(results["seeds"])),
        runs=tuple(
            lrrange.Run(policy=name, seed=seed, final=loss)
            for name in results["runs"]
            for seed, loss in enumerate(final(results, name, "val_loss"))
        ),
    )


def summary(results):
    """Return the table, the winner, and lrrange's suggestions against the best rate of the article."""
    runs, images = results["runs"], results["images"]
    lines = [
        f"{results['data']}: {images['train']} training and {images['val']} validation images",
        f"epochs: {results['epochs']}, seeds: {results['seeds']}; mean (lowest to highest) after the last epoch",
        "",
        f"{'run':<12}{'highest rate':<30}{'validation accuracy, %':<26}{'validation loss':<26}training loss",
    ]
    for name, seeds in runs.items():
        cells = [spread([run["highest_lr"] for run in seeds], "{:.3g}".format)]
        cells.append(spread([100 * accuracy for accuracy in final(results, name, "val_acc")], "{:.1f}".format))
        cells += [spread(final(results, name, f"{part}_loss"), "{:.3f}".format) for part in ("val", "train")]
        lines.append(f"{name:<12}{cells[0]:<30}{cells[1]:<26}{cells[2]:<26}{cells[3]}")
    winner = as_comparison(results).table[0].policy
    accurate = max(runs, key=lambda name: fmean(final(results, name, "val_acc")))
    lines += ["", f"The winner: {winner} by validation loss, {accurate} by validation accuracy.", ""]
    lines += compared(results)
    if results["data"] == "fashion-mnist" and images["train"] == 48_000:
        lines.append("The article's best, with 2e-3 in force: 88.85 % and 0.3091.")
    return "\n".join(lines)


def compared(results):
    """Return sentences: the winner against the next best run, and lrrange's suggestions against 2e-3."""
    comparison = as_comparison(results)
    ranked = [standing.policy for standing in comparison.table]
    pairs = [tuple(ranked[:2]), *((name, "2e-3") for name in ("lrrange", *SCHEDULES))]
    pairs = [sorted(pair, key=ranked.index) for pair in pairs]  # the better run first
    return [*dict.fromkeys(f"{comparison.difference(*pair)}." for pair in pairs)]


def draw(results, measure, label, path):
    """Draw one of the article's figures: training on the left, validation on the right."""
    figure = Figure(figsize=(10, 4.8), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    for axes, part, title in zip(panels, ("train", "val"), ("training", "validation"), strict=True):
        for (name, seeds), colour in zip(results["runs"].items(), COLOURS, strict=True):
            by_epoch = list(zip(*(run[f"{part}_{measure}"] for run in seeds), strict=True))
            epochs = range(1, len(by_epoch) + 1)
            axes.fill_between(epochs, [*map(min, by_epoch)], [*map(max, by_epoch)], color=colour, alpha=0.12, lw=0)
            line = "--" if name in ARTICLE else "-"  # solid for what lrrange suggests
            axes.plot(epochs, [*map(fmean, by_epoch)], line, color=colour, marker="o", markersize=4, label=name)
        axes.set(title=title, xlabel="epoch", xticks=epochs)
        axes.grid(visible=True, color="0.92")
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel(label)
    if measure == "loss":
        panels[0].set(yscale="log", ylim=(None, 3))  # a random guess has a loss of 2.3; far above it, runs only diverge
        panels[0].yaxis.set(major_locator=LogLocator(subs=(1, 2, 5)), major_formatter="{x:g}")
        panels[0].minorticks_off()
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=8, frameon=False)
    figure.savefig(path, dpi=110)


@click.command(help=__doc__.partition("\n")[0])
@click.option("--data", type=click.Choice(list(DATA)), default="fashion-mnist", show_default=True)
@click.option("--data-root", type=click.Path(path_type=Path), default="data", show_default=True)
@click.option("--download", is_flag=True, help="Download the data to --data-root if they are not in it.")
@click.option("--epochs", type=click.IntRange(1), default=5, show_default=True)
@click.option("--seeds", type=click.IntRange(1), default=1, show_default=True, help="Number of trainings at each rate.")
@click.option("--out-dir", type=click.Path(path_type=Path), default="article", show_default=True)
@click.option("--log-dir", type=click.Path(path_type=Path), help="For tensorboard --logdir. Default: OUT_DIR/logs.")
def main(data, data_root, download, epochs, seeds, out_dir, log_dir):
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", ".*does not have many workers")  # the images are in memory
    warnings.filterwarnings("ignore", ".*LeafSpec")  # raised inside Lightning, with a recent torch
    make_loaders = loaders(data, data_root, download)
    show_the_bug(make_loaders)
    range_tests = [range_test(seed, make_loaders) for seed in range(seeds)]
    log_dir = log_dir or out_dir / "logs"
    runs = {
        name: [run(name, seed, range_tests[seed], make_loaders, epochs, log_dir) for seed in range(seeds)]
        for name in (*ARTICLE, "lrrange", *SCHEDULES)
    }
    train, val = (len(loader.dataset) for loader in make_loaders().values())
    results = {"data": data, "images": {"train": train, "val": val}, "epochs": epochs, "seeds": seeds, "runs": runs}
    out_dir.mkdir(parents=True, exist_ok=True)
    (out_dir / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    draw(results, "acc", "accuracy", out_dir / "accuracy.png")
    draw(results, "loss", "loss", out_dir / "loss.png")
    range_tests[0].plot().figure.savefig(out_dir / "range-test.png", dpi=150)
    range_tests[0].save(out_dir / "range-test.json")
    print(summary(results))
    print(f"\nIn {out_dir}: results.json, accuracy.png, loss.png, range-test.png, range-test.json")


if __name__ == "__main__":
    main()
