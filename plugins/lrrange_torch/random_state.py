"""Random generators: find them, seed them, and put their states back."""

import random
import sys
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch

# Puts something back as it was when the function was made.
Undo = Callable[[], object]


def undo_of_generator(value: Any) -> Undo | None:
    """Return a function that gives a random generator its present state back; None for any other object."""
    if isinstance(value, torch.Generator):
        return partial(value.set_state, value.get_state())
    if isinstance(value, random.Random):
        return partial(value.setstate, value.getstate())
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, numpy.random.SeedSequence):
        return partial(value.__setstate__, value.__reduce__()[2])
    if numpy is not None and isinstance(value, numpy.random.Generator):
        value = value.bit_generator
    if numpy is not None and isinstance(value, numpy.random.BitGenerator):
        return partial(setattr, value, "state", value.state)
    if numpy is not None and isinstance(value, numpy.random.RandomState):
        return partial(value.set_state, value.get_state())
    return None


def random_state_of(generator: Any) -> object:
    """Return a checksum of the state of a random generator, or the state itself where that is short."""
    if isinstance(generator, torch.Generator):
        return zlib.crc32(bytes(generator.get_state().numpy()))
    if isinstance(generator, random.Random):
        return hash(generator.getstate()) & 0xFFFFFFFF
    if hasattr(generator, "n_children_spawned"):
        return repr(generator)
    if hasattr(generator, "bit_generator"):
        generator = generator.bit_generator
    state = generator.state if hasattr(generator, "state") else generator.get_state()
    return zlib.crc32(repr(_as_lists(state)).encode())


def _as_lists(state: Any) -> Any:
    """Return a state whose arrays print in full."""
    if isinstance(state, dict):
        return {key: _as_lists(value) for key, value in state.items()}
    if isinstance(state, tuple):
        return [_as_lists(value) for value in state]
    return state.tolist() if hasattr(state, "tolist") else state


def is_generator_type(type_: type[Any]) -> bool:
    """Return whether objects of this type are random generators whose state can be read and set."""
    numpy = sys.modules.get("numpy")
    names = ("Generator", "RandomState", "BitGenerator", "SeedSequence")
    of_numpy = () if numpy is None else tuple(getattr(numpy.random, name) for name in names)
    return issubclass(type_, (torch.Generator, random.Random, *of_numpy)) and not issubclass(type_, random.SystemRandom)


def undo_of_global_states() -> Iterator[tuple[object, Undo]]:
    """Yield the modules that have a global random state, each with a function that puts its present state back.

    These are python's, numpy's (if it is loaded), and torch's on every device in use.
    """
    yield random, partial(random.setstate, random.getstate())
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        yield numpy, partial(numpy.random.set_state, numpy.random.get_state())
    yield torch, partial(torch.set_rng_state, torch.get_rng_state())
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]  # torch has no types there
        yield torch.cuda, partial(torch.cuda.set_rng_state_all, torch.cuda.get_rng_state_all())
    if torch.backends.mps.is_available():
        yield torch.mps, partial(torch.mps.set_rng_state, torch.mps.get_rng_state())


def global_random_states() -> Iterator[tuple[str, bytes]]:
    """Yield the global random states that `undo_of_global_states` puts back, as bytes."""
    yield "random state of Python", repr(random.getstate()).encode()
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        kind, keys, *rest = numpy.random.get_state()
        yield "random state of NumPy", keys.tobytes() + repr((kind, rest)).encode()
    yield "random state of torch", torch.get_rng_state().numpy().tobytes()
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]  # torch has no types there
        for index, state in enumerate(torch.cuda.get_rng_state_all()):
            yield f"random state of CUDA device {index}", state.numpy().tobytes()
    if torch.backends.mps.is_available():
        yield "random state of MPS", torch.mps.get_rng_state().numpy().tobytes()


def seed_everything(seed: int, *holders: Any) -> None:
    """Seed python, numpy (if it is loaded), torch, and the `generator` of each holder that has one.

    Args:
        seed: any whole number.
        holders: data loaders and samplers, for example.
    """
    random.seed(seed)
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed(seed % 2**32)
    torch.manual_seed(seed % 2**64)
    for holder in holders:
        generator = getattr(holder, "generator", None)
        if isinstance(generator, torch.Generator):
            generator.manual_seed(seed % 2**64)
