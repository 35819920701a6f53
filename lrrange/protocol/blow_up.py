"""Tell exceptions that a training raises because its rate is too high from all others."""

from lrrange.errors import LRRangeError
from lrrange.protocol.interrupts import raised_by_a_signal

# Errors of the machine, of the data and of the code, which another rate would not prevent. A time-out is an OSError.
_NOT_OF_THE_RATE = (
    LRRangeError,
    OSError,
    EOFError,
    MemoryError,
    RecursionError,
    ImportError,
    SyntaxError,
    NameError,
    AttributeError,
    TypeError,
    NotImplementedError,
    StopIteration,
    StopAsyncIteration,
)


def is_blow_up(error: Exception) -> bool:
    """Return whether a training may raise this error because its rate is too high.

    Many models do, once their weights or outputs are NaN: a distribution refuses its parameters, a matrix cannot be
    factorised, an assertion of the user's fails.
    """
    if isinstance(error, _NOT_OF_THE_RATE) or isinstance(error.__cause__, StopIteration):
        return False  # a generator turns StopIteration into a RuntimeError
    out_of_memory = any(kind.__name__ == "OutOfMemoryError" for kind in type(error).__mro__)  # a framework's own class
    return not out_of_memory and not raised_by_a_signal(error)
