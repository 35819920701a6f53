"""A check that a rate took effect: watch the next steps of optimizers, and raise if one trains at another rate."""

from collections.abc import Callable, Sequence
from functools import partial
from types import TracebackType
from typing import Any

from torch.optim import Optimizer

from lrrange import RangeTestResult
from lrrange.errors import OptionError, RateNotInForce
from lrrange.spelling import spell_checked
from lrrange_torch.accelerate import unwrap
from lrrange_torch.optimizer.argument import check_scheduler, optimizers_of
from lrrange_torch.optimizer.rates import GroupRates, groups_of
from lrrange_torch.optimizer.recording_group import RateListener
from lrrange_torch.optimizer.shares import rate_of_first
from lrrange_torch.optimizer.step_hooks import is_swept
from lrrange_torch.same_rate import same_rate
from lrrange_torch.scheduler import Expectation, drives
from lrrange_torch.wrappers import inner_optimizer


class RateGuard:
    """A watch over optimizers until they have been seen to train at the rates they were given. See `verify`.

    It waits while a sweep takes their steps.

    Args:
        optimizer: the optimizer to watch, or several. Wrapped ones are watched inside their wrappers.
        lr: the base rate of the first group that has a rate; the others keep their present proportion to it.
        steps: number of steps of each optimizer to watch.
        scheduler: see `verify`.
        explain: called with the error about a group that trains at another rate, before it is raised. It returns the
            error to raise instead.

    Attributes:
        steps_seen: number of steps watched so far; of several optimizers, of the one with the fewest.
    """

    def __init__(
        self,
        optimizer: Optimizer | Sequence[Optimizer],
        lr: float,
        steps: int,
        scheduler: Any = None,
        explain: Callable[[RateNotInForce], RateNotInForce] = lambda error: error,
    ) -> None:
        if isinstance(steps, bool) or not isinstance(steps, int):
            raise OptionError(f"steps={steps!r} is not a whole number of steps.", steps=steps)
        if steps < 1:
            raise OptionError(f"steps={steps} leaves nothing to watch. Give 1 or more.", steps=steps)
        if isinstance(lr, bool) or not isinstance(lr, (int, float)) or not lr >= 0:
            raise OptionError(f"lr={lr!r} is not a rate. Give a positive number, such as 1e-3.", lr=lr)
        check_scheduler(scheduler)
        given = [optimizer] if isinstance(optimizer, Optimizer) else list(optimizers_of(optimizer))
        optimizers = [inner_optimizer(each) for each in given]
        rates = GroupRates(optimizers)
        is_base = rates.reference is not None and same_rate(rates.reference, lr)
        wanted, bases = iter(rates.wanted(lr)), iter(rates.wanted_bases(lr))
        schedulers = scheduler if isinstance(scheduler, (list, tuple)) else [scheduler]
        self._watched = []
        for each in optimizers:
            own = [unwrap(one) for one in schedulers if one is not None]
            if len(optimizers) > 1:
                own = [one for one in own if drives(one, each)]
            expected = Expectation(each, [next(bases) for _ in each.param_groups], is_base, own)
            self._watched.append(_Watched(each, [next(wanted) for _ in each.param_groups], expected))
        self._optimizers = optimizers
        self._explain = explain
        self._lr = lr
        self._steps = steps
        self._hooks = []
        for watched in self._watched:
            self._hooks.append(watched.optimizer.register_step_pre_hook(partial(self._before_step, watched)))
            self._hooks.append(watched.optimizer.register_step_post_hook(partial(self._after_step, watched)))

    def __repr__(self) -> str:
        proved = "proved in " if self.proved else ""
        return f"<RateGuard lr={self._lr:.2e}, {proved}{self.steps_seen} of {self._steps} steps>"

    @property
    def steps_seen(self) -> int:
        """Number of steps watched so far."""
        return min(watched.steps_seen for watched in self._watched)

    @property
    def proved(self) -> bool:
        """Whether at least one step was watched, all were at the right rates, and every group's rate was read."""
        return self.steps_seen > 0 and not any(watched.listener.unread for watched in self._watched)

    def __enter__(self) -> "RateGuard":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
        if error is None:
            self.check()

    def close(self) -> None:
        """Stop watching."""
        for watched in self._watched:
            watched.listener.leave()
        for hook in self._hooks:
            hook.remove()
        self._hooks.clear()

    def check(self) -> None:
        """Raise RateNotInForce unless the steps so far prove the rates."""
        for watched in self._watched:
            self._check_steps(watched)

    def _check_steps(self, watched: "_Watched") -> None:
        kind = type(watched.optimizer).__name__
        if watched.steps_seen == 0:
            raise RateNotInForce(
                f"the {kind} took no step while it was watched, so the rate {watched.wanted[0]:.6g} had no effect. "
                f"Does the training use another optimizer?",
                wanted=watched.wanted[0],
                steps_seen=0,
            )
        if watched.listener.unread:
            index = min(watched.listener.unread)
            name, wanted = self._names(watched)[index], watched.wanted[index]
            raise RateNotInForce(
                f"the {kind} never read lr of {name} in {watched.steps_seen} steps, so the {wanted:.6g} it was given "
                f"had no effect and the actual rate is unknown. It takes its rate from elsewhere; set it there.",
                group=name,
                wanted=wanted,
                actual=None,
                steps_seen=watched.steps_seen,
            )

    def _before_step(self, watched: "_Watched", *_: Any) -> None:
        if watched.steps_seen >= self._steps or is_swept(watched.optimizer):
            return
        watched.listener.leave()  # of a step that raised
        # Groups that were added since then have the rate that they were added with.
        for index, (group, wanted) in enumerate(zip(watched.optimizer.param_groups, watched.wanted, strict=False)):
            actual = float(dict.__getitem__(group, "lr"))
            if same_rate(wanted, actual):
                continue
            cause = watched.expected.cause(index, actual)
            if cause is not None:
                name = self._names(watched)[index]
                error = RateNotInForce(
                    f"{name} trains at lr={actual:.6g}, not at the {wanted:.6g} it was given: {cause}. Call "
                    f"result.apply(optimizer) after whatever sets it, or stop that.",
                    group=name,
                    wanted=wanted,
                    actual=actual,
                )
                raise self._explain(error)
        watched.listener.listen()

    def _after_step(self, watched: "_Watched", *_: Any) -> None:
        if watched.steps_seen >= self._steps or is_swept(watched.optimizer):
            return
        watched.listener.leave()
        watched.steps_seen += 1
        if watched.steps_seen == self._steps:
            # The hooks stay and do nothing from here on: torch is iterating over their table just now.
            self._check_steps(watched)

    def _names(self, watched: "_Watched") -> list[str]:
        groups = {id(each): len(each.param_groups) for each in self._optimizers}
        names = iter([name for name, _ in groups_of(self._optimizers)])
        return {each: [next(names) for _ in range(count)] for each, count in groups.items()}[id(watched.optimizer)]


