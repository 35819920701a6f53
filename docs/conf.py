"""Sphinx: builds the documentation from these pages and the docstrings, without a network."""

import atexit
import os
import shutil
import sys
import sysconfig
import tempfile
from importlib.metadata import version as installed_version
from pathlib import Path

# Keras is imported with the plug-in that is described, and reads its backend then.
os.environ.setdefault("KERAS_BACKEND", "torch")


def _prepare_kernels() -> None:
    """Let the kernels that run the pages' cells begin with `_kernel/pictures.py`, which draws their plots."""
    home = tempfile.mkdtemp(prefix="lrrange-docs-")
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    shutil.copytree(Path(__file__).parent / "_kernel", Path(home, "profile_default", "startup"))
    os.environ |= {"IPYTHONDIR": home, "MPLBACKEND": "agg", "OMP_NUM_THREADS": "1"}
    # The command `lrrange` that pages run is the one beside this Python.
    os.environ["PATH"] = os.pathsep.join((sysconfig.get_path("scripts"), os.environ.get("PATH", "")))


_prepare_kernels()

project = "lrrange"
author = project_copyright = "the lrrange authors"
version = release = installed_version("lrrange")

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))
extensions = [
    "docstrings",
    "myst_nb",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinxcontrib.programoutput",
]
exclude_patterns = ["_build", "_kernel", "_extensions"]
html_theme = "furo"
html_title = f"lrrange {version}"
html_static_path = ["_static"]
html_css_files = ["pages.css"]

myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence", "deflist"]

# Every cell runs when the pages are built, so that no output is old, and an error in one ends the build. While you
# write, LRRANGE_DOCS_CACHE=folder keeps the outputs of the pages whose code is the same.
nb_execution_mode = "cache" if "LRRANGE_DOCS_CACHE" in os.environ else "force"
nb_execution_cache_path = os.environ.get("LRRANGE_DOCS_CACHE", "")
nb_execution_in_temp = True
nb_execution_raise_on_error = True
nb_execution_timeout = 300
nb_merge_streams = True
nb_output_stderr = "remove-warn"
nb_code_prompt_show = "Show the code"
nb_code_prompt_hide = "Hide the code"

# Docstrings write `code` as Markdown does. The name of something that the reference describes becomes a link.
default_role = "code_or_link"
napoleon_use_param = False  # arguments that share a sentence stay together
napoleon_custom_sections = [("Fields", "params_style")]  # of values that lrrange makes
autodoc_member_order = "bysource"
python_display_short_literal_types = True
# A longer signature has one argument per line.
python_maximum_signature_line_length = 70
toc_object_entries_show_parents = "hide"
