"""Finding plug-ins, and surviving the broken ones."""

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
    """A plug-in that was found.

    Args:
        name: as its entry point or `register` calls it.
        source: the distribution it came with and its version, or `registered`.
        plugin: the module or object; None if it was set aside.
        problem: why it was set aside; None if it works.
    """

    name: str
    source: str
    plugin: object | None = attrs.field(default=None, repr=False)
    problem: LRRangeError | None = None

    @property
    def hooks(self) -> tuple[str, ...]:
        """The hooks it implements."""
        return tuple(name for name in vars(hookspecs) if name.startswith("lrrange_") and hasattr(self.plugin, name))


_registered: dict[str, Plugin] = {}


def register(plugin: object, name: str | None = None) -> None:
    """Make a plug-in known for the rest of the process, as if it were installed.

    Args:
        plugin: a module or object with functions marked by `lrrange.hookimpl`.
        name: what `backend=` calls it; by default the name it is installed under, or else the module's or class's own.
            A second plug-in by the same name replaces the first; a second name of the same plug-in, its first.
    Raises: PluginUnavailable if its hooks are not those of `lrrange.hookspecs`.
    """
    installed_as = next((found.name for found in _installed() if found.plugin is plugin), None)
    name = name or installed_as or str(getattr(plugin, "__name__", type(plugin).__name__))
    found = _checked(name, "registered", plugin)
    if found.problem is not None:
        raise found.problem
    for other in [other for other, known in _registered.items() if known.plugin is plugin]:
        del _registered[other]
    _registered[name] = found


def unregister(name: str) -> None:
    """Forget a plug-in that `register` made known. Raises: BackendNotFound."""
    if name not in _registered:
        raise BackendNotFound(f"no plug-in {name!r} was registered.", name=name)
    del _registered[name]


def list_plugins() -> tuple[Plugin, ...]:
    """Every plug-in there is, those set aside too; registered ones first."""
    known = [id(found.plugin) for found in _registered.values()]
    return (
        *_registered.values(),
        *(found for found in _installed() if found.name not in _registered and id(found.plugin) not in known),
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
        return _set_aside(name, source, "does not fit lrrange's hooks", error)
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
    """A manager with every plug-in that works, and these watchers. Those asked first come first.

    Without watchers it is the same one each time, as long as the plug-ins are: register nothing in it.
    Raises: OptionError for a watcher whose hooks are not those of `lrrange.hookspecs`.
    """
    watchers = tuple(watchers)
    if not watchers:
        return _manager_without_watchers(list_plugins())
    manager = _manager_of(list_plugins())
    for watcher in watchers:
        try:
            manager.register(watcher)
            manager.check_pending()
        except (pluggy.PluginValidationError, ValueError) as error:  # or it was given twice
            raise OptionError(f"the watcher {type(watcher).__name__} does not fit lrrange's hooks: {error}") from error
    return manager


def _manager_of(plugins: Iterable[Plugin]) -> pluggy.PluginManager:
    manager = _empty_manager()
    for found in reversed(tuple(plugins)):  # pluggy asks the last one registered first
        if found.plugin is not None:
            manager.register(found.plugin, found.name)
    return manager


# Looking for hooks in every plug-in takes longer than a step of a small training.
_manager_without_watchers = functools.lru_cache(maxsize=1)(_manager_of)


def hook_of(manager: pluggy.PluginManager, hook: str, name: str | None) -> pluggy.HookCaller:
    """Return the caller of a hook, for the plug-in called `name` alone if one is named.

    Raises: BackendNotFound if there is no such plug-in, or the reason it was set aside.
    """
    if name is None:
        return getattr(manager.hook, hook)  # type: ignore[no-any-return]
    known = {found.name: found for found in list_plugins()}
    if name not in known:
        raise BackendNotFound(f"no plug-in {name!r} is installed; there are {', '.join(known) or 'none'}.", name=name)
    problem = known[name].problem
    if problem is not None:
        raise problem
    return manager.subset_hook_caller(hook, [plugin for other, plugin in manager.list_name_plugin() if other != name])


def heuristics(manager: pluggy.PluginManager) -> dict[str, Heuristic]:
    """Lrrange's own heuristics and those that plug-ins offer, by name. Plug-ins cannot replace lrrange's own."""
    offered: dict[str, Heuristic] = {}
    for offer in manager.hook.lrrange_offer_heuristics():
        offered.update(offer)
    return {**HEURISTICS, **{name: rule for name, rule in offered.items() if name not in HEURISTICS}}
