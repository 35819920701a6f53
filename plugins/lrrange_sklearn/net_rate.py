"""Set the rate of a net of skorch as its parameter, and watch its next fits."""

import math
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from lrrange_torch.optimizer import GroupRates, RateGuard, apply_rate, same_rate, unwrap
from skorch import NeuralNet
from skorch.callbacks import LRScheduler
from torch.optim.optimizer import register_optimizer_step_pre_hook

from lrrange import RangeTestResult
from lrrange.errors import OptionError, RateNotInForce
from lrrange_sklearn.quiet_net import QuietNet, callbacks_of, optimizers_of
from lrrange_sklearn.targets import Swept

__all__ = ["NetGuard", "apply_to_net"]

# Arguments of policies that are rates themselves, and do not follow the optimizer's. The default policy has one.
_ABSOLUTE = ("max_lr", "base_lr")
_ABSOLUTE_POLICY = "WarmRestartLR"


def apply_to_net(target: Any, lr: float, result: RangeTestResult | None) -> dict[str, float]:
    """Set the rate where `initialize` reads it, so that it survives `fit`, and in the optimizer of an initialized net.

    Rates in `optimizer__param_groups` keep their ratios.

    Args:
        target: a net, or a pipeline that ends in one.
        lr: of the first param group that has a rate.
        result: the range test that it is from, by which a schedule of an `LRScheduler` gets the rate that fits it; None
            for any other rate.
    Returns: what was set, by name.
    Raises: RateNotInForce, and changes nothing, if the net makes its optimizer at another rate all the same, or an
        `LRScheduler` sets rates of its own.
    """
    if not 0 < lr < math.inf:
        raise OptionError(f"lr={lr!r} is not a positive, finite rate.", lr=lr)
    swept = Swept.of(target)
    net = swept.estimator
    lr = _rate_for_callbacks(net, lr, result)
    before = dict(vars(net))
    written = _written_at(net, lr)
    vars(net).update(written)
    try:
        made_at = _rate_of_a_new_optimizer(net)
        if not same_rate(lr, made_at):
            raise RateNotInForce(
                f"this {type(net).__name__} makes its optimizer at {made_at:.6g} when its {', '.join(written)} would "
                f"give {lr:.6g}. Let its initialize_optimizer, or what it has in optimizer=, take lr. Nothing was "
                f"changed.",
                wanted=lr,
                actual=made_at,
            )
        if net.initialized_:
            apply_rate(optimizers_of(net), lr)
    except BaseException:
        vars(net).update(before)
        raise
    rates = {name: value for name, value in written.items() if isinstance(value, float)}
    groups = written.get("optimizer__param_groups", ())
    rates |= {f"optimizer__param_groups {pattern}": group["lr"] for pattern, group in groups if "lr" in group}
    return {swept.prefix + name: float(value) for name, value in rates.items()}


def _written_at(net: NeuralNet, lr: float) -> dict[str, Any]:
    """Return the parameters of the net that give the first param group with a rate this rate, ratios kept."""
    held = vars(net)
    name = "optimizer__lr" if "optimizer__lr" in held else "lr"
    base = float(held[name])
    groups = list(held.get("optimizer__param_groups") or ())
    first = next((rate for rate in (float(group.get("lr", base)) for _, group in groups) if rate > 0), base)
    factor = lr / first if first > 0 else 1.0
    written: dict[str, Any] = {name: lr if first == base else base * factor}
    if groups:
        written["optimizer__param_groups"] = [
            (pattern, {**group, "lr": float(group["lr"]) * factor} if "lr" in group else group)
            for pattern, group in groups
        ]
    return written


def _rate_for_callbacks(net: NeuralNet, lr: float, result: RangeTestResult | None) -> float:
    """Return the rate that the net's schedule begins at, for a test that gives `lr` as the constant one.

    Raises: RateNotInForce if a schedule sets rates of its own.
    """
    for name, callback in callbacks_of(net):
        if not isinstance(callback, LRScheduler):
            continue
        policy = callback.policy if isinstance(callback.policy, str) else callback.policy.__name__
        absolute = next((each for each in _ABSOLUTE if each in callback.kwargs), None)
        if absolute is None and policy == _ABSOLUTE_POLICY:
            absolute = "max_lr"
        if absolute is not None:
            peak = lr if result is None else result.lr_for("one_cycle").lr
            raise RateNotInForce(
                f"the callback {name} sets the rates of {policy} itself, from its {absolute}, and the net's lr is not "
                f"used. Write net.set_params(callbacks__{name}__max_lr={peak:.3g}). Nothing was changed.",
                wanted=lr,
                actual=None,
                scheduler=policy,
            )
        if result is None:
            return lr
        try:
            return result.lr_for(policy).lr
        except OptionError:
            return lr
    return lr


def _rate_of_a_new_optimizer(net: NeuralNet) -> float:
    """Return the rate of the first param group that has one, in an optimizer that a `fit` would make."""
    quiet = QuietNet(net, None, None, {}, anew=True)
    try:
        quiet.initialize()
        return GroupRates([unwrap(each) for each in optimizers_of(net)]).reference or 0.0
    finally:
        quiet.restore()


class NetGuard:
    """A watch over the optimizers of a net, in each fit until `close`: what `result.verify(net)` returns.

    Args:
        target: a net, or a pipeline that ends in one.
        lr, result: see `apply_to_net`.
        steps: number of steps to watch in each fit.
    """

    def __init__(self, target: Any, lr: float, steps: int, result: RangeTestResult | None) -> None:
        self._net = Swept.of(target).estimator
        self._lr = _rate_for_callbacks(self._net, lr, result)
        self._steps = steps
        self._guards: list[tuple[list[Any], RateGuard]] = []
        # Not one hook on one optimizer: `fit` makes a new one.
        self._hook = register_optimizer_step_pre_hook(self._before_step)

    @property
    def proved(self) -> bool:
        """Whether a fit was seen to train at the rate."""
        return any(guard.proved for _, guard in self._guards)

    def close(self) -> None:
        """Stop watching."""
        self._hook.remove()
        for _, guard in self._guards:
            guard.close()

    def __enter__(self) -> "NetGuard":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
        if error is not None:
            return
        if not self._guards:
            raise RateNotInForce(
                f"no optimizer of the {type(self._net).__name__} took a step while it was watched, so the rate "
                f"{self._lr:.6g} had no effect. Call its fit within the block. A grid search fits copies of it.",
                wanted=self._lr,
                steps_seen=0,
            )
        for _, guard in self._guards:
            guard.check()

    def _before_step(self, optimizer: Any, *_: Any) -> None:
        if not self._net.initialized_:
            return
        own = [unwrap(each) for each in optimizers_of(self._net)]
        watched = [each for seen, _ in self._guards for each in seen]
        if any(optimizer is each for each in watched) or not any(optimizer is each for each in own):
            return
        # torch runs the hooks on the optimizer itself after this one, so its first step is watched, too.
        self._guards.append((own, RateGuard(own, self._lr, self._steps, explain=_explained)))


def _explained(error: RateNotInForce) -> RateNotInForce:
    numbers: Mapping[str, Any] = error.numbers
    happened = str(error).partition(" Call ")[0]
    return RateNotInForce(
        f"{happened} Call result.apply(net), which sets the parameter that fit makes its optimizer with. A rate set in "
        f"net.optimizer_ is gone in the next fit.",
        **numbers,
    )
