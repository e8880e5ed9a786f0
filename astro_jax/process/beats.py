"""Signs of life in shared memory: when each process was last known to get on.        [host]

A thread beats for a loop, and only while that loop is within its time: a process that was killed or
stopped, a thread that died and a call that never returns all look the same, silent.
"""

import mmap
import os
import struct
import threading
import time
from pathlib import Path

from astro_jax.world.inbox import SECOND

ROLES = ("gate", "planner", "route")
EVERY = 0.010
"""s between two beats."""
SILENT = 0.035
"""Whoever was not heard for so long is taken for dead, s: with a tick of 20 ms the robot brakes
within 60 ms of a death at the latest."""
_WORD = struct.Struct("<q")
NEVER = -(10**18)


class Beats:
    """The words of all roles; each is written by one process."""

    def __init__(self, path: Path) -> None:
        """Attach; makes the file if there is none."""
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if os.fstat(file).st_size < 64:
                os.pwrite(file, _WORD.pack(NEVER) * 8, 0)
            self._map = mmap.mmap(file, 64)
        finally:
            os.close(file)

    def beat(self, role: str) -> None:
        """``role`` lives."""
        _WORD.pack_into(self._map, 8 * ROLES.index(role), time.monotonic_ns())

    def silence(self, role: str, now: int) -> float:
        """Since the last beat of ``role``, s."""
        (last,) = _WORD.unpack_from(self._map, 8 * ROLES.index(role))
        return (now - last) / SECOND


class Heart:
    """Beats for a loop that says when it begins and ends something that takes time."""

    def __init__(self, beats: Beats, role: str, longest: float) -> None:
        """Silent until ``start``; ``longest`` seconds may pass between two ``alive``."""
        self._beats, self._role, self._longest = beats, role, longest
        self._last = time.monotonic()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heart", daemon=True)

    def start(self) -> None:
        """From now on."""
        self.alive()
        self._thread.start()

    def alive(self) -> None:
        """The loop gets on."""
        self._last = time.monotonic()

    def stop(self) -> None:
        """Silent again."""
        self._ended.set()

    def _beat(self) -> None:
        while not self._ended.wait(EVERY):
            if time.monotonic() - self._last <= self._longest:
                self._beats.beat(self._role)
