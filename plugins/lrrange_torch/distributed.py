"""One training in several processes: all read the mean of their losses, and none goes on where another cannot.

A sweep that is given the same losses gives the same rates and stops at the same step. So no process decides anything
for the others; only the loss is shared.
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

# Longest part of an error's text that is sent to the other processes.
_TEXT_BYTES = 500


class SingleProcess:
    """A training in one process, which waits for no other."""

    size = 1

    def together(self, action: Callable[..., Result], *args: Any) -> Result:
        """Return what `action(*args)` returns."""
        return action(*args)

    def mean(self, action: Callable[[], float]) -> float:
        """Return what `action` returns."""
        return action()

    def reshard(self) -> None:
        """Do nothing, as nothing is sharded."""

    def reader(self, device: torch.device) -> Reader:
        """Return the reader for losses on this device."""
        return reader_for(device)


class ProcessGroup:
    """The processes of one training, each of which holds the whole model or a part of it.

    Every process must make the same calls in the same order. They communicate in a group of their own, on the CPU: in
    the training's own group, the message of a process that fails in the middle of a step would be taken for the
    gradients that the others wait for.

    Args:
        group: the training's own torch process group.
        sharded: modules that `fully_shard` was applied to.
    """

    def __init__(self, group: Any, sharded: Sequence[Any]) -> None:
        ranks = distributed.get_process_group_ranks(group)
        self._sharded = sharded
        self._group: Any = distributed.new_group(ranks, backend="gloo", use_local_synchronization=True)
        self.size = len(ranks)
        weakref.finalize(self, _destroy, self._group).atexit = False

    def together(self, action: Callable[..., Result], *args: Any) -> Result:
        """Return what `action(*args)` returns in this process, once it has returned in every process.

        Raises: the error of `action` in this process; ProcessFailed if it raised in another; StopIteration if the data
            ran out in any.
        """
        result, _ = self._exchange(lambda: (action(*args), 0.0))
        return result

    def mean(self, action: Callable[[], float]) -> float:
        """Return the mean over the processes of what `action` returns. Raises: the errors of `together`."""
        _, total = self._exchange(lambda: (None, action()))
        return total / self.size

    def reader(self, device: torch.device) -> Reader:  # noqa: ARG002  the same on every device
        """Return a reader that gives the mean over the processes, at once.

        Losses are not read late, because all processes must learn in the same step whether one of them failed.
        """
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
            with contextlib.suppress(RuntimeError):  # another process may be gone, which must not hide this error
                self._sum(0.0, error)
            raise
        return result, self._sum(value)

    def _sum(self, value: float, error: BaseException | None = None, exhausted: bool = False) -> float:
        message = torch.tensor([value, error is not None, exhausted], dtype=torch.float64)
        distributed.all_reduce(message, group=self._group)
        total, failed, ran_out = message.tolist()
        if failed:
            texts = self._gathered("" if error is None else f"{type(error).__name__}: {error}")
            if error is None:
                raise _process_failed(texts)
        if ran_out and not exhausted and error is None:
            raise StopIteration
        return float(total)

    def _gathered(self, text: str) -> list[str]:
        """Return the beginning of every process's text. It is sent as bytes, as gathering objects unpickles them."""
        own = torch.zeros(_TEXT_BYTES, dtype=torch.uint8)
        encoded = bytearray(text.encode()[:_TEXT_BYTES])
        if encoded:
            own[: len(encoded)] = torch.frombuffer(encoded, dtype=torch.uint8)
        received = [torch.empty_like(own) for _ in range(self.size)]
        distributed.all_gather(received, own, group=self._group)
        return [bytes(row.tolist()).rstrip(b"\0").decode(errors="ignore") for row in received]


Processes = SingleProcess | ProcessGroup


def _process_failed(texts: Sequence[str]) -> ProcessFailed:
    failed = {rank: text for rank, text in enumerate(texts) if text}
    rank, text = next(iter(failed.items()))
    return ProcessFailed(
        f"{len(failed)} of {len(texts)} processes failed, so the sweep ended in all: process {rank} raised {text}. "
        f"That process's own traceback says where.",
        failed=failed,
    )


def _destroy(group: Any) -> None:
    with contextlib.suppress(ValueError, AssertionError, RuntimeError):  # the user may have ended all groups
        distributed.destroy_process_group(group)


def processes_of(modules: Iterable[object], parameters: Iterable[torch.Tensor]) -> Processes:
    """Return the processes that train these modules together, by DistributedDataParallel or as a sharded model.

    A training that uses neither is one of a single process, even if there are other processes.

    Args:
        modules: searched for wrapped and sharded modules, if there are several processes. Values of other classes are
            ignored.
        parameters: those of the optimizer.
    Raises: TargetError for the older kind of sharding, which gives no access to its shards.
    """
    if not (distributed.is_available() and distributed.is_initialized()):
        return SingleProcess()
    submodules = [sub for module in modules if isinstance(module, nn.Module) for sub in module.modules()]
    if any(type(module).__name__ == "FullyShardedDataParallel" for module in submodules):
        raise TargetError(
            "the model is wrapped in FullyShardedDataParallel, and lrrange cannot put such a model back after a sweep. "
            "Shard it with torch.distributed.fsdp.fully_shard.",
        )
    wrapped = next((module for module in submodules if isinstance(module, DistributedDataParallel)), None)
    sharded = [module for module in submodules if hasattr(module, "reshard")]
    if wrapped is None and not any(hasattr(parameter, "device_mesh") for parameter in parameters):
        return SingleProcess()
    group = distributed.group.WORLD if wrapped is None else wrapped.process_group
    return ProcessGroup(group, sharded) if distributed.get_world_size(group) > 1 else SingleProcess()
