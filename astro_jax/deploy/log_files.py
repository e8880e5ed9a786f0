"""A folder of log files that never grows beyond its bounds.                           [host]"""

import contextlib
import fcntl
import os
import re
import time
import zlib
from collections.abc import Mapping
from pathlib import Path

from astro_jax.deploy.log_format import beginning, ending, message
from astro_jax.errors import StorageError

NAME = re.compile(r"box-(\d{8})\.mcap")
SYNC_S = 1.0
"""How much of a log a power cut may take; the end of a process takes nothing."""


class LogFiles:
    """Messages go to the newest file; a full one is finished, the oldest make room."""

    def __init__(
        self,
        folder: Path,
        schemas: Mapping[str, bytes],
        notes: Mapping[str, str],
        file_bytes: int,
        most_bytes: int,
    ) -> None:
        """Open the folder, for this user alone; files begin with the first message.

        Raises:
          StorageError: it cannot be written, or another process writes there.
        """
        self._folder, self._begins = folder, beginning(schemas, notes)
        self._channels = {topic: number for number, topic in enumerate(schemas, 1)}
        self._file_bytes, self._most = file_bytes, most_bytes
        self._file, self._size, self._crc, self._count = -1, 0, 0, 0
        self._synced = time.monotonic()
        self._lock = _locked(folder)
        self._old = sorted(path for path in folder.iterdir() if NAME.fullmatch(path.name))
        self._number = int(self._old[-1].name[4:12]) if self._old else 0
        self._sizes = {path: path.stat().st_size for path in self._old}
        self._path = folder

    @property
    def begins(self) -> bool:
        """Whether the next message is the first one of a file."""
        return self._file < 0 or self._size >= self._file_bytes

    def append(self, topic: str, now: int, body: bytes) -> None:
        """Write a message, in ns since 1970; it is there when this returns, whole.

        Raises:
          OSError: it is not; the next one begins a file.  What was there before is as it was.
        """
        if self.begins:
            self._finish()
            self._begin()
        record = message(self._channels[topic], self._count, now, body, self._crc)
        try:
            self._write(record)
        except OSError:
            self._leave()
            raise
        self._count += 1

    def close(self) -> None:
        """Finish the file and let go of the folder."""
        with contextlib.suppress(OSError):
            self._finish()
        os.close(self._lock)

    def _begin(self) -> None:
        self._number += 1
        self._path = self._folder / f"box-{self._number:08d}.mcap"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        self._file = os.open(self._path, flags, 0o600)
        self._size, self._crc, self._count = 0, 0, 0
        try:
            self._write(self._begins)
            os.fsync(self._lock)
        except OSError:
            self._leave()
            raise

    def _write(self, data: bytes) -> None:
        self._make_room(len(data))
        left = memoryview(data)
        while left:
            left = left[os.write(self._file, left) :]
        self._size += len(data)
        self._crc = zlib.crc32(data, self._crc)
        if time.monotonic() - self._synced > SYNC_S:
            os.fdatasync(self._file)
            self._synced = time.monotonic()

    def _make_room(self, more: int) -> None:
        """The end of a file is counted as well."""
        wanted = self._size + more + len(ending(0))
        while self._old and sum(self._sizes.values()) + wanted > self._most:
            oldest = self._old.pop(0)
            oldest.unlink(missing_ok=True)
            del self._sizes[oldest]
        if wanted > self._most:
            raise OSError(f"a log of {wanted} bytes where {self._most} may be")

    def _finish(self) -> None:
        """With the format's end, which readers of the whole file look for."""
        if self._file < 0:
            return
        try:
            self._write(ending(self._crc))
            os.fdatasync(self._file)
        finally:
            self._leave()

    def _leave(self) -> None:
        """The file as it is, less what is not whole; none at all without a message."""
        with contextlib.suppress(OSError):
            os.ftruncate(self._file, self._size)
        with contextlib.suppress(OSError):
            os.close(self._file)
        self._file = -1
        if self._count == 0:
            with contextlib.suppress(OSError):
                self._path.unlink()
            return
        self._old.append(self._path)
        self._sizes[self._path] = self._size


def _locked(folder: Path) -> int:
    """The folder, which nobody else has; the system lets go of it when this process ends."""
    handle = -1
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        probe = folder / ".writable"
        os.close(os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
        probe.unlink()
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if handle >= 0:
            os.close(handle)
        busy = isinstance(error, BlockingIOError)
        reason = "that no other process writes to" if busy else f"({error.strerror or error})"
        expected = f"a folder that can be written {reason}"
        raise StorageError("log", str(folder), expected) from error
    return handle
