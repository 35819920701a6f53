"""Every reason lrrange gives for not answering: one class per cause, each under `LRRangeError` and a builtin.

The message says what happened, with its numbers, and what to change. The same numbers are attributes of the
error, so that nobody parses text.
"""

from typing import Any


class LRRangeError(Exception):
    """Anything lrrange raises on purpose. Keyword arguments become attributes of the error."""

    def __init__(self, message: str = "", **numbers: Any) -> None:
        super().__init__(message)
        # Straight into __dict__, because that is what pickle carries when the error crosses a process.
        self.__dict__.update(numbers)

    def __getattr__(self, name: str) -> Any:
        # Only reached for numbers this error was not given; here so that type checkers allow `error.start_lr`.
        raise AttributeError(f"{type(self).__name__} carries no {name!r}")


class PlanError(LRRangeError, ValueError):
    """A sweep plan that cannot be swept: rates out of order, not positive, or too few steps."""


class LossError(LRRangeError, TypeError):
    """A training step gave something that is not one number."""


class SweepStateError(LRRangeError, RuntimeError):
    """A move that the sweep's present state does not allow. The sweep is unchanged."""


class CurveError(LRRangeError, ValueError):
    """Rates and losses that do not make a curve."""


class NoSuggestion(LRRangeError, ValueError):
    """A heuristic cannot answer from this curve. Its subclasses name the reason."""


class TooFewPoints(NoSuggestion):
    """The curve has fewer finite losses than the heuristic needs."""


class NoDescent(NoSuggestion):
    """The loss never falls by more than its noise."""


class FlatCurve(NoDescent):
    """The loss neither falls nor rises by more than its noise: nothing was learnt at any rate."""


class OnlyRises(NoDescent):
    """The loss rises and never falls: the lowest rate is already too high."""


class StillFalls(NoSuggestion):
    """The loss still falls at the last rate: the rates that matter lie above it."""


class RatesTooFarApart(NoSuggestion):
    """So few steps a decade that a curve may fall and blow up between two of them."""


class UnknownName(LRRangeError, LookupError):
    """A heuristic, smoothing, range rule or plug-in by that name does not exist."""


class BackendNotFound(LRRangeError, LookupError):
    """No plug-in by that name is installed."""


class PluginUnavailable(LRRangeError, ImportError):
    """The plug-in exists but could not be loaded; the message gives its reason."""


class MissingExtra(PluginUnavailable):
    """The plug-in's framework is not installed; the message names the extra that brings it."""


class TargetError(LRRangeError, TypeError):
    """Nothing that is installed can train this target, or the target cannot be trained as it is."""


class OptionError(LRRangeError, TypeError):
    """An option the backend does not know, or a value it cannot use."""


class NoData(LRRangeError, ValueError):
    """The loader gave no batch at all."""


class RateNotInForce(LRRangeError, RuntimeError):
    """The optimizer does not train at the rate it was given."""


class ProcessFailed(LRRangeError, RuntimeError):
    """Another process of the same training raised, so this one cannot go on."""


class RestoreFailed(LRRangeError, RuntimeError):
    """After the sweep something is not as it was before it; the message names it. An error in a backend."""


class SaveError(LRRangeError, OSError):
    """The result could not be written. Whatever was at that path before is still there."""


class LoadError(LRRangeError, ValueError):
    """The file is not a result this version of lrrange can read."""
