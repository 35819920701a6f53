"""The plug-ins of this process: finding them, and setting the broken ones aside."""

import functools
import importlib.metadata
import re
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import attrs
import pluggy

from lrrange import hookspecs
from lrrange.advice.heuristics import HEURISTICS
from lrrange.advice.suggestion import Heuristic
from lrrange.errors import BackendNotFound, LRRangeError, NoSuggestion, OptionError, PluginUnavailable
from lrrange.spelling import did_you_mean
from lrrange.sweep.curve import Curve

GROUP = "lrrange"

_HOOKS = tuple(name for name in vars(hookspecs) if name.startswith("lrrange_"))


@attrs.frozen(kw_only=True, eq=False)
class Plugin:
    """A plug-in that is installed or registered, or one that is set aside because it is broken.

    Args:
        name: name of its entry point, or the one given to `register`.
        source: its distribution and version, or `registered`.
        plugin: the module or object; None if it is set aside.
        problem: why it is set aside; None if it works.
    """

    name: str
    source: str
    plugin: object | None = attrs.field(default=None, repr=False)
    problem: LRRangeError | None = None

    @functools.cached_property  # a module may look up advice for each name that it does not have
    def hooks(self) -> tuple[str, ...]:
        """Names of the hooks that it implements."""
        return tuple(name for name in _HOOKS if hasattr(self.plugin, name))


_registered: dict[str, Plugin] = {}


def register(plugin: object, name: str | None = None) -> None:
    """Make a plug-in known for the rest of the process, as if it were installed.

    Args:
        plugin: a module or object with functions marked by `lrrange.hookimpl`.
        name: what `backend=` calls it. The default is the name it is installed under, or else the name of the module or
            class. A second plug-in of the same name replaces the first. A second name for the same plug-in replaces its
            first name.
    Raises: PluginUnavailable if its hooks do not match those of `lrrange.hookspecs`; OptionError for what has none.
    """
    if plugin is None or isinstance(plugin, (str, bytes, int, float)):
        raise OptionError(
            f"a {type(plugin).__name__} is no plug-in. Give a module, or an object with functions marked by "
            f"lrrange.hookimpl."
        )
    installed_name = next((known.name for known in _installed() if known.plugin is plugin), None)
    name = name or installed_name or str(getattr(plugin, "__name__", type(plugin).__name__))
    checked = _checked(name, "registered", plugin)
    if checked.problem is not None:
        raise checked.problem
    for old_name in [old_name for old_name, known in _registered.items() if known.plugin is plugin]:
        del _registered[old_name]
    _registered[name] = checked


def unregister(name: str) -> None:
    """Remove a plug-in that was added with `register`. Raises: BackendNotFound if none has this name."""
    if name not in _registered:
        raise BackendNotFound(f"no plug-in {name!r} was registered.{did_you_mean(name, _registered)}", name=name)
    del _registered[name]


def list_plugins() -> tuple[Plugin, ...]:
    """Return every plug-in, including those that are set aside. Registered ones come first."""
    registered = tuple(_registered.values())
    objects = [id(known.plugin) for known in registered]
    return (
        *registered,
        *(known for known in _installed() if known.name not in _registered and id(known.plugin) not in objects),
    )


@functools.cache
def _installed() -> tuple[Plugin, ...]:
    return tuple(_load(point) for point in importlib.metadata.entry_points(group=GROUP))


def _load(point: importlib.metadata.EntryPoint) -> Plugin:
    source = f"{point.dist.name} {point.dist.version}" if point.dist else "unknown"
    try:
        plugin = point.load()
    except PluginUnavailable as problem:
        return Plugin(name=point.name, source=source, problem=problem)
    except Exception as error:
        return _set_aside(point.name, source, "could not be loaded", error)
    return _checked(point.name, source, plugin)


def _checked(name: str, source: str, plugin: object) -> Plugin:
    manager = _empty_manager()
    try:
        manager.register(plugin, name)
        manager.check_pending()
    except Exception as error:
        return _set_aside(name, source, "does not match lrrange's hooks", error)
    return Plugin(name=name, source=source, plugin=plugin)


