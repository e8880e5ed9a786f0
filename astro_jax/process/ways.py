"""The way, from the route worker's process to the planner's.                          [host]"""

from typing import Any

from astro_jax.deploy.arrays import flat, nested
from astro_jax.deploy.room import Size, no_way, roomy_field
from astro_jax.process.mailbox import Mailbox
from astro_jax.types import RouteField


class Ways:
    """The planner's end: the same object for as long as there is no newer way."""

    def __init__(self, mailbox: Mailbox) -> None:
        """Nowhere to go."""
        self._mailbox, self._read = mailbox, 0
        self._way: RouteField | None = None

    def newest(self) -> RouteField | None:
        """Where to, None if there is no goal or no way to it."""
        letter = self._mailbox.read(self._read)
        if letter is not None:
            self._read = letter.count
            like = no_way((1, 1))
            there = letter.numbers["there"]
            self._way = nested(like, letter.arrays, "field") if there else None
        return self._way


def put_way(mailbox: Mailbox, ticket: int, way: RouteField | None, room: Size) -> None:
    """The route worker's end; None: the robot is to brake."""
    arrays: dict[str, Any] = flat(no_way(room) if way is None else roomy_field(way, room), "field")
    mailbox.write({"ticket": ticket, "there": int(way is not None)}, arrays)
