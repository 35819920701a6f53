"""Options as the reference writes them: name, type and default, read from a signature."""

import inspect
import re
from collections.abc import Callable
from typing import Any

# `lrrange.sweep.curve.Curve` is written `Curve`, and so is the name of a class that is not imported yet.
_QUALIFIED = re.compile(r"(?:\w+\.)+(\w+)|'(\w+)'(?=[ ,|\]])")


def _written_type(annotation: Any) -> str:
    """Return a type without its modules, and its literals as they are: `float | None`, `"ema" | "none"`."""
    if annotation in (Any, object, inspect.Parameter.empty):
        return ""
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    text = re.sub(r"Union\[(\w+), (Literal\[[^\]]*\])\]", r"\1 | \2", text.replace("typing.", ""))
    text = re.sub(r"Literal\[([^\]]*)\]", lambda found: found[1].replace(", ", " | ").replace("'", '"'), text)
    return _QUALIFIED.sub(lambda found: found[1] or found[2], text).replace("'", "").replace("ellipsis", "...")


def _written_default(default: object) -> str:
    if isinstance(default, str):
        return f'"{default}"'
    try:
        plain = type(default)()
    except TypeError:
        return repr(default)
    # A value that its class makes without arguments, as `Divergence()`, is written so.
    return (
        f"{type(default).__name__}()" if type(default).__module__ != "builtins" and plain == default else repr(default)
    )


def written(parameter: inspect.Parameter) -> str:
    """Return the line that begins the description of an option."""
    kind = _written_type(parameter.annotation)
    line = f"`{parameter.name}`" + (f": `{kind}`" if kind else "")
    if parameter.default is parameter.empty:
        return f"{line}, required"
    return f"{line}, default `{_written_default(parameter.default)}`"


def written_options(function: Callable[..., Any], *left_out: str) -> list[str]:
    """Return such a line for each argument of a function or a class, without those that are no options."""
    parameters = inspect.signature(function).parameters
    return [written(parameter) for name, parameter in parameters.items() if name not in left_out]
