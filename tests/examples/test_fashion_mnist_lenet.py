"""The example of the article, trained small; and what its page and its committed results say."""

import json
import logging
import os
import re
import shlex
import struct
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

import pytest
import torch
from click.testing import CliRunner
from matplotlib.image import imread
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import lrrange
from benchmarks import article
from benchmarks.pages import fill
from examples import fashion_mnist_lenet as example
from tests.docs.pages import DOCS, ROOT, blocks

PAGE = DOCS / "evidence" / "article.md"
COMMITTED = ROOT / "examples" / "results"
FIXED = ("1e-5", "1e-4", "1e-1", "0.0363", "2e-3")
RUNS = (*FIXED, "lrrange", "one_cycle", "triangular")
MEASURES = ("train_loss", "train_acc", "val_loss", "val_acc")
SEEDS = 2


class Ran(NamedTuple):
    output: str
    results: dict[str, Any]
    folder: Path


def fashion_mnist_in(folder: Path) -> Path:
    """Where torchvision finds the data set: a cut of the real one, or generated images whose rows tell their label."""
    if "LRRANGE_TEST_DATA" in os.environ:
        return Path(os.environ["LRRANGE_TEST_DATA"]) / "fashion-mnist-mini"
    raw = folder / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    generator = torch.Generator().manual_seed(0)
    for part, count in (("train", 400), ("t10k", 50)):
        labels = torch.arange(count) % 10
        images = torch.randint(0, 60, (count, 28, 28), generator=generator)
        for image, label in zip(images, labels, strict=True):
            image[2 * label : 2 * label + 6] += 150
        for name, values in (("images-idx3", images), ("labels-idx1", labels)):
            head = struct.pack(f">{1 + values.ndim}i", 0x0800 + values.ndim, *values.shape)
            (raw / f"{part}-{name}-ubyte").write_bytes(head + bytes(values.flatten().tolist()))
    return folder


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fashion_mnist_in(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module", autouse=True)
def as_loud_as_before() -> Iterator[None]:
    """The example tells Lightning to say less."""
    log = logging.getLogger("pytorch_lightning")
    level = log.level
    yield
    log.setLevel(level)


@pytest.fixture(scope="module")
def ran(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    out = tmp_path_factory.mktemp("out")
    options = {"--data-root": root, "--epochs": 1, "--seeds": SEEDS, "--out-dir": out, "--log-dir": out / "logs"}
    words = [str(word) for option in options.items() for word in option]
    run = CliRunner().invoke(example.main, words, catch_exceptions=False)
    return Ran(run.output, json.loads((out / "results.json").read_text()), out)


def last(ran: Ran, run: str, measure: str) -> float:
    return fmean(seed[measure][-1] for seed in ran.results["runs"][run])


def test_the_articles_bug_is_told_first_with_both_attributes(ran: Ran) -> None:
    first = ran.output.splitlines()[0]
    assert "trains at lr=0.002, not at 0.0363" in first
    assert "written to self.hparams.lr, but configure_optimizers reads self.lr" in first


def test_the_table_has_every_run_and_the_lowest_validation_loss_wins(ran: Ran) -> None:
    assert re.findall(rf"^({'|'.join(RUNS)}) ", ran.output, re.M)[: len(RUNS)] == list(RUNS)
    winner = min(RUNS, key=lambda run: last(ran, run, "val_loss"))
    accurate = max(RUNS, key=lambda run: last(ran, run, "val_acc"))
    assert f"The winner: {winner} by validation loss, {accurate} by validation accuracy." in ran.output


def test_every_fixed_run_trained_at_the_rate_it_is_named_after(ran: Ran) -> None:
    rates = {run: {(seed["lowest_lr"], seed["highest_lr"]) for seed in ran.results["runs"][run]} for run in FIXED}
    assert rates == {run: {(float(run), float(run))} for run in FIXED}


def test_the_suggestion_and_the_ranges_of_the_saved_test_were_in_force(ran: Ran) -> None:
    result = lrrange.load(ran.folder / "range-test.json")
    suggested, one_cycle, triangular = (ran.results["runs"][run][0] for run in RUNS[-3:])
    assert suggested["lowest_lr"] == suggested["highest_lr"] == pytest.approx(result.lr)
    smith = result.range_by("smith")
    assert (triangular["lowest_lr"], triangular["highest_lr"]) == pytest.approx((smith.base_lr, smith.max_lr))
    assert result.range.base_lr < one_cycle["highest_lr"] <= result.range.max_lr
    assert one_cycle["lowest_lr"] < result.range.base_lr


def test_tensorboard_has_loss_and_accuracy_of_training_and_validation_of_every_run(ran: Ran) -> None:
    for run in RUNS:
        for seed, measured in enumerate(ran.results["runs"][run]):
            events = EventAccumulator(str(ran.folder / "logs" / run / f"seed-{seed}")).Reload()
            logged = {measure: [event.value for event in events.Scalars(measure)] for measure in MEASURES}
            assert logged == {measure: pytest.approx(measured[measure]) for measure in MEASURES}


@pytest.mark.parametrize("name", ["accuracy.png", "loss.png", "range-test.png"])
def test_the_figures_show_something(ran: Ran, name: str) -> None:
    assert imread(ran.folder / name).std() > 0.05


class Seen(example.History):
    """Also keeps the weights that training began with, and the labels of each batch."""

    def on_train_start(self, trainer: Any, module: Any) -> None:
        self.seen = [module.net[0].weight.flatten().tolist()]

    def on_train_batch_start(self, trainer: Any, module: Any, batch: Any, *_: Any) -> None:
        self.seen.append(batch[1].tolist())

    def as_json(self) -> Any:
        return self.seen


@pytest.mark.filterwarnings("ignore:.*does not have many workers", "ignore:.*LeafSpec")  # as the example's main does
def test_the_runs_of_a_seed_share_their_weights_and_batches(
    root: Path, ran: Ran, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(example, "History", Seen)
    example_loaders = example.loaders("fashion-mnist", root, download=False)
    result = lrrange.load(ran.folder / "range-test.json")
    seen = {
        (run, seed): example.run(run, seed, result, example_loaders, 1, tmp_path)
        for run, seed in [*((run, 0) for run in ("2e-3", *RUNS[-3:])), ("2e-3", 1)]
    }
    assert len(seen["2e-3", 0]) > 2
    assert all(seen[run, 0] == seen["2e-3", 0] for run in RUNS[-3:])
    assert seen["2e-3", 1] != seen["2e-3", 0]


def test_data_that_are_not_there_name_the_options_that_help(tmp_path: Path) -> None:
    run = CliRunner().invoke(example.main, ["--data-root", str(tmp_path)])
    assert run.exit_code == 2
    assert "Add --download, or give --data-root." in run.output


def committed(folder: str) -> dict[str, Any]:
    return json.loads((COMMITTED / folder / "results.json").read_text())


def test_the_page_shows_what_the_committed_results_give() -> None:
    page = PAGE.read_text()
    assert fill(page, article.sections()) == page, "run python -m benchmarks.article"


@pytest.mark.parametrize("folder", ["mnist-10k", "fashion-mnist-mini"])
def test_the_page_shows_what_the_example_printed_for_the_committed_results(folder: str) -> None:
    assert example.summary(committed(folder)) + "\n" in [text for _, text, _ in blocks(PAGE.read_text(), "text")]


def test_the_page_has_no_other_tables_and_its_figures_are_those_of_the_committed_results(tmp_path: Path) -> None:
    tables = [text for _, text, _ in blocks(PAGE.read_text(), "text") if text.count("\n") > len(RUNS)]
    assert len(tables) == 2
    article.draw(tmp_path)
    drawn = {path.name for path in tmp_path.iterdir()}
    assert set(re.findall(r"^```{image} images/(\S+)$", PAGE.read_text(), re.M)) == drawn
    assert drawn <= {path.name for path in (PAGE.parent / "images").iterdir()}


def test_the_page_quotes_the_error_of_the_articles_bug(ran: Ran) -> None:
    quoted = [" ".join(text.split()) for _, text, _ in blocks(PAGE.read_text(), "text")]
    assert ran.output.splitlines()[0].removeprefix("The article's bug: ") in quoted


def intervals(folder: str, run: str, other: str) -> tuple[float, float]:
    """Of how far `other` ends above `run`, with the t value of three seeds."""
    losses = [[seed["val_loss"][-1] for seed in committed(folder)["runs"][one]] for one in (run, other)]
    gaps = torch.tensor(losses[1]) - torch.tensor(losses[0])
    assert len(gaps) == 3
    reach = 4.303 * float(gaps.std()) / 3**0.5
    return float(gaps.mean()) - reach, float(gaps.mean()) + reach


@pytest.mark.parametrize("folder", ["mnist-10k", "fashion-mnist-mini"])
def test_what_the_page_says_of_the_suggestion_holds(folder: str) -> None:
    low, high = intervals(folder, "lrrange", "2e-3")
    assert low < 0 < high, "the page says that three seeds show no difference"
    runs = committed(folder)["runs"]
    ends = [[seed["val_loss"][-1] for seed in runs[run]] for run in ("lrrange", "2e-3")]
    assert all(ours < theirs for ours, theirs in zip(*ends, strict=True)), "the page says that it is lower on each seed"
    for useless in ("1e-5", "1e-1"):
        assert min(seed["val_loss"][-1] for seed in committed(folder)["runs"][useless]) > 2.2


def test_what_the_page_says_of_the_schedules_holds() -> None:
    assert intervals("mnist-10k", "one_cycle", "2e-3")[0] > 0
    for folder, run in (("mnist-10k", "triangular"), ("fashion-mnist-mini", "one_cycle")):
        assert intervals(folder, run, "2e-3")[0] < 0
    assert intervals("fashion-mnist-mini", "triangular", "2e-3")[0] < 0


@pytest.mark.parametrize("folder", ["mnist-10k", "fashion-mnist-mini"])
def test_what_the_page_says_of_the_winner_holds(folder: str) -> None:
    means = {run: fmean(seed["val_loss"][-1] for seed in committed(folder)["runs"][run]) for run in RUNS}
    first, second = sorted(means, key=means.__getitem__)[:2]
    assert intervals(folder, first, second)[0] < 0, "the page says that the winner is not settled"


def test_what_the_page_says_of_the_articles_finder_holds() -> None:
    assert all(seed["val_loss"][-1] > 2.2 for seed in committed("mnist-10k")["runs"]["0.0363"])
    learnt = [seed["val_loss"][-1] < 1 for seed in committed("fashion-mnist-mini")["runs"]["0.0363"]]
    assert sum(learnt) == 1


@pytest.mark.parametrize("page", [PAGE, COMMITTED / "README.md"], ids=lambda page: page.name)
def test_the_commands_that_are_told_are_ones_that_the_example_takes(page: Path) -> None:
    commands = re.findall(r"^\$ python examples/fashion_mnist_lenet\.py(.*)$", page.read_text(), re.M)
    assert commands
    for words in commands:
        example.main.make_context("fashion_mnist_lenet.py", shlex.split(words))
