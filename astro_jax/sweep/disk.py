"""Files that are there whole or not at all, and a lock that dies with its process.    [host]"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from astro_jax.errors import StorageError

UNFINISHED = ".unfinished"
"""End of the name of a file that is being written."""


def write_whole(path: Path, data: bytes) -> None:
    """Onto the disk when this returns: a file beside ``path``, then renamed.

    Raises:
      StorageError: it could not be written; what was at ``path`` before is intact.
    """
    beside = path.with_name(path.name + UNFINISHED)
    try:
        handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        try:
            write_all(handle, data)
            os.fsync(handle)
        finally:
            os.close(handle)
        os.replace(beside, path)
        _sync_folder(path.parent)
    except OSError as error:
        with suppress(OSError):
            os.unlink(beside)
        raise _unwritable(path, error) from error


def write_all(handle: int, data: bytes) -> None:
    """Every byte: one call may take a part of them and say so, on a disk that is all but full.

    Raises:
      OSError: it could not be written; a part of it may have been.
    """
    left = memoryview(data)
    while left:
        left = left[os.write(handle, left) :]


def _sync_folder(folder: Path) -> None:
    """A new name is on the disk once its folder is."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read_whole(path: Path) -> bytes:
    """What is in a file.

    Raises:
      StorageError: it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        expected = f"a file that can be read ({error.strerror or error})"
        raise StorageError("store", str(path), expected) from error


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Make the folder, and keep every other process that asks out of it.

    The system lets go of the lock when this process ends, however it ends.

    Raises:
      StorageError: somebody else has it, or the folder cannot be written.
    """
    path = folder / "lock"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise _unwritable(folder, error) from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            expected = "a store that no other sweep is writing"
            raise StorageError("store", str(folder), expected) from error
        except OSError as error:
            raise _unwritable(folder, error) from error
        yield
    finally:
        os.close(handle)


def _unwritable(path: Path, error: OSError) -> StorageError:
    expected = f"a place that can be written to ({error.strerror or error})"
    return StorageError("store", str(path), expected)
