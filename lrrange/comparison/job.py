"""One run of a comparison: the policy as planned steps, on whatever a plug-in can train."""

import math
import statistics
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs

from lrrange.errors import NoData, OptionError, TargetError
from lrrange.finder.executors import one_at_a_time
from lrrange.finder.settings import split_options
from lrrange.finder.training import Training, adapt
from lrrange.plugins import make_manager
from lrrange.policy import Checkpoint, Policy, Run
from lrrange.protocol.factories import split_made
from lrrange.protocol.step_driver import StepDriver
from lrrange.protocol.training_step import TrainingStep
from lrrange.sweep.planned_steps import PlannedSteps, Point, StopReason

# A run without held-out data is judged by the mean training loss of this part of its steps, at its end.
_LAST = 0.1


@attrs.frozen(kw_only=True)
class Job:
    """What a worker needs to know to make one run.

    Args:
        make_run, evaluate_every: see `lrrange.compare`.
        policy: to train under.
        seed: for `make_run`.
        attempt: counted from 1. It is part of the job so that an executor that caches results repeats no failure.
    """

    make_run: Callable[..., Any]
    policy: Policy
    seed: int
    evaluate_every: int | None = None
    attempt: int = 1

    @property
    def again(self) -> "Job":
        """The next attempt."""
        return attrs.evolve(self, attempt=self.attempt + 1)


def run_job(job: Job) -> Run:
    """Make the run, wherever this is called. An exception becomes the `error` of the run."""
    with one_at_a_time:
        try:
            return _train(job)
        except Exception as error:
            place = traceback.extract_tb(error.__traceback__)[-1]
            text = " ".join(f"{type(error).__name__}: {error}".split())
            return failed_run(job, f"{text} ({place.filename}:{place.lineno})")


def failed_run(job: Job, error: str) -> Run:
    """Return the run that did not finish, with the reason."""
    return Run(policy=job.policy.name, seed=job.seed, error=error, attempts=job.attempt)


def training_of(target: object, options: Mapping[str, Any]) -> Training:
    """Return what a plug-in makes of a target. Options of `find_lr` that are not the backend's are left out."""
    own, of_backend = split_options(options)
    return adapt(make_manager(), target, own.get("backend"), of_backend)


class PolicySteps(PlannedSteps):
    """The steps of a run: a policy's rates, and no stop for a high loss.

    Args:
        policy: to train under.
        on_advance: as for `PlannedSteps`.
    """

    plan: Policy

    @property
    def momentum(self) -> float | None:
        """The momentum to train the next step at, for a driver that can set it; None to leave it."""
        self._check_running("read the next momentum of")
        return None if self.plan.momentum is None else self.plan.momentum[len(self.points)]


@attrs.define
class _HeldOut:
    """The held-out losses of a run, read after some of its steps and after the last one.

    Args:
        evaluate: returns the held-out loss, or None without held-out data.
        every: steps between readings; None for one at the end.
        num_steps: of the run.
        checkpoints: the readings so far.
    """

    evaluate: Callable[[], float | None] | None
    every: int | None
    num_steps: int
    checkpoints: list[Checkpoint] = attrs.field(factory=list)

    def after(self, taken: int) -> None:
        """Read the loss if it is due after this many steps. The training is still as the last of them left it."""
        due = taken == self.num_steps or (self.every is not None and taken % self.every == 0)
        if self.evaluate is None or not due:
            return
        loss = self.evaluate()
        if loss is not None:
            self.checkpoints.append(Checkpoint(step=taken, loss=float(loss)))
        elif self.every is not None:
            raise no_held_out_data(self.every)


def no_held_out_data(evaluate_every: int) -> OptionError:
    """Return the error for `evaluate_every` without held-out data."""
    return OptionError(
        f"evaluate_every={evaluate_every} needs held-out data, and there are none: a val_loader= for PyTorch, or an "
        f"evaluate() method.",
    )


class _PolicyStep:
    """A `TrainingStep` that sets the policy's momentum before each step and reads the held-out loss after it.

    It counts its own steps, because `PolicySteps` is told losses late where a device has yet to compute them.

    Args:
        step: to take.
        training: that the step is of.
        policy: to train under.
        held_out: losses of the run.
    """

    def __init__(self, step: TrainingStep, training: Training, policy: Policy, held_out: _HeldOut) -> None:
        self.momentum_set = False
        self._step = step
        self._momentum = None if training.set_momentum is None else policy.momentum
        self._set_momentum = training.set_momentum
        self._seed = training.seed
        self._held_out = held_out
        self._taken = 0

    def step(self, lr: float) -> Any:
        """Take one step at this rate."""
        if self._momentum is not None and self._set_momentum is not None:
            self.momentum_set = bool(self._set_momentum(self._momentum[self._taken]))
        loss = self._step.step(lr)
        self._taken += 1
        self._held_out.after(self._taken)
        return loss

    def snapshot(self) -> Any:
        """Return the snapshot of the step."""
        return self._step.snapshot()

    def restore(self, state: Any) -> None:
        """Restore the step."""
        self._step.restore(state)

    def seed(self, value: int) -> None:
        """Seed the training, if it can be seeded."""
        if self._seed is not None:
            self._seed(value)


def _train(job: Job) -> Run:
    policy = job.policy
    training = training_of(*split_made(job.make_run(seed=job.seed), getattr(job.make_run, "__name__", "make_run")))
    if job.evaluate_every is not None and training.evaluate is None:
        raise no_held_out_data(job.evaluate_every)
    held_out = _HeldOut(training.evaluate, job.evaluate_every, policy.num_steps)
    seed = None if training.seed is None else job.seed
    step: _PolicyStep | None = None
    began = time.perf_counter()
    if isinstance(training.target, TrainingStep):
        step = _PolicyStep(training.target, training, policy, held_out)
        steps = PolicySteps(policy)
        StepDriver(step, seed).run(steps)
    else:
        steps = PolicySteps(policy, on_advance=lambda point: _evaluate_after(point, held_out))
        training.run(steps, seed)
    wall_time = time.perf_counter() - began
    _check_ended(steps)
    return Run(
        policy=policy.name,
        seed=job.seed,
        losses=tuple(point.loss for point in steps.points),
        held_out=tuple(held_out.checkpoints),
        final=_final(steps, held_out.checkpoints),
        momentum=step is not None and step.momentum_set,
        wall_time=wall_time,
        details={} if training.report is None else dict(training.report()),
        attempts=job.attempt,
    )


def _evaluate_after(point: Point, held_out: _HeldOut) -> None:
    held_out.after(point.step + 1)


def _final(steps: PolicySteps, held_out: Sequence[Checkpoint]) -> float:
    """Return what the run is judged by; infinite if it diverged."""
    if steps.stop_reason is not StopReason.COMPLETED:
        return math.inf
    if held_out:
        return held_out[-1].loss if math.isfinite(held_out[-1].loss) else math.inf
    last = [point.loss for point in steps.points[-math.ceil(_LAST * len(steps.points)) :]]
    finite = [loss for loss in last if math.isfinite(loss)]
    return statistics.fmean(finite) if finite else math.inf


def _check_ended(steps: PolicySteps) -> None:
    taken, planned = len(steps.points), steps.plan.num_steps
    if steps.running:
        raise TargetError(f"the training ended after {taken} of {planned} steps without saying why.", steps_run=taken)
    if steps.stop_reason is StopReason.DATA_EXHAUSTED:
        raise NoData(
            f"the data ran out after {taken} of {planned} steps. Give a loader that starts again, not a generator.",
            steps_run=taken,
        )
