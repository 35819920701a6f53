"""Several runs of one training, or of trainings with one step, taken side by side by `jax.vmap`.

The states of all runs are stacked, and one compiled step advances them all, each at its own rate. Before a sweep is
given any loss, the first step is compared with the step of one run alone.
"""

import contextlib
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import jax

from lrrange import StopReason
from lrrange.errors import LRRangeError, NoData
from lrrange.protocol import deferred_interrupts
from lrrange.sweep import PlannedSteps
from lrrange_jax.arrays import copied, is_key, number_of_bytes
from lrrange_jax.batches import Batches
from lrrange_jax.vmap.stackable import CannotBatch, StackableStep
from lrrange_jax.vmap.stacked import StackedStates
from lrrange_jax.vmap.stream import BatchStream

# Steps that are measured with `parallel="auto"`, and the shortest run for which measuring is worth while.
_MEASURED, _FEWEST_STEPS = 8, 32

# With `parallel="auto"` on a CPU: the most bytes that the copies of the state may take.
_MOST_BYTES = 1 << 28

_STEPS_LATE = 4


def why_alone(step: StackableStep, count: int, measure: bool) -> str | None:
    """Return why `count` runs of this training must be taken one after another, as far as is known without a step."""
    if step.training.why_alone is not None:
        return step.training.why_alone
    if step.training.rates.accumulated:
        return "optax.MultiSteps makes an update of several batches"
    if jax.config.jax_debug_nans or jax.config.jax_debug_infs:
        return "jax_debug_nans would end all runs by the NaN of one"
    if any(is_key(leaf) and "rbg" in str(leaf.dtype) for leaf in step.training.start_leaves()):
        return "random keys of the kind rbg give other numbers when they are stacked"
    size, room = count * number_of_bytes(step.training.start_leaves()), _room()
    if measure and size > room:
        return f"{count} copies of the state would take {size / 2**20:.0f} MiB, more than {room / 2**20:.0f}"
    return None


class Replica:
    """One run of several that may be taken side by side: an `lrrange.protocol.Replica`.

    Args:
        step: whose run it is.
        sweep, seed, reset: what to run; see `lrrange.protocol.Replicates`.
    """

    def __init__(
        self, step: StackableStep, sweep: PlannedSteps, seed: int | None, reset: Callable[[], object] | None
    ) -> None:
        self.step = step
        self.sweep = sweep
        self._seed = seed
        self._reset = reset
        self._host = step.host_state()

    def together(self, others: Sequence["Replica"], measure: bool, begin: Callable[[], object]) -> str | None:
        """Take the steps of this run and the others side by side. Return None, or the reason why that was not done."""
        replicas = [self, *others]
        try:
            if not all(self.step.training.is_like(other.step.training) for other in others):
                raise CannotBatch("the trainings have steps of their own, or states that are not alike")
            if measure and (fewest := min(each.sweep.plan.num_steps for each in replicas)) < _FEWEST_STEPS:
                raise CannotBatch(f"{fewest} steps are too few to find out what is faster")
            _JointRun(replicas).run(measure, begin)
        except CannotBatch as reason:
            return str(reason)
        except KeyboardInterrupt:
            for replica in replicas:
                if replica.sweep.running:
                    replica.sweep.close(StopReason.INTERRUPTED)
            raise
        return None

    @property
    def source(self) -> tuple[int, int | None]:
        """A key that is equal for replicas which draw the same batches."""
        return id(self.step), self._seed

    def start(self, alone: bool) -> tuple[list[Any], BatchStream]:
        """Return the leaves of the state from which this run starts, and its batches."""
        step = self.step
        kept = step.snapshot()
        try:
            self._host.restore()
            if self._seed is not None:
                step.seed(self._seed)
            if self._reset is not None:
                step.start_from(self._reset())
            batches = Batches(step.batches.source)
            batches.restart(self._seed)
            # Drawing from a list changes nothing that another stream draws from.
            alone = alone or isinstance(batches.source, Sequence)
            return copied(step.training.leaves()), BatchStream(batches, step.training.user_step, alone)
        finally:
            step.restore(kept)


