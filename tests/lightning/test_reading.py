"""A module may read loggers, callbacks and folders in a sweep, as in a fit. Nothing is written, and nothing changes."""

import warnings
from pathlib import Path
from typing import Any

import pytest
from lrrange_lightning import LRRangeTest

from lrrange import find_lr
from tests.backend_torch.rigs import seed_all
from tests.lightning.observing import files
from tests.lightning.trainings import classes, loader, trainer

SWEEP = {"start_lr": 1e-5, "end_lr": 10.0, "num_steps": 20}


class InFit(LRRangeTest):
    """The callback, which notes the files before and after its sweep, and the attributes of the loggers."""

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        before = files(), states(trainer)
        super().on_train_epoch_start(trainer, pl_module)
        assert (files(), states(trainer)) == before
        trainer.should_stop = True


def states(fitting: Any) -> list[Any]:
    """Return the attributes of loggers and callbacks, by identity or as text."""
    owners = [*fitting.loggers, *fitting.callbacks]
    return [{name: repr(value) for name, value in vars(one).items()} for one in owners if not isinstance(one, InFit)]


def before_fit(package: Any, model: Any, options: dict[str, Any]) -> Any:
    fitting = trainer(package, **options)
    before = files(), states(fitting)
    result = find_lr(fitting, model=model, train_dataloaders=loader(), **SWEEP)
    assert (files(), states(fitting)) == before
    return result


def in_fit(package: Any, model: Any, options: dict[str, Any]) -> Any:
    callback = InFit(apply=False, **SWEEP)
    mine = {**options, "callbacks": [*options.get("callbacks", []), callback]}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*")
        trainer(package, **mine).fit(model, loader())
    return callback.result


WAYS = pytest.mark.parametrize("sweep", [before_fit, in_fit], ids=["find_lr", "callback"])


def model_that(package: Any, reads: Any, hook: str = "training_step") -> Any:
    """Return a module that calls `reads(module)` in each call of a hook, and notes the answers in `read`."""
    plain = classes(package).Plain
    read: list[Any] = []  # not an attribute of the module, which a sweep would put back

    def call(self: Any, *arguments: Any) -> Any:
        read.append(reads(self))
        return getattr(plain, hook)(self, *arguments)

    seed_all()
    return type("Reads", (plain,), {hook: call, "read": property(lambda _: read)})()


def ours(package: Any) -> dict[str, Any]:
    """Return options of a Trainer, by name, each with a logger or several."""
    loggers = package.loggers

    class Custom(loggers.Logger):
        """Writes to files by itself, without an experiment of Lightning's kind."""

        def __init__(self) -> None:
            super().__init__()
            self.rows: list[Any] = []

        name = property(lambda self: "mine")
        version = property(lambda self: "7")
        save_dir = property(lambda self: "logs")
        log_dir = property(lambda self: f"{self.save_dir}/{self.name}/{self.version}")

        @property
        def experiment(self) -> Any:
            Path(self.save_dir).mkdir(exist_ok=True)
            return self

        def log_metrics(self, metrics: Any, step: int | None = None) -> None:
            self.rows.append(metrics)

        def log_hyperparams(self, params: Any) -> None:
            self.rows.append(params)

        def log_image(self, key: str, images: Any) -> None:
            self.experiment.rows.append(key)

        def upload(self, what: str) -> None:
            self.rows.append(what)

        def get_path(self, name: str) -> str:
            return f"{self.log_dir}/{name}"

    return {
        "TensorBoard": {"logger": loggers.TensorBoardLogger("logs")},
        "CSV": {"logger": loggers.CSVLogger("logs")},
        "none": {"logger": False},
        "several": {"logger": [loggers.CSVLogger("logs"), loggers.TensorBoardLogger("logs", name="tb"), Custom()]},
        "custom": {"logger": Custom()},
    }


LOGGERS = ["TensorBoard", "CSV", "none", "several", "custom"]


def read_paths(module: Any) -> Any:
    fitting = module.trainer
    return [
        Path(fitting.log_dir, "images").as_posix(),
        Path(fitting.default_root_dir).is_absolute(),
        [
            (str(one.log_dir), str(one.save_dir), one.name, one.version, one.group_separator, type(one).__name__)
            for one in module.loggers
        ],
        None if module.logger is None else Path(module.logger.log_dir, "a.png").as_posix(),
    ]


