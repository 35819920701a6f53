"""The other learning-rate finders, and the training loops of their frameworks.

Each is called as its documentation shows, with early stopping off. A package is imported when its variant runs; they
come with `pip install 'lrrange[bench]'`.
"""

import functools
import importlib
import tempfile
from typing import Any

from benchmarks.overhead.variants.bare_loops import END_LR, START_LR, Run
from benchmarks.overhead.workloads import Job

# A ratio to the best loss that no loss here reaches.
_NEVER = 1e9


@functools.cache
def folder() -> str:
    """Return a temporary folder for the files of frameworks. It is removed when the process ends."""
    temporary = tempfile.TemporaryDirectory(prefix="overhead-")
    _folders.append(temporary)
    return temporary.name


# Keeps the folder until then.
_folders: list[Any] = []


def torch_lr_finder(job: Job) -> Run:
    """Run `LRFinder.range_test` of torch-lr-finder, and reset."""
    from torch_lr_finder import LRFinder

    optimizer = job.optimizer()

    def run() -> None:
        finder = LRFinder(job.model, optimizer, job.criterion, device="cpu")
        finder.range_test(job.loader, start_lr=START_LR, end_lr=END_LR, num_iter=job.steps, diverge_th=_NEVER)
        finder.reset()

    return run


def monai(job: Job) -> Run:
    """Run MONAI's port of torch-lr-finder."""
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
    """Train in Ignite without a sweep."""
    engine = _engine(job, job.optimizer())
    return lambda: engine.run(job.loader, max_epochs=1, epoch_length=job.steps)


def ignite(job: Job) -> Run:
    """Run Ignite's `FastaiLRFinder`."""
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
    """Return a Trainer without logger and progress bar, and a module with the job's model."""
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

    off = ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary")
    trainer = pl.Trainer(
        accelerator="cpu", devices=1, default_root_dir=folder(), **dict.fromkeys(off, False), **options
    )
    return trainer, Module()


def lightning_fit(job: Job) -> Run:
    """Train in Lightning without a sweep."""
    trainer, module = lightning_parts(job, max_steps=job.steps)
    return lambda: trainer.fit(module, train_dataloaders=job.loader)


def lightning(job: Job) -> Run:
    """Run Lightning's `Tuner.lr_find`."""
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
    """Train in fastai without a sweep, and stop after the job's steps."""
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
    """Run fastai's `Learner.lr_find`."""
    learner = _learner(job)

    def run() -> None:
        with learner.no_bar():
            learner.lr_find(start_lr=START_LR, end_lr=END_LR, num_it=job.steps, stop_div=False, show_plot=False)

    return run
