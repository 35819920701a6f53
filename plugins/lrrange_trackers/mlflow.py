"""Range tests and comparisons in MLflow."""

import re
import time
from collections.abc import Mapping
from typing import Any

import attrs

from lrrange.errors import MissingExtra
from lrrange_trackers.tracker import Answer, Log, Series, Tracker

__all__ = ["MLflowWatcher"]

# MLflow waits for its store at each call, so metrics are sent together: this many seconds after the last ones, and no
# more than this many at once, which is what its server takes.
_SECONDS, _MOST = 1.0, 1000


class MLflowWatcher(Tracker):
    """A watcher that writes MLflow runs: one for each range test, and one for each run of a comparison.

    They are made where `mlflow.start_run` would make them: with your tracking URI, in your experiment, and below your
    active run if there is one. That run stays the active one. A range test has the metrics `sweep/loss`,
    `sweep/smoothed loss` and `sweep/lr` by step, and `trial .../loss` for each trial; at the end `answer/lr`,
    `answer/base_lr` and so on, the tag `lrrange.verdict` or `lrrange.refused`, and the artifacts `curve.csv` and
    `curve.png`, which show the loss against the rate. A run of a comparison has the metrics `loss`, `held-out loss`,
    `lr` and `final loss`, and its policy and seed as parameters.

    Args:
        tags: of every run that it makes.
    Raises: MissingExtra if mlflow is not installed.
    """

    def __init__(self, tags: Mapping[str, str] | None = None) -> None:
        super().__init__()
        try:
            import mlflow  # noqa: F401
        except ModuleNotFoundError as error:
            raise MissingExtra(
                "MLflowWatcher needs MLflow. Run: pip install 'lrrange[mlflow]'", extra="mlflow"
            ) from error
        self._tags = dict(tags or {})
        self._sent_from: _Place | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Return what is sent to another process, with the place of its runs: it knows neither store nor active run."""
        import mlflow

        run = mlflow.active_run()
        ids = (None, None) if run is None else (run.info.experiment_id, run.info.run_id)
        return {**super().__getstate__(), "_sent_from": self._sent_from or _Place(mlflow.get_tracking_uri(), *ids)}

    def open(self, name: str, params: Mapping[str, object]) -> Log:
        """Make a run, which is not left active."""
        import mlflow

        tags, experiment = self._tags, None
        if (place := self._sent_from) is not None:
            mlflow.set_tracking_uri(place.tracking_uri)
            experiment = place.experiment_id
            if place.run_id is not None:
                tags = {**tags, "mlflow.parentRunId": place.run_id}
        with mlflow.start_run(run_name=name, experiment_id=experiment, nested=True, tags=tags) as run:
            pass
        client = mlflow.MlflowClient()
        client.update_run(run.info.run_id, status="RUNNING")
        for param, value in params.items():
            client.log_param(run.info.run_id, param, value)
        return _MLflowRun(client, run.info.run_id)


@attrs.frozen
class _Place:
    """Where the runs of a process are made. The ids are None without an active run."""

    tracking_uri: str
    experiment_id: str | None
    run_id: str | None


class _MLflowRun:
    def __init__(self, client: Any, run_id: str) -> None:
        self._client, self._run_id = client, run_id
        self._waiting: list[Any] = []
        self._sent = time.monotonic()

    def add(self, series: Series, step: int, values: Mapping[str, float]) -> None:
        before = "" if series.kind == "comparison" else f"{series}/"
        self._add({f"{before}{name}": value for name, value in values.items()}, step)
        if time.monotonic() - self._sent > _SECONDS:
            self._send()

    def _add(self, metrics: Mapping[str, float], step: int = 0) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        self._waiting += [Metric(_allowed(name), value, now, step) for name, value in metrics.items()]

    def _send(self) -> None:
        waiting, self._waiting = self._waiting, []
        for first in range(0, len(waiting), _MOST):
            self._client.log_batch(self._run_id, metrics=waiting[first : first + _MOST])
        self._sent = time.monotonic()

    def conclude(self, answer: Answer) -> None:
        before = "answer/" if answer.csv is not None else ""
        numbers = {name: fact for name, fact in answer.facts.items() if isinstance(fact, (int, float))}
        self._add({f"{before}{name}": float(number) for name, number in numbers.items()})
        self._send()
        for name, fact in answer.facts.items():
            if isinstance(fact, str):
                self._client.set_tag(self._run_id, f"lrrange.{name}", fact)
        if answer.csv is not None:
            self._client.log_text(self._run_id, answer.csv, "curve.csv")
        if answer.picture is not None:
            self._log_file("curve.png", answer.picture)

    def _log_file(self, name: str, content: bytes) -> None:
        import tempfile
        from pathlib import Path

        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / name
            path.write_bytes(content)
            self._client.log_artifact(self._run_id, str(path))

    def close(self, *, failed: bool) -> None:
        self._send()
        self._client.set_terminated(self._run_id, "FAILED" if failed else "FINISHED")


def _allowed(name: str) -> str:
    """Return the name of a metric as MLflow allows it."""
    return re.sub(r"[^\w\-./ ]", "_", name.replace("e+", "e"))
