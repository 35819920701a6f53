"""Targets that users give and no plug-in trains: what each of them is, and the line that works."""

import types

_STEP_OF_YOUR_OWN = (
    "Give a step of your own: an object with step(lr), which sets the rate, trains one batch and returns its loss, "
    "snapshot() and restore(state); see help(lrrange.TrainingStep)"
)

_MODEL_FIRST = "find_lr(model, optimizer=optimizer, loss_fn=loss_fn, loader=loader)"

_PARTS = f"Give its parts: {_MODEL_FIRST}"
_AFTER_SETUP = f"Give what fabric.setup(...) has returned: {_MODEL_FIRST}"
_MODEL_IS_MISSING = f"The model itself goes first: {_MODEL_FIRST}"
_DATA = "It is the data of a training: find_lr(trainer, model=model, datamodule=datamodule)"
_CALLBACK = "It goes into a Trainer: Trainer(callbacks=[callback]), then find_lr(trainer, model=model)"

_STEP_FIRST = "The training step goes first: find_lr(train_step, state=state, batches=batches)"
_PARTIAL_FIT = (
    "Estimators of scikit-learn are swept if partial_fit trains them at a rate that is theirs: SGDClassifier, "
    "SGDRegressor, MLPClassifier, MLPRegressor. Then it is find_lr(estimator, X=X, y=y)"
)

# Types of Python's own, none of which is a model.
_PLAIN = ("generator", "list", "tuple", "dict", "str", "int", "float", "NoneType")


def _needs(extra: str) -> str:
    return f"Its plug-in is not ready: pip install 'lrrange[{extra}]' installs what it needs"


# What to write instead, by the top-level package and the name of the target's class, or of one of its bases.
_INSTEAD = {
    ("transformers", "Trainer"): _needs("transformers"),
    ("skorch", "NeuralNet"): _needs("sklearn"),
    ("keras", "Model"): _needs("keras"),
    ("fastai", "Learner"): (
        "Give a step: find_lr(step, set_lr=lambda lr: learn.opt.set_hyper('lr', lr), restore=learn), where step() "
        "takes one batch with learn.one_batch and returns learn.loss"
    ),
    ("ignite", "Engine"): _PARTS,
    ("monai", "Trainer"): _PARTS,
    ("composer", "Trainer"): _PARTS,
    ("accelerate", "Accelerator"): f"Give what accelerator.prepare(...) has returned: {_MODEL_FIRST}",
    ("lightning", "Fabric"): _AFTER_SETUP,
    ("lightning_fabric", "Fabric"): _AFTER_SETUP,
    ("tf_keras", "Model"): _STEP_OF_YOUR_OWN,
    ("tensorflow", "Module"): _STEP_OF_YOUR_OWN,
    ("flax", "Module"): _STEP_FIRST,
    ("flax", "TrainState"): _STEP_FIRST,
    ("equinox", "Module"): _STEP_FIRST,
    ("sklearn", "BaseEstimator"): _PARTIAL_FIT,
    ("xgboost", "Booster"): "It is not trained by steps of a gradient, at rates that rise",
    ("lightning", "LightningDataModule"): _DATA,
    ("pytorch_lightning", "LightningDataModule"): _DATA,
    ("lightning", "Callback"): _CALLBACK,
    ("pytorch_lightning", "Callback"): _CALLBACK,
    ("torch", "Optimizer"): _MODEL_IS_MISSING,
    ("torch", "LRScheduler"): (
        f"The model goes first, and this is scheduler=: {_MODEL_FIRST[:-1]}, scheduler=scheduler)"
    ),
    ("torch", "DataLoader"): _MODEL_IS_MISSING,
    ("torch", "Dataset"): (
        "The model goes first, and batches of this: find_lr(model, optimizer=optimizer, loss_fn=loss_fn, "
        "loader=DataLoader(dataset, batch_size=...))"
    ),
    ("torch", "Tensor"): _MODEL_IS_MISSING,
    ("torch", "dtype"): _MODEL_IS_MISSING,
    ("pathlib", "PurePath"): _MODEL_IS_MISSING,
    **{("builtins", name): _MODEL_IS_MISSING for name in _PLAIN},
    ("lrrange", "RangeTestResult"): (
        "It is the result of such a test already. Its rate is result.lr; result.apply(optimizer) sets it"
    ),
    ("lrrange", "Sweep"): (
        "To run your own loop, tell it the losses: while sweep.running: sweep.tell(train_step(sweep.lr))"
    ),
    ("lrrange", "SweepPlan"): "Give the target, and the plan as start_lr=, end_lr= and num_steps=",
}

_FUNCTIONS = (types.FunctionType, types.BuiltinFunctionType, types.MethodType)


def what_instead(target: object) -> str:
    """Return what to write in place of a target that nothing trains, in a sentence; empty if that is not known."""
    if isinstance(target, _FUNCTIONS):
        return (
            "A function is trained with PyTorch if its optimizer comes with it: find_lr(step, optimizer=optimizer, "
            "restore=model), where step() trains one step and returns its loss, or set_lr= in the place of "
            "optimizer=; with JAX if its state does: "
            "find_lr(step, state=state, batches=batches)."
        )
    kinds = target.__mro__ if isinstance(target, type) else type(target).__mro__
    for kind in kinds:
        known = _INSTEAD.get((kind.__module__.partition(".")[0], kind.__name__))
        if known is not None:
            return f"{known}."
    return ""
