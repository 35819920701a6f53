"""The optimizers of the bank: those of PyTorch, and short forms of Lion and Muon, which it lacks or has in part."""

from collections.abc import Callable, Iterable
from typing import Any

import attrs
import torch
from torch import nn
from torch.optim import SGD, Adafactor, Adagrad, Adam, AdamW, NAdam, Optimizer, RAdam, RMSprop

Closure = Callable[[], Any] | None


def _evaluate(closure: Closure) -> Any:
    """Return the loss of a closure that evaluates the model, as Lightning's does; None without a closure."""
    if closure is None:
        return None
    with torch.enable_grad():
        return closure()


class Lion(Optimizer):
    """The sign of an interpolated momentum, with decoupled weight decay.

    Source: Chen et al. 2023, "Symbolic Discovery of Optimization Algorithms" (arXiv:2302.06675), algorithm 2.
    """

    def __init__(self, params: Any, lr: float, betas: tuple[float, float] = (0.9, 0.99), weight_decay: float = 0.0):
        super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Closure = None) -> Any:
        """Update the parameters, and return the loss that the closure returns."""
        loss = _evaluate(closure)
        for group in self.param_groups:
            first, second = group["betas"]
            for p in group["params"]:
                if p.grad is None:
                    continue
                average = self.state[p].setdefault("exp_avg", torch.zeros_like(p))
                p.mul_(1 - group["lr"] * group["weight_decay"])
                p.sub_(group["lr"] * (first * average + (1 - first) * p.grad).sign())
                average.lerp_(p.grad, 1 - second)
        return loss


class Muon(Optimizer):
    """Orthogonalised momentum for matrices, and Adam for all other parameters, at one rate.

    Source: Jordan et al. 2024, "Muon"; the factor that makes Adam's rates fit is that of Liu et al. 2025, "Muon is
        Scalable for LLM Training" (arXiv:2502.16982), equation 4.
    """

    def __init__(self, params: Any, lr: float, momentum: float = 0.95, weight_decay: float = 0.0):
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Closure = None) -> Any:
        """Update the parameters, and return the loss that the closure returns."""
        loss = _evaluate(closure)
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                p.mul_(1 - group["lr"] * group["weight_decay"])
                update = self._matrix(p, group["momentum"]) if p.ndim == 2 else self._other(p)
                p.sub_(group["lr"] * update)
        return loss

    def _matrix(self, p: torch.Tensor, momentum: float) -> torch.Tensor:
        average = self.state[p].setdefault("momentum_buffer", torch.zeros_like(p))
        average.mul_(momentum).add_(p.grad)
        x = p.grad + momentum * average
        x = x / (x.norm() + 1e-7)
        tall = x.shape[0] > x.shape[1]
        x = x.T if tall else x
        for _ in range(5):  # Newton-Schulz
            square = x @ x.T
            x = 3.4445 * x + (-4.7750 * square + 2.0315 * square @ square) @ x
        return (x.T if tall else x) * 0.2 * max(p.shape) ** 0.5

    def _other(self, p: torch.Tensor) -> torch.Tensor:
        state = self.state[p]
        if not state:
            state.update(step=0, exp_avg=torch.zeros_like(p), exp_avg_sq=torch.zeros_like(p))
        state["step"] += 1
        state["exp_avg"].lerp_(p.grad, 0.1)
        state["exp_avg_sq"].mul_(0.999).addcmul_(p.grad, p.grad, value=0.001)
        second = (state["exp_avg_sq"] / (1 - 0.999 ** state["step"])).sqrt()
        return state["exp_avg"] / (1 - 0.9 ** state["step"]) / (second + 1e-8)


@attrs.frozen
class Recipe:
    """An optimizer with its options, as a user would write it.

    Args:
        name: for the names of tasks.
        kind: the family that is held out as a whole.
        make: the class.
        default_lr: the rate that users commonly give to it.
        options: its other arguments.
    """

    name: str
    kind: str
    make: Callable[..., Optimizer] = attrs.field(repr=False)
    default_lr: float
    options: dict[str, Any] = attrs.field(factory=dict)

    def __call__(self, parameters: Iterable[nn.Parameter], lr: float, **more: Any) -> Optimizer:
        """Return an optimizer of these parameters."""
        return self.make([p for p in parameters if p.requires_grad], lr=lr, **self.options, **more)


RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        Recipe("sgd", "sgd", SGD, 0.1, {"fused": True}),
        Recipe("momentum", "momentum", SGD, 0.03, {"momentum": 0.9, "fused": True}),
        Recipe("nesterov", "momentum", SGD, 0.03, {"momentum": 0.9, "nesterov": True, "fused": True}),
        Recipe("adam", "adam", Adam, 1e-3, {"fused": True}),
        Recipe("adamw", "adam", AdamW, 1e-3, {"weight_decay": 0.05, "fused": True}),
        Recipe("adam_short", "adam", Adam, 1e-3, {"betas": (0.9, 0.95), "fused": True}),
        Recipe("nadam", "adam", NAdam, 2e-3),
        Recipe("radam", "adam", RAdam, 1e-3),
        Recipe("rmsprop", "rmsprop", RMSprop, 1e-3),
        Recipe("adagrad", "adagrad", Adagrad, 1e-2),
        Recipe("adafactor", "adafactor", Adafactor, 1e-2),
        Recipe("lion", "sign", Lion, 1e-4),
        Recipe("muon", "muon", Muon, 1e-3),
    )
}
