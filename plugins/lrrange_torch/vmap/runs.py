"""Several runs of one training, or of trainings that are alike, taken together.

The weights of all are stacked, and `torch.func.vmap` makes one forward and one backward pass for them. Updates are not
batched: a run's parameters are slices of the stack, in param groups of their own, so that any optimizer treats them as
any others, each run at its own rate. Before a run is told anything, the first step's losses and gradients are compared
with those that the model itself computes.
"""

import contextlib
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import nn

from lrrange import StopReason, Sweep
from lrrange.errors import NoData
from lrrange.protocol import deferred_interrupts
from lrrange_torch.deferred_loss import STEPS_LATE, Arriving
from lrrange_torch.vmap.batch_streams import AHEAD, Stream, random_state
from lrrange_torch.vmap.eligibility import CannotBatch, Parts, distinct, starts_workers, why_not_alike, why_not_batched
from lrrange_torch.vmap.stacked_weights import Stacked, tensors_of

# Steps whose time is looked at, after some that warm up: as many as a stream draws batches for at once. And the
# shortest run for which that is worth while.
_WARM_UP, _MEASURED = 2, AHEAD
_FEWEST_STEPS = 4 * _MEASURED

# Where lrrange decides: the most that the copies, their gradients and their optimizer states may take.
_MOST_BYTES = 1 << 28


class Replica:
    """One run that may share its steps with others; see `lrrange.finder.together.Replica`.

    Args:
        step: whose run it is: a `LoaderStep`.
        sweep, seed, reset: what to run.
    """

    def __init__(self, step: Any, sweep: Sweep, seed: int | None, reset: Callable[[], object] | None) -> None:
        self.step = step
        self.sweep = sweep
        self._seed = seed
        self._reset = reset
        self._start = random_state(step.parts.loader)

    def together(self, others: Sequence["Replica"], measure: bool, begin: Callable[[], object]) -> str | None:
        """Take the steps of this run and the others together."""
        replicas = [self, *others]
        try:
            self._check_alike(others)
            if measure:
                _check_worth_measuring(replicas)
            with torch.enable_grad(), warnings.catch_warnings():
                warnings.filterwarnings("ignore", "There is a performance drop")  # which is measured here
                _Batch(replicas).run(measure, begin)
        except CannotBatch as reason:
            return str(reason)
        except KeyboardInterrupt:
            for replica in replicas:
                if replica.sweep.running:
                    replica.sweep.close(StopReason.INTERRUPTED)
            raise
        return None

    @property
    def source(self) -> tuple[Any, ...]:
        """Replicas of equal source draw the same batches and start from the same weights."""
        return id(self.step), self._seed, id(self._reset)

    @property
    def resets(self) -> bool:
        """Whether it starts from other weights than the model has."""
        return self._reset is not None

    def start(self) -> None:
        """Bring the training to where this run starts."""
        self._start.restore()
        if self._seed is not None:
            self.step.seed(self._seed)
        if self._reset is not None:
            self._reset()

    def _check_alike(self, others: Sequence["Replica"]) -> None:
        for step in distinct([other.step for other in others]):
            if step is not self.step:
                reason = why_not_batched(step.parts) or why_not_alike(self.step.parts, step.parts)
                if reason is not None:
                    raise CannotBatch(reason)
        loaders = [replica.step.parts.loader for replica in distinct([self, *others], key=lambda one: one.source)]
        if len(loaders) > 1 and any(map(starts_workers, loaders)):
            raise CannotBatch("each run would start worker processes of its own")