# A hook that does not exist, as pluggy says it. What follows is the plug-in, with its address in memory.
_UNKNOWN_HOOK = re.compile(r"unknown hook '(\w+)' in plugin ")


def _set_aside(name: str, source: str, what: str, error: Exception) -> Plugin:
    reason = f"{type(error).__name__}: {error}"
    if isinstance(error, pluggy.PluginValidationError) and (unknown := _UNKNOWN_HOOK.match(str(error))):
        reason = f"there is no hook {unknown[1]!r}.{did_you_mean(unknown[1], _HOOKS)}"
    problem = PluginUnavailable(f"the plug-in {name!r} ({source}) {what}: {reason}", plugin=name)
    problem.__cause__ = error
    return Plugin(name=name, source=source, problem=problem)


def _empty_manager() -> pluggy.PluginManager:
    manager = pluggy.PluginManager("lrrange")
    manager.add_hookspecs(hookspecs)
    manager.add_hookcall_monitoring(_no_trace, _note_plugin)
    return manager


def make_manager() -> pluggy.PluginManager:
    """Return a manager with every plug-in that works, called in the order of `list_plugins`.

    Every call returns the same manager until the plug-ins change, so register nothing in it.
    """
    return _cached_manager(list_plugins())


def new_manager(plugins: Iterable[Plugin]) -> pluggy.PluginManager:
    """Return a manager of one's own, with those of these plug-ins that work."""
    manager = _empty_manager()
    for known in reversed(tuple(plugins)):  # pluggy calls the last one registered first
        if known.plugin is not None:
            manager.register(known.plugin, known.name)
    return manager


# Cached, because looking for hooks in every plug-in takes longer than a step of a small training.
_cached_manager = functools.lru_cache(maxsize=1)(new_manager)


def hook_of(manager: pluggy.PluginManager, hook: str, name: str | None) -> pluggy.HookCaller:
    """Return the caller of a hook: of every plug-in, or only of the one called `name`.

    Raises: BackendNotFound if there is no such plug-in; the reason if it is set aside.
    """
    if name is None:
        return getattr(manager.hook, hook)  # type: ignore[no-any-return]
    checked_name(hook, name)
    return manager.subset_hook_caller(hook, [plugin for other, plugin in manager.list_name_plugin() if other != name])


def names_of(hook: str) -> list[str]:
    """Return the names of the plug-ins that work and implement a hook, in the order in which they are asked.

    Those marked with `hookimpl(tryfirst=True)` come first, and those with `trylast=True` last. Among equals, the
    registered ones come before the installed ones.
    """
    implementations = getattr(make_manager().hook, hook).get_hookimpls()
    return [implementation.plugin_name for implementation in reversed(implementations)]


def checked_name(hook: str, name: str) -> str:
    """Return `name` if it is that of a plug-in that works and implements a hook.

    Raises: BackendNotFound with the names of those that do; the reason if it is set aside.
    """
    plugins = {known.name: known for known in list_plugins()}
    others = [other for other, known in plugins.items() if known.problem is not None or hook in known.hooks]
    if name in others:
        if (problem := plugins[name].problem) is not None:
            raise problem
        return name
    what = f"no plug-in {name!r} is installed"
    if name in plugins:
        what = f"the plug-in {name!r} is no backend: it has no {hook}"
    installed = f"Installed: {', '.join(others) or 'none'}.{did_you_mean(name, others)}"
    raise BackendNotFound(f"{what}. {installed}", name=name)


@attrs.frozen(kw_only=True)
class HookAnswer:
    """The first answer of a plug-in to a hook.

    Args:
        plugin: name of the plug-in that answered; None if none did.
        value: what it answered.
        problems: why the hooks of other plug-ins failed, by name. These are set aside.
    """

    plugin: str | None = None
    value: Any = None
    problems: Mapping[str, Exception] = attrs.field(factory=dict)


