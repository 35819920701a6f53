"""The command `lrrange`."""

from lrrange.cli.commands import main

__all__ = ["main"]
