"""Rules for jobs that a `concurrent.futures.Executor` runs."""

import pickle
import threading
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor
from typing import Any

from lrrange.errors import OptionError

# Frameworks keep one random state for all threads of a process, so two trainings at once would disturb each other's
# random numbers.
one_at_a_time = threading.Lock()


def check_sendable(function: Callable[..., Any], executor: Executor | None, name: str) -> None:
    """Raise OptionError if a job with this function, called `name`, cannot be sent to the executor's workers."""
    if not isinstance(executor, ProcessPoolExecutor):
        return  # threads need no pickle, and Dask, loky and Ray pickle in their own ways
    try:
        pickle.dumps(function)
    except Exception as error:  # pickle raises three kinds of error, and passes on those of the object's own methods
        raise OptionError(
            f"{name} cannot be sent to another process: {error}. Make it a function at the top of a module that the "
            f"processes can import, not a lambda or a function in a function.",
        ) from error
