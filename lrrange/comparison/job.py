"""One run of a comparison: a job that a worker can run, and the steps of its policy."""

import contextlib
import math
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, SupportsFloat

import attrs

from lrrange.averages import mean
from lrrange.errors import LRRangeError, NoData, OptionError, TargetError
from lrrange.finder.executors import one_at_a_time
from lrrange.finder.settings import split_options
from lrrange.finder.training import Training, adapt
from lrrange.plugins import make_manager
from lrrange.policy import Checkpoint, Policy, Run
from lrrange.printable import described
from lrrange.protocol.factories import split_made
from lrrange.protocol.step_driver import StepDriver
from lrrange.protocol.training_step import TrainingStep
from lrrange.quantity import LOSS, MetricValue, Quantity
from lrrange.report.progress import Progress
from lrrange.sweep.planned_steps import PlannedSteps, StopReason
from lrrange.watchers import noted_on

# A run without held-out data is judged by the mean training loss of this part of its steps, at its end.
_JUDGED_PART = 0.1


@attrs.frozen(kw_only=True)
class Job:
    """Everything that a worker needs to make one run.

    Args:
        make_run, evaluate_every: see `lrrange.compare`.
        policy: policy to train under.
        seed: seed to call `make_run` with.
        attempt: counted from 1. It is part of the job so that an executor that caches results does not return an
            earlier failure.
    """

    make_run: Callable[..., Any]
    policy: Policy
    seed: int
    evaluate_every: int | None = None
    attempt: int = 1

    @property
    def next_attempt(self) -> "Job":
        """The same job as its next attempt."""
        return attrs.evolve(self, attempt=self.attempt + 1)


class Announcer:
    """The calls of the watchers, and of the progress bar, while a run takes its steps.

    Args:
        started: called with the policy, the seed and the number of steps before the first step.
        advanced: called with the policy, the seed, the number of the step and its loss after each step.
        finished: called with the policy, the seed and the error or None, however the run ends.
        progress: counts the steps.

    Attributes:
        error: what a watcher raised. It is not an error of the run.
    """

    def __init__(
        self,
        started: Callable[..., object] | None,
        advanced: Callable[..., object] | None,
        finished: Callable[..., object] | None,
        progress: Progress,
    ) -> None:
        self.error: Exception | None = None
        self._started, self._advanced, self._finished = started, advanced, finished
        self._progress = progress

    @contextlib.contextmanager
    def announced(self, steps: "PolicySteps", seed: int) -> Iterator[None]:
        """Call the watchers for these steps of a run with this seed: now, after each step, and after the block."""
        policy = steps.plan
        if self._advanced is not None:
            steps.watch(
                lambda point: self._call(
                    self._advanced, policy=policy, seed=seed, step=point.step, loss=point.loss, point=point
                )
            )
        try:
            self._call(self._started, policy=policy, seed=seed, steps=policy.num_steps)
            with self._progress.stage("", [steps]):
                yield
        except BaseException as error:
            with noted_on(error, "lrrange_run_finished"):
                self._call(self._finished, policy=policy, seed=seed, error=error)
            raise
        self._call(self._finished, policy=policy, seed=seed, error=None)

    def _call(self, hook: Callable[..., object] | None, **arguments: Any) -> None:
        if hook is None:
            return
        try:
            hook(**arguments)
        except Exception as error:
            self.error = error
            raise


def run_job(job: Job, announcer: Announcer | None = None) -> Run:
    """Train the run of a job, in whatever process this is called. An exception becomes the `error` of the run.

    Args:
        job: the job.
        announcer: calls watchers in this process; None for none. What they raise passes through.
    """
    with one_at_a_time:
        try:
            return _train(job, announcer)
        except Exception as error:
            if announcer is not None and announcer.error is not None:
                raise announcer.error from None  # a backend may have wrapped it
            text = described(error)
            if not isinstance(error, LRRangeError):  # which says itself what to change
                frame = traceback.extract_tb(error.__traceback__)[-1]
                text = f"{text} ({frame.filename}:{frame.lineno})"
            return make_failed_run(job, text)


def make_failed_run(job: Job, error: str) -> Run:
    """Return the run of a job that failed, with the reason."""
    return Run(policy=job.policy.name, seed=job.seed, error=error, attempts=job.attempt)


def make_training(target: object, options: Mapping[str, Any]) -> Training:
    """Return the training that a plug-in makes of a target. Settings of `find_lr` are ignored, except for `backend`."""
    settings, backend_options = split_options(options)
    return adapt(make_manager(), target, settings.get("backend"), backend_options)


class PolicySteps(PlannedSteps):
    """The steps of a run, at the rates of a policy. A high loss does not end them.

    Args:
        policy: policy to train under.
        on_advance: see `PlannedSteps`.
    """

    plan: Policy

    @property
    def momentum(self) -> float | None:
        """The momentum of the next step, for a driver that can set it; None to leave momentum as it is."""
        self._check_running("read the next momentum of")
        return None if self.plan.momentum is None else self.plan.momentum[len(self.points)]


