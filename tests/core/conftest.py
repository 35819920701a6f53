import contextlib

import pytest

import lrrange
from lrrange.errors import BackendNotFound


class Adapter:
    """A plug-in that makes of any target what `made` is, and writes down what it was asked."""

    made = None

    def __init__(self):
        self.asked = []

    @lrrange.hookimpl
    def lrrange_adapt(self, target, options):
        self.asked.append((target, dict(options)))
        return self.made


@pytest.fixture
def registered():
    """Register a plug-in for one test."""
    names = []

    def register(plugin, name):
        names.append(name)
        lrrange.register(plugin, name)
        return plugin

    yield register
    for name in names:
        with contextlib.suppress(BackendNotFound):  # the test unregistered it itself
            lrrange.unregister(name)


@pytest.fixture
def adapter(registered):
    return registered(Adapter(), "adapter")
