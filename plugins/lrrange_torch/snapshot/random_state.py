"""Random generators: find them, seed them, and put their states back."""

import random
import sys
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
    if numpy is not None and isinstance(value, numpy.random.Generator):
        return partial(setattr, value.bit_generator, "state", value.bit_generator.state)
    if numpy is not None and isinstance(value, numpy.random.RandomState):
        return partial(value.set_state, value.get_state())
    return None


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


def generators_of(loader: Any) -> Iterator[Any]:
    """Yield the random generators among the attributes of a data loader, its samplers and its dataset."""
    batch_sampler = getattr(loader, "batch_sampler", None)
    holders = [getattr(loader, "sampler", None), batch_sampler, getattr(batch_sampler, "sampler", None), loader]
    while (inner := getattr(holders[-1], "dataset", None)) is not None and len(holders) < 10:
        holders.append(inner)  # a Subset of a Subset of a dataset
    for holder in holders:
        for attribute in vars(holder).values() if hasattr(holder, "__dict__") else ():
            if undo_of_generator(attribute) is not None:
                yield attribute


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
