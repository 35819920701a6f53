"""Mistakes of new users: what was typed, and what must be in the error that comes.

Names in the code are those of `workplace`. An error class is named as in `lrrange.errors`, or is a builtin one.
"""

import attrs


@attrs.frozen
class Mistake:
    """A line of code that is wrong, and the error that it must raise.

    Args:
        typed: the code.
        error: name of the class of the error.
        says: words that the message must have.
        never: words that it must not have.
    """

    typed: str
    error: str
    says: tuple[str, ...]
    never: tuple[str, ...] = ()


def _option(typed: str, *says: str, never: tuple[str, ...] = ()) -> Mistake:
    return Mistake(typed, "OptionError", says, never)


def _plan(typed: str, *says: str) -> Mistake:
    return Mistake(typed, "PlanError", says)


def _target(typed: str, *says: str, never: tuple[str, ...] = ()) -> Mistake:
    return Mistake(typed, "TargetError", says, never)


OPTIONS = (
    _option("find_lr(model, num_it=100, **good)", "num_it= is called num_steps= here"),  # fastai
    _option("find_lr(model, stop_div=False, **good)", "divergence=", "None never stops early"),
    _option("find_lr(model, suggest_funcs=['valley'], **good)", "heuristic="),
    _option("find_lr(model, show_plot=True, **good)", "result.plot()"),
    _option("find_lr(model, min_lr=1e-5, max_lr=1, **good)", "called start_lr=", "called end_lr="),  # Lightning
    _option("find_lr(model, num_training=100, **good)", "called num_steps="),
    _option("find_lr(model, num_training_steps=100, **good)", "called num_steps="),
    _option("find_lr(model, mode='exponential', **good)", "called shape="),
    _option("find_lr(model, early_stop_threshold=None, **good)", "called divergence="),
    _option("find_lr(model, attr_name='lr', **good)", "result.apply(model)"),
    _option("find_lr(model, update_attr=True, **good)", "result.apply(model)"),
    _option("find_lr(model, num_iter=100, **good)", "called num_steps="),  # torch-lr-finder, Ignite and MONAI
    _option("find_lr(model, step_mode='exp', **good)", "called shape=", "'exponential'"),
    _option("find_lr(model, smooth_f=0.05, **good)", "called smoothing="),
    _option("find_lr(model, diverge_th=5, **good)", "called divergence="),
    _option("find_lr(model, accumulation_steps=4, **good)", "called accumulate="),
    _option("find_lr(model, device='cuda', **good)", "model.to(device)"),
    _option("find_lr(model, memory_cache=False, **good)", "called snapshot=", "'cpu'"),
    _option("find_lr(model, amp=True, **good)", "called autocast="),
    _option("find_lr(model, image_extractor=len, **good)", "batch_form='whole'"),
    _option("find_lr(model, to_save={}, **good)", "called restore="),
    _option("find_lr(model, steps_per_epoch=10, epochs=3, **good)", "num_steps=", "train_epochs="),  # Keras
    _option("find_lr(model, beta=0.98, **good)", "called smoothing="),
    _option("find_lr(model, learning_rate=1e-3, **good)", "what the test looks for"),  # transformers
    _option("find_lr(model, train_dataset=dataset, **good)", "loader=DataLoader("),
    _option("find_lr(model, max_grad_norm=1.0, **good)", "called clip_norm="),
    _option("find_lr(model, gradient_accumulation_steps=2, **good)", "called accumulate="),
    _option("find_lr(model, data_collator=len, **good)", "the loader has it"),
    _option("find_lr(model, lr=0.1, **good)", "start_lr= and end_lr="),  # PyTorch
    _option("find_lr(model, weight_decay=0.1, **good)", "the optimizer has it"),
    _option("find_lr(model, batch_size=16, **good)", "the loader has it"),
    _option("find_lr(model, lr_scheduler=scheduler, **good)", "called scheduler="),
    _option("find_lr(model, end_rl=1, **good)", "Did you mean end_lr=?", never=("The options",)),
    _option("find_lr(model, heuristics='valley', **good)", "Did you mean heuristic=?"),
    _option("find_lr(model, optimzer=optimizer, losss_fn=loss_fn, loader=loader)", "optimizer=?", "loss_fn=?"),
    _option(
        "find_lr(model, opt=optimizer, criterion=loss_fn, train_loader=loader)", "optimizer=", "loss_fn=", "loader="
    ),
    _option("find_lr(model, num_iter=100)", "called num_steps=", "optimizer=, loss_fn= and loader= are missing"),
    _option("find_lr(model, start_lr=10, mx_lr=100, **good)", "mx_lr=", "end_lr=", never=("not above",)),
    _option("find_lr(model, num_iter='100', start_lr='a', **good)", "called num_steps=", never=("not a number",)),
    _option("find_lr(model, colour=1, **good)", "colour= is unknown here", "num_steps=", "loader=", "confirm="),
    _option("find_lr(model)", "optimizer=, loss_fn= and loader= are missing", "find_lr(model, optimizer="),
    _option("find_lr(model, optimizer=optimizer, loader=loader)", "loss_fn= is missing", "find_lr(model, optimizer="),
    _option("find_lr(step, optimizer=optimizer)", "restore= is missing", "find_lr(step, optimizer="),
    _option("find_lr(step, **good)", "loader= is not an option", "find_lr(model, optimizer="),
    _option("find_lr(trainer)", "model= is missing", "find_lr(trainer, model=model"),
    _option("find_lr(trainer, model=module, dataloader=loader)", "called train_dataloaders="),
    _option("find_lr(trainer, model=module, loader=loader)", "called train_dataloaders="),
    _option("find_lr(trainer, model=module, loss_fn=loss_fn)", "training_step of the module"),
    _option("grid(make, {'momentum': [0, 0.9]}, num_iter=60)", "called num_steps="),
    _option("grid(lambda momentum: (model, {'opt': 1}), {'momentum': [0]})", "called optimizer=", "loss_fn="),
    _option("grid(make, setting={'momentum': [0]})", "Did you mean settings=?"),
    _option("compare(make_run, [0.1], num_steps=10)", "called steps="),
    _option("compare(make_run, [0.1], steps=10, n_repeats=3)", "called repeats="),
    _option("result.apply(optimizer, learning_rate=0.1)", "called lr="),
    _option("LRRangeTest(num_training_steps=100)", "called num_steps="),
    _option("LRRangeTest(min_lr=1e-5, max_lr=1)", "called start_lr=", "called end_lr="),
    _option("VerifyRate(0.1, num_steps=3)", "called steps="),
    _option("verify(optimizer, 0.1, num_steps=3)", "called steps="),
    _option("lrrange.one_cycle(result, total_steps=10, pct=0.3)", "pct_start="),
    _option("lrrange.make_schedule(optimizer, result, 'one_cycle', steps=9)", "total_steps="),
    _option("lrrange.make_schedule(optimizer, result, step_size_up=9)", "steps_per_half_cycle="),
    _option("lrrange.Divergence(drop=3)", "Did you mean drops=?"),
    _option("lrrange.Divergence(4)", "by name", "drops="),
    _option("lrrange.SweepPlan(1e-4, 1.0)", "by name", "start_lr="),
    _option("lrrange.Sweep(lrrange.SweepPlan(), divergance=None)", "Did you mean divergence=?"),
)

