"""`find_lr` and `grid`: run range tests on whatever a plug-in can train."""

from lrrange.finder.baseline import Paired
from lrrange.finder.lr_finder import find_lr
from lrrange.finder.main_process import is_main_process
from lrrange.finder.range_test import RangeTest
from lrrange.finder.settings import Settings
from lrrange.finder.together import Parallel

__all__ = ["Paired", "Parallel", "RangeTest", "Settings", "find_lr", "is_main_process"]
