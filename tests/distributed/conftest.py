"""Accelerate is an extra: without it, what tests it is left out."""

from importlib.util import find_spec

collect_ignore = [] if find_spec("accelerate") else ["test_accelerate.py", "accelerate_script.py"]
