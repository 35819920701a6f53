"""What the callback says of its range test, and that its progress bar and the Trainer's leave each other alone."""

import os
import sys
from collections.abc import Callable
from typing import Any

import pexpect
import pytest
from lrrange_lightning import LRRangeTest

from tests.lightning.trainings import classes, loader, plain, trainer

SWEEP = {"start_lr": 1e-5, "end_lr": 10.0, "num_steps": 80}


def lines_about(fit: Callable[[], object], capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Return the lines that lrrange writes to standard error during a fit, without its name."""
    capsys.readouterr()
    fit()
    written = capsys.readouterr()
    assert "lrrange:" not in written.out
    return [line.removeprefix("lrrange: ") for line in written.err.splitlines() if line.startswith("lrrange: ")]


def test_it_says_once_what_it_found_and_set_and_the_first_doubt(
    package: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    callback = LRRangeTest(**SWEEP)
    fit = trainer(package, callbacks=[callback])
    (line,) = lines_about(lambda: fit.fit(plain(package), loader()), capsys)
    result, lr = callback.result, callback.applied["param group 0"]
    first, *others = result.verdict.reasons
    assert others
    assert line == (
        f"lr {result.lr:.2e}, set Adam param group 0: 0.01 -> {lr:.3g}, self.lr = {lr:.3g}, range "
        f"{result.range.base_lr:.1e} to {result.range.max_lr:.1e}; uncertain: {first}; and {len(others)} more "
        f"{'doubt' if len(others) == 1 else 'doubts'}"
    )


def test_with_a_log_it_also_says_when_the_sweep_starts_and_ends_and_with_false_nothing(
    pl: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    def lines(**options: Any) -> list[str]:
        callbacks = [LRRangeTest(**options, **SWEEP)]
        return lines_about(lambda: trainer(pl, callbacks=callbacks).fit(plain(pl), loader()), capsys)

    start, end, outcome = lines(progress=True)
    assert start == "range test, 80 steps planned"
    assert end.startswith("range test ")
    assert outcome.startswith("lr ")
    assert lines(progress=False) == []
    (not_set,) = lines(apply=False)
    assert ", not set because of apply=False, range " in not_set


def test_it_says_that_there_is_no_rate(pl: Any, capsys: pytest.CaptureFixture[str]) -> None:
    callbacks = [LRRangeTest(apply=False, start_lr=1e-12, end_lr=1e-11, num_steps=30)]
    (line,) = lines_about(lambda: trainer(pl, callbacks=callbacks).fit(plain(pl), loader()), capsys)
    assert line.startswith("no learning rate found: ")


def test_of_several_optimizers_each_is_named(pl: Any, capsys: pytest.CaptureFixture[str]) -> None:
    callback = LRRangeTest(**SWEEP)
    (line,) = lines_about(lambda: trainer(pl, callbacks=[callback]).fit(classes(pl).Gan(), loader()), capsys)
    assert "Adam 0, param group 0: " in line
    assert "Adam 1, param group 0: " in line


@pytest.mark.slow
def test_in_a_terminal_its_bar_is_gone_after_the_sweep_and_the_bar_of_the_trainer_goes_on() -> None:
    program = """
import time
import warnings
warnings.simplefilter("ignore")
import pytorch_lightning
import torch
from lrrange_lightning import LRRangeTest
from pytorch_lightning.callbacks import RichProgressBar, TQDMProgressBar
from tests.lightning.trainings import classes, loader

class Slow(classes(pytorch_lightning).Plain):
    def training_step(self, batch, index):
        time.sleep(0.002)
        return super().training_step(batch, index)

quiet = {"logger": False, "enable_checkpointing": False, "enable_model_summary": False, "accelerator": "cpu"}
for bar in (TQDMProgressBar, RichProgressBar):
    torch.manual_seed(0)
    callbacks = [LRRangeTest(at_epochs=(0, 1), start_lr=1e-5, num_steps=150), bar()]
    pytorch_lightning.Trainer(max_epochs=2, callbacks=callbacks, **quiet).fit(Slow(), loader())
    print("fitted")
"""
    with pexpect.spawn(
        sys.executable,
        ["-c", program],
        dimensions=(40, 100),
        encoding="utf-8",
        timeout=60,
        env={**os.environ, "TERM": "xterm"},
    ) as child:
        for _ in range(2):
            for _ in range(2):
                child.expect(r"sweep [^\r\n]*/150 ")
                child.expect(r"\x1b\[1A\x1b\[2K")  # the line of the bar is erased
                child.expect(r"lrrange: lr [^\r\n]*set Adam")
            child.expect(r"Epoch 1[^\r\n]*6/6")
            child.expect("fitted")
        child.expect(pexpect.EOF)
        child.wait()
    assert child.exitstatus == 0
