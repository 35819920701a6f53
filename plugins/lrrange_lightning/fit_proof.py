"""What `result.verify(trainer)` returns."""

from types import TracebackType
from typing import Any

from lrrange.errors import RateNotInForce
from lrrange_lightning.callbacks import VerifyRate
from lrrange_lightning.compat import callback_class


class FitProof:
    """A watch over the next fits of a Trainer, by a `VerifyRate` that stands among its callbacks until `close`.

    Args:
        trainer: whose callbacks get a further one.
        lr, steps, optimizer: see `VerifyRate`.
    """

    def __init__(self, trainer: Any, lr: float, steps: int, optimizer: int | None = None) -> None:
        self._trainer = trainer
        self._callback = callback_class(VerifyRate, f"lrrange_lightning.{VerifyRate.__name__}")(lr, steps, optimizer)
        trainer.callbacks.append(self._callback)

    @property
    def proved(self) -> bool:
        """Whether a fit has been seen to train at the rate."""
        return bool(self._callback.proved)

    def close(self) -> None:
        """Stop watching, and take the callback away."""
        self._callback.close()
        if self._callback in self._trainer.callbacks:
            self._trainer.callbacks.remove(self._callback)

    def __enter__(self) -> "FitProof":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
        if error is None and not self.proved:
            raise RateNotInForce(
                f"the Trainer took no step while it was watched, so the rate {self._callback.lr:.6g} had no effect. "
                f"Call trainer.fit within the block.",
                wanted=self._callback.lr,
                steps_seen=0,
            )
