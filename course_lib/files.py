"""Files that are whole or not there: written beside, flushed, and moved into place."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path


def write_atomically(path: str | os.PathLike, write: Callable[[Path], object]) -> None:
    """Write a file beside `path`, and give it the name in one move once it is whole.

    Who opens `path` meanwhile finds the old file or the new one, never a half. A process that is
    killed leaves the old file, and a hidden `.partial-...` beside it that nobody loads.

    Args:
        path: The file's name. A symbolic link is followed: what it points to is replaced.
        write: Writes the whole file under the name that it is given, in the same folder and with
            the same ending. The name is new for each call: threads and processes do not meet.

    Raises:
        OSError: If there is no such folder, it is read-only, or the disk is full. The old file is
            still there then. What `write` raises is raised too.

    Example:
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_atomically(f"{folder}/note.txt", lambda beside: beside.write_text("whole"))
        ...     os.listdir(folder)
        ['note.txt']
    """
    path = Path(os.path.realpath(path))
    if not path.parent.is_dir():
        raise FileNotFoundError(
            f"There is no folder {str(path.parent)!r} to write {path.name!r} in."
        )
    descriptor, name = tempfile.mkstemp(prefix=".partial-", suffix=f"-{path.name}", dir=path.parent)
    os.close(descriptor)
    beside = Path(name)
    try:
        beside.chmod(path.stat().st_mode & 0o7777 if path.exists() else 0o666 & ~_umask())
        write(beside)
        with open(beside, "rb+") as file:
            os.fsync(file.fileno())  # the bytes are on the disk before the name is
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)
    if os.name == "posix":  # elsewhere, a folder cannot be opened
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)  # and now the name is too
        finally:
            os.close(folder)


def write_text_atomically(path: str | os.PathLike, text: str) -> None:
    """Write a text file in UTF-8 with `\\n` line ends, whole or not at all; see `write_atomically`.

    Args:
        path: The file's name.
        text: What it shall hold.
    """
    write_atomically(path, lambda beside: beside.write_bytes(text.encode("utf-8")))


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask
