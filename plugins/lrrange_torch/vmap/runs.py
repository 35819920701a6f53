"""Several runs of one training, or of trainings that are alike, taken side by side.

The weights of all runs are stacked, and `torch.func.vmap` makes one forward and one backward pass for all of them.
Updates are not batched: a run's parameters are slices of the stack, in param groups of their own, so any optimizer
treats them like any other parameters, each run at its own rate. Before a sweep is given any loss, the losses and
gradients of the first step are compared with those that the model itself computes.
"""

import contextlib
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import torch
from torch import nn

from lrrange import StopReason, Sweep
from lrrange.errors import NoData
from lrrange.protocol import Seedable, TrainingStep, deferred_interrupts
from lrrange_torch.deferred_loss import STEPS_LATE, PendingTensors, read_now
from lrrange_torch.snapshot.snapshot import snapshot_of_random_state
from lrrange_torch.stop_iteration import error_instead
from lrrange_torch.vmap.batch_streams import BATCHES_AHEAD, BatchStream
from lrrange_torch.vmap.eligibility import (
    CannotBatch,
    TrainingSetup,
    distinct,
    starts_workers,
    why_not_alike,
    why_not_batched,
)
from lrrange_torch.vmap.stacked_weights import StackedWeights, tensors_of

# Number of steps that are measured, after some that warm up: as many as a stream draws batches for at once. And the
# shortest run for which measuring is worth while.
_WARM_UP, _MEASURED = 2, BATCHES_AHEAD
_FEWEST_STEPS = 4 * _MEASURED

# What may raise in a step, in an error message.
_OF_A_STEP = "the model, the loss or the optimizer"

# With `parallel="auto"`: the most bytes that the copies, their gradients and their optimizer states may take.
_MOST_BYTES = 1 << 28


class SeedableStep(TrainingStep, Seedable, Protocol):
    """A training step whose random generators can be seeded."""


class ReplicatedTraining(Protocol):
    """A training of which several runs are taken side by side, as `LoaderRuns` offers it."""

    step: SeedableStep
    setup: TrainingSetup

    def seconds_a_step(self, lr: float) -> float | None:
        """Return how long a step takes by itself; None if the data run out before that is known."""

    def count(self, batches: int, skipped: int) -> None:
        """Add batches and skipped steps to what the training reports."""


class Replica:
    """One run of several that may be taken side by side: an `lrrange.protocol.Replica`.

    Args:
        training: whose run it is.
        sweep, seed, reset: what to run; see `lrrange.protocol.Replicates`.
    """

    def __init__(
        self, training: ReplicatedTraining, sweep: Sweep, seed: int | None, reset: Callable[[], object] | None
    ) -> None:
        self.training = training
        self.sweep = sweep
        self._seed = seed
        self._reset = reset
        self._start = snapshot_of_random_state(training.setup.loader)

    def together(self, others: Sequence["Replica"], measure: bool, begin: Callable[[], object]) -> str | None:
        """Take the steps of this run and the others side by side. Return None, or the reason why that was not done."""
        replicas = [self, *others]
        try:
            self._check_alike(others)
            if measure:
                _check_worth_measuring(replicas)
            with torch.enable_grad(), warnings.catch_warnings():
                warnings.filterwarnings("ignore", "There is a performance drop")  # because it is measured here
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
    def source(self) -> tuple[Any, ...]:
        """A key that is equal for replicas which draw the same batches and start from the same weights."""
        return id(self.training.step), self._seed, id(self._reset)

    @property
    def resets(self) -> bool:
        """Whether it starts from other weights than the model has."""
        return self._reset is not None

    def start(self) -> None:
        """Bring the training to the point where this run starts."""
        self._start.restore()
        if self._seed is not None:
            self.training.step.seed(self._seed)
        if self._reset is not None:
            self._reset()

    def _check_alike(self, others: Sequence["Replica"]) -> None:
        for training in _trainings_of(others):
            if training.step is not self.training.step:
                reason = why_not_batched(training.setup) or why_not_alike(self.training.setup, training.setup)
                if reason is not None:
                    raise CannotBatch(reason)
        sources = distinct([self, *others], key=lambda replica: replica.source)
        if len(sources) > 1 and any(starts_workers(replica.training.setup.loader) for replica in sources):
            raise CannotBatch("each run would start worker processes of its own")


