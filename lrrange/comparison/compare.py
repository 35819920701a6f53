"""Training the same thing under several policies, from the same starts, wherever there are hands to do it."""

import inspect
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from contextlib import closing
from pathlib import Path
from typing import Any

import attrs

from lrrange.comparison.comparison import Comparison, Run
from lrrange.comparison.job import Job, adapted_by, failure, run_job
from lrrange.comparison.journal import Journal
from lrrange.comparison.policies import Policies, by_name, needs_range_test, write_out
from lrrange.errors import OptionError, SaveError, TargetError
from lrrange.finder.executors import check_sendable
from lrrange.finder.range_test import find_lr
from lrrange.plugins import make_manager
from lrrange.protocol.training_step import split_made
from lrrange.result import RangeTestResult
from lrrange.sweep.plan import whole_number


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
) -> Comparison:
    """Train the same thing under each policy from the same starts, and say which ends lowest.

    Args:
        make_run: called as `make_run(seed=0)`; makes the training anew, with weights and order of data from the seed,
            and returns the target, or `(target, options)`, as the factory of `lrrange find` does. With held-out data
            among the options (`val_loader=` for PyTorch) runs are judged by the loss on them, and else by the training
            loss of their last tenth.
        policies: rates (`1e-3` or `"1e-3"`) and names, or a mapping of names of your own to these, to schedules (with
            `lr_at(step)`, such as `lrrange.cyclical.OneCycle`) or to functions of the step. The names are `"found"`,
            the rate of a range test; `"triangular"` and `"triangular2"` (also `"clr"`), three cycles over its range;
            and `"one-cycle"`.
        steps: of each run.
        repeats: runs under each policy, the first from `seed`, the others from the numbers after it.
        executor: any `concurrent.futures.Executor`: threads, processes, Dask's `Client.get_executor()`, loky's. None
            runs one after another, here. Runs that share a process wait for each other, because frameworks keep one
            random state for all threads; so threads give the same numbers, and no speed.
        seed: of the first repeat.
        result: of a range test, if you have one; otherwise, where a policy needs one, `find_lr` runs on
            `make_run(seed=seed)`, with those of its options that are `find_lr`'s own.
        evaluate_every: also read the held-out loss every so many steps.
        retries: how often a run that raises, or whose worker dies, is tried again before it is reported as failed.
        path: a file that each run is written to when it is over. A comparison that was interrupted goes on from it;
            only failed runs are made again.
        watchers: objects with the hook `lrrange_compared`, told of each run that is over; and with those of a sweep,
            for the range test.
    Returns: every run, those that diverged or failed too, and who wins.
    Raises: before the first run, an `LRRangeError` for what is wrong with the arguments, or the reason why the range
        test found no rate; whatever `make_run` raises for the range test. What a run raises is kept with it.
    Cost: `steps * repeats * len(policies)` training steps, the held-out passes, and one range test.
    Source: Smith, "Cyclical Learning Rates for Training Neural Networks", WACV 2017, section 3.3: compare a fixed rate
        with a cycle over the range, both from one range test, and keep what wins.
    """
    asked = by_name(policies)
    steps, repeats = whole_number("steps", steps, least=2), whole_number("repeats", repeats)
    retries, seed = whole_number("retries", retries, least=0), whole_number("seed", seed, least=0)
    if evaluate_every is not None:
        evaluate_every = whole_number("evaluate_every", evaluate_every)
    _check_callable(make_run, executor, seed)
    journal = _journal(path)
    if journal is not None and journal.begun is not None and result is None:
        result = journal.begun.range_test
    if needs_range_test(asked):
        result = result or _range_test(make_run, seed, watchers)
    comparison = Comparison(
        make_run=_name_of(make_run),
        policies=write_out(asked, steps, result),
        steps=steps,
        seeds=tuple(range(seed, seed + repeats)),
        evaluate_every=evaluate_every,
        range_test=result if needs_range_test(asked) else None,
    )
    if journal is not None:
        journal.begin(comparison)
    runs = _wanted(journal.runs if journal is not None else (), comparison)
    jobs = [
        Job(make_run=make_run, policy=policy, seed=one, evaluate_every=evaluate_every)
        for one in comparison.seeds  # the seed outside, so that what an interruption leaves can be compared
        for policy in comparison.policies
        if (policy.name, one) not in runs
    ]
    told = make_manager(watchers).hook
    with closing(_finished(jobs, executor, retries)) as over:
        for run in over:
            if journal is not None:
                journal.add(run)
            runs[run.policy, run.seed] = run
            told.lrrange_compared(run=run, policy=comparison.policy(run.policy))
    ordered = [runs[policy.name, one] for policy in comparison.policies for one in comparison.seeds]
    return attrs.evolve(comparison, runs=tuple(ordered))


