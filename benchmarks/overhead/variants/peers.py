"""The other learning-rate finders, and the loops of the frameworks they are built into.

Each is called as its documentation says, with early stopping off. They are imported when they run:
`pip install 'lrrange[bench]'`.
"""

import functools
import importlib
import tempfile
from typing import Any

from benchmarks.overhead.variants.bare_loops import END_LR, START_LR, Run
from benchmarks.overhead.workloads import Job

_NEVER = 1e9


@functools.cache
def folder() -> str:
    """Where frameworks write what they write; it goes with the process."""
    made = tempfile.TemporaryDirectory(prefix="overhead-")
    _folders.append(made)
    return made.name


_folders: list[Any] = []


def torch_lr_finder(job: Job) -> Run:
    """The package of that name."""
    from torch_lr_finder import LRFinder

    optimizer = job.optimizer()

    def run() -> None:
        finder = LRFinder(job.model, optimizer, job.criterion, device="cpu")
        finder.range_test(job.loader, start_lr=START_LR, end_lr=END_LR, num_iter=job.steps, diverge_th=_NEVER)
        finder.reset()

    return run


def monai(job: Job) -> Run:
    """MONAI's port of torch-lr-finder."""
    from monai.optimizers import LearningRateFinder

    optimizer = job.optimizer()

    def run() -> None:
        finder = LearningRateFinder(job.model, optimizer, job.criterion)
        finder.range_test(job.loader, start_lr=START_LR, end_lr=END_LR, num_iter=job.steps, diverge_th=_NEVER)

    return run


def _engine(job: Job, optimizer: Any) -> Any:
    from ignite.engine import Engine

    def update(_: Any, batch: Any) -> Any:
        job.model.train()
        x, y = batch
        optimizer.zero_grad()
        loss = job.criterion(job.model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return Engine(update)


def ignite_run(job: Job) -> Run:
    """Ignite's own loop."""
    engine = _engine(job, job.optimizer())
    return lambda: engine.run(job.loader, max_epochs=1, epoch_length=job.steps)


def ignite(job: Job) -> Run:
    """Ignite's handler."""
    from ignite.handlers import FastaiLRFinder

    optimizer = job.optimizer()
    engine = _engine(job, optimizer)

    def run() -> None:
        finder = FastaiLRFinder()
        with finder.attach(
            engine,
            {"model": job.model, "optimizer": optimizer},
            start_lr=START_LR,
            end_lr=END_LR,
            num_iter=job.steps,
            diverge_th=_NEVER,
        ) as trainer:
            trainer.run(job.loader, max_epochs=1, epoch_length=job.steps)

    return run


def lightning_parts(job: Job, **options: Any) -> tuple[Any, Any]:
    """A Trainer without loggers and bars, and a module around the job's model."""
    pl = importlib.import_module("pytorch_lightning")

    class Module(pl.LightningModule):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.model, self.lr = job.model, START_LR

        def training_step(self, batch: Any, _: int) -> Any:
            x, y = batch
            return job.criterion(self.model(x), y)

        def configure_optimizers(self) -> Any:
            return job.optimizer()

    quiet = ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary")
    trainer = pl.Trainer(
        accelerator="cpu", devices=1, default_root_dir=folder(), **dict.fromkeys(quiet, False), **options
    )
    return trainer, Module()


def lightning_fit(job: Job) -> Run:
    """Lightning's own loop."""
    trainer, module = lightning_parts(job, max_steps=job.steps)
    return lambda: trainer.fit(module, train_dataloaders=job.loader)


def lightning(job: Job) -> Run:
    """Lightning's tuner."""
    from pytorch_lightning.tuner import Tuner

    trainer, module = lightning_parts(job, max_epochs=10)
    return lambda: Tuner(trainer).lr_find(
        module,
        train_dataloaders=job.loader,
        min_lr=START_LR,
        max_lr=END_LR,
        num_training=job.steps,
        early_stop_threshold=None,
    )


def _learner(job: Job) -> Any:
    import fastai.callback.schedule  # noqa: F401  adds lr_find to a Learner
    from fastai.data.core import DataLoaders
    from fastai.learner import Learner
    from fastai.optimizer import OptimWrapper

    def optimizer(_: Any, **__: Any) -> Any:
        return OptimWrapper(opt=job.optimizer())

    return Learner(
        DataLoaders(job.loader, job.loader), job.model, loss_func=job.criterion, opt_func=optimizer, path=folder()
    )


def fastai_fit(job: Job) -> Run:
    """The own loop of fastai, stopped after the steps."""
    from fastai.callback.core import Callback, CancelFitException

    class Stop(Callback):  # type: ignore[misc]
        order = 60

        def after_batch(self) -> None:
            if self.train_iter >= job.steps:
                raise CancelFitException

    learner = _learner(job)

    def run() -> None:
        with learner.no_bar(), learner.no_logging():
            learner.fit(1, lr=START_LR, cbs=[Stop()])

    return run


def fastai(job: Job) -> Run:
    """The lr_find of fastai."""
    learner = _learner(job)

    def run() -> None:
        with learner.no_bar():
            learner.lr_find(start_lr=START_LR, end_lr=END_LR, num_it=job.steps, stop_div=False, show_plot=False)

    return run
