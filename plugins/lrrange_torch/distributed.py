"""One training in several processes: they read the mean of their losses, and none goes on where another cannot.

A sweep told the same losses gives out the same rates and stops at the same step. So nothing is decided in one process
and sent to the others; the loss alone is shared.
"""

import contextlib
import weakref
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from lrrange.errors import ProcessFailed, TargetError
from lrrange_torch.deferred_loss import Reader, read_now, reader_for

Result = TypeVar("Result")

# Of an error's text that is passed on.
_TEXT_BYTES = 500


class Alone:
    """One process, which waits for nobody."""

    size = 1

    def together(self, action: Callable[[], Result]) -> Result:
        """What `action` returns."""
        return action()

    def mean(self, action: Callable[[], float]) -> float:
        """What `action` returns."""
        return action()

    def reshard(self) -> None:
        """Nothing is sharded here."""

    def reader(self, device: torch.device) -> Reader:
        """How losses on this device are read."""
        return reader_for(device)


class Processes(Alone):
    """The processes of a group, each with the whole of a model or a part of it.

    Every process must make the same calls in the same order. They speak in a group of their own, on the CPU: one that
    fails in the middle of a step would otherwise be heard as the gradients that the others wait for.

    Args:
        group: that trains together.
        sharded: modules that `fully_shard` was applied to.
    """

    def __init__(self, group: Any, sharded: Sequence[Any]) -> None:
        ranks = distributed.get_process_group_ranks(group)
        self._sharded = sharded
        self._group: Any = distributed.new_group(ranks, backend="gloo", use_local_synchronization=True)
        self.size = len(ranks)
        weakref.finalize(self, _leave, self._group).atexit = False

    def together(self, action: Callable[[], Result]) -> Result:
        """What `action` returns here, once it has returned in every process.

        Raises: what it raises here; ProcessFailed, if it raised in another; StopIteration, if data ran out in any.
        """
        result, _ = self._exchange(lambda: (action(), 0.0))
        return result

    def mean(self, action: Callable[[], float]) -> float:
        """The mean of what `action` returns in each process. Raises: as `together`."""
        _, total = self._exchange(lambda: (None, action()))
        return total / self.size

    def reader(self, device: torch.device) -> Reader:  # noqa: ARG002  all devices alike
        """The mean over the processes, and at once: all must know in the same step whether one of them failed."""
        return lambda values, factor: self.mean(lambda: read_now(values, factor))

    def reshard(self) -> None:
        """Drop whole parameters that a forward pass has gathered and no backward pass has used."""
        for module in self._sharded:
            module.reshard()

    def _exchange(self, action: Callable[[], tuple[Result, float]]) -> tuple[Result, float]:
        try:
            result, value = action()
        except StopIteration:
            self._sum(0.0, exhausted=True)
            raise
        except BaseException as error:
            with contextlib.suppress(RuntimeError):  # another process may be gone, which must not hide why
                self._sum(0.0, error)
            raise
        return result, self._sum(value)

    def _sum(self, value: float, error: BaseException | None = None, exhausted: bool = False) -> float:
        told = torch.tensor([value, error is not None, exhausted], dtype=torch.float64)
        distributed.all_reduce(told, group=self._group)
        total, failed, run_out = told.tolist()
        if failed:
            said = self._gathered("" if error is None else f"{type(error).__name__}: {error}")
            if error is None:
                raise _failure(said)
        if run_out and not exhausted and error is None:
            raise StopIteration
        return float(total)

    def _gathered(self, text: str) -> list[str]:
        """The beginning of every process's text. As bytes, because gathering objects would unpickle them."""
        own = torch.zeros(_TEXT_BYTES, dtype=torch.uint8)
        encoded = bytearray(text.encode()[:_TEXT_BYTES])
        if encoded:
            own[: len(encoded)] = torch.frombuffer(encoded, dtype=torch.uint8)
        found = [torch.empty_like(own) for _ in range(self.size)]
        distributed.all_gather(found, own, group=self._group)
        return [bytes(one.tolist()).rstrip(b"\0").decode(errors="ignore") for one in found]


def _failure(said: Sequence[str]) -> ProcessFailed:
    failed = {rank: text for rank, text in enumerate(said) if text}
    rank, text = next(iter(failed.items()))
    return ProcessFailed(
        f"{len(failed)} of {len(said)} processes failed, so the sweep ended in all: process {rank} raised {text}. "
        f"That process's own traceback says where.",
        failed=failed,
    )


def _leave(group: Any) -> None:
    with contextlib.suppress(ValueError, AssertionError, RuntimeError):  # where the user has ended all groups
        distributed.destroy_process_group(group)


def processes_of(modules: Iterable[object], parameters: Iterable[torch.Tensor]) -> Alone:
    """The processes that train these together: those of DistributedDataParallel, or of a model that is sharded.

    Whoever trains something that is neither trains it alone, also where there are other processes.

    Args:
        modules: those among them are looked into.
        parameters: that the optimizer has.
    Raises: TargetError for the older kind of sharding, which gives no access to its shards.
    """
    if not (distributed.is_available() and distributed.is_initialized()):
        return Alone()
    inner = [one for module in modules if isinstance(module, nn.Module) for one in module.modules()]
    if any(type(one).__name__ == "FullyShardedDataParallel" for one in inner):
        raise TargetError(
            "the model is wrapped in FullyShardedDataParallel, and lrrange cannot put such a model back after a sweep. "
            "Shard it with torch.distributed.fsdp.fully_shard.",
        )
    parameters = list(parameters)
    wrapped = next((one for one in inner if isinstance(one, DistributedDataParallel)), None)
    sharded = [one for one in inner if hasattr(one, "reshard")]
    if wrapped is None and not any(hasattr(parameter, "device_mesh") for parameter in parameters):
        return Alone()
    group = distributed.group.WORLD if wrapped is None else wrapped.process_group
    return Processes(group, sharded) if distributed.get_world_size(group) > 1 else Alone()
