"""A fit with everything that a user may use, and a record of everything that can be observed afterwards."""

import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from tests.backend_torch.observing import of_random_states
from tests.lightning.observing import files
from tests.lightning.trainings import trainer


def recorder(package: Any) -> Any:
    """Return a callback that records every hook that is called, with the step, the epoch and the batch."""
    heard: list[Any] = []

    def listen(name: str) -> Callable[..., None]:
        def hook(self: Any, trainer: Any, module: Any, *rest: Any, **_: Any) -> None:
            batch = [float(one[0].sum()) for one in rest if isinstance(one, list)]
            heard.append((name, trainer.global_step, trainer.current_epoch, batch))

        return hook

    names = [name for name, _ in inspect.getmembers(package.Callback, inspect.isfunction) if name.startswith("on_")]
    names = [name for name in names if "checkpoint" not in name]
    callback = type("Recorder", (package.Callback,), {name: listen(name) for name in names})()
    callback.heard = heard
    return callback


def record(
    package: Any,
    model: Any,
    folder: Path,
    callbacks: Sequence[Any] = (),
    before: Callable[[Any], object] = lambda _: None,
    options: dict[str, Any] | None = None,
    **data: Any,
) -> dict[str, Any]:
    """Fit, after `before(trainer)`, and return a record of it."""
    loggers = [package.loggers.CSVLogger(folder, flush_logs_every_n_steps=1), package.loggers.TensorBoardLogger(folder)]
    listening = recorder(package)
    stopping = package.callbacks.EarlyStopping("val_loss", patience=50)
    keeping = package.callbacks.ModelCheckpoint(folder / "kept", monitor="val_loss", filename="best", save_last=True)
    watching = package.callbacks.LearningRateMonitor("step")
    fitting = trainer(
        package,
        logger=loggers,
        enable_checkpointing=True,
        callbacks=[listening, stopping, *callbacks, watching, keeping],
        default_root_dir=folder,
        **(options or {}),
    )
    before(fitting)
    fitting.fit(model, **data)
    kept = torch.load(folder / "kept" / "best.ckpt", weights_only=False)
    return {
        "metrics.csv": (Path(loggers[0].log_dir) / "metrics.csv").read_text(),
        "tensorboard": scalars(loggers[1].log_dir),
        "hyper-parameters": (Path(loggers[0].log_dir) / "hparams.yaml").read_text(),
        "hooks": listening.heard,
        "metrics": {name: float(value) for name, value in fitting.callback_metrics.items()},
        "progress bar": {name: float(value) for name, value in fitting.progress_bar_metrics.items()},
        "early stopping": stopping.state_dict() | {"best_score": float(stopping.best_score)},
        "best": (Path(keeping.best_model_path).name, float(keeping.best_model_score)),
        "checkpoint": {
            "weights": {name: one.tolist() for name, one in kept["state_dict"].items()},
            "optimizer": repr(kept["optimizer_states"]),
            "loops": kept["loops"],
            "step": (kept["global_step"], kept["epoch"]),
        },
        "weights": {name: one.tolist() for name, one in model.state_dict().items()},
        "seen": model.seen,
        "step": (fitting.global_step, fitting.current_epoch),
        "random": of_random_states(),
        "files": [name.replace(str(folder), "") for name in files(str(folder)) if "events.out" not in name],
        "here": files(),
        "same trainer": model.trainer is fitting,
    }


def assert_same(before: dict[str, Any], after: dict[str, Any]) -> None:
    """Check that two records are equal in every part."""
    assert before.keys() == after.keys()
    for part in before:
        assert before[part] == after[part], part


def scalars(folder: str) -> dict[str, list[Any]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(folder).Reload()
    return {tag: [(one.step, one.value) for one in events.Scalars(tag)] for tag in events.Tags()["scalars"]}
