"""What jobs for a `concurrent.futures.Executor` have in common."""

import pickle
import threading
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor
from typing import Any

from lrrange.errors import OptionError

# Frameworks keep one random state for all threads of a process, so two trainings at once would draw from each other's.
one_at_a_time = threading.Lock()


def check_sendable(function: Callable[..., Any], executor: Executor | None, name: str) -> None:
    """Raise OptionError if a job with this function, called `name`, cannot be sent to the executor's workers."""
    if not isinstance(executor, ProcessPoolExecutor):
        return  # threads need no pickle, and Dask, loky and Ray have ways of their own
    try:
        pickle.dumps(function)
    except Exception as error:  # pickle raises three kinds of error, and what the object's own methods raise
        raise OptionError(
            f"{name} cannot be sent to another process: {error}. Make it a function at the top of a module that the "
            f"processes can import, not a lambda or a function in a function.",
        ) from error
