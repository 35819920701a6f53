"""Which trainings can share batched passes, and the reasons why others cannot."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import attrs
import torch
from torch import nn
from torch.optim import Optimizer
from torch.utils.data import DataLoader

from lrrange_torch.objective import Objective
from lrrange_torch.snapshot.copy_on_write import is_compiled, steps_alone
from lrrange_torch.snapshot.digest import digest_of


class CannotBatch(Exception):
    """The reason why runs cannot be taken side by side, or why that does not pay."""


@attrs.frozen(kw_only=True)
class TrainingSetup:
    """What a training consists of.

    Args:
        model, optimizer, loader: as the user gave them.
        objective: the loss of a batch, and what is recorded of it.
        ratios: for each param group, its part of the rate.
        accumulate, clip_norm: see `lrrange_torch.loader_step.LoaderStep`.
        evaluates: whether the training has held-out data, by which it is judged after its last step.
        obstacle: what else a step does that cannot be batched; None if there is nothing.
    """

    model: nn.Module
    optimizer: Optimizer
    loader: Iterable[Any]
    objective: Objective
    ratios: tuple[float, ...]
    accumulate: int
    clip_norm: float | None
    evaluates: bool
    obstacle: str | None

    @property
    def trained(self) -> dict[str, nn.Parameter]:
        """Parameters that get a gradient, by name."""
        return {name: parameter for name, parameter in self.model.named_parameters() if parameter.requires_grad}

    @property
    def nbytes(self) -> int:
        """Bytes of the trained parameters, of their gradients, and of the optimizer's state as it is now."""
        state = (value for held in self.optimizer.state.values() for value in held.values())
        return 2 * sum(parameter.nbytes for parameter in self.trained.values()) + sum(
            value.nbytes for value in state if isinstance(value, torch.Tensor)
        )


def why_not_batched(setup: TrainingSetup) -> str | None:
    """Return why runs of this training cannot share batched passes, as far as is known yet; None if they can."""
    if setup.obstacle is not None:
        return setup.obstacle
    kind = type(setup.optimizer)
    if vars(torch.optim).get(kind.__name__) is not kind:
        return f"{kind.__name__} is not one of PyTorch's own optimizers"
    if not steps_alone(setup.optimizer):
        return "the optimizer's steps have hooks"
    trained = {id(parameter) for parameter in setup.trained.values()}
    held = [parameter for group in setup.optimizer.param_groups for parameter in group["params"]]
    if not all(id(parameter) in trained for parameter in held if parameter.requires_grad):
        return "the optimizer holds parameters that are not the model's"
    if any(p._backward_hooks or p._post_accumulate_grad_hooks for p in held):
        return "a parameter has hooks on its gradient"
    reasons = (_why_not_batched(module) for module in setup.model.modules())
    return next((reason for reason in reasons if reason is not None), None)


def _why_not_batched(module: nn.Module) -> str | None:
    name = type(module).__name__
    if is_compiled(module):
        return "the model is compiled"
    if module._backward_hooks or module._backward_pre_hooks:
        return f"a {name} has hooks on its backward pass"
    if isinstance(module, nn.parallel.DistributedDataParallel | nn.DataParallel):
        return f"the model is wrapped in {name}"
    if isinstance(module, nn.modules.dropout._DropoutNd) and module.p > 0:
        return f"{name} draws random numbers in each pass"
    if isinstance(module, nn.modules.batchnorm._NormBase) and module.track_running_stats:
        return f"{name} keeps running statistics of its batches"
    return None


def why_not_alike(setup: TrainingSetup, other: TrainingSetup) -> str | None:
    """Return why two trainings cannot share batched passes, as far as is known yet; None if they can."""
    if _parameters_of(setup.model) != _parameters_of(other.model) or (
        _attributes_of(setup.model) != _attributes_of(other.model)
    ):
        return "the models differ"
    if type(setup.optimizer) is not type(other.optimizer):
        return "the optimizers are of different kinds"
    if setup.accumulate != other.accumulate or setup.objective.autocast != other.objective.autocast:
        return "the steps are made of different numbers of batches or in different precision"
    if not same_objective(setup.objective, other.objective):
        return "the loss functions differ"
    return None


def same_objective(objective: Objective, other: Objective) -> bool:
    """Return whether two objectives compute the same from a model's outputs, as far as can be seen."""
    return (objective.whole, objective.quantity) == (other.whole, other.quantity) and all(
        function is counterpart
        or (
            isinstance(function, nn.Module)
            and type(function) is type(counterpart)
            and _digest_of(function) == _digest_of(counterpart)
        )
        for function, counterpart in ((objective.loss_fn, other.loss_fn), (objective.metric, other.metric))
    )


def _digest_of(function: object) -> list[tuple[str, Any]]:
    return list(digest_of({"loss": function}))  # because a loss function's `repr` leaves out most of its settings


def _parameters_of(model: nn.Module) -> list[tuple[Any, ...]]:
    return [(name, p.shape, p.dtype, p.device, p.requires_grad) for name, p in model.named_parameters()]


def _attributes_of(model: nn.Module) -> list[tuple[str, type[nn.Module], dict[str, str]]]:
    """Return each module's name, class, and printed attributes, such as hooks, without weights and buffers."""
    left_out = ("_parameters", "_buffers", "_modules")
    return [
        (name, type(module), {key: _printed(value) for key, value in vars(module).items() if key not in left_out})
        for name, module in model.named_modules()
    ]


def _printed(value: Any) -> str:
    prints_itself: object = type(value).__repr__
    if prints_itself is not object.__repr__:
        return repr(value)
    # That would print an address, and no two objects have the same.
    return f"{type(value)} {vars(value) if hasattr(value, '__dict__') else ''}"


def starts_workers(loader: object) -> bool:
    """Return whether an iterator of this loader starts processes."""
    return isinstance(loader, DataLoader) and loader.num_workers > 0


def distinct(values: Sequence[Any], key: Callable[[Any], Any] = id) -> list[Any]:
    """Return each value once, in their order. Of values with the same key, the last one is returned."""
    return list({key(value): value for value in values}.values())
