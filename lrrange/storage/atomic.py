"""Files that are written completely or not at all."""

import contextlib
import glob
import os
import secrets
import stat
import sys
import time
from pathlib import Path

from lrrange.errors import OptionError, SaveError

# In seconds. No write takes this long, so a partial file of this age is a leftover.
_LONGER_THAN_ANY_WRITE = 3600

# The most links that are followed from a path, as in Linux.
_MOST_LINKS = 40


def write_atomically(content: bytes, path: str | Path, what: str) -> None:
    """Write a file so that `path` holds the complete old file or the complete new one at every moment.

    The new file has the mode of the old one, and its owner and group where this process may set them. It is a file of
    its own: a hard link to the old one still leads to the old content. Whatever is not a regular file, such as a pipe
    or a device, is not replaced, and the content is written into it. So is a file that this process has open and that
    is named by a path such as `/dev/stdout`.

    Args:
        content: bytes to write.
        path: file to write. If it is a link, its target is replaced and the link stays.
        what: name of the content in the error message, such as `"the result"`.
    Raises: SaveError if the file cannot be written. The file that was at `path` before is then still there. OptionError
        for what is no path.
    """
    if not isinstance(path, (str, os.PathLike)):
        raise OptionError(f"a {type(path).__name__} is not the path of a file. Give one for {what}, as text.")
    try:
        before = _status(path)
        if (descriptor := _descriptor_of(path)) is not None:
            if sys.stdout is not None:
                sys.stdout.flush()  # so that what was printed before comes first
            with open(descriptor, "wb", closefd=False) as file:
                file.write(content)
        elif before is None or stat.S_ISREG(before.st_mode):
            _replace(content, Path(os.path.realpath(path)), before)
        else:
            with open(path, "wb", opener=_open_existing) as file:
                file.write(content)
    except (OSError, ValueError) as error:  # ValueError: the text cannot be a path, such as one with a NUL in it
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise SaveError(
            f"{what} could not be written to {path}: {reason}. Give a path you can write to.",
            path=str(path),
        ) from error


def _status(path: str | Path) -> os.stat_result | None:
    """Return the status of the file at the end of all links; None if there is none."""
    try:
        return os.stat(path)
    except FileNotFoundError:
        return None


def _descriptor_of(path: str | Path) -> int | None:
    """Return the descriptor that a path such as `/dev/stdout` or `/dev/fd/3` stands for; None for any other path."""
    for _ in range(_MOST_LINKS):
        folder, name = os.path.split(os.path.abspath(path))
        folder = os.path.realpath(folder)
        if folder in ("/dev/fd", f"/proc/{os.getpid()}/fd") and name.isdecimal():
            return int(name)
        path = os.path.join(folder, name)
        if not os.path.islink(path):
            return None
        path = os.path.join(folder, os.readlink(path))
    return None


def _open_existing(path: str, _: int) -> int:
    return os.open(path, os.O_WRONLY)  # neither created nor emptied, which some systems do not allow for a pipe


def _replace(content: bytes, final: Path, before: os.stat_result | None) -> None:
    """Write the content beside the file, and then put it in the place of the file, whose status was `before`."""
    partial = final.with_name(f".{_short(final.name)}.{secrets.token_hex(4)}.part")
    mode = 0o666 if before is None else 0o600  # nobody else may open it until it has the mode of the old file
    try:
        with open(partial, "xb", opener=lambda path, flags: os.open(path, flags, mode)) as file:
            if before is not None:
                _make_alike(partial, before)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, final)
        _remove_leftovers(final)
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()


def _short(name: str) -> str:
    """Return a name to which 15 characters may be added: most file systems allow 255 bytes."""
    return name if len(os.fsencode(name)) <= 240 else name[:60]


def _make_alike(file: Path, other: os.stat_result) -> None:
    """Give a file the owner, the group and the mode of another one, as far as this process may."""
    mode = stat.S_IMODE(other.st_mode)
    if sys.platform != "win32":
        try:
            os.chown(file, other.st_uid, other.st_gid)
        except PermissionError:
            try:
                os.chown(file, -1, other.st_gid)
            except PermissionError:
                mode &= ~0o070 | mode << 3  # the group of this process may do no more than everybody may
    os.chmod(file, mode)


def _remove_leftovers(final: Path) -> None:
    """Remove partial files of earlier writes to the same path that were killed before they finished."""
    for partial in final.parent.glob(f".{glob.escape(_short(final.name))}.*.part"):
        with contextlib.suppress(OSError):
            if time.time() - partial.stat().st_mtime > _LONGER_THAN_ANY_WRITE:
                partial.unlink()