class _JointRun:
    """The joint run of replicas that are taken side by side."""

    def __init__(self, replicas: Sequence[Replica]) -> None:
        self._replicas = replicas
        self._sweeps = [replica.sweep for replica in replicas]
        self._trainings = _trainings_of(replicas)
        self._late = STEPS_LATE if replicas[0].training.setup.objective.device.type == "cuda" else 0
        self._pending: deque[tuple[list[int], PendingTensors]] = deque()
        self._taken = 0
        self._is_drawing = False  # whether batches are being drawn
        self._first: list[Any] | None = None  # batches that were drawn for the check, and not used yet

    def run(self, measure: bool, begin: Callable[[], object]) -> None:
        """Take all steps, and put everything back. Raises: CannotBatch, before any sweep is given a loss."""
        seconds_alone = self._seconds_alone() if measure else 0.0
        restoring = contextlib.ExitStack()
        with deferred_interrupts() as interrupts:
            try:
                for training in self._trainings:
                    restoring.callback(training.step.restore, training.step.snapshot())
                interrupts.deliver()
                self._start()
                for stream in self._streams:
                    restoring.callback(stream.close)
                self._check()
                interrupts.deliver()
                if measure:
                    self._measure(seconds_alone, interrupts.deliver)
                begin()
                self._take(interrupts.deliver)
            finally:
                interrupts.handled = "at the end"
                try:
                    interrupts.hold()
                finally:
                    restoring.close()

    def _seconds_alone(self) -> float:
        seconds = self._replicas[0].training.seconds_a_step(self._sweeps[0].plan.lr_at(0))
        if seconds is None:
            raise CannotBatch("the data ran out before it was known what is faster")
        return seconds

    def _start(self) -> None:
        """Stack the weights of all runs, each at its start."""
        shared = len(self._trainings) == 1 and not any(replica.resets for replica in self._replicas)
        self._weights = StackedWeights([replica.training.setup for replica in self._replicas], shared)
        alone = len({replica.source for replica in self._replicas}) == 1
        streams: dict[Any, BatchStream] = {}
        for run, replica in enumerate(self._replicas):
            setup = replica.training.setup
            with weights_kept(setup.model) if replica.resets else contextlib.nullcontext():
                replica.start()
                self._weights.fill(run)
            if replica.source not in streams:
                streams[replica.source] = BatchStream(setup.loader, setup.objective, alone)
        self._weights.make_optimizer()
        self._streams = list(streams.values())
        self._stream_of = [streams[replica.source] for replica in self._replicas]

    def _draw(self) -> list[Any]:
        """Return the batches of one pass: one batch for every run, or one for all."""
        if self._first is not None:
            batches, self._first = self._first, None
            return batches
        self._is_drawing = True
        drawn = {id(stream): next(stream) for stream in self._streams}
        self._is_drawing = False
        return list(drawn.values()) if len(drawn) == 1 else [drawn[id(stream)] for stream in self._stream_of]

    def _check(self) -> None:
        """Compare a batched pass with what the models themselves compute, for the first run of each training."""
        try:
            self._first = batches = self._draw()
        except (StopIteration, NoData):  # the loader gives NoData if others have taken all it had
            raise CannotBatch("the loader gives no further batch") from None
        runs = reversed(list(enumerate(self._replicas)))
        first_runs = {id(replica.training.step): run for run, replica in runs}.values()
        with contextlib.ExitStack() as kept:
            for run in first_runs:
                if self._replicas[run].resets:
                    kept.enter_context(weights_kept(self._replicas[run].training.setup.model))
                    self._weights.load(run)
            try:
                self._weights.check(batches, sorted(first_runs))
            except StopIteration as error:
                raise error_instead(_OF_A_STEP) from error

    def _measure(self, seconds_alone: float, deliver: Callable[[], object]) -> None:
        """Take the first steps, and hold their losses back until it is known that taking runs side by side pays."""
        all_runs, took = range(len(self._sweeps)), 0.0
        for _ in range(_WARM_UP):
            self._step(all_runs)
            deliver()
        self._pending[-1][1].values()
        for measured in range(1, _MEASURED + 1):
            began = time.perf_counter()
            self._step(all_runs)
            self._pending[-1][1].values()  # waits for the device
            if self._weights.raised:
                raise CannotBatch("a run raises an error in its first steps")
            took += time.perf_counter() - began
            deliver()
            if took >= _MEASURED * len(all_runs) * seconds_alone:  # known before all of them are measured
                ratio = took / (measured * len(all_runs) * seconds_alone)
                raise CannotBatch(f"a step of all {len(all_runs)} together takes {ratio:.1f} times as long")

    def _take(self, deliver: Callable[[], object]) -> None:
        exhausted = False
        while any(sweep.running for sweep in self._sweeps):
            going = [run for run, sweep in enumerate(self._sweeps) if self._is_going(sweep)]
            try:
                self._step(going)
            except StopIteration:
                exhausted = True
            else:
                self._end_raised(going)
            deliver()
            # A sweep may be given its last loss, and have a longer plan then, before the others take further steps.
            # The weights must not be further either when a loss is told after which the training is evaluated.
            on = all(self._is_going(self._sweeps[run]) and not self._is_evaluated(run, self._taken) for run in going)
            waiting = self._late if on and not exhausted else 0
            while len(self._pending) > waiting:
                self._tell(*self._pending.popleft())
            for sweep in self._sweeps if exhausted else ():
                if sweep.running:
                    sweep.close(StopReason.DATA_EXHAUSTED)
        for training in self._trainings:
            own = [run for run, replica in enumerate(self._replicas) if replica.training.step is training.step]
            training.count(
                batches=sum(stream.taken for stream in distinct([self._stream_of[run] for run in own])),
                skipped=sum(self._weights.skipped[run] for run in own),
            )

    def _is_going(self, sweep: Sweep) -> bool:
        """Return whether this sweep takes part in the next step."""
        return sweep.running and self._taken < sweep.plan.num_steps

    def _is_evaluated(self, run: int, step: int) -> bool:
        return self._replicas[run].training.setup.evaluates and self._sweeps[run].is_evaluated_after(step)

    def _step(self, going: Sequence[int]) -> None:
        """Take a step of these runs. Raises: StopIteration if the data have run out."""
        rates = {run: self._sweeps[run].plan.lr_at(self._taken) for run in going}
        try:
            recorded = self._weights.step(self._draw, rates, skip_non_finite=not self._late)
        except StopIteration as error:
            if self._is_drawing:
                raise
            raise error_instead(_OF_A_STEP) from error
        self._pending.append((list(going), PendingTensors(recorded)))
        self._taken += 1

    def _end_raised(self, going: Sequence[int]) -> None:
        """End those of the runs that have raised an error in the last step, after the losses of their earlier steps."""
        raised = {run: error for run, error in self._weights.raised.items() if run in going}
        if not raised:
            return
        last = self._pending.pop()
        while self._pending:
            self._tell(*self._pending.popleft())
        for run, error in raised.items():
            if self._sweeps[run].running and not self._sweeps[run].fail(error):
                raise error
        self._pending.append(last)

    def _tell(self, going: Sequence[int], recorded: PendingTensors) -> None:
        objective, numbers = self._replicas[0].training.setup.objective, map(torch.Tensor.tolist, recorded.values())
        losses = [objective.recorded(run[:1], run[-1:], read_now) for run in zip(*numbers, strict=True)]
        running = [run for run in going if self._sweeps[run].running]  # an earlier loss may have ended one
        step = len(self._sweeps[running[0]].points) + 1 if running else 0
        evaluated = [run for run in running if self._is_evaluated(run, step)]
        for run in running:
            sweep = self._sweeps[run]
            if run not in evaluated:
                sweep.tell(losses[run])
                continue
            self._weights.load(run)
            random = snapshot_of_random_state(self._replicas[run].training.setup.loader)
            sweep.tell(losses[run])
            if run != evaluated[-1]:
                random.restore()  # from which the next run's evaluation must start too


