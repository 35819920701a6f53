"""The command `lrrange plugins`."""

import json
from typing import Any

import click
from rich.table import Table

from lrrange.cli.help_pages import SectionedCommand
from lrrange.cli.output import json_option, print_json, print_rich
from lrrange.plugins import Plugin, list_plugins
from lrrange.report.pages.page import plain_text


@click.command(cls=SectionedCommand, examples=["lrrange plugins --json"])
@json_option
def plugins(as_json: bool) -> None:
    """List the plug-ins, and why a broken one is set aside."""
    known = list_plugins()
    if as_json:
        print_json(json.dumps({"plugins": [_plugin_document(plugin) for plugin in known]}))
        return
    table = Table("name", "source", "hooks, or why it is set aside")
    for plugin in known:
        state = plain_text(str(plugin.problem), style="red") if plugin.problem else plain_text("\n".join(plugin.hooks))
        table.add_row(plain_text(plugin.name), plain_text(plugin.source), state)
    print_rich(table if known else "No plug-in is installed.")


def _plugin_document(plugin: Plugin) -> dict[str, Any]:
    problem = str(plugin.problem) if plugin.problem else None
    return {"name": plugin.name, "source": plugin.source, "hooks": plugin.hooks, "problem": problem}
