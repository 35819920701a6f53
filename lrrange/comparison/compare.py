"""`compare`: train the same thing under several policies, from the same seeds."""

import functools
import os
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from contextlib import closing
from pathlib import Path
from typing import Any

import attrs

from lrrange.comparison.comparison import Comparison
from lrrange.comparison.equal_runs import check_rates_in_force
from lrrange.comparison.job import Announcer, Job, make_failed_run, make_training, run_job
from lrrange.comparison.journal import Journal
from lrrange.comparison.policies import Policies, name_policies, needs_range_test, write_out
from lrrange.errors import OptionError
from lrrange.finder.executors import check_sendable
from lrrange.finder.main_process import is_main_process
from lrrange.finder.range_test import RangeTest
from lrrange.finder.settings import Settings, check_watchers, split_options
from lrrange.policy import Run
from lrrange.printable import described
from lrrange.protocol.factories import check_factory, split_made
from lrrange.protocol.interrupts import between_steps
from lrrange.report.progress import Progress, check_progress, open_progress
from lrrange.result import RangeTestResult
from lrrange.spelling import spell_checked
from lrrange.validators import checked_numbers, whole_number
from lrrange.watchers import COMPARED_HOOKS, RUN_HOOKS, SWEEP_HOOKS, TRIAL_HOOKS, manager_with, with_hooks


