"""The right name for a wrong one: the name that is meant by a misspelt one, or by one from another tool."""

import functools
import inspect
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast

from lrrange.errors import OptionError
from lrrange.other_tools.attributes import OF_LRRANGE
from lrrange.other_tools.fold import fold
from lrrange.other_tools.options import ADVICE, FIRST_ARGUMENT, OPTIONS, REMARKS, VALUES

__all__ = ["attribute_error", "did_you_mean", "spell_checked"]

Call = TypeVar("Call", bound=Callable[..., Any])

# Part of two names that must agree for one to be taken for a misspelling of the other.
_ALIKE = 0.7

# A message lists no more options than this where all of them would do.
_MANY = 8

_NOTHING: Mapping[str, str] = MappingProxyType({})

# Calls that work, for messages about missing arguments.
_EXAMPLES = {
    "find_lr": "find_lr(model, optimizer, loss_fn, loader)",
    "grid": "grid(make, {'batch_size': [16, 64]})",
    "compare": "compare(make_run, [1e-3, 'found', 'one-cycle'], steps=1000)",
    "load": "load('result.json')",
    "save": "save('result.json')",
    "apply": "apply(optimizer)",
    "with_heuristic": "with_heuristic('valley')",
    "read_from": "read_from('loss')",
    "range_by": "range_by('smith')",
    "make_schedule": "make_schedule(optimizer, result)",
    "verify": "verify(optimizer, result)",
}


