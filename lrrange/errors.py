"""Every reason why lrrange does not answer: one class per cause, each also a builtin exception.

The tree of the classes, with the builtin exception and the cause of each:

    LRRangeError
    |-- PlanError            ValueError     rates, steps or other numbers that cannot be used
    |-- CurveError           ValueError     rates and losses that do not make a curve
    |-- NoSuggestion         ValueError     a heuristic cannot answer from this curve
    |   |-- TooFewPoints
    |   |-- NoDescent
    |   |   |-- FlatCurve
    |   |   `-- OnlyRises
    |   |-- StillFalls
    |   |-- AtTheEdge
    |   |-- RatesTooFarApart
    |   |-- NonFiniteLosses
    |   |-- EndedEarly
    |   `-- NoInterval
    |-- NoWinner             ValueError     a comparison without a finished run to compare
    |-- NoData               ValueError     the loader gives no batch, or too few
    |-- LoadError            ValueError     a file that is not a result, or cannot be read
    |   `-- UnreadableFile   FileNotFoundError
    |-- LossError            TypeError      the training step returned something other than one number
    |-- TargetError          TypeError      a target that cannot be trained
    |-- OptionError          TypeError      an unknown option, or a value it cannot have
    |-- UnknownName          LookupError    no heuristic, range rule, smoothing or policy of that name
    |-- BackendNotFound      LookupError    no plug-in of that name
    |-- PluginUnavailable    ImportError    a plug-in that could not be loaded
    |   `-- MissingExtra                    its framework is not installed
    |-- SaveError            OSError        a file that could not be written
    |-- SweepStateError      RuntimeError   a move that an ended sweep does not allow
    |-- RateNotInForce       RuntimeError   the optimizer trains at another rate
    |-- RestoreFailed        RuntimeError   a sweep left something behind
    `-- ProcessFailed        RuntimeError   another process of the same training failed

The message says what happened, with its numbers, and then what to change. The same numbers are attributes of the error,
so that nobody has to parse text. A class declares all numbers that its errors may carry; one error carries those
that its message mentions.
"""

from collections.abc import Mapping

from lrrange.printable import printable

__all__ = [
    "AtTheEdge",
    "BackendNotFound",
    "CurveError",
    "EndedEarly",
    "FlatCurve",
    "LRRangeError",
    "LoadError",
    "LossError",
    "MissingExtra",
    "NoData",
    "NoDescent",
    "NoInterval",
    "NoSuggestion",
    "NoWinner",
    "NonFiniteLosses",
    "NotKeptWarning",
    "NotPairedWarning",
    "OnlyRises",
    "OptionError",
    "PlanError",
    "PluginUnavailable",
    "ProcessFailed",
    "RateNotInForce",
    "RatesTooFarApart",
    "RestoreFailed",
    "SaveError",
    "StillFalls",
    "SweepStateError",
    "TargetError",
    "TooFewPoints",
    "UnknownName",
    "UnreadableFile",
]


class LRRangeError(Exception):
    """Base class of everything that lrrange raises on purpose. Keyword arguments become attributes of the error."""

    def __init__(self, message: str = "", **numbers: object) -> None:
        super().__init__(printable(str(message)))  # which may quote a file or an error of somebody else
        # Straight into __dict__, because that is what pickle carries when the error crosses a process.
        self.__dict__.update(numbers)

    @property
    def numbers(self) -> dict[str, object]:
        """The keyword arguments of this error, by name."""
        return {name: value for name, value in self.__dict__.items() if name != "__notes__"}  # of `add_note`


class PlanError(LRRangeError, ValueError):
    """Numbers that make no plan: rates out of order or not positive, too few steps, a value outside its bounds."""

    value: object
    name: str
    lr: float
    start_lr: float
    end_lr: float
    base_lr: float
    max_lr: float
    num_steps: int
    step: int
    shape: str
    mode: str
    anneal: str
    gamma: float
    base_momentum: float | None
    max_momentum: float | None
    total_steps: int
    pct_start: float
    div_factor: float
    final_div_factor: float
    steps_up: int
    steps_down: int
    steps_per_epoch: int
    epochs: float
    steps: int
    repeats: int
    retries: int
    seed: int
    evaluate_every: int
    confirm_steps: int
    train_steps: int
    non_finite_limit: int


class LossError(LRRangeError, TypeError):
    """The training step returned something that is not one number."""

    loss: object
    monitor: str | None
    logged: tuple[str, ...]


class SweepStateError(LRRangeError, RuntimeError):
    """A move that the present state of the sweep does not allow. The sweep is unchanged."""

    stop_reason: object