NAMES = (
    Mistake("find_lr(model, heuristic='stepest', **good)", "UnknownName", ("Did you mean 'steepest'?", "valley")),
    Mistake("find_lr(model, heuristic='fastai', **good)", "UnknownName", ("Did you mean 'valley'?",)),
    Mistake("find_lr(model, smoothing='medain', **good)", "UnknownName", ("Did you mean 'median'?",)),
    Mistake("result.with_heuristic('sliide')", "UnknownName", ("Did you mean 'slide'?",)),
    Mistake("result.range_by('smiht')", "UnknownName", ("Did you mean 'smith'?",)),
    Mistake("compare(make_run, ['onecycle'], steps=10)", "UnknownName", ("Did you mean 'one-cycle'?",)),
    Mistake("compare(make_run, ['CyclicLR'], steps=10)", "UnknownName", ("Did you mean 'clr'?",)),
    _plan("find_lr(model, shape='exp', **good)", "Did you mean 'exponential'?"),
    _option("lrrange.make_schedule(optimizer, result, 'onecycle')", "Did you mean 'one_cycle'?"),
    Mistake("find_lr(model, backend='pytorch', **good)", "BackendNotFound", ("Did you mean 'torch'?",), ("clr",)),
    Mistake("find_lr(model, backend='ignite', **good)", "BackendNotFound", ("lightning", "torch"), ("clr",)),
    Mistake("find_lr(model, backend='clr', **good)", "BackendNotFound", ("no backend", "lightning", "torch")),
    Mistake("lrrange.LRFinder", "AttributeError", ("lrrange.find_lr(",)),
    Mistake("lrrange.lr_find", "AttributeError", ("lrrange.find_lr(",)),
    Mistake("lrrange.lr_finder", "AttributeError", ("lrrange.find_lr(",)),
    Mistake("lrrange.find", "AttributeError", ("lrrange.find_lr(",)),
    Mistake("lrrange.LRRangeTest", "AttributeError", ("lrrange_lightning.LRRangeTest",)),
    Mistake("lrrange.SweepPaln", "AttributeError", ("Did you mean 'SweepPlan'?",)),
    Mistake("from lrrange import LRFinder", "ImportError", ("lrrange.find_lr(",)),
    Mistake("from lrrange import lr_find", "ImportError", ("lrrange.find_lr(",)),
    Mistake("lrrange_lightning.LearningRateFinder", "AttributeError", ("lrrange_lightning.LRRangeTest",)),
    Mistake("lrrange_torch.find_lr", "AttributeError", ("lrrange.find_lr(",)),
    Mistake("result.suggestion()", "AttributeError", ("result.lr",)),
    Mistake("result.best_lr", "AttributeError", ("result.lr",)),
    Mistake("result.suggested_lr", "AttributeError", ("result.lr",)),
    Mistake("result.history", "AttributeError", ("result.curve.loss",)),
    Mistake("result.valley", "AttributeError", ('result.with_heuristic("valley").lr',)),
    Mistake("result.aply(optimizer)", "AttributeError", ("Did you mean 'apply'?",)),
)

