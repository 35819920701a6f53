"""One run under one policy: to a `TrainingStep` or a `Driver`, a sweep whose plan is the policy."""

import inspect
import math
import statistics
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs

from lrrange.comparison.comparison import Checkpoint, Run
from lrrange.comparison.policies import Policy
from lrrange.errors import NoData, OptionError, TargetError
from lrrange.finder.executors import one_at_a_time
from lrrange.finder.range_test import find_lr
from lrrange.finder.training import adapt, seeded
from lrrange.plugins import make_manager
from lrrange.protocol.training_step import Driver, TrainingStep, split_made
from lrrange.sweep.curve import Curve
from lrrange.sweep.sweep import Point, StopReason, Sweep

# Part of a run, at its end, whose mean training loss it is judged by where there are no held-out data.
_LAST = 0.1


@attrs.frozen(kw_only=True)
class Job:
    """What a worker needs to know to make one run.

    Args:
        make_run, evaluate_every: see `lrrange.compare`.
        policy: to train under.
        seed: for `make_run`.
        attempt: counted from 1. Part of the job, so that an executor that remembers answers does not repeat a failure.
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
    """Make the run, wherever this is called. What it raises becomes its `error`."""
    with one_at_a_time:
        try:
            return _trained(job)
        except Exception as error:
            place = traceback.extract_tb(error.__traceback__)[-1]
            text = " ".join(f"{type(error).__name__}: {error}".split())
            return failure(job, f"{text} ({place.filename}:{place.lineno})")


def failure(job: Job, error: str) -> Run:
    """The run that did not finish."""
    return Run(policy=job.policy.name, seed=job.seed, error=error, attempts=job.attempt)


def adapted_by(target: object, options: Mapping[str, Any]) -> TrainingStep | Driver:
    """What a plug-in makes of a target, given also those options that are `find_lr`'s own."""
    own = inspect.signature(find_lr).parameters
    training = {name: value for name, value in options.items() if name not in own}
    return adapt(make_manager(), target, options.get("backend"), training)[1]


class PolicyRun(Sweep):
    """A run as a driver sees it: a sweep that goes through a policy's rates and does not stop for a high loss.

    Args:
        policy: to train under.
        on_advance: as for `Sweep`.
    """

    def __init__(self, policy: Policy, on_advance: Callable[[Point], object] | None = None) -> None:
        super().__init__(policy, divergence=None, on_advance=on_advance)  # type: ignore[arg-type]  # a plan of its own
        self.policy = policy

    @property
    def curve(self) -> Curve:
        """Empty: the rates of a policy need not rise."""
        return Curve(lr=(), loss=())

    @property
    def momentum(self) -> float | None:
        """The momentum to train the next step at, for a driver that can set it; None to leave it."""
        self._check_running("read the next momentum of")
        return None if self.policy.momentum is None else self.policy.momentum[len(self.points)]


@attrs.define
class _HeldOut:
    """Held-out losses, read after some of the steps and after the last one."""

    evaluate: Callable[[], float] | None
    every: int | None
    num_steps: int
    read: list[Checkpoint] = attrs.field(factory=list)

    def after(self, taken: int) -> None:
        """Read one if it is due after so many steps. The training is still as the last of them left it."""
        due = taken == self.num_steps or (self.every is not None and taken % self.every == 0)
        if self.evaluate is not None and due:
            self.read.append(Checkpoint(step=taken, loss=float(self.evaluate())))


@attrs.define
class _PolicySteps:
    """A `TrainingStep` with the policy's momentum before each step and the held-out losses after it.

    It counts its own steps, because the run hears of them late where a device has yet to compute their losses.
    """

    adapted: Any
    policy: Policy
    held_out: _HeldOut
    taken: int = 0
    momentum_set: bool = False

    def step(self, lr: float) -> Any:
        """One step at this rate."""
        if self.policy.momentum is not None and hasattr(self.adapted, "set_momentum"):
            self.momentum_set = bool(self.adapted.set_momentum(self.policy.momentum[self.taken]))
        loss = self.adapted.step(lr)
        self.taken += 1
        self.held_out.after(self.taken)
        return loss

    def snapshot(self) -> Any:
        """The adapter's own."""
        return self.adapted.snapshot()

    def restore(self, state: Any) -> None:
        """The adapter's own."""
        self.adapted.restore(state)

    def seed(self, value: int) -> None:
        """The adapter's own."""
        self.adapted.seed(value)


def _trained(job: Job) -> Run:
    policy = job.policy
    adapted = adapted_by(*split_made(job.make_run(seed=job.seed), getattr(job.make_run, "__name__", "make_run")))
    held_out = _HeldOut(getattr(adapted, "evaluate", None), job.evaluate_every, policy.num_steps)
    if job.evaluate_every is not None and held_out.evaluate is None:
        raise OptionError(
            f"evaluate_every={job.evaluate_every} needs held-out data, and there are none: a val_loader= for "
            f"PyTorch, or an evaluate() method.",
        )
    seed = job.seed if hasattr(adapted, "seed") else None
    steps = _PolicySteps(adapted, policy, held_out) if isinstance(adapted, TrainingStep) else None
    run = PolicyRun(policy, on_advance=None if steps else lambda point: held_out.after(point.step + 1))
    began = time.perf_counter()
    seeded(steps or adapted, seed).run(run)
    wall_time = time.perf_counter() - began
    _check_ended(run)
    return Run(
        policy=policy.name,
        seed=job.seed,
        losses=tuple(point.loss for point in run.points),
        held_out=tuple(held_out.read),
        final=_final(run, held_out.read),
        momentum=steps is not None and steps.momentum_set,
        wall_time=wall_time,
        details=dict(getattr(adapted, "report", dict)()),
        attempts=job.attempt,
    )


def _final(run: PolicyRun, held_out: Sequence[Checkpoint]) -> float:
    """What the run is judged by; infinite if it diverged."""
    if run.stop_reason is not StopReason.COMPLETED:
        return math.inf
    if held_out:
        return held_out[-1].loss if math.isfinite(held_out[-1].loss) else math.inf
    last = [point.loss for point in run.points[-math.ceil(_LAST * len(run.points)) :]]
    finite = [loss for loss in last if math.isfinite(loss)]
    return statistics.fmean(finite) if finite else math.inf


def _check_ended(run: PolicyRun) -> None:
    taken, planned = len(run.points), run.policy.num_steps
    if run.running:
        raise TargetError(f"the training ended after {taken} of {planned} steps without saying why.", steps_run=taken)
    if run.stop_reason is StopReason.DATA_EXHAUSTED:
        raise NoData(
            f"the data ran out after {taken} of {planned} steps. Give a loader that starts again, not a generator.",
            steps_run=taken,
        )
