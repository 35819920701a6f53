"""Files that are written completely or not at all."""

import contextlib
import glob
import os
import secrets
import time
from pathlib import Path

from lrrange.errors import SaveError

# In seconds. No write takes this long, so a partial file of this age is a leftover.
_LONGER_THAN_ANY_WRITE = 3600


def write_atomically(content: bytes, path: str | Path, what: str) -> None:
    """Write a file so that `path` holds the complete old file or the complete new one at every moment.

    Args:
        content: bytes to write.
        path: file to write. If it is a link, its target is replaced and the link stays.
        what: name of the content in the error message, such as `"the result"`.
    Raises: SaveError if the file cannot be written. The file that was at `path` before is then still there.
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
    except (OSError, ValueError) as error:  # ValueError: the text cannot be a path, such as one with a NUL in it
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise SaveError(
            f"{what} could not be written to {path}: {reason}. Give a path you can write to.",
            path=str(path),
        ) from error


def _remove_leftovers(final: Path) -> None:
    """Remove partial files of earlier writes to the same path that were killed before they finished."""
    for partial in final.parent.glob(f".{glob.escape(final.name)}.*.part"):
        with contextlib.suppress(OSError):
            if time.time() - partial.stat().st_mtime > _LONGER_THAN_ANY_WRITE:
                partial.unlink()
