"""The command line as a user types it: in a process of its own."""

import os
import subprocess
import sys
from typing import Any


def type_command(*words: object, cwd: Any = None, env: dict[str, str] | None = None, **options: Any) -> Any:
    """Run `python -m lrrange` with these words. Python is not told to search the working directory."""
    return subprocess.run(
        [sys.executable, "-P", "-m", "lrrange", *map(str, words)],
        cwd=cwd,
        env={**os.environ, **(env or {})},
        capture_output=options.pop("capture_output", True),
        text=True,
        check=False,
        **options,
    )
