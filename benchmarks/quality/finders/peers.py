"""The other learning-rate finders, each called as its documentation shows, with its own defaults.

A package is imported when its finder runs; they come with `pip install 'lrrange[bench]'`.
"""

import functools
import importlib
import logging
import tempfile
import warnings
from collections.abc import Callable
from typing import Any

import torch

from benchmarks.quality.finders.registry import Answer, MeteredTask, finder, shared


@functools.cache
def _silence() -> None:
    """Ignore warnings, and draw figures without a screen."""
    warnings.filterwarnings("ignore")
    importlib.import_module("matplotlib").use("Agg")


@shared
def _fastai(task: MeteredTask, seed: int, num_it: int) -> dict[str, Any]:
    """Run one sweep. The four suggestion functions read the same sweep, as they do in fastai."""
    _silence()
    from fastai.callback.progress import ProgressCallback
    from fastai.callback.schedule import minimum, slide, steep, valley
    from fastai.data.core import DataLoaders
    from fastai.learner import Learner
    from fastai.optimizer import OptimWrapper

    def guarded(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            try:
                return function(*args, **kwargs)
            except Exception as error:  # an error in one function must not lose the other three answers
                return error, None

        return call

    problem = task.build(seed)

    def optimizer(_: Any, lr: float, **__: Any) -> Any:
        return OptimWrapper(opt=problem.optimizer(lr))

    with tempfile.TemporaryDirectory() as folder:
        loaders = DataLoaders(problem.loader(), problem.loader())
        learn = Learner(loaders, problem.model, loss_func=problem.criterion, opt_func=optimizer, path=folder)
        learn.remove_cbs(learn._grab_cbs(ProgressCallback))
        functions = tuple(guarded(function) for function in (valley, slide, minimum, steep))
        return learn.lr_find(num_it=num_it, suggest_funcs=functions, show_plot=False)._asdict()


def _fastai_finder(function: str, num_it: int = 100) -> None:
    @finder(f"fastai_{function}" + ("" if num_it == 100 else f"_{num_it}"), "fastai")
    def suggest(task: MeteredTask, seed: int) -> Answer:
        answer = _fastai(task, seed, num_it)[function]
        if isinstance(answer, Exception):
            raise answer
        return Answer.one_rate(answer)


for _name in ("valley", "slide", "steep", "minimum"):
    _fastai_finder(_name)
    _fastai_finder(_name, 200)  # as many steps as lrrange takes, which is not fastai's default


@finder("lightning", "pytorch-lightning")
def lightning(task: MeteredTask, seed: int) -> Answer:
    """Run PyTorch Lightning's `Tuner.lr_find`."""
    _silence()
    import pytorch_lightning as pl
    from pytorch_lightning.tuner import Tuner

    logging.getLogger("pytorch_lightning").setLevel(logging.CRITICAL)
    problem = task.build(seed)

    class Module(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net, self.lr = problem.model, task.default_lr

        def training_step(self, batch: Any, _: int) -> torch.Tensor:
            x, y = batch
            return problem.criterion(self.net(x), y)

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return problem.optimizer(self.lr)

    with tempfile.TemporaryDirectory() as folder:
        trainer = pl.Trainer(
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=folder,
        )
        lr_finder = Tuner(trainer).lr_find(Module(), train_dataloaders=problem.loader())
        return Answer.one_rate(None if lr_finder is None else lr_finder.suggestion())


@finder("torch_lr_finder", "torch-lr-finder")
def torch_lr_finder(task: MeteredTask, seed: int) -> Answer:
    """Run torch-lr-finder's `LRFinder.range_test`, and return the rate that its plot suggests."""
    _silence()
    import matplotlib.pyplot as plt
    from torch_lr_finder import LRFinder

    problem = task.build(seed)
    lr_finder = LRFinder(problem.model, problem.optimizer(1e-7), problem.criterion)
    lr_finder.range_test(problem.loader(), end_lr=10, num_iter=100)
    figure, axis = plt.subplots()
    try:
        return Answer.one_rate(lr_finder.plot(ax=axis)[1])
    finally:
        plt.close(figure)


@finder("ignite", "pytorch-ignite")
def ignite(task: MeteredTask, seed: int) -> Answer:
    """Run Ignite's `FastaiLRFinder`."""
    _silence()
    from ignite.engine import create_supervised_trainer
    from ignite.handlers import FastaiLRFinder

    problem = task.build(seed)
    optimizer = problem.optimizer(1e-7)
    trainer = create_supervised_trainer(problem.model, optimizer, problem.criterion)
    lr_finder = FastaiLRFinder()
    to_save = {"model": problem.model, "optimizer": optimizer}
    with lr_finder.attach(trainer, to_save, num_iter=100, end_lr=10.0) as attached:
        attached.run(problem.loader())
    return Answer.one_rate(lr_finder.lr_suggestion())


@finder("monai", "monai")
def monai(task: MeteredTask, seed: int) -> Answer:
    """Run MONAI's `LearningRateFinder`."""
    _silence()
    from monai.optimizers import LearningRateFinder

    problem = task.build(seed)
    lr_finder = LearningRateFinder(problem.model, problem.optimizer(1e-7), problem.criterion, verbose=False)
    lr_finder.range_test(problem.loader(), end_lr=10, num_iter=100)
    return Answer.one_rate(lr_finder.get_steepest_gradient()[0])