class _Batch:
    """Replicas that are taken together now."""

    def __init__(self, replicas: Sequence[Replica]) -> None:
        self._replicas = replicas
        self._sweeps = [replica.sweep for replica in replicas]
        self._steps = distinct([replica.step for replica in replicas])
        self._device = replicas[0].step.parts.objective.device
        self._late = STEPS_LATE if self._device.type == "cuda" else 0
        self._pending: deque[tuple[list[int], Arriving]] = deque()
        self._taken = 0

    def run(self, measure: bool, begin: Callable[[], object]) -> None:
        """Take all steps, and put everything back. Raises: CannotBatch, before any sweep was told anything."""
        alone = self._seconds_alone() if measure else 0.0
        restoring = contextlib.ExitStack()
        try:
            for step in self._steps:
                restoring.callback(step.restore, step.snapshot())
            self._start()
            for stream in self._streams:
                restoring.callback(stream.close)
            self._check()
            if measure:
                self._measure(alone)
            begin()
            self._take()
        finally:
            with deferred_interrupts():
                restoring.close()

    def _seconds_alone(self) -> float:
        try:
            seconds: float = self._replicas[0].step.seconds_a_step(self._sweeps[0].plan.lr_at(0))
        except StopIteration:
            raise CannotBatch("the data ran out before it was known what is faster") from None
        return seconds

    def _start(self) -> None:
        """Stack the weights of all runs, each at its start."""
        shared = len(self._steps) == 1 and not any(replica.resets for replica in self._replicas)
        self._stacked = Stacked([replica.step.parts for replica in self._replicas], shared)
        alone = len({replica.source for replica in self._replicas}) == 1
        streams: dict[Any, Stream] = {}
        for run, replica in enumerate(self._replicas):
            parts: Parts = replica.step.parts
            with weights_kept(parts.model) if replica.resets else contextlib.nullcontext():
                replica.start()
                self._stacked.fill(run)
            if replica.source not in streams:
                streams[replica.source] = Stream(parts.loader, parts.objective, alone)
        self._stacked.make_optimizer()
        self._streams = list(streams.values())
        self._stream_of = [streams[replica.source] for replica in self._replicas]

    def _draw(self) -> list[list[Any]]:
        """The batches of one step: for each micro-batch one for every run, or one for all."""
        drawn = []
        for _ in range(self._replicas[0].step.parts.accumulate):
            batches = {id(stream): next(stream) for stream in self._streams}
            drawn.append(list(batches.values()) if len(batches) == 1 else [batches[id(one)] for one in self._stream_of])
        return drawn

    def _check(self) -> None:
        """See that a batched pass is what the models themselves compute, in the first run of each training."""
        try:
            self._first = self._draw()
        except (StopIteration, NoData):  # which the loader has if somebody else took all it had
            raise CannotBatch("the loader gives no further batch") from None
        firsts = {id(replica.step): run for run, replica in reversed(list(enumerate(self._replicas)))}
        with contextlib.ExitStack() as kept:
            for run in firsts.values():
                if self._replicas[run].resets:
                    kept.enter_context(weights_kept(self._replicas[run].step.parts.model))
                    self._stacked.load(run)
            self._stacked.check(self._first[0], sorted(firsts.values()))

    def _measure(self, alone: float) -> None:
        """Take the first steps, and hold their losses back until it is known that this pays."""
        everyone, took = range(len(self._sweeps)), 0.0
        for _ in range(_WARM_UP):
            self._step(everyone)
        self._pending[-1][1].values()
        for measured in range(1, _MEASURED + 1):
            began = time.perf_counter()
            self._step(everyone)
            self._pending[-1][1].values()  # waits for the device
            took += time.perf_counter() - began
            if took >= _MEASURED * len(everyone) * alone:  # however soon that is
                ratio = took / (measured * len(everyone) * alone)
                raise CannotBatch(f"together a step of all {len(everyone)} takes {ratio:.1f} times as long")

    def _take(self) -> None:
        exhausted = False
        while any(sweep.running for sweep in self._sweeps):
            going = [run for run, sweep in enumerate(self._sweeps) if self._is_going(sweep)]
            try:
                self._step(going)
            except StopIteration:
                exhausted = True
            # A sweep may be told its last loss, and have a longer plan then, before the others take further steps.
            waiting = self._late if all(self._is_going(self._sweeps[run]) for run in going) and not exhausted else 0
            while len(self._pending) > waiting:
                self._tell(*self._pending.popleft())
            for sweep in self._sweeps if exhausted else ():
                if sweep.running:
                    sweep.close(StopReason.DATA_EXHAUSTED)
        for step in self._steps:
            mine = [run for run, replica in enumerate(self._replicas) if replica.step is step]
            step.count(
                batches=sum(stream.taken for stream in distinct([self._stream_of[run] for run in mine])),
                skipped=sum(self._stacked.skipped[run] for run in mine),
            )

    def _is_going(self, sweep: Sweep) -> bool:
        """Whether the next step is one of this sweep's."""
        return sweep.running and self._taken < sweep.plan.num_steps

    def _step(self, going: Sequence[int]) -> None:
        batches = self._first if self._taken == 0 else self._draw()
        rates = {run: self._sweeps[run].plan.lr_at(self._taken) for run in going}
        recorded = self._stacked.step(batches, rates, skip_non_finite=not self._late)
        self._pending.append((list(going), Arriving([recorded])))
        self._taken += 1

    def _tell(self, going: Sequence[int], recorded: Arriving) -> None:
        losses = recorded.values()[0].tolist()
        for run in going:
            sweep, step = self._sweeps[run], self._replicas[run].step
            if not sweep.running:
                continue  # it ended by what it was told since
            if len(sweep.points) + 1 < sweep.plan.num_steps or not hasattr(step, "evaluate"):
                sweep.tell(losses[run])
                continue
            self._stacked.load(run)
            random = random_state(step.parts.loader)  # with which the next run's evaluation is to begin too
            sweep.tell(losses[run])
            random.restore()


@contextlib.contextmanager
def weights_kept(model: nn.Module) -> Iterator[None]:
    """Parameters and buffers have their values back afterwards."""
    values = [(value, value.detach().clone()) for value in tensors_of(model).values()]
    try:
        yield
    finally:
        with torch.no_grad():
            for tensor, value in values:
                tensor.copy_(value)


def why_alone(parts: Parts, count: int, measure: bool) -> str | None:
    """Why so many runs of this training must be taken one after another, as far as can be seen without a step."""
    if (reason := why_not_batched(parts)) is not None or not measure:
        return reason
    size, room = count * parts.nbytes, _room(parts.objective.device)
    if size > room:
        return f"{count} copies and their gradients would take {size / 2**20:.0f} MiB, more than {room / 2**20:.0f}"
    return None


def _check_worth_measuring(replicas: Sequence[Replica]) -> None:
    fewest = min(replica.sweep.plan.num_steps for replica in replicas)
    if fewest < _FEWEST_STEPS:
        raise CannotBatch(f"{fewest} steps are too few to find out what is faster")


def _room(device: torch.device) -> float:
    """Bytes that may be taken for copies."""
    return torch.cuda.mem_get_info(device)[0] / 2 if device.type == "cuda" else _MOST_BYTES