def _wanted(runs: Sequence[Run], comparison: Comparison) -> dict[tuple[str, int], Run]:
    """Those finished runs that are part of this comparison."""
    return {(run.policy, run.seed): run for run in runs if run.finished and run.seed in comparison.seeds}


def _finished(jobs: Sequence[Job], executor: Executor | None, retries: int) -> Generator[Run, None, None]:
    """Each job's run, as it is over for good."""
    if executor is None:
        for job in jobs:
            while (run := run_job(job)).error is not None and job.attempt <= retries:
                job = job.again
            yield run
        return
    running = {_submit(executor, job): job for job in jobs}
    try:
        while running:
            over, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in over:
                job = running.pop(future)
                run = _run_of(future, job)
                if run.error is not None and job.attempt <= retries:
                    running[_submit(executor, job.again)] = job.again
                else:
                    yield run
    finally:
        for future in running:
            future.cancel()


def _submit(executor: Executor, job: Job) -> "Future[Run]":
    try:
        return executor.submit(run_job, job)
    except Exception as error:  # a pool that is broken takes no more work; the runs it did are kept
        refused: Future[Run] = Future()
        refused.set_exception(error)
        return refused


def _run_of(future: "Future[Run]", job: Job) -> Run:
    try:
        return attrs.evolve(future.result())  # made anew, because a NaN that was pickled is another object
    except Exception as error:  # the job keeps what the training raises: this came from the executor
        return failure(job, f"no answer from the worker: {type(error).__name__}: {error}")


def _range_test(make_run: Callable[..., Any], seed: int, watchers: Sequence[object]) -> RangeTestResult:
    target, options = split_made(make_run(seed=seed), _name_of(make_run))
    options = {"watchers": watchers, **options}
    if hasattr(adapted_by(target, options), "seed"):
        options = {"seed": seed, **options}
    return find_lr(target, **options)


def _journal(path: str | Path | None) -> Journal | None:
    if path is None:
        return None
    if not (folder := Path(path).parent).is_dir():
        raise SaveError(f"{path} cannot be written: there is no folder {folder}.", path=str(path))
    return Journal(path)


def _check_callable(make_run: Callable[..., Any], executor: Executor | None, seed: int) -> None:
    """Raise what would otherwise be raised in every run."""
    if not callable(make_run):
        raise TargetError(
            f"make_run is a {type(make_run).__name__}. Give a function that makes the training anew for each run, "
            f"called as make_run(seed={seed}).",
        )
    try:
        inspect.signature(make_run).bind(seed=seed)
    except TypeError as error:
        raise OptionError(f"make_run(seed={seed}) does not work: {error}. Let it take seed and nothing else.") from None
    except ValueError:  # a callable written in C may have no signature to look at
        pass
    check_sendable(make_run, executor, _name_of(make_run))


def _name_of(make_run: Callable[..., Any]) -> str:
    function = getattr(make_run, "func", make_run)  # of a functools.partial
    name = getattr(function, "__qualname__", type(function).__qualname__)
    return f"{function.__module__}:{name}"
