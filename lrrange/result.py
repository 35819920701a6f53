"""The result of a range test: its advice, and what can be done with it."""

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import attrs

from lrrange.advice.advice import Advice
from lrrange.advice.suggestion import Refusal
from lrrange.cyclical.scheduled_rate import ScheduledRate, rate_for
from lrrange.errors import LRRangeError, NoSuggestion
from lrrange.other_tools.attributes import OF_RESULT
from lrrange.printable import brief
from lrrange.report.printed import Printed
from lrrange.spelling import spell_checked
from lrrange.storage.columns import Columns, Tabular

if TYPE_CHECKING:
    import pandas
    from matplotlib.axes import Axes

    from lrrange.protocol.rate_proof import RateProof
    from lrrange.report.html_report.section import Section
    from lrrange.report.pages.page import Page
    from lrrange.report.plots.picture import Canvas, Picture

_KIND = "result"

State = TypeVar("State")


@attrs.frozen(kw_only=True)
class RangeTestResult(Tabular, Advice, Printed):
    """A finished range test, to apply, save, plot and print.

    Args:
        plan: the planned learning rates: a `SweepPlan` of even steps, or an `AdaptivePlan`.
        curve: the learning rates that the sweep reached, with raw and smoothed losses.
        stop_reason: why the sweep ended.
        answers: the suggestion of every heuristic, or its refusal with the reason. In a result of `find_lr`, those that
            were not chosen are read from the curve when this is first asked for, and so are the `ranges`.
        heuristic: name of the heuristic that the user chose; None if lrrange chose.
        ranges: the range of every range rule that finds one.
        sweeps: the single curves of a repeated test, whose median is `curve`; empty otherwise.
        confirmation: result of the short runs around the answer; None without them.
        facts: what is known of the training beside its curve.
        provenance: the origin of the result.
    """

    _content = "the curve"
    _elsewhere = OF_RESULT

    def __repr__(self) -> str:
        if isinstance(self.chosen, Refusal):
            answer = f"refused, {brief(self.chosen.kind, 30)}"
        else:
            confirmed = "" if self.confirmation is None else f" confirmed by {len(self.confirmation.trials)} trials,"
            answer = f"lr={self.lr:.2e}{confirmed} {self.verdict.word}"
        return f"<RangeTestResult {answer}, {len(self.curve)} steps, {self.stop_reason.value.replace('_', ' ')}>"

    @spell_checked
    def apply(
        self, optimizer: object, *, scheduler: object | None = None, lr: float | None = None
    ) -> Mapping[str, Any]:
        """Set the suggested learning rate (or `lr`) in the param groups of `optimizer`, ratios kept, and its scheduler.

        Args:
            optimizer: of any framework that a plug-in knows. After a sweep over several optimizers, a list of them,
                which keep their ratios, or one of them, which gets its share of the rate.
            scheduler: an attached LR scheduler. All its rates follow, absolute ones too, and its shape stays.
            lr: another rate for the first group of `optimizer` that has one, such as `result.range.max_lr`.
        Returns: what was set, by name: for PyTorch, the present rate of each param group. A group that had 100 times
            the rate of the first one has it again; `print(result)` lists the groups where their rates differ.
        Raises: the `NoSuggestion` with the reason, if there is no rate; TargetError if no plug-in knows the optimizer;
            RateNotInForce if a scheduler would bring back rates that do not follow from this one. Nothing is changed
            then.
        """
        from lrrange.optimizers import set_rate

        if lr is not None:
            return set_rate(optimizer, lr, scheduler)
        return set_rate(optimizer, self.lr, scheduler, self.provenance.details, self)

    @spell_checked
    def applied(self, state: State, *, lr: float | None = None) -> State:
        """Return a state like `state` that trains at the suggested learning rate (or `lr`), where states are immutable.

        It is what `apply` is for frameworks such as JAX, in which nothing is changed in place.

        Args:
            state: of any framework that a plug-in knows, such as a pytree with an optax state in it.
            lr: another rate, such as `result.lr_for("cosine").lr`.
        Raises: as `apply` does; TargetError if no plug-in makes new states of this kind.
        """
        from lrrange.optimizers import with_rate

        if lr is not None:
            return cast(State, with_rate(state, lr))
        return cast(State, with_rate(state, self.lr, self.provenance.details))

    @spell_checked
    def verify(
        self,
        target: object,
        *,
        steps: int = 20,
        lr: float | None = None,
        scheduler: object | None = None,
        **options: Any,
    ) -> "RateProof":
        """Prove that the training which follows uses the suggested learning rate (or `lr`), in any framework.

        Args:
            target: what was applied to: an optimizer, a trainer, a model, an estimator, a step.
            steps: optimizer steps to watch.
            lr: the rate that should be in force, if it is not `result.lr`.
            scheduler: attached to the optimizer, if the plug-in does not find it.
            options: of the plug-in: the data, where it takes the steps at once.
        Returns: a watch over the next `steps` steps: RateNotInForce is raised from the one that uses another rate. Its
            `proved` says whether it has seen the rate in force, and `close()` ends it. `with result.verify(optimizer):`
            raises at the end of the block as well, if no step was taken. Where nobody can watch a training, as with
            compiled steps of JAX, the steps are taken now on a copy, and the proof is complete.
        Raises: TargetError if no plug-in knows the target; OptionError for an option that the plug-in does not have.
        """
        from lrrange.optimizers import prove_rate

        if lr is not None:
            return prove_rate(target, lr, steps, scheduler, options)
        return prove_rate(target, self.lr, steps, scheduler, options, self.provenance.details, self)

    @spell_checked
    def lr_for(self, schedule: object, *, warmup: bool = False) -> ScheduledRate:
        """Return the rate to give to a schedule: the constant rate, the peak of a cycle, or one between the two.

        Args:
            schedule: the name of one, such as `"linear"`, `"cosine"` or `"one_cycle"`, or a scheduler, whose class name
                is looked up.
            warmup: whether the rate first climbs to the one that is given. A name that has it, such as
                `"warmup_cosine_decay"`, says so itself.
        Returns: `lr` for schedules that hold the rate; the `max_lr` of the range for those that climb to it and fall
            again, as `make_schedule` takes it; and their geometric mean for those that decay from the first step. Its
            `reason` says which it is.
        Raises: the `NoSuggestion` with the reason, if there is no rate; OptionError for a schedule that is not known.
        """
        return rate_for(schedule, warmup, self)

    @spell_checked
    def save(self, path: str | Path) -> None:
        """Write the result as JSON, all of it or nothing. Raises: SaveError. `lrrange.load` reads it."""
        from lrrange.storage.atomic import write_atomically

        write_atomically(dumps(self).encode(), path, "the result")

    def to_dict(self) -> dict[str, Any]:
        """Return the answer in plain values, by name, for logs and tables.

        The names are `lr`, `low`, `high`, `verdict`, `chance_of_bad`, `base_lr` and `max_lr`. Without an answer there
        is only `refused`, with the reason. `low` and `high` are None if the rate has no interval; `base_lr` and
        `max_lr` are missing if the curve has no range. `save` writes it for other programs.
        """
        try:
            verdict = self.verdict
            low, high = self.interval or (None, None)
            answer = {"lr": self.lr, "low": low, "high": high, "verdict": str(verdict)}
        except NoSuggestion as refusal:
            return {"refused": str(refusal)}
        answer["chance_of_bad"] = verdict.chance_of_bad
        with contextlib.suppress(LRRangeError):  # some curves have a rate and no range
            answer["base_lr"], answer["max_lr"] = self.range
        return answer

    @spell_checked
    def to_pandas(self) -> "pandas.DataFrame":
        """Return the curve as a DataFrame; see `Curve.to_pandas`. The single sweeps of a repeated test are in `sweeps`.

        Raises: MissingExtra if pandas is not installed.
        """
        return self.curve.to_pandas()

    def _columns(self) -> Columns:
        return self.curve._columns()

    @spell_checked
    def plot(self, ax: "Canvas | None" = None, path: str | Path | None = None) -> "Axes":
        """Draw raw and smoothed loss against the learning rate, with the suggestions and the range.

        Where a metric was recorded, it is drawn in place of the loss, and the loss in a second panel.

        Args:
            ax: where to draw: axes (two in a sequence for both panels of a metric), or a figure; a new figure of
                pyplot's if None, which `plt.show()` and notebooks show.
            path: file to write the figure to, in the format of its suffix. Without `ax`, nothing is shown then, and no
                display is needed.
        Returns: the first of the axes. `.figure.axes` has all of them.
        Raises: MissingExtra if matplotlib is not installed; OptionError for another number of axes, or for a suffix
            that is no picture format; SaveError.
        """
        return self._picture().plot(ax, path)

    if not TYPE_CHECKING:  # a type checker would take a result for a number

        def _is_no_number(self, *_: object) -> Any:
            raise TypeError("a RangeTestResult is not a number. Its learning rate is result.lr.")

        # What is done with a rate: `Adam(parameters, lr=result)` compares it first.
        __float__ = __lt__ = __le__ = __gt__ = __ge__ = __mul__ = __rmul__ = __truediv__ = _is_no_number

        def __format__(self, spec: str) -> str:
            return format(str(self), spec) if spec[-1:] in ("", "s") or spec[-1:].isdigit() else self._is_no_number()

    def _page(self) -> "Page":
        from lrrange.report.pages.result_page import page_of

        return page_of(self)

    def _section(self) -> "Section":
        from lrrange.report.html_report.result_section import section_of_result

        return section_of_result(self)

    def _picture(self) -> "Picture":
        from lrrange.report.plots.result_picture import ResultPicture

        return ResultPicture(self)


def dumps(result: RangeTestResult) -> str:
    """Return `result` as the JSON document that `RangeTestResult.save` writes."""
    from lrrange.storage.documents import to_document, to_json

    document = to_document(result, kind=_KIND, answer=to_json(result.to_dict()))
    return json.dumps(document, allow_nan=False, indent=1) + "\n"


@spell_checked
def load(path: str | Path) -> RangeTestResult:
    """Read a result that `RangeTestResult.save` wrote.

    Raises: LoadError if the file is no such result, or has a schema that only a later lrrange knows; UnreadableFile,
        which is also a FileNotFoundError, if there is none that can be read.
    """
    from lrrange.storage.documents import from_document, read_document

    return from_document(read_document(path, "a result"), path, kind=_KIND, of=RangeTestResult)