class _Watched:
    """One optimizer, the rates wanted for its groups, and what was seen of it."""

    def __init__(self, optimizer: Optimizer, wanted: list[float], expected: Expectation) -> None:
        self.optimizer = optimizer
        self.wanted = wanted
        self.expected = expected
        self.listener = RateListener(optimizer)
        self.steps_seen = 0


@spell_checked
def verify(
    optimizer: Optimizer | Sequence[Optimizer],
    result: RangeTestResult | float,
    *,
    steps: int = 20,
    scheduler: Any = None,
) -> RateGuard:
    """Watch the next steps of `optimizer`, and raise if it does not train at the rate that it should.

    Use it around the first steps of training, `with verify(optimizer, result): ...`. It then also raises if no step was
    taken. Or keep the guard that it returns, which then watches `steps` steps by itself.

    Args:
        optimizer: the optimizer that trains, or several.
        result: a range test, of which `lr` is taken, or a rate. The first group that has a rate must train at it, the
            others in their present proportion to it. If the test has swept several optimizers and one of them is given,
            it must train at its share; see `RangeTestResult.apply`.
        steps: number of steps to watch. Each costs one comparison per group; after them there is no cost.
        scheduler: needed only for a scheduler that is none of torch, timm or transformers. Theirs are found. A
            scheduler may move the rate if it starts from the wanted one, and what it sets follows from that.
    Raises: from the optimizer's step, RateNotInForce with `group`, `wanted` and `actual`: something else has set the
        rate, or the optimizer never reads it.
    """
    if not isinstance(result, (RangeTestResult, int, float)):
        raise OptionError(
            f"result={result!r} is neither the result of a range test nor a rate. Give verify(optimizer, result), or a "
            f"number, such as verify(optimizer, 1e-3).",
        )
    if not isinstance(result, RangeTestResult):
        return RateGuard(optimizer, result, steps, scheduler)
    optimizers_of(optimizer)
    return RateGuard(optimizer, rate_of_first(optimizer, result.lr, result.provenance.details), steps, scheduler)
