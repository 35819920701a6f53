"""Rules for jobs that a `concurrent.futures.Executor` runs."""

import pickle
import threading
from concurrent.futures import Executor, ProcessPoolExecutor

from lrrange.errors import OptionError

# Frameworks keep one random state for all threads of a process, so two trainings at once would disturb each other's
# random numbers.
one_at_a_time = threading.Lock()


_A_FUNCTION = (
    "Make it a function at the top of a module that the processes can import, not a lambda or a function in a function."
)


def check_sendable(value: object, executor: Executor | None, name: str, way: str = _A_FUNCTION) -> bool:
    """Raise OptionError if a job with this value, called `name`, cannot be sent to the executor's workers.

    Args:
        value: the function that makes the training, or an option for it.
        executor: runs the jobs.
        name: of the value.
        way: what to do then.
    Returns: whether it is checked: the executor is the standard library's for processes.
    """
    if executor is not None and (isinstance(executor, type) or not hasattr(executor, "submit")):
        kind = executor.__name__ if isinstance(executor, type) else type(executor).__name__
        raise OptionError(
            f"executor is a {kind}, and no concurrent.futures.Executor. Give one such as ProcessPoolExecutor(4)."
        )
    if not isinstance(executor, ProcessPoolExecutor):
        return False  # threads need no pickle, and Dask, loky and Ray pickle in their own ways
    try:
        pickle.dumps(value)
    except Exception as error:  # pickle raises three kinds of error, and passes on those of the object's own methods
        raise OptionError(f"{name} cannot be sent to another process: {error}. {way}") from error
    return True
