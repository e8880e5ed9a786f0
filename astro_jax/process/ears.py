"""From the wire into an inbox: what is wrong is counted, and changes nothing.        [host]"""

import time
from collections import Counter
from collections.abc import Mapping

from astro_jax.config import RobotConfig
from astro_jax.errors import ClockError, MessageError
from astro_jax.process.buttons import ALL, Buttons
from astro_jax.wire.sensed import clock_offset, sensed
from astro_jax.wire.topics import Wire
from astro_jax.world.inbox import Inbox, empty_inbox, forget, receive
from astro_jax.world.messages import Frames, Mount


def frames_of(robot: RobotConfig) -> Frames:
    """The names of ROS (REP 105), and the robot's range sensor as ``laser``."""
    sensor = robot.sensor
    return Frames(mounts=(Mount(frame="laser", x=sensor.mount_x, y=sensor.mount_y),))


class Ears:
    """One process's inbox."""

    def __init__(self, robot: RobotConfig, wire: Wire) -> None:
        """Nothing has come yet."""
        self.frames = frames_of(robot)
        self.inbox: Inbox = empty_inbox(robot, self.frames)
        self.buttons = Buttons()
        self._wire, self._refused, self._why = wire, Counter(), ""

    def listen(self) -> Inbox:
        """The inbox with all that has come by now."""
        offset = clock_offset()
        for topic, values in self._wire.take():
            if topic in ALL:
                self.buttons.hear(topic, values)
                continue
            try:
                for message in sensed(topic, values, self.frames, offset):
                    self.inbox = receive(self.inbox, message, time.monotonic_ns())
            except ClockError as error:
                self.inbox = forget(self.inbox)
                self._refuse(topic.name, error)
            except MessageError as error:
                self._refuse(topic.name, error)
        return self.inbox

    @property
    def counts(self) -> Mapping[str, int | str]:
        """Of the wire, messages refused by topic, and why the last one was."""
        refused = {f"refused {name}": count for name, count in self._refused.items()}
        why = {"last refused": self._why} if self._why else {}
        return {**self._wire.counts, **refused, **why}

    def _refuse(self, name: str, error: MessageError) -> None:
        self._refused[name] += 1
        self._why = str(error)
