"""Time K sweeps of a JAX training, side by side by `jax.vmap`, against one sweep.

    export XLA_FLAGS=--xla_cpu_multi_thread_eigen=false OMP_NUM_THREADS=1
    taskset -c 0 python -m benchmarks.frameworks.jax_sweeps

writes `results/jax_sweeps.json`, and the plot and the table of docs/frameworks/jax.md, on one core. `--plot-only` draws
again.

Each repetition runs one sweep and then K together, for every K in turn, so that what slows the machine down for a while
slows both. A ratio divides by the sweep of its own repetition. What JAX compiles is compiled before, and timed apart.
The time is that of the processor, in all threads of the process, which other processes disturb least; the record has
the time by the clock too.
"""

import itertools
import json
import os
import platform
import shlex
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click
import jax
import jax.numpy as jnp
import numpy
import optax
from lrrange_jax.adapters import state_step
from lrrange_jax.jax_step import JaxStep
from matplotlib.figure import Figure

from benchmarks.pages import fill, table
from benchmarks.plots import WIDTH, Theme, legend_below, save
from lrrange.protocol import StepDriver
from lrrange.sweep import Sweep, SweepPlan

RESULTS = Path(__file__).parent / "results" / "jax_sweeps.json"
PAGE = Path(__file__).parents[2] / "docs" / "frameworks" / "jax.md"
PLOT = PAGE.parent / "images" / "jax-sweeps"

COUNTS = (1, 2, 4, 8, 16)

# Widths of the layers, and the examples in a batch.
WORKLOADS: dict[str, tuple[tuple[int, ...], int]] = {
    "8-32-4, batches of 32": ((8, 32, 4), 32),
    "64-128-128-10, batches of 32": ((64, 128, 128, 10), 32),
    "256-256-256-10, batches of 64": ((256, 256, 256, 10), 64),
}

# No divergence stop, so that every sweep takes the same steps.
PLAN = SweepPlan(start_lr=1e-7, end_lr=1.0, num_steps=100)


def training(widths: tuple[int, ...], batch: int) -> JaxStep:
    """Return the step of a classifier under Adam, on made-up data."""
    rng = numpy.random.default_rng(0)
    x = rng.normal(size=(8 * batch, widths[0])).astype(numpy.float32)
    y = (x @ rng.normal(size=(widths[0], widths[-1]))).argmax(1)
    tx = optax.inject_hyperparams(optax.adam)(learning_rate=1e-3)
    params = [
        {"w": jnp.asarray(rng.normal(size=shape) / shape[0] ** 0.5, jnp.float32), "b": jnp.zeros(shape[1])}
        for shape in itertools.pairwise(widths)
    ]

    def loss_of(params: Any, batch: Any) -> jax.Array:
        hidden, labels = batch
        for layer in params[:-1]:
            hidden = jax.nn.relu(hidden @ layer["w"] + layer["b"])
        logits = hidden @ params[-1]["w"] + params[-1]["b"]
        return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()

    @jax.jit
    def train_step(state: Any, batch: Any) -> Any:
        params, opt_state = state
        loss, grads = jax.value_and_grad(loss_of)(params, batch)
        updates, opt_state = tx.update(grads, opt_state, params)
        return (optax.apply_updates(params, updates), opt_state), loss

    batches = [(x[start : start + batch], y[start : start + batch]) for start in range(0, len(x), batch)]
    return state_step(train_step, (params, tx.init(params)), batches)


def one_by_itself(step: JaxStep) -> Callable[[], None]:
    """Return a function that takes one sweep."""
    return lambda: StepDriver(step).run(Sweep(PLAN, divergence=None, non_finite_limit=1000))


def side_by_side(step: JaxStep, count: int) -> Callable[[], None]:
    """Return a function that takes this many sweeps together, each with its own order of the batches."""

    def run() -> None:
        sweeps = [Sweep(PLAN, divergence=None, non_finite_limit=1000) for _ in range(count)]
        first, *others = [step.replica(sweep, seed, None) for seed, sweep in enumerate(sweeps)]
        reason = first.together(others, False, lambda: None)
        if reason is not None or any(len(sweep.points) != PLAN.num_steps for sweep in sweeps):
            raise RuntimeError(f"the sweeps were not taken together: {reason}")

    return run


def seconds(run: Callable[[], None]) -> tuple[float, float]:
    """Return how long a function takes: of the processor, and by the clock."""
    began = time.process_time(), time.perf_counter()
    run()
    return time.process_time() - began[0], time.perf_counter() - began[1]


