"""Rich tables as HTML, for notebooks."""

import io

from rich.console import Console, RenderableType


def as_html(renderable: RenderableType) -> str:
    """Return what rich would print as an HTML fragment with inline styles."""
    # Without force_jupyter=False, rich would display the table itself when it finds a notebook around it.
    console = Console(record=True, file=io.StringIO(), width=110, force_jupyter=False)
    console.print(renderable)
    return console.export_html(
        inline_styles=True,
        code_format='<pre style="white-space:pre;overflow-x:auto;line-height:1.25;font-family:monospace">{code}</pre>',
    )
