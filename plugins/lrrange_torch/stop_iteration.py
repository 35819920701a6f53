"""StopIteration: the end of the data, or an exception of the user's code that would pass for it."""

from types import CodeType

from torch import nn
from torch._utils import ExceptionWrapper
from torch.utils.data._utils.fetch import _MapDatasetFetcher

__all__ = ["error_instead", "is_end_of_data"]

# Calls in which StopIteration never means that the data have run out: of a module, of a dataset with an index and of
# the function that collates its examples, and of anything in a worker process.
_CALLS: frozenset[CodeType] = frozenset(
    {
        nn.Module._call_impl.__code__,
        _MapDatasetFetcher.fetch.__code__,
        ExceptionWrapper.reraise.__code__,
    }
)


def is_end_of_data(error: StopIteration) -> bool:
    """Return whether this error may mean that the data have run out.

    It does not if it was raised inside a module's forward pass, a dataset with an index, or a worker process.
    """
    frame = error.__traceback__
    while frame is not None:
        if frame.tb_frame.f_code in _CALLS:
            return False
        frame = frame.tb_next
    return True


def error_instead(raised_by: str) -> RuntimeError:
    """Return the error to raise from a StopIteration that is not the end of the data, as a generator does.

    Args:
        raised_by: what raised it.
    """
    return RuntimeError(
        f"{raised_by} raised StopIteration, which does not mean that the data have run out. Look for a next() without "
        f"a default, in the traceback above."
    )