def measure(widths: tuple[int, ...], batch: int, repetitions: int) -> dict[str, Any]:
    """Return the times of one workload: of one sweep in seconds, and of K sweeps as a multiple of it."""
    step = training(widths, batch)
    alone = one_by_itself(step)
    together = {count: side_by_side(step, count) for count in COUNTS}
    first = {"one sweep": seconds(alone)[0], **{str(count): seconds(run)[0] for count, run in together.items()}}
    sweeps: list[float] = []
    ratios: dict[int, list[float]] = {count: [] for count in COUNTS}
    by_the_clock: dict[int, list[float]] = {count: [] for count in COUNTS}
    for _ in range(repetitions):
        for count, run in together.items():
            one, many = seconds(alone), seconds(run)
            sweeps.append(one[0])
            ratios[count].append(many[0] / one[0])
            by_the_clock[count].append(many[1] / one[1])
    return {
        "one_sweep_seconds": spread(sweeps),
        "first_run_seconds": first,
        "times_one_sweep": {str(count): spread(values) for count, values in ratios.items()},
        "times_one_sweep_by_the_clock": {str(count): spread(values) for count, values in by_the_clock.items()},
    }


def spread(values: list[float]) -> dict[str, float]:
    """Return median, smallest and largest value."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "n": len(values)}


def table_of(record: dict[str, Any]) -> str:
    """Return the table of the page: a row for each workload, and the median for each K. The plot has the extremes."""
    rows = []
    for name, workload in record["workloads"].items():
        cells = [workload["times_one_sweep"][str(count)] for count in COUNTS]
        one, of_16 = workload["one_sweep_seconds"]["median"], workload["times_one_sweep"]["16"]["median"]
        compiled = workload["first_run_seconds"]["16"] - one * of_16
        rows.append([name, *(f"{cell['median']:.1f}" for cell in cells), f"{one:.3f} s", f"{compiled:.1f} s"])
    header = ["layers", *(f"K = {count}" for count in COUNTS), "one sweep", "compiling"]
    return table(header, rows, numbers=True)


def command() -> str:
    """Return the command that runs this measurement again."""
    variables = [f"{name}={os.environ[name]}" for name in ("XLA_FLAGS", "OMP_NUM_THREADS") if name in os.environ]
    cores = sorted(os.sched_getaffinity(0))
    pinned = ["taskset", "-c", ",".join(map(str, cores))] if len(cores) < (os.cpu_count() or 1) else []
    module = ["python", "-m", "benchmarks.frameworks.jax_sweeps"]
    return " ".join([*variables, shlex.join([*pinned, *module, *sys.argv[1:]])])


def draw(record: dict[str, Any], path: Path) -> None:
    """Draw the time of K sweeps, in sweeps, against K.

    Args:
        record: the measurements.
        path: of the files, without the theme and the suffix.
    """
    save(partial(_figure, record), path)


def _figure(record: dict[str, Any], theme: Theme) -> Figure:
    figure = Figure(figsize=(WIDTH, 3.8))
    axes = figure.subplots()
    axes.plot(COUNTS, COUNTS, color=theme.others, linewidth=1.5, linestyle="--", label="one after another")
    for (name, workload), colour, mark in zip(record["workloads"].items(), theme.palette, "osD", strict=False):
        points = [workload["times_one_sweep"][str(count)] for count in COUNTS]
        for count, point in zip(COUNTS, points, strict=True):
            axes.plot([count] * 2, [point["min"], point["max"]], color=colour, linewidth=3, alpha=0.35)
        axes.plot(COUNTS, [point["median"] for point in points], f"{mark}-", color=colour, markersize=6, label=name)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log", base=2)
    axes.set_xticks(COUNTS, map(str, COUNTS))
    axes.set_yticks(COUNTS, map(str, COUNTS))
    axes.set_xlabel("sweeps side by side")
    axes.set_ylabel("processor time, in sweeps")
    axes.grid(visible=True)
    legend_below(figure, axes, 2)
    return figure


@click.command(help=__doc__)
@click.option("--repetitions", type=click.IntRange(min=1), default=9, show_default=True)
@click.option("--plot-only", is_flag=True, help="Draw the stored results, and measure nothing.")
def main(repetitions: int, plot_only: bool) -> None:
    """Measure, store and draw."""
    if not plot_only:
        record = {
            "command": command(),
            "machine": {
                "python": platform.python_version(),
                **{name: version(name) for name in ("jax", "optax", "lrrange")},
                "device": jax.devices()[0].device_kind,
                "cores": os.cpu_count(),
                "cores_used": len(os.sched_getaffinity(0)),
                "load": os.getloadavg()[0],
            },
            "steps": PLAN.num_steps,
            "workloads": {name: measure(*sizes, repetitions) for name, sizes in WORKLOADS.items()},
        }
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    record = json.loads(RESULTS.read_text(encoding="utf-8"))
    draw(record, PLOT)
    PAGE.write_text(fill(PAGE.read_text(encoding="utf-8"), {"sweeps": table_of(record)}), encoding="utf-8")
    for name, workload in record["workloads"].items():
        medians = {count: round(each["median"], 2) for count, each in workload["times_one_sweep"].items()}
        click.echo(f"{name}: one sweep {workload['one_sweep_seconds']['median']:.3f} s; K sweeps {json.dumps(medians)}")


if __name__ == "__main__":
    main()