TARGETS = (
    _target("find_lr(module)", "rigs.Module", "find_lr(trainer, model=model, train_dataloaders=loader)"),
    _target("find_lr(module, train_loader=loader)", "find_lr(trainer, model=model, train_dataloaders=loader)"),
    _target("find_lr(Net)", "the class", "rigs.Net", "find_lr(model, optimizer="),
    _target("find_lr(Net, **good)", "the class", "rigs.Net", "find_lr(model, optimizer="),
    _target("find_lr(type(trainer), model=module)", "the class lightning.pytorch.trainer.trainer.Trainer"),
    _target("find_lr(optimizer)", "torch.optim.sgd.SGD", "find_lr(model, optimizer="),
    _target("find_lr(loader)", "torch.utils.data.dataloader.DataLoader", "find_lr(model, optimizer="),
    _target("find_lr(dataset)", "TensorDataset", "loader=DataLoader(dataset"),
    _target("find_lr(inputs)", "torch.Tensor", "find_lr(model, optimizer="),
    _target("find_lr(scheduler)", "StepLR", "scheduler=scheduler"),
    _target("find_lr(step)", "find_lr(step, optimizer=optimizer, restore=model)"),
    _target("find_lr(None)", "NoneType", "find_lr(model, optimizer="),
    _target("find_lr('resnet18', **good)", "a str"),
    _target("find_lr(result)", "result.lr"),
    _target("find_lr(datamodule)", "find_lr(trainer, model=model, datamodule=datamodule)"),
    _target(
        "find_lr(foreign('transformers.trainer', 'Trainer'))", "transformers.trainer.Trainer", "lrrange[transformers]"
    ),
    _target("find_lr(foreign('keras.src.models.model', 'Model'))", "keras.src.models.model.Model", "lrrange[keras]"),
    _target(
        "find_lr(foreign('fastai.learner', 'Learner'))",
        "fastai.learner.Learner",
        "set_lr=lambda lr: learn.opt.set_hyper",
    ),
    _target("find_lr(foreign('skorch.net', 'NeuralNet'))", "skorch.net.NeuralNet", "lrrange[sklearn]"),
    _target(
        "find_lr(foreign('accelerate.accelerator', 'Accelerator'))", "accelerate.accelerator.Accelerator", "prepare"
    ),
    _target("find_lr(foreign('ignite.engine.engine', 'Engine'))", "ignite.engine.engine.Engine", "find_lr(model, opt"),
    _option("find_lr(trainer, model=model)", "rigs.Net", "find_lr(model, optimizer="),
    _option("find_lr(trainer, model=type(module))", "the class", "rigs.Module"),
    _option("find_lr(optimizer=optimizer, loss_fn=loss_fn, loader=loader)", "target= is missing"),
    _option("find_lr(model=model, optimizer=optimizer)", "first argument"),
)

