"""The optional abilities of a backend, beyond `TrainingStep` or `Driver`: one small protocol for each.

A backend implements the methods it can, and needs no base class. `find_lr` and `compare` look once, before the first
step, which of these protocols it satisfies.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol, SupportsFloat, runtime_checkable

from lrrange.sweep.planned_steps import PlannedSteps


@runtime_checkable
class DeferredLoss(Protocol):
    """A loss that a device is still computing: `TrainingStep.step` may return one instead of a number.

    It is converted to a float once `steps_late` further steps have been taken, so that no step waits for the device. A
    sweep then ends that many steps late, and the losses of those steps are discarded. More than 4 count as 4.
    """

    steps_late: int

    def __float__(self) -> float:
        """Return the loss, and wait for the device if it has not arrived yet."""


@runtime_checkable
class Seedable(Protocol):
    """A backend that can seed its training, which `seed=` and `repeats=` need."""

    def seed(self, value: int) -> None:
        """Seed every random generator that the training uses.

        It is called once per run: on a `TrainingStep` after the snapshot, on a `Driver` before `run`, which then seeds
        inside its own snapshot and restore.
        """


@runtime_checkable
class StartsFrom(Protocol):
    """A backend whose weights are a value: `reset=` returns a new one, as nothing is changed in place."""

    def start_from(self, state: Any) -> None:
        """Train the run that has begun from this state, which the user's `reset` has returned.

        Raises: OptionError for what is no such state.
        """


@runtime_checkable
class ProvesRate(Protocol):
    """A backend that itself raises RateNotInForce if a step is trained at another rate than the one it was given.

    For any other, `find_lr` probes the rate after the first sweep: it takes a few steps again, at another rate.
    """

    proves_rate: bool


@runtime_checkable
class Reports(Protocol):
    """A backend that adds facts of its own to the result's provenance."""

    def report(self) -> Mapping[str, Any]:
        """Return facts about the runs, as values that JSON can hold. It is called after the last run.

        The key `"versions"` maps package names to versions. The key `"not_kept"` maps the name of each object that
        training may change and that cannot be put back to the reason: the result is then not called verified, and the
        user is warned.
        """


@runtime_checkable
class SuggestsBounds(Protocol):
    """A backend that knows which rates fit its optimizer."""

    def bounds(self) -> Mapping[str, float]:
        """Return `start_lr` or `end_lr` or both where the usual defaults do not fit; an empty mapping otherwise.

        With `highest_lr`, the rate above which a rate has no effect, no default sweep goes beyond it.
        """


@runtime_checkable
class KnowsFacts(Protocol):
    """A backend that knows its optimizer, on which the best rate and the trust in it depend."""

    def facts(self) -> Mapping[str, Any]:
        """Return what is known of the training beside its losses. It is called after the last run.

        The keys are those of `lrrange.TrainingFacts`: `"optimizer"`, `"momentum"`, `"weight_decay"`, `"steps_taken"`
        and `"train_steps"`. Leave out what is not known. `train_steps` of `find_lr` overrides the last one.
        """


@runtime_checkable
class Evaluates(Protocol):
    """A backend with held-out data, by which `confirm=True` and `compare` then judge."""

    def evaluate(self) -> SupportsFloat | None:
        """Return the held-out loss of the training as it is now, or None if it was given no held-out data.

        It may be a `lrrange.sweep.MetricValue`, to judge by a metric.
        """


@runtime_checkable
class EvaluatesBatches(Protocol):
    """A `TrainingStep` that can compute the loss of a batch without training on it, which makes `paired=` cheaper.

    Without it, the steps of a paired sweep are taken again at rate zero.
    """

    def forward(self) -> Any:
        """Return the loss of the next batch at the present weights, as `step` returns it, and move no weight.

        It takes the same batch and draws the same random numbers as `step` would, in training mode.
        Raises: StopIteration when the data has run out.
        """


@runtime_checkable
class SetsMomentum(Protocol):
    """A backend that can set the momentum of its optimizer, for the policies of `compare` that cycle it."""

    def set_momentum(self, value: float) -> bool:
        """Train the following steps at this momentum. Return whether the optimizer has any."""


@runtime_checkable
class Digestible(Protocol):
    """A backend whose state can be compared before and after a sweep, which `verify_restore=True` needs."""

    def digest(self) -> Iterable[tuple[str, Any]]:
        """Yield the name of everything that training can change with its value or a hash of it, in a fixed order."""


@runtime_checkable
class RecognisesBlowUps(Protocol):
    """A backend that knows which errors of a step have other causes than a rate that is too high."""

    def is_blow_up(self, error: Exception) -> bool:
        """Return whether the training may have raised this error because its rate is too high.

        It is False for an error of the loader, or of a training in several processes, which must all end. If it is
        True, a sweep that has learnt something ends as `RAISED` and keeps its points. Errors that are never blow-ups,
        such as OSError or TypeError, are not passed to this method.
        """


class Replica(Protocol):
    """One of several runs whose steps a backend takes side by side; made by `Replicates.replica`."""

    def together(self, others: Sequence[Any], measure: bool, begin: Callable[[], object]) -> str | None:
        """Take the steps of this run and the others side by side, and put everything back.

        Each sweep gets the losses that it would get alone, up to rounding. When a sweep gets the loss of a step for
        which its `is_evaluated_after` is true, as for the last of its plan, the training is as that step of that run
        left it, so that `Evaluates.evaluate` can be called.

        Args:
            others: further replicas, of this training or of one like it.
            measure: give up if the first steps show that one run after another would be faster.
            begin: a function to call once, before any sweep gets a loss.
        Returns: None when all runs are done; otherwise the reason why not, and then no sweep got a loss.
        """


@runtime_checkable
class Replicates(Protocol):
    """A `TrainingStep` that can take several runs side by side, for `parallel="vmap"` and `parallel="auto"`."""

    def why_alone(self, count: int, measure: bool) -> str | None:
        """Return why `count` runs cannot be taken side by side, as far as is known without a step; None if they can.

        Args:
            count: number of runs.
            measure: also return a reason if taking them side by side would not pay.
        """

    def replica(self, sweep: PlannedSteps, seed: int | None, reset: Callable[[], object] | None) -> Replica:
        """Return this run as a replica.

        It remembers the global random state of this moment, from which the run starts if it has no seed.

        Args:
            sweep: the steps of the run.
            seed: the seed of the run; None for none.
            reset: makes other initial weights; None to leave them.
        """
