"""The callback inside a fit: when it runs, what ends it, and what state it leaves."""

from typing import Any

import pytest
import torch
from lrrange_lightning import LRRangeTest, VerifyRate

from lrrange import AdaptivePlan, NoSuggestion, find_lr
from lrrange.errors import OptionError, TargetError, UnknownName
from lrrange.hookspecs import hookimpl
from lrrange.sweep.pace import plan_to_begin_with
from tests.backend_torch.observing import of_module, of_optimizer, of_random_states
from tests.backend_torch.rigs import seed_all
from tests.lightning.trainings import classes, gan, loader, plain, trainer

SWEEP = {"start_lr": 1e-5, "end_lr": 10.0, "num_steps": 80}


class Watcher:
    """Counts the steps of a sweep, and raises an error at one of them if it is given one."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error
        self.steps = 0

    @hookimpl
    def lrrange_advanced(self) -> None:
        self.steps += 1
        if self.error is not None and self.steps == 7:
            raise self.error


def test_the_options_of_find_lr_are_those_of_the_callback(pl: Any) -> None:
    watcher = Watcher()
    options = {"shape": "linear", "seed": 3, "smoothing": "none", "divergence": None, "non_finite_limit": 2}
    callback = LRRangeTest("min/10", False, (1,), repeats=2, watchers=[watcher], **options, **SWEEP)
    trainer(pl, callbacks=[callback]).fit(plain(pl), loader())
    result = callback.results[1]
    assert (result.heuristic, result.plan.shape, result.provenance.seed) == ("min/10", "linear", 3)
    assert (len(result.sweeps), watcher.steps) == (2, 160)
    assert result.provenance.backend == "lightning"


def test_its_default_sweep_is_the_adaptive_one_of_find_lr(package: Any) -> None:
    found = find_lr(trainer(package), model=plain(package), train_dataloaders=loader(), seed=3)
    callback = LRRangeTest(apply=False, seed=3)
    trainer(package, callbacks=[callback]).fit(plain(package), loader())
    plan, curve = callback.result.plan, callback.result.curve
    assert isinstance(plan, AdaptivePlan)
    assert plan.num_steps > plan_to_begin_with(plan.start_lr, plan.end_lr).num_steps
    assert curve.lr == plan.rates[: len(curve)]
    assert (plan, curve) == (found.plan, found.curve)


@pytest.mark.parametrize("error", [ValueError("on purpose"), KeyboardInterrupt()], ids=["error", "ctrl-c"])
def test_what_ends_the_sweep_ends_the_fit_and_leaves_the_training_as_it_was(package: Any, error: BaseException) -> None:
    class Before(package.Callback):
        def on_train_epoch_start(self, trainer: Any, module: Any) -> None:
            self.seen = self.look(trainer, module)

        def look(self, trainer: Any, module: Any) -> Any:
            return [
                *(of_module(module), of_optimizer(trainer.optimizers[0]), of_random_states()),
                *(list(trainer.callbacks), list(trainer.loggers), trainer.global_step, trainer.profiler),
            ]

        def on_exception(self, trainer: Any, module: Any, exception: BaseException) -> None:
            self.same = exception is error
            self.after = self.look(trainer, module)

    model, before = plain(package), Before()
    callback = LRRangeTest(watchers=[Watcher(error)], **SWEEP)
    fitting = trainer(package, callbacks=[before, callback])
    with pytest.raises(
        SystemExit if isinstance(error, KeyboardInterrupt) else ValueError
    ):  # Lightning turns Ctrl-C into an exit
        fitting.fit(model, loader())
    assert before.same
    before.seen[0][""].pop("_current_fx_name")  # the name of the running hook
    before.after[0][""].pop("_current_fx_name")
    assert before.after == before.seen
    assert callback.results == {}


def test_no_suggestion_to_apply_stops_the_fit_with_the_reason(pl: Any) -> None:
    callback = LRRangeTest(start_lr=1e-9, end_lr=1e-8, num_steps=30)
    with pytest.raises(NoSuggestion):
        trainer(pl, callbacks=[callback]).fit(plain(pl), loader())
    assert len(callback.result.curve) == 30  # it can be inspected
    keeping = LRRangeTest(apply=False, start_lr=1e-9, end_lr=1e-8, num_steps=30)
    trainer(pl, callbacks=[keeping]).fit(plain(pl), loader())


def test_a_heuristic_that_does_not_exist_stops_the_fit_before_any_step(pl: Any) -> None:
    model = plain(pl)
    with pytest.raises(UnknownName, match="steepst"):
        trainer(pl, callbacks=[LRRangeTest("steepst", **SWEEP)]).fit(model, loader())
    assert model.seen == []


def test_an_optimizer_that_there_is_not_stops_the_fit_before_any_step(pl: Any) -> None:
    with pytest.raises(OptionError, match="optimizer=3 is not an index of the optimizers"):
        trainer(pl, callbacks=[LRRangeTest(optimizer=3, **SWEEP)]).fit(gan(pl), loader())


def test_a_fit_that_takes_up_a_training_later_says_that_it_sweeps_no_more(pl: Any) -> None:
    callback = LRRangeTest(**SWEEP)
    fitting = trainer(pl, callbacks=[callback])
    model = plain(pl)
    fitting.fit(model, loader())
    first = callback.result
    fitting.fit_loop.max_epochs = 3
    with pytest.warns(UserWarning, match=r"begins at epoch 2, and at_epochs is \[0\]"):
        fitting.fit(model, loader())
    assert callback.result is first
    assert model.lr == first.lr


def test_a_fit_from_a_checkpoint_goes_on_at_the_rate_that_was_found(pl: Any, tmp_path: Any) -> None:
    callback = LRRangeTest(**SWEEP)
    fitting = trainer(pl, callbacks=[callback])
    fitting.fit(plain(pl), loader())
    fitting.save_checkpoint(tmp_path / "trained.ckpt")
    resumed = trainer(pl, callbacks=[VerifyRate(callback.result)], max_epochs=3)
    resumed.fit(plain(pl), loader(), ckpt_path=tmp_path / "trained.ckpt")
    assert resumed.global_step == 18


def test_it_sees_what_other_callbacks_have_frozen(pl: Any) -> None:
    class Freezing(pl.Callback):
        def on_train_start(self, trainer: Any, module: Any) -> None:
            module.net[0].requires_grad_(False)

    model = plain(pl)
    moved: list[bool] = []
    first = model.net[0].weight.clone()
    model.on_train_batch_end = lambda *_: moved.append(not torch.equal(model.net[0].weight, first))
    trainer(pl, callbacks=[LRRangeTest(apply=False, **SWEEP), Freezing()]).fit(model, loader())
    assert not any(moved)


def test_the_steps_of_a_schedule_by_hand_do_nothing_in_the_sweep(pl: Any) -> None:
    class Critical(classes(pl).Gan):
        """Steps its judge twice per batch, and the judge's scheduler after each step."""

        def training_step(self, batch: Any, batch_idx: int) -> Any:
            judging, _ = self.optimizers()
            for _ in range(2):
                judging.zero_grad()
                loss = self.judge(batch[0]).pow(2).mean()
                self.manual_backward(loss)
                judging.step()
                self.lr_schedulers()[0].step()
            return loss

    seed_all()
    callback = LRRangeTest(apply=False, optimizer=0, start_lr=1e-5, end_lr=0.1, num_steps=20)
    fitting = trainer(pl, callbacks=[callback], max_epochs=1)
    fitting.fit(Critical(), loader())
    assert len(callback.result.curve) == 20
    assert fitting.lr_scheduler_configs[0].scheduler.last_epoch == 12


def test_a_strategy_that_spreads_the_module_stops_the_fit(pl: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pl.strategies, "SingleDeviceStrategy", pl.strategies.FSDPStrategy)
    with pytest.raises(TargetError, match="SingleDeviceStrategy spreads the module"):
        trainer(pl, callbacks=[LRRangeTest(**SWEEP)]).fit(plain(pl), loader())


def test_a_module_of_lazy_layers_is_swept_once_a_batch_has_shaped_them(pl: Any) -> None:
    class Lazy(classes(pl).Plain):
        def __init__(self) -> None:
            super().__init__()
            self.net = torch.nn.LazyLinear(1)

        def setup(self, stage: str) -> None:
            self.net(torch.ones(1, 6))

    seed_all()
    callback = LRRangeTest(apply=False, **SWEEP)
    trainer(pl, callbacks=[callback]).fit(Lazy(), loader())
    assert len(callback.result.curve) > 10
