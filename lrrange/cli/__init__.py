"""The command `lrrange`: find a rate, read and plot saved results, compare policies, and list the plug-ins."""

from lrrange.random_state import kept_random_state

with kept_random_state():
    from lrrange.cli.commands import main

__all__ = ["main"]
