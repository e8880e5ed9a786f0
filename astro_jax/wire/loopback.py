"""A wire within one machine and one user: CDR messages in Unix datagrams.            [host]

    folder/topic/name.sock      a listener's mailbox, bound by the listener
    folder/topic/latched        the last message of a latched topic: for those who come late
    a datagram                  magic, u64 count of the sender, CDR (``wire/cdr.py``)

No port is open to anybody: the folder belongs to the user alone (``process/folder.py``).  The
kernel bounds every mailbox; who does not read loses messages, whoever sends never waits.
"""

import os
import socket
import struct
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from astro_jax.errors import InputError, MessageError
from astro_jax.wire.cdr import decoded, encoded
from astro_jax.wire.topics import MOST_TAKEN, Topic

_FRAME = struct.Struct("<4sQ")
_MAGIC = b"aj01"
LONGEST = 180 * 1024
"""Bytes of a datagram: what Linux carries by default, with some to spare."""
LOOK_AGAIN = 0.25
"""For so long a sender takes the listeners to be those it knows, s."""


class Loopback:
    """A place on it."""

    def __init__(self, folder: Path, listens: Iterable[Topic] = ()) -> None:
        """Join; the folder is made by whoever owns the robot.

        Raises:
          InputError: its path is too long for a socket, or cannot be written.
        """
        self._folder, self._counts = folder, Counter()
        self._known: dict[str, tuple[float, list[str]]] = {}
        self._seen: dict[str, int] = {}
        self._boxes = {topic: self._bound(topic) for topic in listens}
        self._sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._sender.setblocking(False)
        self._sent = 0

    def publish(self, topic: Topic, message: Mapping[str, Any]) -> None:
        """To all that listen now, and to a file if it is latched."""
        self._sent += 1
        data = _FRAME.pack(_MAGIC, self._sent) + encoded(topic.type, message)
        if topic.latched:
            self._latch(topic, data)
            return
        for address in self._listeners(topic):
            try:
                self._sender.sendto(data, address)
            except (BlockingIOError, OSError) as error:
                self._counts["unsent"] += 1
                if isinstance(error, ConnectionRefusedError | FileNotFoundError):
                    self._known.pop(topic.name, None)
                    _removed(Path(address))

    def take(self) -> list[tuple[Topic, dict[str, Any]]]:
        """The newest of every topic, oldest first."""
        found = []
        for topic, box in self._boxes.items():
            came = self._latched(topic) if topic.latched else self._came(box)
            self._counts["received"] += len(came)
            self._counts["overtaken"] += max(len(came) - topic.depth, 0)
            for data in came[-topic.depth :]:
                message = self._opened(topic, data)
                if message is not None:
                    found.append((topic, message))
        return found

    @property
    def counts(self) -> Mapping[str, int]:
        """See ``Wire.counts``."""
        return dict(self._counts)

    def close(self) -> None:
        """Leave."""
        for box in self._boxes.values():
            _removed(Path(box.getsockname()))
            box.close()
        self._sender.close()

    def _bound(self, topic: Topic) -> socket.socket:
        place = self._place(topic) / f"{os.getpid()}-{id(self) % 65536:x}.sock"
        box = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            box.bind(str(place))
        except OSError as error:
            box.close()
            expected = f"a folder for sockets ({error.strerror or error})"
            raise InputError("wire", str(place), expected) from None
        box.setblocking(False)
        return box

    def _place(self, topic: Topic) -> Path:
        return self._folder / topic.name.replace("/", ".")

    def _listeners(self, topic: Topic) -> list[str]:
        now = time.monotonic()
        until, known = self._known.get(topic.name, (0.0, []))
        if now >= until:
            known = [str(path) for path in self._place(topic).glob("*.sock")]
            self._known[topic.name] = (now + LOOK_AGAIN, known)
        return known

    def _came(self, box: socket.socket) -> list[bytes]:
        came = []
        for _ in range(MOST_TAKEN):
            try:
                came.append(box.recv(LONGEST))
            except BlockingIOError:
                break
        return came

    def _latch(self, topic: Topic, data: bytes) -> None:
        place = self._place(topic) / "latched"
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = place.with_name(f"{os.getpid()}.new")
        with fresh.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(place)

    def _latched(self, topic: Topic) -> list[bytes]:
        place = self._place(topic) / "latched"
        try:
            stamp = place.stat().st_mtime_ns
            if self._seen.get(topic.name) == stamp:
                return []
            self._seen[topic.name] = stamp
            return [place.read_bytes()]
        except OSError:
            return []

    def _opened(self, topic: Topic, data: bytes) -> dict[str, Any] | None:
        if len(data) < _FRAME.size or data[:4] != _MAGIC:
            self._counts["malformed"] += 1
            return None
        try:
            return decoded(topic.type, data[_FRAME.size :])
        except MessageError:
            self._counts["malformed"] += 1
            return None


def _removed(path: Path) -> None:
    try:
        path.unlink()
    except OSError:
        pass
