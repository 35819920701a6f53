"""The result of a range test: its advice, and what can be done with it."""

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from lrrange.advice.advice import Advice
from lrrange.errors import LRRangeError, NoSuggestion
from lrrange.random_state import kept_random_state

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_KIND = "result"


@attrs.frozen(kw_only=True)
class RangeTestResult(Advice):
    """A finished range test, to apply, save, plot and print.

    Args:
        plan: the planned rates.
        curve: the rates that the sweep reached, with raw and smoothed losses.
        stop_reason: why the sweep ended.
        answers: the suggestion of every heuristic, or its refusal with the reason.
        heuristic: name of the heuristic that the user chose; None if lrrange chose.
        ranges: the range of every range rule that finds one.
        sweeps: the single curves of a repeated test, whose median is `curve`; empty otherwise.
        confirmation: result of the short runs around the answer; None without them.
        facts: what is known of the training beside its curve.
        provenance: the origin of the result.
    """

    def apply(
        self, optimizer: object, *, scheduler: object | None = None, lr: float | None = None
    ) -> Mapping[str, Any]:
        """Set the suggested rate (or `lr`) in every param group of `optimizer`, ratios kept, and in its scheduler.

        Args:
            optimizer: of any framework that a plug-in knows. After a sweep over several optimizers, a list of them,
                which keep their ratios, or one of them, which gets its share of the rate.
            scheduler: an attached LR scheduler. All its rates follow, absolute ones too, and its shape stays.
            lr: another rate for the first group of `optimizer` that has one, such as `result.range.max_lr`.
        Returns: what was set, by name.
        Raises: the `NoSuggestion` with the reason, if there is no rate; TargetError if no plug-in knows the optimizer;
            RateNotInForce if a scheduler would bring back rates that do not follow from this one. Nothing is changed
            then.
        """
        from lrrange.optimizers import set_rate

        if lr is not None:
            return set_rate(optimizer, lr, scheduler)
        return set_rate(optimizer, self.lr, scheduler, self.provenance.details)

    def save(self, path: str | Path) -> None:
        """Write the result as JSON, all of it or nothing. Raises: SaveError. `lrrange.load` reads it."""
        from lrrange.storage.atomic import write_atomically

        write_atomically(dumps(self).encode(), path, "the result")

    @kept_random_state()
    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """Draw raw and smoothed loss against the rate, with the suggestions and the range.

        Args:
            ax: where to draw; a new figure if None.
        Returns: the axes.
        Raises: MissingExtra if matplotlib is not installed.
        """
        from lrrange.report.plot import plot

        return plot(self, ax)

    @kept_random_state()
    def __rich__(self) -> Any:
        from lrrange.report.table import as_rich

        return as_rich(self)

    @kept_random_state()
    def _repr_html_(self) -> str:
        from lrrange.report.html import as_html

        return as_html(self.__rich__())


def dumps(result: RangeTestResult) -> str:
    """Return `result` as the JSON document that `RangeTestResult.save` writes."""
    from lrrange.storage.documents import to_document, to_json

    document = to_document(result, kind=_KIND, answer=to_json(_answer(result)))
    return json.dumps(document, allow_nan=False, indent=1) + "\n"


def load(path: str | Path) -> RangeTestResult:
    """Read a result that `RangeTestResult.save` wrote.

    Raises: LoadError if the file is no such result, or has a schema that only a later lrrange knows; OSError if it
        cannot be read.
    """
    from lrrange.storage.documents import from_document

    return from_document(Path(path).read_bytes(), path, kind=_KIND, of=RangeTestResult)


def _answer(result: RangeTestResult) -> dict[str, Any]:
    """Return what most readers of the file look for. All of it follows from the rest, and `load` does not read it."""
    try:
        low, high = result.interval or (None, None)
        verdict = result.verdict
        answer = {"lr": result.lr, "low": low, "high": high, "verdict": str(verdict)}
    except NoSuggestion as refusal:
        return {"refused": str(refusal)}
    answer["chance_of_bad"] = verdict.chance_of_bad
    with contextlib.suppress(LRRangeError):  # some curves have a rate and no range
        answer |= {"base_lr": result.range.base_lr, "max_lr": result.range.max_lr}
    return answer