@spell_checked
def compare(
    make_run: Callable[..., Any],
    policies: Policies,
    *,
    steps: int,
    repeats: int = 3,
    executor: Executor | None = None,
    seed: int = 0,
    result: RangeTestResult | None = None,
    evaluate_every: int | None = None,
    retries: int = 1,
    path: str | Path | None = None,
    watchers: Sequence[object] = (),
    progress: bool | None = None,
) -> Comparison:
    """Train the same thing under each policy, from the same seeds, and find the policy that ends with the lowest loss.

    Args:
        make_run: called as `make_run(seed=0)`. It makes a new training, whose weights and order of data depend on the
            seed, and returns the target or `(target, options)`, as the factory of `lrrange find` does. With held-out
            data among the options (`val_loader=` for PyTorch), runs are judged by their held-out loss; otherwise by the
            training loss of their last tenth.
        policies: a list of learning rates (`1e-3` or `"1e-3"`) and names; or a mapping from names of your own to rates,
            names, schedules (with `lr_at(step)`, such as `lrrange.cyclical.OneCycle`) and functions of the step. The
            names are `"found"`, the rate of a range test; `"triangular"` and `"triangular2"` (also `"clr"`), three
            cycles over its range; and `"one-cycle"`.
        steps: number of steps of each run.
        repeats: number of runs under each policy. The first uses `seed`, the others the numbers after it.
        executor: any `concurrent.futures.Executor`: threads, processes, Dask's `Client.get_executor()`, loky's. With
            None, runs follow one another in this process. Runs that share a process wait for each other, because
            frameworks keep one random state for all threads. Threads therefore give the same numbers, but no speed.
        seed: seed of the first repeat.
        result: result of a range test, if you have one. Otherwise, if a policy needs a range test, `find_lr` runs on
            `make_run(seed=seed)` with the returned options.
        evaluate_every: number of steps between held-out losses; None to measure one only at the end.
        retries: number of times that a run is tried again if it raises or its worker dies. After that it is reported as
            failed.
        path: file to which each run is written when it is over. An interrupted comparison continues from it; of the
            runs in it, only failed ones are made again.
        watchers: objects with the hook `lrrange_compared`, which is called for each run that is over. Without an
            executor, `lrrange_run_started`, `lrrange_run_advanced` and `lrrange_run_finished` are called while a run
            takes its steps. Their hooks for sweeps are called in the range test.
        progress: by default there is a progress bar in a terminal or notebook, over the range test and all runs. True
            writes a line at the start and the end elsewhere, and False shows nothing. Everything is on standard error.
    Returns: every run, including those that diverged or failed, and the winner.
    Raises: before the first run, an `LRRangeError` if an argument cannot be used, the reason if the range test found no
        rate, and whatever `make_run` raises for the range test. An exception in a run is kept with that run.
        RateNotInForce after two runs at different rates and with exactly the same losses.
    Cost: `steps * repeats * len(policies)` training steps, the held-out passes, and one range test.
    Source: Smith, "Cyclical Learning Rates for Training Neural Networks", WACV 2017, section 3.3: compare a fixed rate
        with a cycle over the range, both from one range test, and keep the one that wins.
    """
    named = name_policies(policies)
    if result is not None and not isinstance(result, RangeTestResult):
        raise OptionError(
            f"result is a {type(result).__name__}, and no RangeTestResult. A saved one is read with lrrange.load(path)."
        )
    if path is not None and not isinstance(path, (str, os.PathLike)):
        raise OptionError(f"path is a {type(path).__name__}, and not the path of a file. Give one, as text.")
    settings = ComparisonSettings(
        steps=steps,
        repeats=repeats,
        seed=seed,
        evaluate_every=evaluate_every,
        retries=retries,
        watchers=watchers,
        progress=progress,
    )
    _check_callable(make_run, executor, settings.seed)
    journal = None if path is None else Journal(path)
    if journal is not None and journal.comparison is not None and result is None:
        result = journal.comparison.range_test
    given = {name: policy for name, policy in named.items() if not isinstance(policy, str)}
    written = {policy.name: policy for policy in write_out(given, settings.steps, None)}  # checks them before any step
    sweeps = result is None and needs_range_test(named)
    hooks = COMPARED_HOOKS + (RUN_HOOKS if executor is None else ()) + (SWEEP_HOOKS + TRIAL_HOOKS if sweeps else ())
    hook = manager_with(settings.watchers, "this comparison", hooks).hook
    title = f"comparison of {len(named)} policies, {settings.repeats} runs each"
    with open_progress(settings.progress if is_main_process() else False, title) as bar:
        if sweeps:
            with bar.part("range test", later=len(named) * settings.repeats, each=settings.steps):
                result = _run_range_test(make_run, settings, bar)
        from_range_test = {name: policy for name, policy in named.items() if isinstance(policy, str)}
        written |= {policy.name: policy for policy in write_out(from_range_test, settings.steps, result)}
        comparison = Comparison(
            make_run=_name_of(make_run),
            policies=tuple(written[name] for name in named),
            steps=settings.steps,
            seeds=settings.seeds,
            evaluate_every=settings.evaluate_every,
            range_test=result if needs_range_test(named) else None,
        )
        if journal is not None:
            journal.begin(comparison)
        runs = _take_finished_runs(comparison, journal)
        jobs = [
            Job(make_run=make_run, policy=policy, seed=seed, evaluate_every=settings.evaluate_every)
            for seed in comparison.seeds  # the outer loop, so that after an interruption some seeds have all policies
            for policy in comparison.policies
            if (policy.name, seed) not in runs
        ]
        announcer = Announcer(
            hook.lrrange_run_started,
            hook.lrrange_run_advanced if hook.lrrange_run_advanced.get_hookimpls() else None,
            hook.lrrange_run_finished,
            bar,
        )
        with closing(_run_jobs(jobs, executor, settings.retries, announcer, bar)) as new_runs:
            for run in new_runs:
                if journal is not None:
                    journal.add(run)
                check_rates_in_force(run, runs.values(), comparison)
                runs[run.policy, run.seed] = run
                hook.lrrange_compared(run=run, policy=comparison.policy(run.policy))
        ordered = [runs[policy.name, seed] for policy in comparison.policies for seed in comparison.seeds]
        return attrs.evolve(comparison, runs=tuple(ordered))