class CurveError(LRRangeError, ValueError):
    """Rates and losses that do not make a curve, or bounds that do not make a range."""

    rates: int
    losses: int
    points: int
    before: float
    after: float
    base_lr: float
    max_lr: float


class NoSuggestion(LRRangeError, ValueError):
    """A heuristic cannot answer from this curve. Its subclasses name the reason."""

    heuristic: str
    lr: float
    start_lr: float
    end_lr: float
    noise: float
    drop: float
    decades: float
    finding: str
    """What the curve shows, without what to change."""


class TooFewPoints(NoSuggestion):
    """The curve has fewer finite losses than the heuristic needs."""

    needed: int
    found: int


class NoDescent(NoSuggestion):
    """The loss never falls by more than its noise."""

    base_lr: float
    level_until: float
    """The last rate at which the loss is no higher than at the start, if it is level over decades."""


class FlatCurve(NoDescent):
    """The loss neither falls nor rises by more than its noise: nothing was learnt at any rate."""


class OnlyRises(NoDescent):
    """The loss rises and never falls: the lowest rate is already too high."""


class StillFalls(NoSuggestion):
    """The loss still falls at the last rate: the rates that matter lie above it."""


class AtTheEdge(NoSuggestion):
    """The rate, or the point it was read from, lies within two steps of the first or last rate, or outside of them."""

    edge_lr: float


class RatesTooFarApart(NoSuggestion):
    """The sweep takes too few steps per decade: the loss may fall and blow up between two of them."""

    per_decade: float
    needed: float


class NonFiniteLosses(NoSuggestion):
    """The loss was NaN or infinite where no rate can have caused it: the data or the loss function did."""


class EndedEarly(NoSuggestion):
    """The data ran out, or the sweep was ended in another way, before it reached the rates that matter."""

    steps_run: int
    num_steps: int


class NoInterval(NoSuggestion):
    """The answer is a rate without an interval: nothing shows how far the rate can be trusted."""


class NoWinner(LRRangeError, ValueError):
    """No policy finished a run on a seed that the others finished too."""

    failed: int
    diverged: int


class UnknownName(LRRangeError, LookupError):
    """No heuristic, smoothing, range rule or policy of that name exists."""

    name: object


class BackendNotFound(LRRangeError, LookupError):
    """No plug-in of that name is installed."""

    name: str


class PluginUnavailable(LRRangeError, ImportError):
    """The plug-in exists but could not be loaded, or one of its hooks is broken. The message gives the reason."""

    plugin: str


class MissingExtra(PluginUnavailable):
    """The framework of the plug-in is not installed. The message names the extra that installs it."""

    extra: str | None


class TargetError(LRRangeError, TypeError):
    """No installed plug-in can train this target, or the target cannot be trained as it is."""

    target_type: str
    kind: str
    lr: object
    steps_run: int
    trainable: int
    strategy: str
    saved: int
    groups: int


class OptionError(LRRangeError, TypeError):
    """An option that the backend does not know, or a value that the option cannot have."""

    options: tuple[str, ...]
    bounds: object
    mode: str
    path: str
    data: str
    lr: object
    gamma: object
    seed: int | None
    repeats: int
    steps: object
    epochs: object
    total_steps: object
    batches: object
    train_steps: int
    train_epochs: object


class NoData(LRRangeError, ValueError):
    """The loader gave no batch at all, or too few for the run."""

    steps_run: int
    data: str
    root: str


class RateNotInForce(LRRangeError, RuntimeError):
    """The optimizer does not train at the rate it was given."""

    group: str
    wanted: float
    actual: float | None
    steps_seen: int
    scheduler: str
    step: int
    written: tuple[str, ...]
    read: tuple[str, ...]


class ProcessFailed(LRRangeError, RuntimeError):
    """Another process of the same training raised an error, so this one cannot go on."""

    failed: Mapping[int, str]


class RestoreFailed(LRRangeError, RuntimeError):
    """After the sweep something is not as it was before. The message names it. This is an error in a backend."""

    name: str
    before: object
    after: object


class SaveError(LRRangeError, OSError):
    """The file could not be written. Whatever was at that path before is still there."""

    path: str


class LoadError(LRRangeError, ValueError):
    """The file is not a result that this version of lrrange can read."""

    path: str
    schema: object


class UnreadableFile(LoadError, FileNotFoundError):
    """There is no file at this path, or none that may be read."""

    __new__ = FileNotFoundError.__new__  # type: ignore[assignment]  # ValueError's makes no OSError


class NotKeptWarning(UserWarning):
    """Training may have changed something that cannot be put back. `provenance.details["not_kept"]` names it."""


class NotPairedWarning(UserWarning):
    """A sweep could not be paired. `provenance.details["paired"]` has the reason."""