def closest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that is most like this one; None if none is much like it."""
    import difflib

    folded = {fold(each): each for each in known}
    found = difflib.get_close_matches(fold(name), folded, n=1, cutoff=_ALIKE)
    return folded[found[0]] if found else None


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """Return a question, such as " Did you mean 'steepest'?", to put behind an error; empty if no name is like it."""
    if not isinstance(name, str):
        return ""
    known = tuple(known)
    meant = _first(VALUES, name, known) or closest(name, known)
    return "" if meant is None else f" Did you mean {meant!r}?"


def attribute_error(
    owner: str, name: str, known: Iterable[str], elsewhere: Mapping[str, str] = OF_LRRANGE
) -> AttributeError:
    """Return the error for an attribute that does not exist, with the one that is meant.

    Args:
        owner: what has no such attribute, as the message begins: `"module 'lrrange'"`.
        name: of the attribute.
        known: names of the attributes that exist.
        elsewhere: what to use in place of names that others have, written as `fold` writes them.
    """
    message = f"{owner} has no attribute {name!r}"
    if name.startswith("_"):  # Python and notebooks look for many of these
        return AttributeError(message)
    if fold(name) in elsewhere:
        return AttributeError(f"{message}. Here it is {elsewhere[fold(name)]}.")
    meant = closest(name, known)
    return AttributeError(message if meant is None else f"{message}. Did you mean {meant!r}?")


class Hinting:
    """A class whose missing attributes are answered with the ones that are meant.

    It is the last of several bases: the `__getattr__` that attrs makes for cached properties must come before it.
    """

    __slots__ = ()

    # What to use in place of names that others have, written as `fold` writes them.
    _elsewhere: ClassVar[Mapping[str, str]] = _NOTHING

    if not TYPE_CHECKING:  # a type checker would take any attribute for one that exists

        def __getattr__(self, name: str) -> Any:
            cls = type(self)
            if hasattr(cls, name):
                return object.__getattribute__(self, name)  # raises again what one of its properties raised
            public = [each for each in dir(cls) if not each.startswith("_")]
            raise attribute_error(f"{cls.__name__!r} object", name, public, cls._elsewhere)


def is_asked_by_import(name: str) -> bool:
    """Return whether a package's `__getattr__`, which must be the caller, was called by `from package import name`.

    Python replaces an AttributeError there by an ImportError without its text, so the package raises an ImportError,
    unless the name is that of one of its modules, which Python then imports.
    """
    from importlib.util import find_spec

    frame = sys._getframe(2)
    return frame.f_code.co_name == "_handle_fromlist" and find_spec(f"lrrange.{name}") is None


def spell_checked(call: Call) -> Call:
    """Make a function or a class raise OptionError for wrong arguments, with the names that are meant.

    The signature and the type stay. A call that succeeds costs one more: mark nothing that each step calls.
    """
    if isinstance(call, type):
        call.__init__ = spell_checked(call.__init__)  # type: ignore[misc]  # of this very class
        return call

    @functools.wraps(call)
    def checked(*given: Any, **options: Any) -> Any:
        try:
            return call(*given, **options)
        except TypeError:
            if (wrong := _why_not_call(call, given, options)) is None:
                raise  # from within the function
        raise OptionError(wrong, options=tuple(options))

    return cast(Call, checked)


def _why_not_call(call: Callable[..., Any], given: Sequence[object], options: Mapping[str, object]) -> str | None:
    """Return why a public function cannot be called so, and what to write; None if it can."""
    name = _name_of(call)
    return why_not(inspect.signature(call), given, options, name=name, example=_EXAMPLES.get(name, ""))


def why_not(
    signature: inspect.Signature,
    given: Sequence[object],
    options: Mapping[str, object],
    *,
    name: str = "",
    also: Sequence[str] = (),
    example: str = "",
    hints: Mapping[str, str] = _NOTHING,
) -> str | None:
    """Return why a call with these arguments does not fit a signature, and what to write; None if it fits.

    Args:
        signature: of the function.
        given: positional arguments.
        options: keyword arguments.
        name: of the function; empty for an adapter, whose options are those of `find_lr`.
        also: other options that the same call takes.
        example: a call that fits.
        hints: what to say about an option that is not one here, by its name.
    """
    try:
        signature.bind(*given, **options)
    except TypeError as error:
        reason = str(error)
    else:
        return None
    parameters = list(signature.parameters.values())
    by_name = [
        each.name for each in parameters[len(given) :] if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)
    ]
    positional = [each for each in parameters if each.kind is each.POSITIONAL_OR_KEYWORD]
    takes_any = any(each.kind is each.VAR_KEYWORD for each in parameters)
    if len(given) > len(positional):
        first = [each.name for each in positional if each.name != "self"]
        others = [each.name for each in parameters if each.kind is each.KEYWORD_ONLY]
        count = len(given) - len(positional) + len(first)
        taken = f"{name}() takes {' and '.join(first) or 'nothing'} without a name, and was given {_count(count)}."
        if not others:
            return taken
        more = f" and others, see help({name})" if others[_MANY:] else ""
        return f"{taken} Give the others by name: {_listed(others[:_MANY])}{more}."
    required = [each.name for each in parameters[len(given) :] if each.name in by_name and each.default is each.empty]
    missing = [name for name in required if name not in options]
    unknown = [option for option in options if option not in by_name]
    if takes_any:  # only one that is given in place of what is missing is surely wrong
        unknown = [
            option for option in unknown if missing and (fold(option) in FIRST_ARGUMENT or closest(option, missing))
        ]
    known = [*by_name, *also]
    explained = [_explain(option, known, hints, advise_first=not name or name == "find_lr") for option in unknown]
    sentences = [text or f"{option}= is unknown here." for option, (text, _) in zip(unknown, explained, strict=True)]
    missing = [each for each in missing if each not in [meant for _, meant in explained]]
    if not all(text for text, _ in explained):
        sentences.append(f"The options here are {_listed(known) or 'none'}.")
    if missing:
        names = " and ".join(filter(None, [", ".join(f"{each}=" for each in missing[:-1]), f"{missing[-1]}="]))
        sentences.append(f"{names} {'is' if len(missing) == 1 else 'are'} missing.")
        sentences.append(f"For example: {example}" if example else "")
    text = " ".join(filter(None, sentences)) or f"{reason}."
    return f"{name}(): {text}" if name else text


def _explain(
    option: str, known: Sequence[str], hints: Mapping[str, str], *, advise_first: bool
) -> tuple[str, str | None]:
    """Return a sentence about an unknown option, empty if nothing is known of it, and the known one that is meant.

    Args:
        option, known, hints: see `why_not`.
        advise_first: whether the advice about options of other finders comes before names that are alike.
    """
    key = fold(option)
    advice = hints.get(option, ADVICE.get(key))
    if option not in hints and (meant := _first(OPTIONS, option, known)) is not None:
        remark = f" ({REMARKS[key]})" if key in REMARKS else ""
        return f"{option}= is called {meant}= here{remark}.", meant
    is_spelt_otherwise = key in map(fold, known)
    is_alike_first = advice is None or (option not in hints and (is_spelt_otherwise or not advise_first))
    if is_alike_first and (meant := closest(option, known)) is not None:
        return f"{option}= is not an option here. Did you mean {meant}=?", meant
    return "" if advice is None else f"{option}= is not an option here: {advice}.", None


def _count(values: int) -> str:
    return "1 value" if values == 1 else f"{values} values"


def _first(table: Mapping[str, Sequence[str]], name: str, known: Sequence[str]) -> str | None:
    return next((each for each in table.get(fold(name), ()) if each in known and each != name), None)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"{name}=" for name in names)


def _name_of(call: Callable[..., Any]) -> str:
    return str(getattr(call, "__qualname__", "")).removesuffix(".__init__").rpartition(".")[2]