@attrs.frozen(kw_only=True, field_transformer=checked_numbers)
class ComparisonSettings:
    """The options of a comparison. For what each means, see `compare`.

    Raises: PlanError for a number that cannot be used.
    """

    steps: int
    repeats: int
    retries: int
    seed: int
    evaluate_every: int | None
    watchers: Sequence[object]
    progress: bool | None

    def __attrs_post_init__(self) -> None:
        whole_number("steps", self.steps, least=2)
        whole_number("repeats", self.repeats)
        whole_number("retries", self.retries, least=0)
        whole_number("seed", self.seed, least=0)
        if self.evaluate_every is not None:
            whole_number("evaluate_every", self.evaluate_every)
        check_watchers(self.watchers)
        check_progress(self.progress)

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seed of each repeat."""
        return tuple(range(self.seed, self.seed + self.repeats))


def _take_finished_runs(comparison: Comparison, journal: Journal | None) -> dict[tuple[str, int], Run]:
    """Return the finished runs of this comparison that are in the journal, by policy and seed."""
    runs = () if journal is None else journal.runs
    return {(run.policy, run.seed): run for run in runs if run.finished and run.seed in comparison.seeds}


def _run_jobs(
    jobs: Sequence[Job], executor: Executor | None, retries: int, announcer: Announcer, progress: Progress
) -> Generator[Run, None, None]:
    """Yield the run of each job, once it has finished or failed for good."""
    if executor is None:
        for number, job in enumerate(jobs, 1):
            name = f"{number}/{len(jobs)} {job.policy.name}, seed {job.seed}"
            with progress.part(name, later=len(jobs) - number):
                progress.plan(job.policy.num_steps)
                while (run := run_job(job, announcer)).error is not None and job.attempt <= retries:
                    job = job.next_attempt
            yield run
        return
    progress.plan(sum(job.policy.num_steps for job in jobs))
    progress.count(0, "first runs")
    running = {_submit(executor, job): job for job in jobs}
    try:
        while running:
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                job = running.pop(future)
                run = _collect_run(future, job)
                if run.error is not None and job.attempt <= retries:
                    running[_submit(executor, job.next_attempt)] = job.next_attempt
                else:
                    progress.count(job.policy.num_steps, f"{job.policy.name}, seed {job.seed}, is over")
                    yield run
    finally:
        for future in running:
            future.cancel()


def _submit(executor: Executor, job: Job) -> "Future[Run]":
    try:
        return executor.submit(run_job, job)
    except Exception as error:  # a broken pool accepts no more jobs, but the runs that it finished are kept
        refused: Future[Run] = Future()
        refused.set_exception(error)
        return refused


def _collect_run(future: "Future[Run]", job: Job) -> Run:
    try:
        return attrs.evolve(future.result())  # pickle makes new NaN objects; `Run` replaces them by one
    except Exception as error:  # `run_job` catches the training's exceptions, so this one came from the executor
        return make_failed_run(job, f"no answer from the worker: {described(error)}")


def _run_range_test(make_run: Callable[..., Any], settings: ComparisonSettings, progress: Progress) -> RangeTestResult:
    target, options = split_made(make_run(seed=settings.seed), _name_of(make_run))
    hooks = SWEEP_HOOKS + (TRIAL_HOOKS if options.get("confirm") is True else ())
    options = {"watchers": with_hooks(settings.watchers, hooks), **options}
    if "train_epochs" not in options:
        options = {"train_steps": settings.steps, **options}  # the rate is for the runs that follow
    if make_training(target, options).seed is not None:
        options = {"seed": settings.seed, **options}
    own_options, backend_options = split_options(options)
    return between_steps(lambda: RangeTest(target, Settings(**own_options), backend_options, progress).run())


def _check_callable(make_run: Callable[..., Any], executor: Executor | None, seed: int) -> None:
    """Raise now what would otherwise be raised in every run: TargetError or OptionError."""
    check_factory(make_run, "make_run", {"seed": seed})
    check_sendable(make_run, executor, _name_of(make_run))


def _name_of(make_run: Callable[..., Any]) -> str:
    function = make_run.func if isinstance(make_run, functools.partial) else make_run
    name = getattr(function, "__qualname__", type(function).__qualname__)
    return f"{function.__module__}:{name}"