VALUES = (
    _option("find_lr(model, optimizer=loader, loss_fn=loss_fn, loader=optimizer)", "for loader=", "for optimizer="),
    _option("find_lr(model, optimizer=optimizer, loss_fn=loader, loader=loss_fn)", "for loader=", "for loss_fn="),
    _option("find_lr(model, optimizer=loss_fn, loss_fn=optimizer, loader=loader)", "for loss_fn=", "for optimizer="),
    _option("find_lr(model, loss_fn, optimizer, loader)", "for loss_fn=", "for optimizer="),
    _option("find_lr(model, loader, optimizer, loss_fn)", "for loader=", "for optimizer=", "for loss_fn="),
    _option("find_lr(model, optimizer, loss_fn, loader, 1e-5, 1)", "optimizer and loss_fn and loader", "start_lr="),
    _option("find_lr(trainer, module, loader)", "find_lr(trainer, model=model, train_dataloaders=loader)"),
    _target("find_lr(optimizer, model, loss_fn, loader)", "torch.optim.sgd.SGD", "find_lr(model, optimizer="),
    _option("find_lr(model, optimizer=torch.optim.Adam, **but('optimizer'))", "class Adam", "Call it"),
    _option("find_lr(model, optimizer=model.parameters(), **but('optimizer'))", "torch.optim.Adam(model.parameters())"),
    _option("find_lr(model, optimizer='adam', **but('optimizer'))", "torch.optim.Adam(model.parameters())"),
    _option("find_lr(model, optimizer=None, **but('optimizer'))", "optimizer= is missing"),
    _option("find_lr(model, optimizer=scheduler, **but('optimizer'))", "LR scheduler"),
    _target(
        "find_lr(model, optimizer=optimizer_of_another, **but('optimizer'))", "holds none of the 4", "model.parameters"
    ),
    _option("find_lr(model, loss_fn=torch.nn.CrossEntropyLoss, **but('loss_fn'))", "Give CrossEntropyLoss()"),
    _option("find_lr(model, loss_fn='mse', **but('loss_fn'))", "a str", "loss_fn=torch.nn.functional"),
    _option("find_lr(model, loss_fn=lambda batch: 0, **but('loss_fn'))", "(batch)", "loss_fn(outputs, targets)"),
    _option("find_lr(model, loss_fn=lambda model, batch: 0, **but('loss_fn'))", "set batch_form='whole'"),
    _option("find_lr(model, loss_fn=lambda m, c: m(c[0]).sum(), **but('loss_fn'))", "set batch_form='whole'"),
    _option("find_lr(model, metric=lambda m, c: m(c[0]).sum(), **good)", "your metric takes", "set batch_form='whole'"),
    _option("find_lr(model, batch_form='whole', **good)", "MSELoss takes (input, target)", "lambda model, batch"),
    Mistake(
        "find_lr(model, loss_fn=torch.nn.MSELoss(reduction='none'), **but('loss_fn'))", "LossError", ("loss.mean()",)
    ),
    Mistake("find_lr(model, loss_fn=lambda o, t: None, **but('loss_fn'))", "LossError", ("Return the loss",)),
    _target("find_lr(model, loader=dataset, **but('loader'))", "DataLoader(dataset, batch_size=...)"),
    _target("find_lr(model, loader=inputs, **but('loader'))", "DataLoader(TensorDataset(inputs, targets)"),
    _target("find_lr(model, loader=(inputs, targets), **but('loader'))", "DataLoader(TensorDataset(inputs, targets)"),
    _target("find_lr(model, loader=next(iter(loader)), **but('loader'))", "DataLoader(TensorDataset(inputs, targets)"),
    _target("find_lr(model, loader=type(loader), **but('loader'))", "class DataLoader", "has not been called"),
    _target("find_lr(model, loader=lambda: loader, **but('loader'))", "a function", "call it"),
    _target("find_lr(model, loader='train', **but('loader'))", "a str", "DataLoader("),
    _target("find_lr(model, loader={'x': inputs}, **but('loader'))", "a dict", "DataLoader("),
    _option("find_lr(model, loader=None, **but('loader'))", "loader= is missing"),
    _target(
        "find_lr(model, loader=[{'x': inputs, 'y': targets}], **but('loader'))", "batch_form='whole'", "batch['x']"
    ),
    _target("find_lr(model, loader=[(inputs, targets, 3)], **but('loader'))", "of length 3", "batch_form='whole'"),
    _target("find_lr(model, val_loader=dataset, **good)", "val_loader is a TensorDataset", "DataLoader("),
    _target("find_lr(model, val_loader=3, **good)", "val_loader is a int", "DataLoader("),
    _plan("find_lr(model, num_steps='100', **good)", "Give 100, without quotes"),
    _plan("find_lr(model, num_steps=100.0, **good)", "Give 100."),
    _plan("find_lr(model, start_lr='a', **good)", "start_lr='a' is not a number", "1e-3"),
    _plan("find_lr(model, start_lr=model, **good)", "start_lr=", "is not a number"),
    _plan("find_lr(model, start_lr=[1e-5, 1e-4], **good)", "is not a number"),
    _plan("find_lr(model, start_lr=0, **good)", "positive"),
    _plan("find_lr(model, start_lr=1, end_lr=0.1, **good)", "Swap them"),
    _plan("find_lr(model, repeats=2.5, **good)", "repeats=2.5 is not a whole number"),
    _plan("find_lr(model, seed='x', **good)", "seed='x' is not a whole number"),
    _plan("find_lr(model, seed=1.5, **good)", "seed=1.5 is not a whole number"),
    _plan("find_lr(model, divergence=4, **good)", "Divergence"),
    _plan("find_lr(model, non_finite_limit='3', **good)", "without quotes"),
    _plan("find_lr(model, train_steps='many', **good)", "not a whole number"),
    _option("find_lr(model, train_epochs='3', **good)", "not a positive number"),
    _option("find_lr(model, progress='yes', **good)", "progress='yes'"),
    _option("find_lr(model, confirm='yes', **good)", "confirm='yes'", "True nor False"),
    _option("find_lr(model, verify_restore=1, **good)", "verify_restore=1", "True nor False"),
    _option("find_lr(model, watchers=object(), **good)", "in a list"),
    _option("find_lr(model, watchers='tensorboard', **good)", "in a list"),
    _option("find_lr(model, reset=3, repeats=2, **good)", "reset=3", "function without arguments"),
    _option("find_lr(model, reset=lambda model: None, repeats=2, **good)", "reset=", "function without arguments"),
    _option("find_lr(model, reset=Net, repeats=2, **good)", "is a class", "in place"),
    _option("find_lr(model, heuristic=lambda a, b: 1, **good)", "(a, b)", "one Curve"),
    Mistake("find_lr(model, heuristic=3, **good)", "UnknownName", ("function of a curve", "valley")),
    Mistake("find_lr(model, smoothing=0.05, **good)", "UnknownName", ("ema, median, none",)),
    _option("find_lr(model, backend=torch, **good)", "name of a plug-in", "'torch'"),
    _option("find_lr(model, parallel=True, **good)", "'vmap'"),
    _option("find_lr(model, paired='on', **good)", "True, False, 'auto'"),
    _option("find_lr(model, autocast='bf16', **good)", "torch.bfloat16"),
    _option("find_lr(model, autocast=True, **good)", "torch.bfloat16"),
    _option("find_lr(model, grad_scaler=True, **good)", "torch.amp.GradScaler()"),
    _option("find_lr(model, scheduler='cosine', **good)", "scheduler is a str"),
    _option("find_lr(model, scheduler=type(scheduler), **good)", "class StepLR", "StepLR(optimizer"),
    _option("find_lr(model, scheduler=optimizer, **good)", "an optimizer"),
    _option("find_lr(model, accumulate='4', **good)", "accumulate='4'"),
    _option("find_lr(model, clip_norm='1', **good)", "clip_norm='1'"),
    _option("find_lr(model, metric='accuracy', **good)", "metric is a str", "lambda outputs, targets"),
    _option("find_lr(model, metric=lambda outputs: 1, **good)", "(outputs)", "metric(outputs, targets)"),
    _option("find_lr(model, snapshot='gpu', **good)", "'device', 'cpu', 'disk'"),
    _target("find_lr(model, restore='model', **good)", "restore= holds a str"),
    _option("find_lr(lambda batch: 0, optimizer=optimizer, restore=model)", "(batch)", "without arguments"),
    Mistake("find_lr(lambda: None, optimizer=optimizer, restore=model)", "LossError", ("Return the loss",)),
)

