"""The plug-ins of this process: finding them, and setting the broken ones aside."""

import functools
import importlib.metadata
from collections.abc import Iterable

import attrs
import pluggy

from lrrange import hookspecs
from lrrange.advice.heuristics import HEURISTICS
from lrrange.advice.suggestion import Heuristic
from lrrange.errors import BackendNotFound, LRRangeError, OptionError, PluginUnavailable

GROUP = "lrrange"


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

    @property
    def hooks(self) -> tuple[str, ...]:
        """Names of the hooks that it implements."""
        return tuple(name for name in vars(hookspecs) if name.startswith("lrrange_") and hasattr(self.plugin, name))


_registered: dict[str, Plugin] = {}


def register(plugin: object, name: str | None = None) -> None:
    """Make a plug-in known for the rest of the process, as if it were installed.

    Args:
        plugin: a module or object with functions marked by `lrrange.hookimpl`.
        name: what `backend=` calls it. The default is the name it is installed under, or else the name of the module or
            class. A second plug-in of the same name replaces the first. A second name for the same plug-in replaces its
            first name.
    Raises: PluginUnavailable if its hooks do not match those of `lrrange.hookspecs`.
    """
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
        raise BackendNotFound(f"no plug-in {name!r} was registered.", name=name)
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


def _set_aside(name: str, source: str, what: str, error: Exception) -> Plugin:
    problem = PluginUnavailable(f"the plug-in {name!r} ({source}) {what}: {type(error).__name__}: {error}", plugin=name)
    problem.__cause__ = error
    return Plugin(name=name, source=source, problem=problem)


def _empty_manager() -> pluggy.PluginManager:
    manager = pluggy.PluginManager("lrrange")
    manager.add_hookspecs(hookspecs)
    return manager


def make_manager(watchers: Iterable[object] = ()) -> pluggy.PluginManager:
    """Return a manager with every plug-in that works, and these watchers.

    Watchers are called first, then the plug-ins in the order of `list_plugins`. Without watchers, every call returns
    the same manager until the plug-ins change, so register nothing in it.
    Raises: OptionError for a watcher whose hooks do not match those of `lrrange.hookspecs`.
    """
    watchers = tuple(watchers)
    if not watchers:
        return _manager_without_watchers(list_plugins())
    manager = _manager_of(list_plugins())
    for watcher in watchers:
        try:
            manager.register(watcher)
            manager.check_pending()
        except (pluggy.PluginValidationError, ValueError) as error:  # ValueError: the same watcher was given twice
            raise OptionError(
                f"the watcher {type(watcher).__name__} does not match lrrange's hooks: {error}"
            ) from error
    return manager


def _manager_of(plugins: Iterable[Plugin]) -> pluggy.PluginManager:
    manager = _empty_manager()
    for known in reversed(tuple(plugins)):  # pluggy calls the last one registered first
        if known.plugin is not None:
            manager.register(known.plugin, known.name)
    return manager


# Cached, because looking for hooks in every plug-in takes longer than a step of a small training.
_manager_without_watchers = functools.lru_cache(maxsize=1)(_manager_of)


def hook_of(manager: pluggy.PluginManager, hook: str, name: str | None) -> pluggy.HookCaller:
    """Return the caller of a hook: of every plug-in, or only of the one called `name`.

    Raises: BackendNotFound if there is no such plug-in; the reason if it is set aside.
    """
    if name is None:
        return getattr(manager.hook, hook)  # type: ignore[no-any-return]
    plugins = {known.name: known for known in list_plugins()}
    if name not in plugins:
        installed = ", ".join(plugins) or "none"
        raise BackendNotFound(f"no plug-in {name!r} is installed. Installed: {installed}.", name=name)
    problem = plugins[name].problem
    if problem is not None:
        raise problem
    return manager.subset_hook_caller(hook, [plugin for other, plugin in manager.list_name_plugin() if other != name])


def heuristics(manager: pluggy.PluginManager) -> dict[str, Heuristic]:
    """Return lrrange's own heuristics and those of plug-ins, by name. A plug-in cannot replace one of lrrange's own."""
    offered: dict[str, Heuristic] = {}
    for offer in manager.hook.lrrange_offer_heuristics():
        offered.update(offer)
    return {**HEURISTICS, **{name: rule for name, rule in offered.items() if name not in HEURISTICS}}
