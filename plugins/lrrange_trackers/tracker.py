"""What all trackers have in common: which hook writes what, and when a log is opened and closed."""

import abc
import contextlib
import io
import weakref
from collections.abc import Hashable, Mapping, MutableMapping
from typing import Any, Protocol

import attrs

from lrrange import Point, Policy, RangeTestResult, Run, Sweep, hookimpl
from lrrange.finder import is_main_process
from lrrange.protocol import kept_random_state

__all__ = ["Answer", "Log", "Series", "Tracker"]


@attrs.frozen
class Series:
    """The curve that a value belongs to.

    Args:
        kind: `"sweep"`, `"trial"`, or `"comparison"` for a run of a comparison.
        label: which of several: the number of the sweep, or the rate of the trial; empty if there is only one.
    """

    kind: str
    label: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.label}".rstrip()


@attrs.frozen(kw_only=True)
class Answer:
    """What is known at the end of a range test, or of a run of a comparison.

    Args:
        facts: numbers and texts by name.
        csv: the curve, as `RangeTestResult.to_csv` returns it; None for a run.
        picture: its plot as PNG; None for a run, or without matplotlib.
    """

    facts: Mapping[str, object]
    csv: str | None = None
    picture: bytes | None = None


class Log(Protocol):
    """A place in a tracker, for one range test or for one run of a comparison."""

    def add(self, series: Series, step: int, values: Mapping[str, float]) -> None:
        """Write the values of a step, by name."""

    def conclude(self, answer: Answer) -> None:
        """Write what is known at the end."""

    def close(self, *, failed: bool) -> None:
        """Write what is left, and let go of everything that the tracker holds for this log."""


class _NoLog:
    """The log of every process but the first."""

    def add(self, series: Series, step: int, values: Mapping[str, float]) -> None:
        pass

    def conclude(self, answer: Answer) -> None:
        pass

    def close(self, *, failed: bool) -> None:
        pass


