"""`find_lr` and `grid`: run range tests on whatever a plug-in can train."""

from lrrange.finder.baseline import Paired
from lrrange.finder.range_test import RangeTest, find_lr
from lrrange.finder.settings import Settings
from lrrange.finder.together import Parallel

__all__ = ["Paired", "Parallel", "RangeTest", "Settings", "find_lr"]
