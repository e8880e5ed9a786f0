"""One writer's newest letter in shared memory, for any number of readers.            [host]

A letter is some integers and some arrays of fixed shapes.  Three places are used in turn, and the
number of the newest letter is written last: a reader is never waited for, nor does it wait, and a
writer that dies in the middle of a letter leaves the one before.  A checksum tells a letter that
was written over while it was read.

A mapped file: ``multiprocessing.shared_memory`` of Python before 3.13 takes a segment away from
everybody when one of those who attached to it ends.
"""

import dataclasses
import mmap
import os
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from astro_jax.deploy.arrays import Flat, Form, checked, from_bytes, to_bytes
from astro_jax.errors import InputError

_MAGIC = b"ajbox01\0"
_HEAD = struct.Struct("<8sQ")
_COUNT = struct.Struct("<Q")
_PLACE = struct.Struct("<QII")
_COUNT_AT, _FIRST = 16, 64
PLACES = 3
TRIES = 3


@dataclasses.dataclass(frozen=True, kw_only=True)
class Layout:
    """Of a letter: what writer and readers agree on."""

    numbers: tuple[str, ...]
    """64 bits each."""
    form: Form

    @property
    def bytes(self) -> int:
        """Of a letter."""
        return 8 * len(self.numbers) + sum(kind.bytes for kind in self.form.values())


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Letter:
    """As it was written."""

    count: int
    """From 1."""
    numbers: Mapping[str, int]
    arrays: dict[str, np.ndarray]


class Mailbox:
    """One end of it."""

    def __init__(self, path: Path, layout: Layout, writes: bool = False) -> None:
        """Attach; whoever comes first makes the file, whole or not at all.

        Raises:
          InputError: there is one of another layout.
        """
        self._layout, self._numbers = layout, struct.Struct(f"<{len(layout.numbers)}q")
        self._size = _PLACE.size + layout.bytes + -(_PLACE.size + layout.bytes) % 64
        whole = _FIRST + PLACES * self._size
        if not path.exists():
            fresh = path.with_name(f".{path.name}.{os.getpid()}")
            with fresh.open("wb") as file:
                file.write(_HEAD.pack(_MAGIC, layout.bytes))
                file.truncate(whole)
            try:
                os.link(fresh, path)
            except FileExistsError:
                pass
            fresh.unlink()
        with path.open("r+b") as file:
            found = os.fstat(file.fileno()).st_size
            if found != whole or file.read(_HEAD.size) != _HEAD.pack(_MAGIC, layout.bytes):
                raise InputError("mailbox", f"{found} bytes", f"{whole}, as here", str(path))
            self._map = mmap.mmap(file.fileno(), whole)
        self._writes = writes
        self.torn = 0
        """Letters that were written over while they were read."""

    @property
    def count(self) -> int:
        """Of the newest letter; 0: none yet."""
        return _COUNT.unpack_from(self._map, _COUNT_AT)[0]

    def write(self, numbers: Mapping[str, int], arrays: Flat) -> None:
        """Put down a newer letter.  One process, one thread.

        Raises:
          ShapeError: the arrays are not those of the layout.
        """
        assert self._writes
        form = self._layout.form
        body = self._numbers.pack(*(numbers[name] for name in self._layout.numbers))
        body += to_bytes(form, checked(form, arrays))
        count = self.count + 1
        place = _FIRST + (count % PLACES) * self._size
        _PLACE.pack_into(self._map, place, count, zlib.crc32(body), len(body))
        self._map[place + _PLACE.size : place + _PLACE.size + len(body)] = body
        _COUNT.pack_into(self._map, _COUNT_AT, count)

    def read(self, after: int = 0) -> Letter | None:
        """The newest letter, if it is newer than ``after``."""
        for _ in range(TRIES):
            count = self.count
            if count <= after:
                return None
            place = _FIRST + (count % PLACES) * self._size
            written, crc, size = _PLACE.unpack_from(self._map, place)
            begin = place + _PLACE.size
            body = self._map[begin : begin + min(size, self._layout.bytes)]
            if written == count and size == self._layout.bytes and zlib.crc32(body) == crc:
                values = self._numbers.unpack_from(body)
                return Letter(
                    count=count,
                    numbers=dict(zip(self._layout.numbers, values, strict=True)),
                    arrays=from_bytes(self._layout.form, body[self._numbers.size :], "mailbox"),
                )
            self.torn += 1
        return None

    def close(self) -> None:
        """Let go."""
        self._map.close()


def numpy_arrays(names: Form, arrays: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Those of ``arrays`` that are in a form, on the host."""
    return {name: np.asarray(arrays[name]) for name in names}