def first_answer(
    manager: pluggy.PluginManager,
    hook: str,
    names: Iterable[str],
    fits: Callable[[Any], bool],
    expected: str,
    **arguments: Any,
) -> HookAnswer:
    """Call a hook of one plug-in after another until one answers.

    A plug-in whose hook raises, or answers with something else than the hook allows, is set aside: it may have nothing
    to do with these arguments. lrrange's own errors are meant for the user, so they pass through.

    Args:
        manager: of the plug-ins.
        hook: name of the hook.
        names: of the plug-ins, in order.
        fits: returns whether an answer is of the kind that the hook allows.
        expected: what the hook allows, for the error message.
        arguments: of the hook.
    Raises: BackendNotFound, or the reason why a plug-in is set aside, for a name that has no plug-in.
    """
    problems: dict[str, Exception] = {}
    for name in names:
        caller = hook_of(manager, hook, name)
        try:
            value = caller(**arguments)
        except LRRangeError:
            raise
        except Exception as error:
            problems[name] = error
            continue
        if value is None:
            continue
        if fits(value):
            return HookAnswer(plugin=name, value=value, problems=problems)
        problems[name] = _wrong_value(name, hook, value, expected)
    return HookAnswer(problems=problems)


def _wrong_value(plugin: str, hook: str, value: object, expected: str) -> PluginUnavailable:
    return PluginUnavailable(
        f"{hook} of the plug-in {plugin!r} returned a value of type {type(value).__name__}. It must return {expected}. "
        f"Report this to the authors of the plug-in, or do without it.",
        plugin=plugin,
    )


def _failed(plugin: str, hook: str, error: Exception) -> PluginUnavailable:
    problem = PluginUnavailable(
        f"{hook} of the plug-in {plugin!r} failed with {type(error).__name__}: {error}. Report this to the authors of "
        f"the plug-in, or do without it.",
        plugin=plugin,
    )
    problem.__cause__ = error
    return problem


def heuristics(manager: pluggy.PluginManager) -> dict[str, Heuristic]:
    """Return lrrange's own heuristics and those of plug-ins, by name. A plug-in cannot replace one of lrrange's own.

    In place of what is no heuristic stands one that raises the reason, so that the other answers are not lost.
    """
    hook = "lrrange_offer_heuristics"
    offered: dict[str, Heuristic] = {}
    for implementation in reversed(getattr(manager.hook, hook).get_hookimpls()):
        others = [plugin for _, plugin in manager.list_name_plugin() if plugin is not implementation.plugin]
        plugin = _name_of(implementation)
        try:
            offers = manager.subset_hook_caller(hook, others)()
        except Exception as error:
            offered[plugin] = _refusing(_failed(plugin, hook, error))
            continue
        for offer in offers:
            if not isinstance(offer, Mapping) or not all(isinstance(name, str) for name in offer):
                offered[plugin] = _refusing(
                    _wrong_value(plugin, hook, offer, "a mapping from names to functions of a Curve")
                )
                continue
            for name, rule in offer.items():
                if not callable(rule):
                    rule = _refusing(
                        _wrong_value(plugin, hook, rule, f"a function of a Curve as the heuristic {name!r}")
                    )
                offered[name] = rule
    return {**HEURISTICS, **{name: rule for name, rule in offered.items() if name not in HEURISTICS}}


def _refusing(problem: PluginUnavailable) -> Heuristic:
    def heuristic(_: Curve) -> float:
        raise NoSuggestion(str(problem)) from problem  # a problem of one heuristic, which takes no answer with it

    return heuristic


def _no_trace(*_: Any) -> None:
    pass


def _note_plugin(
    outcome: pluggy.Result[Any], hook: str, implementations: Sequence[pluggy.HookImpl], _: Mapping[str, Any]
) -> None:
    """Note on an error from a hook which plug-in or watcher raised it, unless it is an error of lrrange's own."""
    error = outcome.exception
    if not isinstance(error, Exception) or isinstance(error, LRRangeError):
        return
    running = {frame.f_code for frame, _ in traceback.walk_tb(error.__traceback__)}
    for implementation in implementations:
        if len(implementations) == 1 or getattr(implementation.function, "__code__", None) in running:
            error.add_note(f"Raised in {hook} of {_name_of(implementation)!r}.")
            return


def _name_of(implementation: pluggy.HookImpl) -> str:
    """Return the name of the plug-in, or the class of the watcher, that implements a hook."""
    known = {id(plugin.plugin): plugin.name for plugin in list_plugins()}
    return known.get(id(implementation.plugin), type(implementation.plugin).__name__)
