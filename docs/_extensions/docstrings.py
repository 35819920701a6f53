"""Docstrings as the reference shows them: sections of sentences, names that are links, types that can be read."""

import re
import sys
import typing
from pathlib import Path
from typing import Any

import attrs
from docutils import nodes
from sphinx.roles import XRefRole

import lrrange.errors

# These sections are sentences: `Raises: OptionError if ...`. Napoleon would take what stands before a colon for a type.
_SENTENCES = re.compile(r"^(Returns|Raises|Cost|Source):(?= \S|$) *")
_AT_THE_END = re.compile(r"(?<=[.;)]) (?=(?:Raises|Cost): )")
_ERROR = re.compile(rf"(?<![`.\w])({'|'.join(lrrange.errors.__all__)})\b(?!`)")


# A class that the reference shows as `Name()` is made by lrrange: users read its fields, and give it no arguments.
_PAGES = Path(__file__).parents[1].glob("reference/*.md")
_MADE_BY_LRRANGE = {name for page in _PAGES for name in re.findall(r":: ([\w.]+)\(\)$", page.read_text(), re.M)}


def _as_napoleon_reads(_app: Any, what: str, name: str, _obj: Any, _options: Any, lines: list[str]) -> None:
    """Write sections of sentences as fields, and mark an indented block after a colon as code."""
    split = [part for line in lines for part in _AT_THE_END.sub("\n", line).split("\n")]
    # Napoleon would take what stands before a colon in the first line of a property for its type. A comment has none.
    written: list[str] = ["..", ""] if what in ("property", "attribute") else []
    field = ""
    for i, line in enumerate(split):
        if heading := _SENTENCES.match(line):
            written += [] if field else [""]
            field = heading[1]
            line = f":{field}: {line[heading.end() :]}"
        elif field and line and not line.startswith(" "):
            written.append("")
            field = ""
        if field == "Raises":
            line = _ERROR.sub(r"`\1`", line)
        if line == "Args:" and what == "class" and name in _MADE_BY_LRRANGE:
            written.append("Fields:")
        elif line.endswith(":") and split[i + 1 : i + 2] == [""] and split[i + 2 : i + 3][0].startswith("    "):
            written.append(f"{line}:")
        else:
            written.append(line)
    lines[:] = written


_DOTTED_NAME = re.compile(r"[A-Za-z_][\w.]*")
_link_to_object = XRefRole()


def _code_or_link(
    _name: str, rawtext: str, text: str, lineno: int, inliner: Any, options: Any = None, content: Any = ()
) -> Any:
    """Return a reference to the object of this name. What no page describes, and all other text, is code."""
    if _DOTTED_NAME.fullmatch(text):
        return _link_to_object("py:obj", rawtext, text, lineno, inliner, options or {}, content)
    return [nodes.literal(rawtext, text)], []


def _find_by_last_name(app: Any, env: Any, node: Any, contnode: Any) -> Any:
    """Resolve `Curve`, or `lrrange.sweep.curve.Curve`, to the one class of that name that the reference describes."""
    if node.get("refdomain") != "py":
        return None
    python = env.domains["py"]
    last = node["reftarget"].rpartition(".")[2]
    found = [
        (name, entry)
        for name, entry in python.objects.items()
        if name.rpartition(".")[2] == last and entry.objtype in ("class", "exception", "data") and not entry.aliased
    ]
    if not last[:1].isupper() or len(found) != 1:
        return None
    name, entry = found[0]
    target = app.builder.get_relative_uri(node["refdoc"], entry.docname) + f"#{entry.node_id}"
    return nodes.reference("", "", contnode, internal=True, refuri=target, reftitle=name)


def _types_of_fields(_app: Any, function: Any, _bound: bool) -> None:
    """Give the arguments of a class of attrs the types of its fields, which a converter hides."""
    owner: Any = sys.modules.get(getattr(function, "__module__", ""))
    for part in getattr(function, "__qualname__", "").split(".")[:-1]:
        owner = getattr(owner, part, None)
    if isinstance(owner, type) and attrs.has(owner) and function.__name__ == "__init__":
        hints = typing.get_type_hints(owner, localns={"Suggestion": Any})
        function.__annotations__ |= {
            field.alias: hints[field.name] for field in attrs.fields(owner) if field.init and field.name in hints
        }


_MADE_DEFAULT = re.compile(r"= ?(\w+)\(\w+=[^()]*\)")  # `Divergence(drops=2.0, ...)`, which is `Divergence()`
_NO_DEFAULT_TO_READ = re.compile(r"= (?:NOTHING|\{[^{}]*<[^{}]*\}|<[^<>]*>)")  # made in the call, or functions


def _plain_signature(text: str) -> str:
    text = text.replace("lrrange.advice.advice.Advice", "lrrange.RangeTestResult")  # which is the one that users have
    text = text.replace("Callable[[...], ", "Callable[..., ")
    return _NO_DEFAULT_TO_READ.sub("= ...", _MADE_DEFAULT.sub(r"= \1()", text))


def _plain(_app: Any, what: str, _name: str, _obj: Any, _options: Any, signature: Any, returned: Any) -> Any:
    """Write defaults that can be read, and nothing behind errors, which lrrange makes and users catch."""
    if what == "exception":
        return "", None
    return tuple(text and _plain_signature(text) for text in (signature, returned))


def setup(app: Any) -> dict[str, bool]:
    """The docstrings are read before napoleon, which listens at the usual priority of 500."""
    app.setup_extension("sphinx.ext.autodoc")
    app.add_role("code_or_link", _code_or_link)
    app.connect("autodoc-process-docstring", _as_napoleon_reads, priority=400)
    app.connect("autodoc-before-process-signature", _types_of_fields)
    app.connect("autodoc-process-signature", _plain)
    app.connect("missing-reference", _find_by_last_name)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
