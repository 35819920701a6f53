"""Keep the random states of the process while something of lrrange's own runs that may draw from them."""

import contextlib
import random
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def kept_random_state() -> Iterator[None]:
    """Leave Python's and NumPy's global random states as they are at the start of the block.

    It is meant for tables, plots and progress bars: importing rich draws a random number, so the first table in a
    process would change the training that follows it. It is also a decorator: `@kept_random_state()`.
    """
    state = random.getstate()
    numpy_random = sys.modules.get("numpy.random")  # which nothing here imports, and a training may use
    numpy_state = None if numpy_random is None else numpy_random.get_state()
    try:
        yield
    finally:
        random.setstate(state)
        if numpy_random is not None:
            numpy_random.set_state(numpy_state)
