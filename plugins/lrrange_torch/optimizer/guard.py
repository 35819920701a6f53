"""A check that a rate took effect: watch the optimizer's next steps, and raise if it trains at another rate."""

from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any

from torch.optim import Optimizer

from lrrange import RangeTestResult
from lrrange.errors import OptionError, RateNotInForce
from lrrange_torch.optimizer.rates import GroupRates, groups_of, same_rate
from lrrange_torch.optimizer.schedulers import attached_schedulers, with_nested


class RateGuard:
    """A watch over an optimizer until it has been seen to train at the rates it was given. See `verify`.

    Args:
        optimizer: the optimizer to watch.
        lr: the rate of its first group; the others keep their present proportion to it.
        steps: number of optimizer steps to watch.
        scheduler: see `verify`.
        explain: called with the error about a group that trains at another rate, before it is raised. It returns the
            error to raise instead.

    Attributes:
        steps_seen: number of steps watched so far.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        lr: float,
        steps: int,
        scheduler: Any = None,
        explain: Callable[[RateNotInForce], RateNotInForce] = lambda error: error,
    ) -> None:
        if steps < 1:
            raise OptionError(f"steps={steps} leaves nothing to watch. Give 1 or more.", steps=steps)
        self._optimizer = optimizer
        self._scheduler = scheduler
        self._explain = explain
        self._schedulers: list[Any] = with_nested([scheduler])
        self._wanted = GroupRates([optimizer]).wanted(lr)
        self._steps = steps
        self._unread = set(range(len(self._wanted)))
        self._groups: list[dict[str, Any]] | None = None
        self.steps_seen = 0
        self._hooks = [
            optimizer.register_step_pre_hook(self._before_step),
            optimizer.register_step_post_hook(self._after_step),
        ]

    @property
    def proved(self) -> bool:
        """Whether at least one step was watched, all were at the right rates, and every group's rate was read."""
        return self.steps_seen > 0 and not self._unread

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
        self._put_groups_back()
        for hook in self._hooks:
            hook.remove()
        self._hooks.clear()

    def check(self) -> None:
        """Raise RateNotInForce unless the steps so far prove the rates."""
        if self.steps_seen == 0:
            raise RateNotInForce(
                f"the {type(self._optimizer).__name__} took no step while it was watched, so the rate "
                f"{self._wanted[0]:.6g} had no effect. Does the training use another optimizer?",
                wanted=self._wanted[0],
                steps_seen=0,
            )
        if self._unread:
            index = min(self._unread)
            name = list(groups_of([self._optimizer]))[index][0]
            raise RateNotInForce(
                f"the {type(self._optimizer).__name__} never read lr of {name} in {self.steps_seen} steps, so the "
                f"{self._wanted[index]:.6g} it was given had no effect and the actual rate is unknown. It takes its "
                f"rate from elsewhere; set it there.",
                group=name,
                wanted=self._wanted[index],
                actual=None,
                steps_seen=self.steps_seen,
            )

    def _before_step(self, *_: Any) -> None:
        if self.steps_seen >= self._steps:
            return
        for index, (name, group) in enumerate(groups_of([self._optimizer])):
            self._check_group(index, name, float(group["lr"]))
        if self._unread:
            groups = self._optimizer.param_groups
            self._groups = list(groups)
            groups[:] = [_RecordingGroup(group, self._unread, index) for index, group in enumerate(groups)]

    def _after_step(self, *_: Any) -> None:
        if self.steps_seen >= self._steps:
            return
        self._put_groups_back()
        self.steps_seen += 1
        if self.steps_seen == self._steps:
            # The hooks stay and do nothing from here on: torch is iterating over their table just now.
            self.check()

    def _check_group(self, index: int, name: str, actual: float) -> None:
        wanted = self._wanted[index]
        if same_rate(wanted, actual):
            return
        stale, scheduled = self._explanation(index, actual)
        if stale or not scheduled:
            # Searched for only now, because the search goes through every living object.
            self._schedulers = with_nested([self._scheduler, *attached_schedulers(self._optimizer)])
            stale, scheduled = self._explanation(index, actual)
        if stale or not scheduled:
            cause = stale[0] if stale else "something else sets it, and no LR scheduler of this optimizer explains it"
            error = RateNotInForce(
                f"{name} trains at lr={actual:.6g}, not at the {wanted:.6g} it was given: {cause}. Call "
                f"result.apply(optimizer) after whatever sets it, or stop that.",
                group=name,
                wanted=wanted,
                actual=actual,
            )
            raise self._explain(error)

    def _explanation(self, index: int, actual: float) -> tuple[list[str], bool]:
        """Return which schedulers start from another rate than the wanted one, and whether any set the actual one."""
        wanted = self._wanted[index]
        bases = [(type(s).__name__, float(s.base_lrs[index])) for s in self._schedulers if hasattr(s, "base_lrs")]
        stale = [f"its {kind} starts from {base:.6g}" for kind, base in bases if not same_rate(wanted, base)]
        last_rates = (float(s._last_lr[index]) for s in self._schedulers if hasattr(s, "_last_lr"))
        return stale, any(same_rate(actual, rate) for rate in last_rates)

    def _put_groups_back(self) -> None:
        if self._groups is None:
            return
        groups = self._optimizer.param_groups
        for original, recorded in zip(self._groups, groups, strict=False):
            if isinstance(recorded, _RecordingGroup):
                original.clear()
                original.update(dict.items(recorded))  # what the step wrote into its group
        groups[:] = [*self._groups, *groups[len(self._groups) :]]
        self._groups = None


class _RecordingGroup(dict[str, Any]):
    """A param group that notes when its rate is read, in any of the ways in which a dict can be read."""

    def __init__(self, group: dict[str, Any], unread: set[int], index: int) -> None:
        super().__init__(group)
        self._unread = unread
        self._index = index

    def _read(self) -> None:
        self._unread.discard(self._index)

    def __getitem__(self, key: str) -> Any:
        if key == "lr":
            self._read()
        return super().__getitem__(key)

    def get(self, key: str, default: Any = None) -> Any:
        return self[key] if key in self else default  # noqa: SIM401  this is `get` itself

    def __iter__(self) -> Iterator[str]:
        self._read()
        return super().__iter__()

    def values(self) -> Any:
        self._read()
        return super().values()

    def items(self) -> Any:
        self._read()
        return super().items()


def verify(
    optimizer: Optimizer, result: RangeTestResult | float, *, steps: int = 20, scheduler: Any = None
) -> RateGuard:
    """Watch the next steps of `optimizer`, and raise if it does not train at the rate that it should.

    Use it around the first steps of training, `with verify(optimizer, result): ...`. It then also raises if no step was
    taken. Or keep the guard that it returns, which then watches `steps` steps by itself.

    Args:
        optimizer: the optimizer that trains.
        result: a range test, of which `lr` is taken, or a rate. The first group that has a rate must train at it, the
            others in their present proportion to it.
        steps: number of steps to watch. Each costs one comparison per group; after them there is no cost.
        scheduler: needed only for a scheduler that is no `torch.optim.lr_scheduler.LRScheduler` and has `base_lrs` and
            `_last_lr`. Torch's own are found. A scheduler may move the rate if it starts from the wanted one.
    Raises: from the optimizer's step, RateNotInForce with `group`, `wanted` and `actual`: something else has set the
        rate, or the optimizer never reads it.
    """
    return RateGuard(optimizer, result if isinstance(result, (int, float)) else result.lr, steps, scheduler)
