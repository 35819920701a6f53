"""Files that are written whole or not at all."""

import contextlib
import glob
import os
import secrets
import time
from pathlib import Path

from lrrange.errors import SaveError

# In seconds. A partial file of this age belongs to no write that is still going on.
_LONGER_THAN_ANY_WRITE = 3600


def write_atomically(content: bytes, path: str | Path, what: str) -> None:
    """Write a file so that at any moment there is a whole one or none.

    Args:
        content: of the file.
        path: of the file. If it is a link, its target is replaced and the link stays.
        what: it holds, for the error message.
    Raises: SaveError. What was at `path` before is then still there.
    """
    try:
        final = Path(os.path.realpath(path))
        partial = final.with_name(f".{final.name}.{secrets.token_hex(4)}.part")
        try:
            with open(partial, "xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(partial, final)
            _remove_leftovers(final)
        finally:
            with contextlib.suppress(OSError):
                partial.unlink()
    except (OSError, ValueError) as error:  # ValueError: the text is no path at all
        reason = getattr(error, "strerror", None) or error
        raise SaveError(
            f"{what} could not be written to {path}: {reason}. Give a path you can write to.",
            path=str(path),
        ) from error


def _remove_leftovers(final: Path) -> None:
    """Remove partial files that earlier writes to the same path left because they were killed half-way."""
    for partial in final.parent.glob(f".{glob.escape(final.name)}.*.part"):
        with contextlib.suppress(OSError):
            if time.time() - partial.stat().st_mtime > _LONGER_THAN_ANY_WRITE:
                partial.unlink()
