"""The two main protocols, `TrainingStep` and `Driver`. A backend implements one of them."""

from typing import Any, Protocol, runtime_checkable

from lrrange.sweep.planned_steps import PlannedSteps


@runtime_checkable
class TrainingStep(Protocol):
    """A loop that lrrange runs, one optimizer step at a time.

    If the target cannot be trained, raise the error when the adapter is made, before any step. A backend can have
    further abilities. Each is a small protocol in `lrrange.protocol`: `Seedable`, `Reports`, `SuggestsBounds`,
    `KnowsFacts`, `Evaluates`, `EvaluatesBatches`, `SetsMomentum`, `Digestible`, `ProvesRate`, `RecognisesBlowUps`,
    `Replicates`.
    """

    def step(self, lr: float) -> Any:
        """Train one step at this rate.

        Returns: its loss, one number; or a `DeferredLoss`, which a device is still computing; or a
            `lrrange.sweep.MetricValue`, to read advice from a metric and record the loss beside it.
        Raises: StopIteration when the data has run out.
        """

    def snapshot(self) -> Any:
        """Return everything that `step` may change, in a form that `restore` understands."""

    def restore(self, state: Any) -> None:
        """Put everything back exactly as it was at the snapshot."""


@runtime_checkable
class Driver(Protocol):
    """A loop that a framework owns. It puts everything back itself, in `finally`; `LoopDriver` does that for you.

    It can have the further abilities of a `TrainingStep`, except `EvaluatesBatches` and `Replicates`. An object that no
    plug-in adapts counts as a driver if the one required argument of its `run` is called `sweep`, or annotated as a
    `Sweep`.
    """

    def run(self, sweep: PlannedSteps) -> object:
        """Train each step at `sweep.lr` and tell `sweep` its loss, until `sweep.running` is false.

        If the data run out before that, call `sweep.close(StopReason.DATA_EXHAUSTED)`. The return value is not read.
        """
