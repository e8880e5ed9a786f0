"""What a person has pressed, over the wire: the emergency stop, and its end.           [host]

Anybody may stop a robot; to let it move again is for those whose goals it takes (``--listen``).
"""

from collections.abc import Mapping
from typing import Any

from astro_jax.wire.topics import E_STOP, REARM, Topic

STOPS, ALL = (E_STOP,), (E_STOP, REARM)
"""Topics that a robot hears by default, and one that listens."""


class Buttons:
    """How they are."""

    def __init__(self) -> None:
        """None is pressed."""
        self.stop, self._rearm, self._held = False, False, False

    def hear(self, topic: Topic, message: Mapping[str, Any]) -> None:
        """One of them was pressed or let go."""
        if topic is E_STOP:
            self.stop = bool(message["data"])
            self._held, self._rearm = self._held or self.stop, self._rearm and not self.stop
        else:
            # while it is pressed that is no way out, and none for later
            self._rearm = bool(message["data"]) and not self.stop

    def holds(self) -> bool:
        """Whether the emergency stop is pressed, or was, and nobody has armed the robot since.

        For who has no gate: ``rearmed`` is not to be asked as well.
        """
        rearmed = self.rearmed()
        self._held = self.stop or (self._held and not rearmed)
        return self._held

    def rearmed(self) -> bool:
        """Whether that was pressed since the last call: it counts once."""
        pressed, self._rearm = self._rearm, False
        return pressed
