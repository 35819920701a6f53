"""Sphinx: builds the documentation from these pages and the docstrings, without a network."""

import os
import re
from importlib.metadata import version as installed_version
from typing import Any

# Keras is imported with the plug-in that is described, and reads its backend then.
os.environ.setdefault("KERAS_BACKEND", "torch")

project = "lrrange"
author = "the lrrange authors"
version = release = installed_version("lrrange")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"lrrange {version}"

myst_heading_anchors = 3

# Docstrings write `code` as Markdown does.
default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
# `Raises:` is a sentence here, and napoleon would take it for a list of names.
napoleon_custom_sections = [(section, "returns_style") for section in ("Raises", "Cost", "Source")]

_ONE_LINE_SECTION = re.compile(r"^(Args|Returns|Raises|Cost|Source): (?=\S)")


def _as_napoleon_reads(_app: Any, _what: str, _name: str, _obj: Any, _options: Any, lines: list[str]) -> None:
    """Put the text of `Returns: text` under its heading, and mark an indented block after a colon as code."""
    written: list[str] = []
    for i, line in enumerate(lines):
        if heading := _ONE_LINE_SECTION.match(line):
            written += ["", f"{heading[1]}:", f"    {line[heading.end() :]}"]
        elif line.endswith(":") and lines[i + 1 : i + 2] == [""] and lines[i + 2 : i + 3][0].startswith("    "):
            written.append(f"{line}:")
        else:
            written.append(line)
    lines[:] = written


def setup(app: Any) -> None:
    """Before napoleon, which listens at the usual priority of 500."""
    app.connect("autodoc-process-docstring", _as_napoleon_reads, priority=400)