@WAYS
@pytest.mark.parametrize("kind", LOGGERS)
@pytest.mark.parametrize(
    "hook", ["training_step", "on_train_epoch_start", "configure_optimizers", "on_train_batch_start"]
)
def test_paths_names_and_versions_can_be_read(package: Any, sweep: Any, kind: str, hook: str) -> None:
    model = model_that(package, read_paths, hook)
    result = sweep(package, model, ours(package)[kind])
    assert len(result.curve) > 10
    in_a_fit = model_that(package, read_paths, hook)
    trainer(package, max_epochs=1, limit_train_batches=1, **ours(package)[kind]).fit(in_a_fit, loader())
    if sweep is before_fit:  # the fit inside which the callback ran has made the folder of the first version
        assert model.read[0] == in_a_fit.read[0]
    assert all(one == model.read[0] for one in model.read)


def write_everything(module: Any) -> None:
    for one in module.loggers:
        one.log_metrics({"a": 1.0}, step=1)
        one.log_hyperparams({"b": 2})
        one.log_graph(module)
        one.save()
        one.finalize("success")
        experiment = one.experiment
        experiment.add_scalar("a", 1.0, 1)
        experiment.add_figure("figure", object(), global_step=1)
        experiment.log({"a": 1})
        experiment.config.update({"lr": 1.0}, allow_val_change=True)
        experiment["metrics/loss"].append(1.0)
        experiment.anything = 1
        with experiment.record() as run:
            run.log("a", 1)
        f"{experiment.id} {experiment.name}"
        if hasattr(one, "log_image"):
            one.log_image("key", [object()])
            one.upload("file")
            one.rows.append("by hand")
            assert one.get_path("a") == "logs/mine/7/a"
    module.trainer.save_checkpoint("mine.ckpt")
    module.print("")


@WAYS
@pytest.mark.parametrize("kind", LOGGERS)
def test_nothing_that_is_called_to_write_writes(package: Any, sweep: Any, kind: str) -> None:
    result = sweep(package, model_that(package, write_everything), ours(package)[kind])
    assert len(result.curve) > 10
    assert "mine.ckpt" not in files()


@pytest.mark.parametrize("kind", ["TensorBoard", "CSV"])
def test_the_version_of_the_later_fit_is_what_it_would_have_been(package: Any, kind: str) -> None:
    def versions(sweep: bool) -> list[Any]:
        numbers = []
        for _ in range(2):
            model = model_that(package, read_paths)
            fitting = trainer(package, max_epochs=1, limit_train_batches=1, **ours(package)[kind])
            if sweep:
                find_lr(fitting, model=model, train_dataloaders=loader(), **SWEEP)
            fitting.fit(model, loader())
            numbers.append((fitting.logger.version, fitting.log_dir))
        return numbers

    swept = versions(sweep=True)
    assert [number for number, _ in swept] == [0, 1]
    assert [number for number, _ in versions(sweep=False)] == [2, 3]


def test_a_version_that_another_run_takes_after_the_sweep_is_not_taken_twice(package: Any) -> None:
    first, second = (trainer(package, max_epochs=1, **ours(package)["CSV"]) for _ in range(2))
    model = model_that(package, read_paths)
    find_lr(first, model=model, train_dataloaders=loader(), **SWEEP)
    second.fit(model_that(package, read_paths), loader())
    first.fit(model, loader())
    assert (second.logger.version, first.logger.version) == (0, 1)


def test_an_experiment_that_exists_can_be_read_in_the_fit(package: Any) -> None:
    def read(module: Any) -> Any:
        experiment = module.logger.experiment
        return experiment.log_dir, experiment.get_logdir()

    model = model_that(package, read)
    in_fit(package, model, ours(package)["TensorBoard"])
    assert set(model.read) == {("logs/lightning_logs/version_0",) * 2}
    model = model_that(package, read)
    before_fit(package, model, ours(package)["TensorBoard"])
    assert set(model.read) == {("logs/lightning_logs/version_1",) * 2}