def _trainings_of(replicas: Sequence[Replica]) -> list[ReplicatedTraining]:
    """Return the training of each replica, once for each step."""
    return distinct([replica.training for replica in replicas], key=lambda training: id(training.step))


@contextlib.contextmanager
def weights_kept(model: nn.Module) -> Iterator[None]:
    """Give parameters and buffers their values back at the end of the block."""
    values = [(value, value.detach().clone()) for value in tensors_of(model).values()]
    try:
        yield
    finally:
        with torch.no_grad():
            for tensor, value in values:
                tensor.copy_(value)


def why_alone(setup: TrainingSetup, count: int, measure: bool) -> str | None:
    """Return why `count` runs of this training must be taken one after another, as far as is known without a step."""
    if (reason := why_not_batched(setup)) is not None or not measure:
        return reason
    size, room = count * setup.nbytes, _room(setup.objective.device)
    if size > room:
        return f"{count} copies and their gradients would take {size / 2**20:.0f} MiB, more than {room / 2**20:.0f}"
    return None


def _check_worth_measuring(replicas: Sequence[Replica]) -> None:
    fewest = min(replica.sweep.plan.num_steps for replica in replicas)
    if fewest < _FEWEST_STEPS:
        raise CannotBatch(f"{fewest} steps are too few to find out what is faster")


def _room(device: torch.device) -> float:
    """Return how many bytes copies may take."""
    return torch.cuda.mem_get_info(device)[0] / 2 if device.type == "cuda" else _MOST_BYTES
