"""What several runs must be like for their passes to be batched."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import attrs
import torch
from torch import nn
from torch.optim import Optimizer
from torch.utils.data import DataLoader

from lrrange_torch.objective import Objective
from lrrange_torch.snapshot.copy_on_write import steps_alone


class CannotBatch(Exception):
    """Why runs cannot be taken together, or why that does not pay."""


@attrs.frozen(kw_only=True)
class Parts:
    """What a run is made of.

    Args:
        model, optimizer, loader: as the user gave them.
        objective: the loss of a batch, and what is recorded of it.
        ratios: of the rate, for each param group.
        accumulate, clip_norm: see `lrrange_torch.loader_step.LoaderStep`.
        obstacle: what the step does besides, which cannot be batched; None for nothing.
    """

    model: nn.Module
    optimizer: Optimizer
    loader: Iterable[Any]
    objective: Objective
    ratios: tuple[float, ...]
    accumulate: int
    clip_norm: float | None
    obstacle: str | None

    @property
    def trained(self) -> dict[str, nn.Parameter]:
        """Parameters that get a gradient, by name."""
        return {name: one for name, one in self.model.named_parameters() if one.requires_grad}

    @property
    def nbytes(self) -> int:
        """Bytes of the trained parameters, of as many gradients, and of the optimizer's state as it is now."""
        state = (value for held in self.optimizer.state.values() for value in held.values())
        return 2 * sum(one.nbytes for one in self.trained.values()) + sum(
            value.nbytes for value in state if isinstance(value, torch.Tensor)
        )


def why_not_batched(parts: Parts) -> str | None:
    """Why runs of this training must be taken one after another, as far as can be seen from here; None for nothing."""
    if parts.obstacle is not None:
        return parts.obstacle
    kind = type(parts.optimizer)
    if getattr(torch.optim, kind.__name__, None) is not kind:
        return f"{kind.__name__} is not one of PyTorch's own optimizers"
    if not steps_alone(parts.optimizer):
        return "the optimizer's steps have hooks"
    trained = {id(one) for one in parts.trained.values()}
    held = [one for group in parts.optimizer.param_groups for one in group["params"]]
    if not all(id(one) in trained for one in held if one.requires_grad):
        return "the optimizer holds parameters that are not the model's"
    if any(one._backward_hooks or getattr(one, "_post_accumulate_grad_hooks", None) for one in held):
        return "a parameter has hooks on its gradient"
    return next((reason for module in parts.model.modules() if (reason := _why_not(module)) is not None), None)


def _why_not(module: nn.Module) -> str | None:
    name = type(module).__name__
    if hasattr(module, "_orig_mod") or getattr(module, "_compiled_call_impl", None) is not None:
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


def why_not_alike(one: Parts, other: Parts) -> str | None:
    """Why two trainings cannot share their passes, as far as can be seen from here; None for nothing."""
    if [(name, p.shape, p.dtype, p.device, p.requires_grad) for name, p in one.model.named_parameters()] != [
        (name, p.shape, p.dtype, p.device, p.requires_grad) for name, p in other.model.named_parameters()
    ] or _settings(one.model) != _settings(other.model):
        return "the models differ"
    if type(one.optimizer) is not type(other.optimizer):
        return "the optimizers are of different kinds"
    if one.accumulate != other.accumulate or one.objective.autocast != other.objective.autocast:
        return "the steps are made of different numbers of batches or in different precision"
    if not one.objective.is_like(other.objective):
        return "the loss functions differ"
    return None


def _settings(model: nn.Module) -> list[tuple[str, type[nn.Module], dict[str, str]]]:
    """Of what kind its modules are, and how they print what they hold besides weights and buffers; hooks, say."""
    apart = ("_parameters", "_buffers", "_modules")
    return [
        (name, type(module), {key: _printed(value) for key, value in vars(module).items() if key not in apart})
        for name, module in model.named_modules()
    ]


def _printed(value: Any) -> str:
    prints_itself: object = type(value).__repr__
    if prints_itself is not object.__repr__:
        return repr(value)
    # Which would print an address, by which no two are alike.
    return f"{type(value)} {vars(value) if hasattr(value, '__dict__') else ''}"


def starts_workers(loader: object) -> bool:
    """Whether an iterator of this loader starts processes."""
    return isinstance(loader, DataLoader) and loader.num_workers > 0


def distinct(values: Sequence[Any], key: Callable[[Any], Any] = id) -> list[Any]:
    """Each once, in their order."""
    return list({key(value): value for value in values}.values())
