import multiprocessing
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor

import pytest

from lrrange.errors import OptionError
from tests.compare.training import Descent, compare, make_dying, make_recovering, untimed


@pytest.fixture(scope="module")
def processes():
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield pool


def test_processes_give_the_same_numbers_as_one_after_another(processes):
    assert untimed(compare(executor=processes)) == untimed(compare())


def test_threads_give_the_same_numbers_though_they_share_one_random_state():
    with ThreadPoolExecutor(4) as pool:
        assert untimed(compare(executor=pool)) == untimed(compare())


def test_a_run_that_raises_in_another_process_is_tried_again_there(processes, tmp_path, monkeypatch):
    # Workers copy the environment when they start, so this test has its own.
    monkeypatch.setenv("MARKS", str(tmp_path))
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        comparison = compare(make_recovering, [0.1], executor=pool, retries=1)
    assert [run.attempts for run in comparison.runs] == [2, 2]
    assert untimed(comparison) == untimed(compare(policies=[0.1]))


def test_a_worker_that_dies_is_reported_and_the_runs_before_it_are_kept_and_resumed(tmp_path):
    path = tmp_path / "runs.jsonl"
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        comparison = compare(make_dying, executor=pool, repeats=2, path=path)
    assert [(run.policy, run.seed) for run in comparison.finished] == [("0.1", 0), ("0.5", 0), ("3", 0)]
    assert all("no answer from the worker: BrokenProcessPool" in run.error for run in comparison.failed)
    assert {run.seed for run in comparison.failed} == {1}
    assert "3 of 6 runs did not finish" in str(comparison.verdict)


def test_a_function_that_cannot_be_sent_to_processes_is_refused_before_the_first_run(processes):
    seeds = []

    def local(seed):
        seeds.append(seed)
        return Descent(seed)

    with pytest.raises(
        OptionError, match="cannot be sent to another process.*Make it a function at the top of a module"
    ):
        compare(local, executor=processes)
    assert seeds == []


class OutOfOrder(Executor):
    """An executor that finishes the last job first, as a cluster may, and keeps the jobs it was given."""

    def __init__(self):
        self.waiting, self.jobs = [], []

    def submit(self, function, /, *arguments, **options):
        self.jobs.append(arguments[0])
        future = Future()
        self.waiting.append((future, function, arguments))
        if len(self.waiting) == 6:
            for other, function, arguments in reversed(self.waiting):
                other.set_result(function(*arguments))
        return future


def test_runs_keep_their_order_whatever_order_they_end_in():
    assert untimed(compare(executor=OutOfOrder())) == untimed(compare())


def test_jobs_come_seed_by_seed_so_that_what_an_interruption_leaves_can_be_compared():
    executor = OutOfOrder()
    compare(executor=executor)
    assert [job.seed for job in executor.jobs] == [0, 0, 0, 1, 1, 1]


def test_jobs_that_did_not_start_are_cancelled_if_the_comparison_is_interrupted():
    class Stuck(Executor):
        futures = []  # noqa: RUF012  the instances are meant to share it

        def submit(self, function, /, *arguments, **options):
            future = Future()
            if self.futures:
                self.futures.append(future)
                return future
            self.futures.append(future)
            future.set_result(function(*arguments))
            return future

    class Interrupting:
        from lrrange import hookimpl

        @hookimpl
        def lrrange_compared(self):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compare(executor=Stuck(), watchers=[Interrupting()])
    assert [future.cancelled() for future in Stuck.futures] == [False] + [True] * 5


def test_an_executor_that_is_shut_down_makes_every_run_a_failed_one():
    pool = ThreadPoolExecutor(1)
    pool.shutdown()
    comparison = compare(executor=pool)
    assert len(comparison.failed) == 6
    assert "cannot schedule new futures after shutdown" in comparison.failed[0].error
