"""What `result.verify` returns: a watch over the training that follows, or the proof from steps taken at once."""

from types import TracebackType
from typing import Any, Protocol, runtime_checkable

from lrrange.errors import OptionError


def check_steps(steps: Any, name: str = "steps", least: int = 1) -> None:
    """Raise OptionError unless `steps`, the argument called `name`, is a whole number of steps, `least` or more."""
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < least:
        raise OptionError(f"{name}={steps!r} is not a whole number of steps, {least} or more.", steps=steps)


@runtime_checkable
class RateProof(Protocol):
    """A proof, complete or still to come, that a training uses a learning rate.

    As a context manager it raises RateNotInForce at the end of the block, if the steps taken within it do not prove the
    rate.
    """

    @property
    def proved(self) -> bool:
        """Whether at least one step was seen, and all that were seen have used the rate."""

    def close(self) -> None:
        """Stop watching."""

    def __enter__(self) -> "RateProof": ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...


class ProvedRate:
    """A `RateProof` from steps that were taken on a copy of the training, and need not be watched for.

    Args:
        lr: the rate that the steps have used.
        steps_seen: number of these steps.
    """

    proved = True

    def __init__(self, lr: float, steps_seen: int) -> None:
        self.lr = lr
        self.steps_seen = steps_seen

    def __repr__(self) -> str:
        return f"<ProvedRate lr={self.lr:.2e}, {self.steps_seen} steps>"

    def close(self) -> None:
        """Do nothing: there is nothing to watch."""

    def __enter__(self) -> "ProvedRate":
        return self

    def __exit__(self, *_: object) -> None:
        pass
