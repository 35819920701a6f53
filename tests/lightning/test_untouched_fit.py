"""A fit with a sweep equals a fit without one, to the last bit, in everything that a user can observe."""

import contextlib
from pathlib import Path
from typing import Any

import pytest
from lrrange_lightning import LRRangeTest

from lrrange import StopReason, find_lr
from lrrange.hookspecs import hookimpl
from tests.backend_torch.rigs import seed_all
from tests.lightning.recording import assert_same, record
from tests.lightning.trainings import classes, loader, validated

SWEEP = {"start_lr": 1e-5, "end_lr": 1.0, "num_steps": 20}
WORKERS = pytest.mark.parametrize("workers", [0, 2])


def without(package: Any, folder: Path, **data: Any) -> dict[str, Any]:
    return record(package, validated(package), folder / "without", **data)


@WORKERS
def test_a_fit_after_find_lr(package: Any, tmp_path: Path, workers: int) -> None:
    def data() -> dict[str, Any]:
        return {"train_dataloaders": loader(num_workers=workers), "val_dataloaders": loader(32, shuffle=False)}

    model, mine = validated(package), data()
    found: list[Any] = []
    after = record(
        package,
        model,
        tmp_path / "with",
        before=lambda it: found.append(find_lr(it, model=model, **mine, **SWEEP)),
        **mine,
    )
    assert len(found[0].curve) > 10
    assert_same(without(package, tmp_path, **data()), after)


@WORKERS
@pytest.mark.parametrize("at_epochs", [(0,), (0, 1)])
def test_a_fit_with_the_callback(package: Any, tmp_path: Path, workers: int, at_epochs: tuple[int, ...]) -> None:
    def data() -> dict[str, Any]:
        return {"train_dataloaders": loader(num_workers=workers), "val_dataloaders": loader(32, shuffle=False)}

    callback = LRRangeTest(apply=False, at_epochs=at_epochs, **SWEEP)
    after = record(package, validated(package), tmp_path / "with", [callback], **data())
    assert sorted(callback.results) == list(at_epochs)
    assert_same(without(package, tmp_path, **data()), after)


def test_a_fit_with_a_data_module_and_workers_that_persist(package: Any, tmp_path: Path) -> None:
    def fit(folder: str, *callbacks: Any, before: bool = False) -> Any:
        model, datamodule = validated(package), classes(package).Data(workers=1)

        def sweep(it: Any) -> None:
            if before:
                find_lr(it, model=model, datamodule=datamodule, **SWEEP)

        return record(package, model, tmp_path / folder, callbacks, sweep, datamodule=datamodule) | {
            "calls": datamodule.calls
        }

    without = fit("without")
    assert_same(without, fit("before", before=True))
    assert_same(without, fit("inside", LRRangeTest(apply=False, **SWEEP)))


class Ends:
    """A watcher that records why sweeps end."""

    def __init__(self) -> None:
        self.reasons: list[Any] = []

    @hookimpl
    def lrrange_finished(self, sweep: Any) -> None:
        self.reasons.append(sweep.stop_reason)


@pytest.mark.parametrize("how", ["diverges", "nan", "error", "ctrl-c"])
def test_a_fit_after_a_sweep_that_ended_badly(pl: Any, tmp_path: Path, how: str) -> None:
    def data() -> dict[str, Any]:
        return {"train_dataloaders": loader(), "val_dataloaders": loader(32, shuffle=False)}

    class Failing(classes(pl).Validated):
        bad: Any = None
        calls = 0

        def training_step(self, batch: Any, batch_idx: int) -> Any:
            loss = super().training_step(batch, batch_idx)
            self.calls += 1
            if self.calls < 12 or self.bad is None:
                return loss
            if isinstance(self.bad, BaseException):
                raise self.bad
            return loss * self.bad

    def sweep(it: Any) -> None:
        watcher = Ends()
        model.bad = {
            "diverges": 1e5,
            "nan": float("nan"),
            "error": ValueError("on purpose"),
            "ctrl-c": KeyboardInterrupt(),
        }[how]
        raised = isinstance(model.bad, BaseException)
        with pytest.raises(type(model.bad)) if raised else contextlib.nullcontext():
            find_lr(it, model=model, watchers=[watcher], **mine, **SWEEP)
        model.bad = None
        reason = {"diverges": StopReason.DIVERGED, "nan": StopReason.NON_FINITE, "ctrl-c": StopReason.INTERRUPTED}
        assert watcher.reasons == [reason.get(how)]

    seed_all()
    model, mine = Failing(), data()
    after = record(pl, model, tmp_path / "with", before=sweep, **mine)
    seed_all()
    before = record(pl, Failing(), tmp_path / "without", **data())
    assert_same(before, after)
