"""The command line."""

from lrrange.cli.commands import main

__all__ = ["main"]
