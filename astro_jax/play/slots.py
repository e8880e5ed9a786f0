"""How threads hand over without waiting: the newest of each kind, commands in a bounded box. [host]

Whoever writes never waits for whoever reads.  A reader that is slow misses what was overtaken; a
box that is full takes no more.
"""

import threading
from collections import deque
from collections.abc import Callable
from typing import Any

MOST_WAITING = 64
"""Commands, or answers, that nobody has taken yet."""


class Slots:
    """The newest message of each kind."""

    def __init__(self, on_put: Callable[[], None] = lambda: None) -> None:
        """Empty; ``on_put`` is called after every ``put``, by the thread that put."""
        self._lock = threading.Lock()
        self._newest: dict[int, tuple[int, bytes]] = {}
        self._count = 0
        self._on_put = on_put

    def put(self, kind: int, data: bytes) -> None:
        """Replace the message of a kind."""
        with self._lock:
            self._count += 1
            self._newest[kind] = (self._count, data)
        self._on_put()

    def newer(self, than: int) -> tuple[int, list[bytes]]:
        """(Count so far, messages put after ``than``, oldest first), at most one of each kind."""
        with self._lock:
            found = sorted(entry for entry in self._newest.values() if entry[0] > than)
            return self._count, [data for _, data in found]


class Box:
    """A bounded queue that refuses instead of growing."""

    def __init__(self, most: int = MOST_WAITING) -> None:
        """Empty, for ``most`` things."""
        self._news = threading.Condition()
        self._waiting: deque[Any] = deque()
        self._most = most

    def put(self, thing: Any) -> bool:
        """Whether it was taken in."""
        with self._news:
            if len(self._waiting) >= self._most:
                return False
            self._waiting.append(thing)
            self._news.notify()
            return True

    def take(self) -> list[Any]:
        """All that is in it, oldest first; does not wait."""
        with self._news:
            found = list(self._waiting)
            self._waiting.clear()
            return found

    def wait(self, seconds: float) -> None:
        """Until something is in it, at most so long."""
        with self._news:
            self._news.wait_for(lambda: self._waiting, seconds)
