"""The machinery of the fine-tuning measurements, with a model of one narrow layer and two rates."""

import functools
from pathlib import Path

import pytest
import torch

from benchmarks.fine_tuning import answers, corpus, grid
from benchmarks.fine_tuning.pretrained import Pretrained, Recipe, language_modelling, pretrain, unigram_loss
from benchmarks.fine_tuning.regret import fate
from benchmarks.fine_tuning.tasks import TASKS, Task, as_language_model, mean_loss, snippets

RECIPE = Recipe(
    vocabulary=384, width=32, layers=1, heads=2, length=32, steps=40, held_out_blocks=16, most_blocks=400, lr=1e-2
)

# As `few`, with a model that has nothing to forget and less text.
SMALL = Task(name="small", about="", labels=4, steps=12, batch_size=8, read=functools.partial(snippets, 8, length=16))

RATES = (1e-5, 1e-2)


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory: pytest.TempPathFactory) -> Pretrained:
    return pretrain(tmp_path_factory.mktemp("pretrained"), RECIPE)


@pytest.fixture(scope="module")
def measured(pretrained: Pretrained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("results") / "grid.json"
    options = {"starts": grid.STARTS, "rates": RATES, "seeds": (0,)}
    assert len([*grid.measure(path, pretrained, tasks=[SMALL], **options)]) == 6
    assert not [*grid.measure(path, pretrained, tasks=[SMALL], **options)]
    return path


def test_the_text_to_pretrain_on_has_neither_the_packages_nor_the_held_out_files() -> None:
    assert "class Logger(Filterer)" in "".join(corpus.package_texts("logging", held_out=False))
    seen = set(corpus.pretraining_texts(held_out=False))
    assert not seen & set(corpus.pretraining_texts(held_out=True))
    for package in corpus.PACKAGES:
        for held_out in (False, True):
            assert not seen & {text for text in corpus.package_texts(package, held_out=held_out) if text}


def test_the_pretraining_has_learnt_something_and_is_not_done_twice(pretrained: Pretrained) -> None:
    about = pretrained.about
    assert about["held_out_loss"] < torch.log(torch.tensor(384.0))
    stamp = (pretrained.folder / "model.safetensors").stat().st_mtime_ns
    assert pretrain(pretrained.folder, RECIPE).about == about
    assert (pretrained.folder / "model.safetensors").stat().st_mtime_ns == stamp


def test_the_unigram_loss_is_the_entropy_where_the_counts_are_right() -> None:
    even = torch.tensor([[0, 0, 1, 2, 3]])
    assert unigram_loss(even[:, 1:], even, 4) == pytest.approx(torch.log(torch.tensor(4.0)).item())


def test_a_new_head_leaves_the_language_model_as_it_was_pretrained(pretrained: Pretrained) -> None:
    classifier = SMALL.model(pretrained, seed=0)
    left = mean_loss(as_language_model(classifier), language_modelling(pretrained.held_out()))
    assert left == pytest.approx(pretrained.about["held_out_loss"], abs=1e-3)


def test_random_weights_are_not_the_pretrained_ones(pretrained: Pretrained) -> None:
    fresh = as_language_model(SMALL.model(pretrained, seed=0, fresh=True))
    assert mean_loss(fresh, language_modelling(pretrained.held_out())) > pretrained.about["held_out_loss"] + 0.1


def test_a_low_rate_changes_next_to_nothing_and_a_high_rate_forgets(measured: Path) -> None:
    rows = {(row["start"], row["lr"]): row for row in grid.read_rows(measured)}
    before = {lr: rows["pretrained", lr]["before"] for lr in (0.0, *RATES)}
    assert before[1e-5] == pytest.approx(before[0.0], abs=2e-3)
    assert abs(before[1e-2] - before[0.0]) > 0.02
    assert rows["pretrained", 1e-2]["loss"] != rows["pretrained", 1e-5]["loss"]
    assert "before" not in rows["random", 1e-2]


def test_the_same_fine_tuning_gives_the_same_losses(pretrained: Pretrained, measured: Path) -> None:
    data = SMALL.read(pretrained.tokenizer, RECIPE.length)
    held_out = language_modelling(pretrained.held_out())
    again = grid.fine_tune(SMALL, data, pretrained, held_out, start="pretrained", lr=1e-2, seed=0)
    assert again in grid.read_rows(measured)


@pytest.mark.parametrize("name", TASKS)
def test_what_judges_the_rates_is_seen_neither_in_training_nor_for_choices(name: str, pretrained: Pretrained) -> None:
    data = TASKS[name].read(pretrained.tokenizer, RECIPE.length)

    def texts(examples: list[dict[str, torch.Tensor]]) -> set[tuple[int, ...]]:
        return {tuple(example["input_ids"].tolist()) for example in examples}

    train, validation, test = texts(data.train), texts(data.validation), texts(data.test)
    assert len(test) > 50
    assert len(test & train) <= 2  # licences and headers that several files share
    assert len(test & validation) <= 2


def test_a_range_test_answers_in_its_own_form_and_by_every_other_rule(pretrained: Pretrained, tmp_path: Path) -> None:
    forms = ["plain"]
    rows = [*answers.measure(tmp_path, pretrained, tasks=[SMALL], forms=forms, seeds=[0])]
    plain = next(row for row in rows if row["form"] == "plain")
    assert plain["low"] <= plain["lr"] <= plain["high"]
    assert plain["peak"] == plain["max_lr"]  # of a warm-up with a linear decay
    assert {row["form"] for row in rows} >= {answers.UNTOLD, "steepest"}
    assert (tmp_path / "sweeps" / "small-0.json").exists()
    assert not [*answers.measure(tmp_path, pretrained, tasks=[SMALL], forms=forms, seeds=[0])]


def test_a_regret_is_read_between_the_rates_of_the_grid() -> None:
    losses = {0.0: 2.0, 1e-4: 1.0, 1e-3: 0.0, 1e-2: 5.0}
    rows = [
        {"task": "t", "start": "pretrained", "lr": lr, "seed": seed, "loss": loss, "accuracy": 0.2 + 50 * lr}
        for lr, loss in losses.items()
        for seed in (0, 1)
    ]
    of_task = fate(
        [*rows, {"task": "other", "start": "pretrained", "lr": 1.0, "seed": 0, "loss": 9.0}], "t", "pretrained"
    )
    assert of_task.best_lr == 1e-3
    assert of_task.regret(1e-3) == 0
    assert of_task.regret(10**-3.5) == pytest.approx(0.25)
    assert of_task.regret(1e-2) == 1.0  # ends worse than it began
    assert of_task.regret(None) == of_task.regret(0.5) == 1.0
    assert of_task.regret(1e-2, "accuracy") == 0
    assert of_task.regret(1e-3, "accuracy") == pytest.approx(0.9)