@attrs.define
class _HeldOutLosses:
    """The held-out losses of a run, measured after some of its steps and after the last one.

    Args:
        evaluate: returns the held-out loss, or None without held-out data; None if the backend cannot evaluate.
        every: number of steps between held-out losses; None to measure only at the end.
        num_steps: number of steps of the run.
        checkpoints: the losses so far.
        quantity: what they are; None before the first.
    """

    evaluate: Callable[[], SupportsFloat | None] | None
    every: int | None
    num_steps: int
    checkpoints: list[Checkpoint] = attrs.field(factory=list)
    quantity: Quantity | None = None

    def measure_after(self, steps_taken: int) -> None:
        """Measure the loss if it is due after this many steps. The training must be as the last of them left it."""
        due = steps_taken == self.num_steps or (self.every is not None and steps_taken % self.every == 0)
        if self.evaluate is None or not due:
            return
        loss = self.evaluate()
        if loss is not None:
            self.quantity = loss.quantity if isinstance(loss, MetricValue) else LOSS
            self.checkpoints.append(Checkpoint(step=steps_taken, loss=float(loss)))
        elif self.every is not None:
            raise _held_out_data_error(self.every)


def _held_out_data_error(evaluate_every: int) -> OptionError:
    return OptionError(
        f"evaluate_every={evaluate_every} needs held-out data, and the training has none. Give a val_loader= (PyTorch) "
        f"or an evaluate() method, or leave evaluate_every out.",
    )


class _PolicyStep:
    """A `TrainingStep` that sets the policy's momentum before each step, and measures the held-out loss after it.

    It counts its own steps, because `PolicySteps` gets a loss several steps late if a device is still computing it.

    Args:
        step: the step of the target.
        training: the training of the target.
        policy: policy to train under.
        held_out: collects the held-out losses of the run.

    Attributes:
        momentum_set: whether the optimizer has a momentum, and it was set.
    """

    def __init__(self, step: TrainingStep, training: Training, policy: Policy, held_out: _HeldOutLosses) -> None:
        self.momentum_set = False
        self._step = step
        self._momentum = None if training.set_momentum is None else policy.momentum
        self._set_momentum = training.set_momentum
        self._seed = training.seed
        self._held_out = held_out
        self._steps_taken = 0

    def step(self, lr: float) -> Any:
        """Take one step at this rate, and return its loss."""
        if self._momentum is not None and self._set_momentum is not None:
            self.momentum_set = bool(self._set_momentum(self._momentum[self._steps_taken]))
        loss = self._step.step(lr)
        self._steps_taken += 1
        self._held_out.measure_after(self._steps_taken)
        return loss

    def snapshot(self) -> Any:
        """Return a snapshot of the target."""
        return self._step.snapshot()

    def restore(self, state: Any) -> None:
        """Restore the target from a snapshot."""
        self._step.restore(state)

    def seed(self, value: int) -> None:
        """Seed the training, if its backend takes a seed."""
        if self._seed is not None:
            self._seed(value)


def _train(job: Job, announcer: Announcer | None) -> Run:
    policy = job.policy
    training = make_training(*split_made(job.make_run(seed=job.seed), getattr(job.make_run, "__name__", "make_run")))
    if job.evaluate_every is not None and training.evaluate is None:
        raise _held_out_data_error(job.evaluate_every)
    held_out = _HeldOutLosses(training.evaluate, job.evaluate_every, policy.num_steps)
    seed = None if training.seed is None else job.seed
    step: _PolicyStep | None = None
    steps = PolicySteps(policy)
    if training.training_step is not None:
        step = _PolicyStep(training.training_step, training, policy, held_out)
    else:
        steps.watch(lambda point: held_out.measure_after(point.step + 1))
    with contextlib.nullcontext() if announcer is None else announcer.announced(steps, job.seed):
        start = time.perf_counter()
        if step is not None:
            StepDriver(step, seed).run(steps)
        else:
            training.run(steps, seed)
        wall_time = time.perf_counter() - start
        _check_ended(steps)
    quantity = held_out.quantity or steps.quantity
    return Run(
        policy=policy.name,
        seed=job.seed,
        losses=_training_values(steps, quantity),
        held_out=tuple(held_out.checkpoints),
        final=_judge(steps, held_out.checkpoints),
        quantity=quantity,
        momentum=step is not None and step.momentum_set,
        wall_time=wall_time,
        details={} if training.report is None else dict(training.report()),
        attempts=job.attempt,
    )


def _training_values(steps: PolicySteps, quantity: Quantity) -> tuple[float, ...]:
    """Return what was recorded of this quantity at each step, in the sign in which it falls; NaN if nothing was."""
    if steps.quantity == quantity:
        return tuple(point.loss for point in steps.points)
    return quantity.oriented(point.recorded.get(quantity.name, math.nan) for point in steps.points)


def _judge(steps: PolicySteps, held_out: Sequence[Checkpoint]) -> float:
    """Return the loss that the run is judged by; infinite if it diverged."""
    if steps.stop_reason is not StopReason.COMPLETED:
        return math.inf
    if held_out:
        return held_out[-1].loss if math.isfinite(held_out[-1].loss) else math.inf
    last = [point.loss for point in steps.points[-math.ceil(_JUDGED_PART * len(steps.points)) :]]
    finite = [loss for loss in last if math.isfinite(loss)]
    return mean(finite) if finite else math.inf


def _check_ended(steps: PolicySteps) -> None:
    """Raise TargetError or NoData unless the run took all its steps or diverged."""
    taken, planned = len(steps.points), steps.plan.num_steps
    if steps.running:
        raise TargetError(
            f"the training ended after {taken} of {planned} steps without saying why. It should call "
            f"sweep.close(reason).",
            steps_run=taken,
        )
    if steps.stop_reason is StopReason.DATA_EXHAUSTED:
        raise NoData(
            f"the data ran out after {taken} of {planned} steps. Give a loader that starts again, not a generator.",
            steps_run=taken,
        )
