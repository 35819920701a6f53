"""What a page's kernel does before its first cell.

Plots become SVG that follows the light or dark theme of the page. Commands run without a terminal, and so without a
progress bar.
"""

import io
import re
import subprocess
import sys
import warnings

import IPython.display
from IPython import get_ipython


def _themed(figure):
    """Return a figure as inline SVG. Its ink has the colour of the page's text, and its background shows through."""
    from matplotlib import pyplot

    file = io.StringIO()
    figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    pyplot.close(figure)
    svg = file.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"#(?:262b31|000000)\b", "currentColor", svg)
    svg = re.sub(r"#ffffff\b", "var(--color-background-primary)", svg)
    # Without a fixed size it takes the width of the column.
    svg = re.sub(r'(<svg[^>]*?) width="([\d.]+)pt" height="[\d.]+pt"', r'\1 style="max-width: \2pt"', svg, count=1)
    label = re.sub(r"[\n\"<>&]", " ", figure.axes[0].get_title(loc="left") or "Plot")
    svg = svg.replace("<svg", f'<svg role="img" aria-label="{label}" fill="currentColor"', 1)
    return f'<div class="plot">{svg}</div>'


class _NotShown:
    """The place of a progress bar, which a finished page does not need."""

    def update(self, *_args, **_options):
        pass


def _without_bars(display):
    def shown(*objects, raw=False, **options):
        if raw and "<progress" in str(objects):
            return _NotShown()
        return display(*objects, raw=raw, **options)

    return shown


def _run(command):
    """Run `!command`, and show all that it prints in its order."""
    shell = get_ipython()
    done = subprocess.run(
        shell.var_expand(command, depth=1), shell=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    sys.stdout.write(done.stdout)
    shell.user_ns["_exit_code"] = done.returncode


get_ipython().system = _run
IPython.display.display = _without_bars(IPython.display.display)
_html = get_ipython().display_formatter.formatters["text/html"]
_html.for_type_by_name("matplotlib.axes._axes", "Axes", lambda axes: _themed(axes.get_figure(root=True)))
_html.for_type_by_name("matplotlib.figure", "Figure", _themed)
# What a library says about its own future is no part of an answer.
warnings.filterwarnings("ignore", category=DeprecationWarning)
warnings.filterwarnings("ignore", category=FutureWarning)