AFTERWARDS = (
    _option("result.plot('x.png')", "plot(path='x.png')"),
    _option("result.plot(3)", "plt.subplots()"),
    _option("result.apply(model)", "torch.optim.Adam(model.parameters())"),
    _option("result.apply(scheduler)", "LR scheduler", "Give its optimizer"),
    _option("result.apply(type(optimizer))", "class SGD", "has not been called"),
    _target("result.apply(None)", "result.apply(optimizer)"),
    _target("result.apply(model.parameters())", "result.apply(optimizer)"),
    _option("result.apply()", "optimizer= is missing"),
    _option("result.apply(optimizer, scheduler=optimizer)", "an optimizer"),
    _option("result.apply(optimizer, scheduler='cosine')", "scheduler is a str"),
    _plan("result.apply(optimizer, lr='x')", "lr='x' is not a number"),
    _option("result.apply(optimizer, lr=-1)", "positive"),
    _option("result.save(None)", "path of a file"),
    Mistake("result.save('/nowhere/at/all.json')", "SaveError", ("/nowhere/at/all.json", "path you can write to")),
    Mistake("load('nowhere.json')", "UnreadableFile", ("there is no file nowhere.json", "looked for in")),
    Mistake("load('/')", "UnreadableFile", ("cannot be read",)),
    _option("load(result)", "RangeTestResult", "'result.json'"),
    _option("load(3)", "path of a file"),
    _option("verify(model, result)", "torch.optim.Adam(model.parameters())"),
    _option("verify(optimizer, '0.1')", "verify(optimizer, 1e-3)"),
    _option("verify(optimizer, None)", "verify(optimizer, result)"),
    _option("verify(optimizer)", "result= is missing"),
    _option("verify(optimizer, 0.1, steps='20')", "steps='20'"),
    _option("VerifyRate('0.1')", "VerifyRate(1e-3)"),
    _option("VerifyRate(None)", "VerifyRate(1e-3)"),
    _option("VerifyRate(0.1, steps='x')", "steps='x'"),
    _option("LRRangeTest(at_epochs=3)", "at_epochs=[0]"),
    _option("LRRangeTest(100)", "heuristic=100"),
    _plan("LRRangeTest(seed='x')", "seed='x'"),
    _plan("grid(make, {'momentum': 0.9})", "[0.9]"),
    _plan("grid(make, [0, 0.9])", "{'batch_size': [16, 64]}"),
    _target("grid(model, {'momentum': [0]})", "make is a Net", "make(momentum=0)"),
    _option("grid(lambda: model, {'momentum': [0]})", "make(momentum=0) does not work"),
    _option("grid(make, {'momentum': [0]}, executor=4)", "concurrent.futures.Executor"),
    _target("compare(model, ['found'], steps=10)", "make_run is a Net", "make_run(seed=0)"),
    _plan("compare(make_run, 'found', steps=10)", "['found', 'one-cycle']"),
    _plan("compare(make_run, 0.1, steps=10)", "[0.1, 'one-cycle']"),
    _option("compare(make_run, ['found'], steps=10, result='r.json')", "lrrange.load(path)"),
    _option("compare(make_run, [0.1])", "steps= is missing"),
    _plan("compare(make_run, [0.1], steps='10')", "without quotes"),
    _plan("lrrange.Divergence(drops='a')", "drops='a' is not a number"),
    _plan("lrrange.Sweep(100)", "SweepPlan(num_steps=200)"),
    _plan("compare(make_run, {'mine': lambda: 0.1}, steps=10)", "'mine'", "function of the step"),
    _option("compare(make_run, [0.1], steps=10, path=3)", "path of a file"),
    _option("lrrange.make_schedule(optimizer)", "bounds= is missing"),
    _option("lrrange.make_schedule(result, optimizer)", "neither a RangeTestResult nor an LRRange"),
    _option("load()", "path= is missing"),
    _option("result.save()", "path= is missing"),
    _option("result.apply(optimizer, 0.1)", "by name: scheduler=, lr="),
    _option("verify(optimizer, -1)", "lr=-1"),
    _option("find_lr(trainer, model=module, datamodule=type(datamodule))", "class Data", "datamodule=Data("),
    _target("find_lr(model, loader=enumerate(loader), **but('loader'))", "int", "enumerate"),
    _plan("lrrange.LRRange(base_lr='a', max_lr=1, rule='mine', source='me')", "base_lr='a' is not a number"),
    _option("lrrange.register('torch')", "hookimpl"),
    _option("lrrange.make_schedule(model, result)", "make_schedule(optimizer, result)"),
)

