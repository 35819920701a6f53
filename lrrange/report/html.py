"""Rich tables as HTML, for notebooks."""

import io

from rich.console import Console, RenderableType


def as_html(renderable: RenderableType) -> str:
    """Return the HTML fragment, with inline styles, of what rich would print."""
    # With force_jupyter=False, because in a notebook rich would otherwise display the table itself.
    console = Console(record=True, file=io.StringIO(), width=110, force_jupyter=False)
    console.print(renderable)
    return console.export_html(
        inline_styles=True,
        code_format='<pre style="white-space:pre;overflow-x:auto;line-height:1.25;font-family:monospace">{code}</pre>',
    )
