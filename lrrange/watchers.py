"""Watchers: objects whose hooks are called for one range test or one comparison."""

import contextlib
import inspect
from collections.abc import Iterable, Iterator, Sequence

import pluggy

from lrrange import hookspecs
from lrrange.errors import OptionError
from lrrange.plugins import list_plugins, make_manager, new_manager
from lrrange.spelling import closest

# The hooks that a call can fire, by what has to happen for it.
SWEEP_HOOKS = (
    "lrrange_started",
    "lrrange_advanced",
    "lrrange_finished",
    "lrrange_found",
    "lrrange_failed",
    "lrrange_offer_heuristics",
)
TRIAL_HOOKS = ("lrrange_trial_started", "lrrange_trial_advanced", "lrrange_trial_finished")
RUN_HOOKS = ("lrrange_run_started", "lrrange_run_advanced", "lrrange_run_finished")
COMPARED_HOOKS = ("lrrange_compared",)

# Where a watcher whose hooks another call fires belongs.
_CALLS = {
    **dict.fromkeys(SWEEP_HOOKS, "find_lr calls"),
    **dict.fromkeys(TRIAL_HOOKS, "find_lr(..., confirm=True) calls"),
    **dict.fromkeys(RUN_HOOKS, "compare calls if it has no executor"),
    **dict.fromkeys(COMPARED_HOOKS, "compare calls"),
}
_OF_PLUGINS = "only registered plug-ins are asked for (lrrange.register)"


def manager_with(watchers: Iterable[object], call: str, hooks: Sequence[str]) -> pluggy.PluginManager:
    """Return a manager with every plug-in that works, and these watchers.

    Watchers are called first, then the plug-ins in the order of `list_plugins`.

    Args:
        watchers: objects with hooks.
        call: the call that they were given to, for the error message.
        hooks: names of the hooks that this call can fire.
    Raises: OptionError for a watcher that would never be called, for one with a method that is meant as a hook and is
        none, and for one whose hooks do not match those of `lrrange.hookspecs`.
    """
    watchers = tuple(watchers)
    if not watchers:
        return make_manager()
    manager = new_manager(list_plugins())
    for watcher in watchers:
        _check(watcher, call, hooks)
        try:
            manager.register(watcher)
            manager.check_pending()
        except pluggy.PluginValidationError as error:
            raise OptionError(f"the watcher {_name(watcher)} does not match lrrange's hooks: {error}") from error
        except ValueError as error:
            raise OptionError(
                f"the watcher {_name(watcher)} is given twice, or is registered as a plug-in, which is called anyway. "
                f"Give it once."
            ) from error
    return manager


@contextlib.contextmanager
def noted_on(error: BaseException, hook: str) -> Iterator[None]:
    """Make what a watcher raises in this block a note on an earlier error, which it must not hide.

    Args:
        error: the earlier one.
        hook: name of the hook that is called.
    """
    try:
        yield
    except Exception as another:
        error.add_note(f"A watcher then raised in {hook}: {type(another).__name__}: {another}")


def with_hooks(watchers: Iterable[object], hooks: Sequence[str]) -> tuple[object, ...]:
    """Return those of the watchers that have one of these hooks."""
    return tuple(watcher for watcher in watchers if not set(_marked(watcher)).isdisjoint(hooks))


def _check(watcher: object, call: str, hooks: Sequence[str]) -> None:
    """Raise OptionError if the watcher would never be called, or has a method that is meant as a hook and is none."""
    if isinstance(watcher, type):
        raise OptionError(
            f"the watcher {watcher.__name__} is a class. Give an object of it: watchers=[{watcher.__name__}(...)]."
        )
    marked = _marked(watcher)
    for name in _names_like_hooks(watcher):
        if name not in _known():
            nearest = _nearest(name.removeprefix("lrrange_"), _CALLS)
            meant = f"The hooks are {', '.join(_known())}." if nearest is None else f"Did you mean {nearest}?"
            raise OptionError(f"the watcher {_name(watcher)} has {name}, and there is no such hook. {meant}")
        if name not in marked:
            raise OptionError(
                f"the watcher {_name(watcher)} has {name}, which is not marked as a hook and is not called. Put "
                f"@lrrange.hookimpl above it."
            )
    if set(marked).isdisjoint(hooks):
        raise OptionError(
            f"the watcher {_name(watcher)} has no hook that {call} calls, so it would never be called. "
            f"{_explain(watcher, marked, hooks)}The hooks that {call} calls are {', '.join(hooks)}."
        )


def _explain(watcher: object, marked: Sequence[str], hooks: Sequence[str]) -> str:
    if marked:
        return "".join(f"It has {name}, which {_CALLS.get(name, _OF_PLUGINS)}. " for name in marked)
    for name in dir(watcher):
        if not name.startswith("_") and (nearest := _nearest(name, hooks)) is not None:
            return f"Is its {name} meant as {nearest}? A hook has that name, and @lrrange.hookimpl above it. "
    return ""


def _nearest(name: str, hooks: Iterable[str]) -> str | None:
    """Return the hook whose name, without its prefix, is nearest to this one; None if none is near."""
    names = {hook.removeprefix("lrrange_"): hook for hook in hooks}
    nearest = closest(name, names)
    return None if nearest is None else names[nearest]


def _marked(watcher: object) -> list[str]:
    """Return the names of the hooks of a watcher, as pluggy finds them."""
    manager = pluggy.PluginManager("lrrange")
    return [name for name in dir(watcher) if manager.parse_hookimpl_opts(watcher, name) is not None]


def _names_like_hooks(watcher: object) -> Iterator[str]:
    return (
        name for name in dir(watcher) if name.startswith("lrrange_") and inspect.isroutine(getattr(watcher, name, None))
    )


def _known() -> list[str]:
    return [name for name in vars(hookspecs) if name.startswith("lrrange_")]


def _name(watcher: object) -> str:
    return watcher.__name__ if inspect.ismodule(watcher) else type(watcher).__name__