class Tracker(abc.ABC):
    """A watcher that opens a log for each range test and each run of a comparison, and writes to it while they run.

    A subclass says how a log is opened. Of several processes only the first writes. No random state changes. A log that
    an error or Ctrl-C left open is closed as failed, at the latest when the watcher is no longer used.
    """

    def __init__(self) -> None:
        self._logs: dict[Hashable, Log] = {}
        self._sweeps: dict[int, Series] = {}
        weakref.finalize(self, _close_all, self._logs)

    def __getstate__(self) -> dict[str, Any]:
        """Return what a grid's executor sends to another process: everything but the logs that are open here."""
        return {**self.__dict__, "_logs": {}, "_sweeps": {}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        weakref.finalize(self, _close_all, self._logs)

    @abc.abstractmethod
    def open(self, name: str, params: Mapping[str, object]) -> Log:
        """Open a log in the tracker.

        Args:
            name: `"range test"`, or policy and seed of a run such as `"one-cycle, seed 0"`.
            params: what is known before the first step, by name.
        """

    def _open(self, key: Hashable, name: str, **params: object) -> Log:
        self._close(key, failed=True)  # of a run that is tried again
        self._logs[key] = self.open(name, params) if is_main_process() else _NoLog()
        return self._logs[key]

    def _close(self, key: Hashable, *, failed: bool) -> None:
        if (log := self._logs.pop(key, None)) is not None:
            log.close(failed=failed)

    def _log_of_test(self) -> Log:
        """Return the log of the range test that runs, which is opened when it starts."""
        return self._logs[_TEST] if _TEST in self._logs else self._open(_TEST, _TEST)

    @hookimpl
    @kept_random_state()
    def lrrange_started(self, sweep: Sweep) -> None:
        """Begin a curve, and with the first one a log."""
        self._log_of_test()
        number = len(self._sweeps) + 1
        self._sweeps[id(sweep)] = Series("sweep", "" if number == 1 else str(number))

    @hookimpl
    @kept_random_state()
    def lrrange_advanced(self, point: Point, sweep: Sweep) -> None:
        """Write the loss of a step, or its metric and loss, with its rate."""
        smoothed = sweep.quantity.sign * point.smoothed
        values = {"lr": point.lr, **point.recorded, f"smoothed {sweep.quantity.name}": smoothed}
        self._log_of_test().add(self._sweeps[id(sweep)], point.step, values)

    @hookimpl
    @kept_random_state()
    def lrrange_trial_advanced(self, point: Point) -> None:
        """Write the loss of a step of a trial, whose rate names the curve."""
        self._log_of_test().add(Series("trial", f"{point.lr:.2e}"), point.step, point.recorded)

    @hookimpl
    @kept_random_state()
    def lrrange_found(self, result: RangeTestResult) -> None:
        """Write the answer, or why there is none, with the plot."""
        log = self._log_of_test()
        if not isinstance(log, _NoLog):
            log.conclude(Answer(facts=result.to_dict(), csv=result.to_csv(), picture=_draw(result)))
        self._end_test(failed=False)

    @hookimpl
    @kept_random_state()
    def lrrange_failed(self) -> None:
        """Close the log of a range test that an error ended."""
        self._end_test(failed=True)

    def _end_test(self, *, failed: bool) -> None:
        self._sweeps.clear()
        self._close(_TEST, failed=failed)

    @hookimpl
    @kept_random_state()
    def lrrange_run_started(self, policy: Policy, seed: int) -> None:
        """Open the log of a run."""
        self._open_run(policy, seed)

    def _open_run(self, policy: Policy, seed: int) -> Log:
        name, params = f"{policy.name}, seed {seed}", {"policy": policy.name, "seed": seed, "steps": policy.num_steps}
        return self._open((policy.name, seed), name, **params)

    @hookimpl
    @kept_random_state()
    def lrrange_run_advanced(self, policy: Policy, seed: int, point: Point) -> None:
        """Write the loss of a step, with its rate."""
        self._logs[policy.name, seed].add(_RUN, point.step, {"lr": point.lr, **point.recorded})

    @hookimpl
    @kept_random_state()
    def lrrange_run_finished(self, policy: Policy, seed: int, error: BaseException | None) -> None:
        """Close the log of a run that Ctrl-C ended. Other runs are tried again, or given to `lrrange_compared`."""
        if error is not None and not isinstance(error, Exception):
            self._close((policy.name, seed), failed=True)

    @hookimpl
    @kept_random_state()
    def lrrange_compared(self, run: Run, policy: Policy) -> None:
        """Write the held-out losses of a run and how it ended; also its losses, if an executor took it."""
        key, name, own_sign = (policy.name, run.seed), run.quantity.name, run.quantity.oriented
        if key not in self._logs:
            log = self._open_run(policy, run.seed)
            for step, value in enumerate(own_sign(run.losses)):
                log.add(_RUN, step, {"lr": policy.lr_at(step), name: value})
        log = self._logs[key]
        for step, momentum in enumerate((policy.momentum or ())[: len(run.losses)] if run.momentum else ()):
            log.add(_RUN, step, {"momentum": momentum})
        for checkpoint, value in zip(run.held_out, own_sign(at.loss for at in run.held_out), strict=True):
            log.add(_RUN, checkpoint.step - 1, {f"held-out {name}": value})
        (final,) = own_sign([run.final])
        facts = {"about": policy.about, f"final {name}": final, "diverged": run.diverged, "error": run.error}
        log.conclude(Answer(facts={name: fact for name, fact in facts.items() if fact is not None}))
        self._close(key, failed=not run.finished)


_TEST = "range test"  # name and key of its log

_RUN = Series("comparison")


def _draw(result: RangeTestResult) -> bytes | None:
    """Return the plot of a result as PNG, drawn without a display; None without matplotlib."""
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError:
        return None
    figure, picture = Figure(figsize=(7.5, 5.5), layout="constrained"), io.BytesIO()
    result.plot(figure)
    figure.savefig(picture, format="png", dpi=120)
    return picture.getvalue()


def _close_all(logs: MutableMapping[Hashable, Log]) -> None:
    while logs:
        with contextlib.suppress(Exception):  # nobody is left who could handle it
            logs.popitem()[1].close(failed=True)
