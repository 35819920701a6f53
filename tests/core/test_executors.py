"""The cells of a grid as jobs of an executor."""

import multiprocessing
import threading
import time
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial

import pytest

import lrrange
from lrrange.errors import OptionError, PlanError
from lrrange.finder.executors import check_sendable
from tests.core.strategies import Landscape
from tests.core.training import SeededLoop

SETTINGS = {"num_steps": 20, "start_lr": 1e-4, "end_lr": 1.0, "seed": 3}
NOISES = [0.0, 0.05, 0.1, 0.2]


def make(noise):
    return SeededLoop(Landscape(noise=noise))


def with_options(noise):
    return make(noise), {"num_steps": 15}


def failing(noise):
    if noise == NOISES[1]:
        raise ZeroDivisionError(f"for {noise}")
    return make(noise)


def grid(make=make, **options):
    return lrrange.grid(make, {"noise": NOISES}, **{**SETTINGS, **options})


def answers(grid):
    return [(cell.setting, cell.result.curve, cell.result.answers) for cell in grid.cells]


@pytest.fixture(scope="module")
def processes():
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield pool


class Reversed(Executor):
    """An executor that waits for the last job, and then runs all jobs in reverse order."""

    def __init__(self, count):
        self.count, self.waiting = count, []

    def submit(self, function, /, *arguments):
        job = Future()
        self.waiting.append((job, function, arguments))
        if len(self.waiting) == self.count:
            for waiting_job, its_function, its_arguments in reversed(self.waiting):
                waiting_job.set_result(its_function(*its_arguments))
        return job


class Failing(Executor):
    """An executor whose second job has failed, and whose later jobs never finish."""

    def __init__(self, error):
        self.error, self.jobs = error, []

    def submit(self, function, /, *arguments):
        job = Future()
        if len(self.jobs) == 0:
            job.set_result(function(*arguments))
        if len(self.jobs) == 1:
            job.set_exception(self.error)
        self.jobs.append(job)
        return job


# -- the same cells ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("factory", [make, with_options])
def test_processes_give_the_same_cells_as_no_executor(processes, factory):
    assert answers(grid(factory, executor=processes)) == answers(grid(factory))


def test_threads_give_the_same_cells_as_no_executor():
    with ThreadPoolExecutor(4) as pool:
        assert answers(grid(executor=pool)) == answers(grid())


def test_cells_keep_their_order_whichever_job_ends_first():
    assert answers(grid(executor=Reversed(len(NOISES)))) == answers(grid())


def test_jobs_have_the_options_and_the_value_of_parallel(processes):
    (first, *_) = grid(executor=processes, parallel="vmap", repeats=3).cells
    assert len(first.result.sweeps) == 3
    assert first.result.provenance.details["parallel"] == ["2 runs one by one: a SeededLoop takes one run at a time"]


def test_threads_train_one_at_a_time_because_they_share_one_random_state():
    inside, counts = [], []

    class CountsThreads(SeededLoop):
        def step(self, lr):
            inside.append(threading.get_ident())
            counts.append(len(set(inside)))
            time.sleep(1e-3)  # lets another thread run, if there is one
            inside.pop()
            return super().step(lr)

    with ThreadPoolExecutor(4) as pool:
        grid(lambda noise: CountsThreads(Landscape(noise=noise)), executor=pool)
    assert set(counts) == {1}


# -- what is refused ---------------------------------------------------------------------------------------------------


class Unsendable:
    def __call__(self, noise):
        pytest.fail("made")

    def __reduce__(self):
        raise RuntimeError("not to be sent")


@pytest.mark.parametrize(
    "factory", [lambda noise: pytest.fail("made"), Unsendable(), partial(lambda noise: pytest.fail("made"))]
)
def test_a_factory_that_cannot_be_sent_to_a_process_is_refused_before_the_first_job(processes, factory):
    with pytest.raises(OptionError, match="make cannot be sent to another process.*Make it a function at the top of"):
        grid(factory, executor=processes)


class SaysWhere:
    """A heuristic that answers with the thread in which it was first pickled."""

    def __init__(self, thread=None):
        self.thread = thread

    def __reduce__(self):
        return SaysWhere, (self.thread or threading.current_thread().name,)

    def __call__(self, curve):
        if self.thread != threading.main_thread().name:
            raise AssertionError(self.thread)
        return 1e-3


def test_options_are_pickled_in_the_thread_of_the_call_where_a_watcher_finds_the_active_run(processes):
    assert [cell.result.lr for cell in grid(make, executor=processes, heuristic=SaysWhere())] == [1e-3] * 4


def test_an_option_that_cannot_be_sent_to_a_process_is_refused_by_its_name(processes):
    with pytest.raises(OptionError, match="heuristic= cannot be sent to another process.*Let make return it"):
        grid(make, executor=processes, heuristic=lambda curve: 1.0)


def test_a_factory_for_threads_or_another_executor_is_not_checked():
    with ThreadPoolExecutor(1) as pool:
        check_sendable(lambda: None, pool, "make")
    check_sendable(lambda: None, Failing(None), "make")
    check_sendable(lambda: None, None, "make")


def test_an_empty_setting_and_an_unknown_value_of_parallel_are_refused_before_the_first_job():
    executor = Failing(None)
    with pytest.raises(PlanError, match="nothing to try"):
        lrrange.grid(make, {"noise": []}, executor=executor)
    with pytest.raises(OptionError, match="is none of"):
        grid(executor=executor, parallel="on")
    assert executor.jobs == []


# -- what goes wrong ---------------------------------------------------------------------------------------------------


def test_an_error_of_make_in_a_process_passes_through(processes):
    with pytest.raises(ZeroDivisionError, match=r"for 0\.05"):
        grid(failing, executor=processes)


def test_an_error_of_find_lr_in_a_process_passes_through_with_its_numbers(processes):
    with pytest.raises(PlanError, match="end_lr") as raised:
        grid(executor=processes, end_lr=1e-9)
    assert str(raised.value).count("1e-09") == 1


@pytest.mark.parametrize("error", [ZeroDivisionError("in a job"), KeyboardInterrupt()])
def test_the_other_jobs_are_cancelled_if_one_fails(error):
    executor = Failing(error)
    with pytest.raises(type(error)):
        grid(executor=executor)
    assert [job.cancelled() for job in executor.jobs] == [False, False, True, True]
