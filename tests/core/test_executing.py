"""The cells of a grid as jobs for an executor."""

import multiprocessing
import threading
import time
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor

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
    """Does its jobs when the last one is there, the last one first."""

    def __init__(self, count):
        self.count, self.waiting = count, []

    def submit(self, function, /, *arguments):
        job = Future()
        self.waiting.append((job, function, arguments))
        if len(self.waiting) == self.count:
            for other, call, given in reversed(self.waiting):
                other.set_result(call(*given))
        return job


class Failing(Executor):
    """Its second job has failed, and the others are never done."""

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
def test_processes_give_the_cells_that_there_are_without(processes, factory):
    assert answers(grid(factory, executor=processes)) == answers(grid(factory))


def test_threads_give_the_cells_that_there_are_without():
    with ThreadPoolExecutor(4) as pool:
        assert answers(grid(executor=pool)) == answers(grid())


def test_cells_keep_their_order_whatever_order_their_jobs_end_in():
    assert answers(grid(executor=Reversed(len(NOISES)))) == answers(grid())


def test_jobs_have_the_options_and_the_way_in_which_runs_are_taken(processes):
    (first, *_) = grid(executor=processes, parallel="vmap", repeats=3).cells
    assert len(first.result.sweeps) == 3
    assert first.result.provenance.details["parallel"] == ["2 runs one by one: a SeededLoop takes one at a time"]


def test_threads_train_one_at_a_time_for_they_share_one_random_state():
    inside, most = [], []

    class Alone(SeededLoop):
        def step(self, lr):
            inside.append(threading.get_ident())
            most.append(len(set(inside)))
            time.sleep(1e-3)  # lets another thread run, if there is one
            inside.pop()
            return super().step(lr)

    with ThreadPoolExecutor(4) as pool:
        grid(lambda noise: Alone(Landscape(noise=noise)), executor=pool)
    assert set(most) == {1}


# -- what is refused ---------------------------------------------------------------------------------------------------


class Unsendable:
    def __call__(self, noise):
        pytest.fail("made")

    def __reduce__(self):
        raise RuntimeError("not to be sent")


@pytest.mark.parametrize("factory", [lambda noise: pytest.fail("made"), Unsendable(), threading.Lock().__enter__])
def test_a_factory_that_cannot_be_sent_to_a_process_is_refused_before_the_first_job(processes, factory):
    with pytest.raises(OptionError, match="make cannot be sent to another process.*Make it a function at the top of"):
        grid(factory, executor=processes)


def test_whatever_a_thread_or_another_executor_is_to_call_is_its_own_affair():
    with ThreadPoolExecutor(1) as pool:
        check_sendable(lambda: None, pool, "make")
    check_sendable(lambda: None, Failing(None), "make")
    check_sendable(lambda: None, None, "make")


def test_nothing_to_try_and_unknown_ways_are_refused_before_the_first_job():
    executor = Failing(None)
    with pytest.raises(PlanError, match="nothing to try"):
        lrrange.grid(make, {"noise": []}, executor=executor)
    with pytest.raises(OptionError, match="is none of"):
        grid(executor=executor, parallel="on")
    assert executor.jobs == []


# -- what goes wrong ---------------------------------------------------------------------------------------------------


def test_what_make_raises_in_a_process_passes_through(processes):
    with pytest.raises(ZeroDivisionError, match=r"for 0\.05"):
        grid(failing, executor=processes)


def test_what_find_lr_raises_in_a_process_passes_through_with_its_numbers(processes):
    with pytest.raises(PlanError, match="end_lr") as raised:
        grid(executor=processes, end_lr=1e-9)
    assert str(raised.value).count("1e-09") == 1


@pytest.mark.parametrize("error", [ZeroDivisionError("in a job"), KeyboardInterrupt()])
def test_the_other_jobs_are_cancelled_where_one_fails(error):
    executor = Failing(error)
    with pytest.raises(type(error)):
        grid(executor=executor)
    assert [job.cancelled() for job in executor.jobs] == [False, False, True, True]
