"""Optimizers inside other optimizers: find them, and recognise a wrapper and what it wraps as one."""

from collections.abc import Iterator, Mapping

from torch.optim import Optimizer


def wrapped_in(wrapper: object) -> Iterator[tuple[str, Optimizer]]:
    """Yield each optimizer that an object holds, at any depth, after the attribute that holds it.

    Lookahead, SAM and most other optimizers that are made from one keep it as an attribute, or several in a list.
    """
    seen = {id(wrapper)}

    def search(holder: object, path: str) -> Iterator[tuple[str, Optimizer]]:
        for name, value in vars(holder).items() if hasattr(holder, "__dict__") else ():
            if name in ("state", "param_groups"):
                continue
            for place, held in _places(f"{path}.{name}", value):
                if isinstance(held, Optimizer) and id(held) not in seen:
                    seen.add(id(held))
                    yield place, held
                    yield from search(held, place)

    yield from search(wrapper, "")


def same_optimizer(first: Optimizer, second: Optimizer) -> bool:
    """Return whether two optimizers are one: the same object, or a wrapper and what it wraps.

    A wrapper (Accelerate's, Lookahead, SAM) has the param groups of the optimizer inside it, not copies.
    """
    if first is second or first.param_groups is second.param_groups:
        return True
    mine, others = first.param_groups, second.param_groups
    return len(mine) > 0 and list(map(id, mine)) == list(map(id, others))


def inner_optimizer(optimizer: Optimizer) -> Optimizer:
    """Return the optimizer inside all its wrappers, which takes the steps; one without wrappers itself."""
    inner = optimizer
    for _, inside in wrapped_in(optimizer):
        if same_optimizer(inside, inner):
            inner = inside
    return inner


def _places(path: str, value: object) -> Iterator[tuple[str, object]]:
    if isinstance(value, Mapping):
        yield from ((f"{path}[{key!r}]", held) for key, held in value.items())
    elif isinstance(value, (list, tuple)):
        yield from ((f"{path}[{index}]", held) for index, held in enumerate(value))
    else:
        yield path, value
