"""The trainings of a Trainer that cannot be swept, each with its reason."""

from typing import Any

from lrrange_torch.optimizer import groups_of, unwrap
from torch.optim import Optimizer

from lrrange.errors import TargetError

# Trainers of TRL whose loss has a mean of about zero, whatever they learn. Their progress is in the reward.
_POLICY_GRADIENT = ("GRPOTrainer", "RLOOTrainer", "A2POTrainer", "AsyncGRPOTrainer")

_IN_TRAIN = (
    "the trainer is in the middle of train(), or an error has ended it there. Inside train() use the callback "
    "lrrange_transformers.LRRangeTest. After an error make a new Trainer, or set trainer.is_in_train = False."
)


def check_trainer(trainer: Any, inside: bool = False) -> None:
    """Raise TargetError for a Trainer that cannot be swept.

    Args:
        trainer: of transformers, or of a class derived from it.
        inside: whether the sweep is to run inside of `train()`.
    """
    if trainer.is_in_train and not inside:
        raise TargetError(_IN_TRAIN)
    check_model_is_whole(trainer)
    args = trainer.args
    if args.n_gpu > 1:
        raise TargetError(
            f"the Trainer trains on {args.n_gpu} GPUs by DataParallel, whose replicas lrrange does not follow. Set "
            f"CUDA_VISIBLE_DEVICES to one of them, or start the script with torchrun.",
            strategy="DataParallel",
        )
    optim = getattr(args.optim, "value", args.optim)
    if "lomo" in optim:
        raise TargetError(
            f"optim={optim!r} updates the weights during the backward pass, at a rate that is in no param group. Sweep "
            f"with another optim, such as 'adamw_torch'.",
            kind=optim,
        )
    if "layerwise" in optim:
        raise TargetError(
            f"optim={optim!r} has one optimizer per layer, in hooks of the parameters, and the Trainer's own is a "
            f"dummy: its rate has no effect. Sweep with optim={optim.removesuffix('_layerwise')!r}.",
            kind=optim,
        )
    kind = next((base.__name__ for base in type(trainer).__mro__ if base.__name__ in _POLICY_GRADIENT), None)
    if kind is not None:
        raise TargetError(
            f"the loss of a {kind} is about zero in the mean, whatever the policy learns, so no rate can be read from "
            f"it. What it learns shows in the reward, which a sweep of the loss does not see.",
            kind=kind,
        )
    if trainer.optimizer is not None:
        check_optimizer(unwrap(trainer.optimizer, scaler="the Trainer's"))


def check_model_is_whole(trainer: Any) -> None:
    """Raise TargetError for a Trainer that spreads its model over processes."""
    for is_so, what in (
        (trainer.is_deepspeed_enabled, "DeepSpeed"),
        (trainer.is_fsdp_enabled, "FSDP"),
        (getattr(trainer.model, "is_distributed_loading_by_transformers", False), "distributed_config"),
    ):
        if is_so:
            raise TargetError(
                f"{what} spreads the model over processes, and lrrange cannot put such a model back. Sweep a smaller "
                f"model of the same kind without it, or the same one with a LoRA adapter, and set args.learning_rate.",
                strategy=what,
            )


def check_optimizer(optimizer: Optimizer) -> None:
    """Raise TargetError for an optimizer that trains nothing, or whose rate is not in its param groups."""
    if type(optimizer).__name__ == "LayerWiseDummyOptimizer":
        raise TargetError(
            "the Trainer's optimizer is a LayerWiseDummyOptimizer: the rates are in one optimizer per layer, in hooks "
            "of the parameters. Sweep with an optimizer for all layers."
        )
    for name, group in groups_of([optimizer]):
        if group.get("relative_step"):
            raise TargetError(
                f"{name} of the {type(optimizer).__name__} has relative_step=True: it computes its own rate from the "
                f"number of the step. Make it with relative_step=False and a number as lr.",
                kind=type(optimizer).__name__,
            )
    if not any(parameter.requires_grad for group in optimizer.param_groups for parameter in group["params"]):
        raise TargetError(
            f"the {type(optimizer).__name__} has no parameter that requires a gradient, so nothing is trained. Is the "
            f"whole model frozen, or the adapter loaded without is_trainable=True?"
        )
