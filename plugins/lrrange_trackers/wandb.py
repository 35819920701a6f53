"""Range tests and comparisons in Weights & Biases."""

import io
from collections.abc import Mapping
from typing import Any

from lrrange.errors import MissingExtra
from lrrange_trackers.tracker import Answer, Log, Series, Tracker

__all__ = ["WandbWatcher"]


class WandbWatcher(Tracker):
    """A watcher that writes Weights & Biases runs: one for each range test, and one for each run of a comparison.

    A range test has `sweep/loss` and `sweep/smoothed loss` against the rate `sweep/lr`, and `trial .../loss` for each
    trial; at the end the answer in its summary, and the plot. A run of a comparison has `loss`, `held-out loss` and
    `lr` by step, and its policy and seed in the config. Offline and disabled modes work as for any run.

    Your own run, if you have one, gets no rows, because those of a sweep would move its step counter, and W&B drops
    what is then logged at lower steps. The answer is added to its summary, and the plot to its next row. The new runs
    are made in the same project, group and mode.

    Args:
        run: your own run; `wandb.run` if None.
        init: for `wandb.init`, such as `project="lenet"`.
    Raises: MissingExtra if wandb is not installed.
    """

    def __init__(self, run: Any = None, **init: Any) -> None:
        super().__init__()
        try:
            import wandb  # noqa: F401
        except ModuleNotFoundError as error:
            raise MissingExtra("WandbWatcher needs wandb. Run: pip install 'lrrange[wandb]'", extra="wandb") from error
        self._run = run
        self._init = init

    def open(self, name: str, params: Mapping[str, object]) -> Log:
        """Start a run beside the user's own."""
        import wandb

        yours = self._yours
        init: dict[str, Any] = {"job_type": "comparison" if params else "range test", "group": "lrrange"}
        init |= _place_of(yours)
        # What the training prints stays where it is: it is the user's, and a sweep prints nothing.
        init |= {"settings": wandb.Settings(console="off")}
        run = wandb.init(**{**init, **self._init, "name": name, "config": dict(params), "reinit": "create_new"})
        return _WandbRun(wandb, run, yours)

    @property
    def _yours(self) -> Any:
        import wandb

        return self._run if self._run is not None else wandb.run

    def __getstate__(self) -> dict[str, Any]:
        """Return what is sent to another process: new runs are made beside your run there, too, which stays here."""
        return {**super().__getstate__(), "_run": None, "_init": {**_place_of(self._yours), **self._init}}


def _place_of(run: Any) -> dict[str, Any]:
    """Return the arguments of `wandb.init` for a run beside this one, which may be None."""
    if run is None:
        return {}
    return {
        "project": run.project,
        "entity": run.entity or None,
        "group": run.group or run.id,
        "mode": run.settings.mode,
    }


class _WandbRun:
    def __init__(self, wandb: Any, run: Any, yours: Any) -> None:
        self._wandb, self._run, self._yours = wandb, run, yours
        self._axes: set[Series] = set()

    def add(self, series: Series, step: int, values: Mapping[str, float]) -> None:
        before = "" if series.kind == "comparison" else f"{series}/"
        if series not in self._axes:
            axis = f"{before}{'lr' if series.kind == 'sweep' else 'step'}"
            self._run.define_metric(axis)
            self._run.define_metric(f"{before}*", step_metric=axis)
            self._axes.add(series)
        self._run.log({f"{before}{name}": value for name, value in {"step": step, **values}.items()})

    def conclude(self, answer: Answer) -> None:
        before = "answer/" if answer.csv is not None else ""
        self._run.summary.update({f"{before}{name}": fact for name, fact in answer.facts.items()})
        if answer.picture is not None:
            self._run.log({"curve": self._picture(answer.picture)})
        if answer.csv is not None and self._yours is not None:
            self._yours.summary.update({f"lrrange/{name}": fact for name, fact in answer.facts.items()})
            if answer.picture is not None:
                self._yours.log({"lrrange/curve": self._picture(answer.picture)}, commit=False)

    def _picture(self, png: bytes) -> Any:
        from PIL import Image  # which matplotlib needs, and it has drawn the picture

        return self._wandb.Image(Image.open(io.BytesIO(png)))

    def close(self, *, failed: bool) -> None:
        self._run.finish(exit_code=1 if failed else 0)