class _JointRun:
    """The joint run of replicas."""

    def __init__(self, replicas: Sequence[Replica]) -> None:
        self._replicas = replicas
        self._step = replicas[0].step
        self._sweeps = [replica.sweep for replica in replicas]
        self._pending: deque[tuple[list[int], jax.Array]] = deque()
        self._taken = 0
        self._first: list[Any] | None = None  # batches that were drawn for the check, and not used yet

    def run(self, measure: bool, begin: Callable[[], object]) -> None:
        """Take all steps, and put everything back. Raises: CannotBatch, before any sweep is given a loss."""
        steps = {id(replica.step): replica.step for replica in self._replicas}.values()
        restoring = contextlib.ExitStack()
        with deferred_interrupts() as interrupts:
            try:
                for step in steps:
                    restoring.callback(step.restore, step.snapshot())
                interrupts.deliver()
                self._start()
                interrupts.deliver()
                if measure:
                    self._measure()
                    interrupts.deliver()
                begin()
                self._take(interrupts.deliver)
            finally:
                interrupts.handled = "at the end"
                try:
                    interrupts.hold()
                finally:
                    restoring.close()

    def _start(self) -> None:
        """Stack the states of all runs, each at its start, and check the first step."""
        alone = len({replica.source for replica in self._replicas}) == 1
        starts = []
        streams: dict[Any, BatchStream] = {}
        for replica in self._replicas:
            leaves, stream = replica.start(alone)
            starts.append(leaves)
            streams.setdefault(replica.source, stream)
        self._streams = [streams[replica.source] for replica in self._replicas]
        self._states = StackedStates(self._step, starts)
        try:
            self._first = self._draw()
        except (StopIteration, NoData):
            raise CannotBatch("batches gives no further batch") from None
        try:
            self._states.check(self._rates(), self._first)
        except LRRangeError as error:
            raise CannotBatch(str(error)) from error  # one run alone will raise it

    def _draw(self) -> list[Any]:
        """Return the batches of one step: one batch for every run, or one for all."""
        if self._first is not None:
            batches, self._first = self._first, None
            return batches
        drawn = {id(stream): next(stream) for stream in {id(stream): stream for stream in self._streams}.values()}
        return list(drawn.values()) if len(drawn) == 1 else [drawn[id(stream)] for stream in self._streams]

    def _rates(self) -> list[float]:
        """Return the rates of the next step. A run that has ended goes on at its last one, and nobody reads it."""
        return [sweep.plan.lr_at(min(self._taken, sweep.plan.num_steps - 1)) for sweep in self._sweeps]

    def _measure(self) -> None:
        """Raise CannotBatch if steps of one run after another are faster."""
        assert self._first is not None
        rates, training = self._rates(), self._step.training
        training.load(copied(self._states.leaves(0)))
        alone = _seconds(lambda: training.step(rates[0], self._first[0]))  # type: ignore[index]
        copies = self._states.copy()
        together = _seconds(lambda: copies.step(rates, self._first))  # type: ignore[arg-type]
        if together >= len(rates) * alone:
            ratio = together / (len(rates) * alone)
            raise CannotBatch(f"a step of all {len(rates)} together takes {ratio:.1f} times as long")

    def _take(self, deliver: Callable[[], object]) -> None:
        exhausted = False
        while any(sweep.running for sweep in self._sweeps):
            going = [run for run, sweep in enumerate(self._sweeps) if self._is_going(sweep)]
            try:
                batches = self._draw()
            except StopIteration:
                exhausted = True
            else:
                self._pending.append((going, self._states.step(self._rates(), batches)))
                self._taken += 1
            deliver()
            # A sweep may be given its last loss, and have a longer plan then, before the others take further steps.
            # The states must not be further either when a loss is told after which the training is evaluated.
            on = all(self._is_going(self._sweeps[run]) and not self._is_evaluated(run, self._taken) for run in going)
            waiting = _STEPS_LATE if on and not exhausted else 0
            while len(self._pending) > waiting:
                self._tell(*self._pending.popleft())
            for sweep in self._sweeps if exhausted else ():
                if sweep.running:
                    sweep.close(StopReason.DATA_EXHAUSTED)
        self._step.batches.taken += sum(stream.taken for stream in {id(one): one for one in self._streams}.values())

    def _is_going(self, sweep: PlannedSteps) -> bool:
        """Return whether this sweep takes part in the next step."""
        return sweep.running and self._taken < sweep.plan.num_steps

    def _is_evaluated(self, run: int, step: int) -> bool:
        return self._step.evaluates and self._sweeps[run].is_evaluated_after(step)

    def _tell(self, going: Sequence[int], losses: jax.Array) -> None:
        numbers = losses.tolist()
        for run in going:
            sweep = self._sweeps[run]
            if not sweep.running:
                continue
            if self._is_evaluated(run, len(sweep.points) + 1):
                self._step.training.load(self._states.leaves(run))
            sweep.tell(numbers[run])


def _seconds(step: Callable[[], Any]) -> float:
    """Return how long a step takes, after two that warm up."""
    for _ in range(2):
        jax.block_until_ready(step())
    began = time.perf_counter()
    for _ in range(_MEASURED):
        last = step()
    jax.block_until_ready(last)
    return (time.perf_counter() - began) / _MEASURED


def _room() -> float:
    """Return how many bytes copies may take."""
    device = jax.devices()[0]
    stats = device.memory_stats() if device.platform != "cpu" else None
    return _MOST_BYTES if not stats else (stats["bytes_limit"] - stats["bytes_in_use"]) / 2
