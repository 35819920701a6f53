"""What optimizers tell about a training: their kind, momentum and weight decay, and the steps that they have taken."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch.optim import Optimizer

from lrrange_torch.optimizer.momentum import momentum_of
from lrrange_torch.optimizer.rates import groups_of
from lrrange_torch.wrappers import wrapped_in

# The kind of each class, by its name in lower case. A subclass is of the kind of its nearest base that is listed, so
# none of these packages has to be imported: torch, Apex, bitsandbytes, DeepSpeed, schedulefree, timm, torchao,
# transformers, and the repositories of Lion, Adan, ADOPT, AdaBelief, AdEMAMix, LaProp, MADGRAD and Muon.
_KINDS = {
    "sgd": "sgd sgdw sgdp asgd sgdschedulefree",
    "adam": (
        "adam adamw nadam nadamw radam adamax amsgrad sparseadam adamp adamwschedulefree radamschedulefree adan "
        "adopt adabelief ademamix laprop adahessian"
    ),
    "rmsprop": "rmsprop rmsproptf",
    "adagrad": "adagrad madgrad",
    "adadelta": "adadelta",
    "adafactor": "adafactor adafactorbigvision",
    "sign": "rprop lion signsgd signum",
    "muon": "muon muonwithauxadam",
    "lbfgs": "lbfgs lbfgsnew",
}
_KIND_OF = {name: kind for kind, names in _KINDS.items() for name in names.split()}

# What packages put around the name of an optimizer that they compute in another way: `PagedAdamW8bit`, `FusedLion`.
_PREFIXES = ("paged", "fused", "deepspeedcpu", "cpu", "distributed", "dist", "singledevice")
_SUFFIXES = ("8bit", "4bit", "32bit", "fp8", "legacy", "mini")

# An optimizer of these kinds keeps something for each parameter from its first step on. Plain SGD keeps nothing.
_STATEFUL = ("adam", "rmsprop", "adagrad", "adadelta", "adafactor", "sign", "muon", "lbfgs")

# Where optimizers that count their steps for all parameters of a group together keep the count.
_GROUP_COUNTS = ("step", "k")

# What is in the state of a parameter only if it has been updated.
_TRACES = ("momentum_buffer", "exp_avg", "square_avg", "n_iter")


def facts_of(optimizers: Sequence[Optimizer]) -> dict[str, Any]:
    """Return what is known of a training from its optimizers, for `facts()` of a backend.

    Args:
        optimizers: all that step in it. Of several, the one that holds the most numbers counts. It is looked for inside
            a wrapper such as Lookahead or SAM, if the wrapper itself is of no known kind.
    Returns: `optimizer`, `momentum`, `weight_decay` and `steps_taken` of `lrrange.TrainingFacts`, without those that
        are not known.
    Cost: on a device, waits for it once per parameter whose steps are counted in a tensor there.
    """
    if not optimizers:
        return {}
    main = max(optimizers, key=_size)  # the first of several of one size
    kind, source = _kind_and_source(main)
    group = max(source.param_groups, key=_group_size, default={})
    facts: dict[str, Any] = {"optimizer": kind, "steps_taken": _steps_taken(optimizers, source, kind)}
    if kind is not None:
        facts["momentum"] = momentum_of(group)
        decay = group.get("weight_decay")
        facts["weight_decay"] = float(decay) if isinstance(decay, (int, float)) else None
    return {name: value for name, value in facts.items() if value is not None}


def kind_of(optimizer: Optimizer) -> str | None:
    """Return the kind of an optimizer by the names of its class and of the classes it derives from; None if unknown."""
    for cls in type(optimizer).__mro__:
        kind = _KIND_OF.get(_plain_name(cls.__name__))
        if kind is not None:
            return kind
    return None


def _plain_name(name: str) -> str:
    """Return the name of an optimizer's class without what says only how it is computed."""
    name = name.lower().replace("_", "")
    while name not in _KIND_OF:
        shorter = name
        for prefix in _PREFIXES:
            shorter = shorter.removeprefix(prefix)
        for suffix in _SUFFIXES:
            shorter = shorter.removesuffix(suffix)
        if shorter == name:
            break
        name = shorter
    return name


def _kind_and_source(optimizer: Optimizer) -> tuple[str | None, Optimizer]:
    """Return the kind, and the optimizer that has it: this one or one inside it."""
    for member in (optimizer, *(inside for _, inside in wrapped_in(optimizer))):
        kind = kind_of(member)
        if kind is not None:
            return kind, member
    return None, optimizer


def _size(optimizer: Optimizer) -> int:
    return sum(map(_group_size, optimizer.param_groups))


def _group_size(group: dict[str, Any]) -> int:
    sized = (each for each in group["params"] if not isinstance(each, torch.nn.parameter.UninitializedParameter))
    return sum(parameter.numel() for parameter in sized)


def _steps_taken(optimizers: Sequence[Optimizer], source: Optimizer, kind: str | None) -> int | None:
    """Return how many updates are in the state of the optimizers; None if they keep none that would show."""
    members = [
        member for optimizer in optimizers for member in (optimizer, *(inside for _, inside in wrapped_in(optimizer)))
    ]
    counts = [count for member in members for count in _counts(member)]
    if counts:
        return max(counts)
    keeps = kind in _STATEFUL or (kind == "sgd" and any(momentum_of(group) for group in source.param_groups))
    return 0 if keeps else None


def _counts(optimizer: Optimizer) -> Iterator[int]:
    """Yield every number of steps that the optimizer's state shows, at least 1 for a trace of any step."""
    groups = [group for _, group in groups_of([optimizer])]
    values = [group[key] for group in groups for key in _GROUP_COUNTS if key in group]
    for state in optimizer.state.values():
        if not isinstance(state, dict):
            continue
        if "step" in state:
            values.append(state["step"])
        elif any(state.get(trace) is not None for trace in _TRACES):
            yield 1
    for value in values:
        one = value.numel() == 1 if isinstance(value, torch.Tensor) else type(value) in (int, float)
        if one and math.isfinite(count := float(value)):
            yield int(count)