RETURNED = (
    *(
        Mistake(f"find_lr(model, metric={metric}, **good)", "LossError", (says,))
        for metric, says in (
            ("lambda o, t: None", "metric returned None instead of its value"),
            ("lambda o, t: o == t", "Reduce it to one number"),
            ("lambda o, t: '0.5'", "metric returned a str, not one number"),
            ("lambda o, t: {'acc': 0.5}", "metric(outputs, targets)['acc']"),
            ("lambda o, t: (0.5, 0.6)", "metric returned a tuple, not one number"),
        )
    ),
    _option(
        "find_lr((it := Returns(tuple)), torch.optim.SGD(it.parameters()), loss_fn, loader)",
        "a tuple of 2",
        "outputs[0]",
    ),
    _option(
        "find_lr((it := Returns(Output)), torch.optim.SGD(it.parameters()), loss_fn, loader)",
        "a Output",
        "outputs.logits",
    ),
    _option(
        "find_lr((it := Returns(dict)), torch.optim.SGD(it.parameters()), loss_fn, loader)",
        "a dict",
        "outputs['logits']",
    ),
    _target("find_lr(model, optimizer, loss_fn, [(inputs.numpy(), targets.numpy())])", "torch.from_numpy(inputs)"),
    _target(
        "grid(lambda momentum: {'model': model, **good}, {'momentum': [0]})", "returned a dict", "(target, options)"
    ),
    _target("find_lr(loss_fn, optimizer, model, loader)", "MSELoss has no parameters", "The model"),
    _target("find_lr(module, trainer)", "a Trainer, and it goes first", "find_lr(trainer, model=model"),
    _target("find_lr(model.state_dict(), **good)", "collections.OrderedDict", "find_lr(model, optimizer="),
    _target("find_lr([model], **good)", "a list", "find_lr(model, optimizer="),
    _target("find_lr({'model': model}, **good)", "a dict", "find_lr(model, optimizer="),
    _option("find_lr()", "target= is missing", "find_lr(model, optimizer, loss_fn, loader)"),
    _option("find_lr(model, optimizer, loss_fn, loader, 100)", "see help(find_lr)", never=("paired=",)),
    _option("grid(make, momentum=[0, 0.9])", "settings= is missing", "grid(make, {'batch_size': [16, 64]})"),
    _option("compare(make_run)", "missing", "compare(make_run, [1e-3, 'found', 'one-cycle'], steps=1000)"),
    _option("compare(make_run, [0.1], epochs=3)", "called steps=", "times the number of batches"),
    _option("compare(make_run, [0.1], steps=10, seeds=3)", "called repeats=", never=("sweeps",)),
    _plan("compare(make_run, result, steps=10)", "policies=['found', 'one-cycle'] and result=result"),
    _plan("compare([0.1], make_run, steps=10)", "The function goes first"),
    _option("result.plot(path=3)", "path is a int", "path='lr.png'"),
    _option("result.with_heuristic()", "with_heuristic('valley')"),
    _option("result.read_from()", "read_from('loss')"),
    _option("result.summary(True)", "by name: verbose=, width="),
    _option("result.summary(verbosity=2)", "Did you mean verbose=?"),
    _option("result.to_pandas('frame')", "takes nothing without a name, and was given 1 value."),
    *(
        Mistake(typed, "TypeError", ("a RangeTestResult is not a number. Its learning rate is result.lr.",))
        for typed in (
            "torch.optim.Adam(model.parameters(), lr=result)",
            "torch.optim.SGD(model.parameters(), lr=result / 10)",
            "float(result)",
            "f'{result:.2e}'",
            "find_lr(model, start_lr=1e-7, end_lr=10 * result, **good)",
        )
    ),
    *(
        Mistake(typed, "AttributeError", (says,))
        for typed, says in (
            ("lrrange.torch.verify(optimizer, result)", "import lrrange_torch"),
            ("result.suggest()", "Here it is result.lr"),
            ("result.to_dataframe()", "result.to_pandas()"),
            ("result.range.min_lr", "range.base_lr"),
            ("result.range.max", "range.max_lr"),
            ("result.range.base", "range.base_lr"),
            ("result.curve.lrs", "curve.lr"),
            ("result.curve.losses", "curve.loss"),
            ("result.curve.plot()", "result.plot()"),
            ("result.curve.smoothd", "Did you mean 'smoothed'?"),
            ("a_grid.results", "grid.cells"),
            ("a_grid.best", "print(grid)"),
            ("a_grid.lr", "cell.result.lr for cell in grid.cells"),
            ("a_comparison.best", "comparison.winner"),
            ("a_comparison.results", "comparison.runs"),
            ("a_comparison.to_dataframe()", "to_pandas()"),
        )
    ),
)

MISTAKES = (*OPTIONS, *NAMES, *TARGETS, *VALUES, *AFTERWARDS, *RETURNED)