def with_callbacks(package: Any) -> dict[str, Any]:
    stop = package.callbacks.EarlyStopping("loss", patience=7, strict=False)
    return {
        "logger": package.loggers.CSVLogger("logs"),
        "enable_checkpointing": True,
        "enable_progress_bar": True,
        "callbacks": [stop, custom(package)()],
    }


def custom(package: Any) -> Any:
    class Noted(package.Callback):
        """Counts its hooks, and gives out a setting."""

        margin = 0.5

        def __init__(self) -> None:
            super().__init__()
            self.heard: list[str] = []
            self.notes: list[float] = []

        def on_before_backward(self, *_: Any) -> None:
            self.heard.append("backward")

        def on_before_optimizer_step(self, *_: Any) -> None:
            self.heard.append("step")

        def scaled(self, value: float) -> float:
            self.notes.append(value)
            return self.margin * value

    return Noted


def look_up(module: Any) -> Any:
    fitting = module.trainer
    noted = next(one for one in fitting.callbacks if type(one).__name__ == "Noted")
    return [
        Path(fitting.checkpoint_callback.dirpath).name,
        fitting.checkpoint_callback.best_model_path,
        len(fitting.checkpoint_callbacks),
        fitting.early_stopping_callback.patience,
        fitting.early_stopping_callback.wait_count,
        fitting.progress_bar_callback is not None,
        noted.margin,
        noted.scaled(4.0),
    ]


@WAYS
def test_callbacks_can_be_looked_up_and_stay_silent(package: Any, sweep: Any) -> None:
    options = with_callbacks(package)
    noted = options["callbacks"][1]
    model = model_that(package, look_up)
    result = sweep(package, model, options)
    assert len(result.curve) > 10
    assert model.read[0] == ["checkpoints", "", 1, 7, 0, True, 0.5, 2.0]
    assert noted.notes == noted.heard == []


def test_callbacks_that_the_module_configures_can_be_looked_up(package: Any) -> None:
    plain, noted = classes(package).Plain, custom(package)

    mine = noted()

    class Configures(plain):
        def configure_callbacks(self) -> Any:
            return [mine, package.callbacks.EarlyStopping("loss", patience=3)]

        def training_step(self, batch: Any, batch_idx: int) -> Any:
            patience.append(self.trainer.early_stopping_callback.patience)
            patience.append(sum(type(one).__name__ == "Noted" for one in self.trainer.callbacks))
            return super().training_step(batch, batch_idx)

    patience: list[Any] = []
    seed_all()
    options = {"callbacks": [package.callbacks.EarlyStopping("loss", patience=9)]}
    result = before_fit(package, Configures(), options)
    assert len(result.curve) > 10
    assert patience[:2] == [3, 1]
    assert mine.heard == []


def test_callbacks_can_be_looked_up_while_the_fit_is_set_up(package: Any) -> None:
    def look(module: Any) -> Any:
        return module.trainer.early_stopping_callback.patience, [type(one).__name__ for one in module.trainer.callbacks]

    for hook in ("configure_optimizers", "on_fit_start", "on_train_start"):
        model = model_that(package, look, hook)
        before_fit(package, model, {"callbacks": [package.callbacks.EarlyStopping("loss", patience=3)]})
        assert model.read[0][0] == 3


def test_a_logger_whose_class_cannot_be_derived_is_taken_away(package: Any) -> None:
    loggers = package.loggers

    class Final(loggers.CSVLogger):
        def __init_subclass__(cls, **_: Any) -> None:
            raise TypeError("final")

    model = model_that(package, lambda module: module.logger.log_metrics({"a": 1.0}))
    assert len(before_fit(package, model, {"logger": Final("logs")}).curve) > 10


def test_a_logger_that_closes_its_file_when_it_is_deleted_is_not_closed(package: Any) -> None:
    closed: list[bool] = []

    class Closes(package.loggers.CSVLogger):
        def __del__(self) -> None:
            closed.append(True)

    logger = Closes("logs")
    before_fit(package, model_that(package, read_paths), {"logger": logger})
    assert closed == []
    logger.log_metrics  # noqa: B018  it is still there
