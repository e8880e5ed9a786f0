"""What goes over the wire, under which name, and how surely.                        [host]

Names, types and quality of service as ROS 2 maps them onto DDS, and as Nav2 and RViz expect them:
sensors' data may be lost and only the newest counts, commands arrive, a map waits for whoever comes
late.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, Protocol


@dataclasses.dataclass(frozen=True, kw_only=True)
class Topic:
    """One kind of message."""

    name: str
    type: str
    """One of ``wire/definitions.py``."""
    depth: int
    """So many are kept for a reader; older ones go."""
    reliable: bool = True
    latched: bool = False
    """The last one waits for whoever comes late (transient local)."""
    deadline: float | None = None
    """At least one every so many seconds, or whoever listens has to act as if all were lost."""


COMMAND_DEADLINE = 0.1
"""A base that has heard no command for so long stops by itself, s: the gate may have died."""

COMMAND = Topic(name="rt/cmd_vel", type="geometry_msgs/Twist", depth=1, deadline=COMMAND_DEADLINE)
SCAN = Topic(name="rt/scan", type="sensor_msgs/LaserScan", depth=5, reliable=False)
ODOMETRY = Topic(name="rt/odom", type="nav_msgs/Odometry", depth=5, reliable=False)
DETECTIONS = Topic(
    name="rt/detections", type="vision_msgs/Detection3DArray", depth=5, reliable=False
)
TRANSFORMS = Topic(name="rt/tf", type="tf2_msgs/TFMessage", depth=100)
GOAL = Topic(name="rt/goal_pose", type="geometry_msgs/PoseStamped", depth=1)
E_STOP = Topic(name="rt/e_stop", type="std_msgs/Bool", depth=1, latched=True)
"""Pressed, or let go again; the robot rests until it is re-armed as well."""
REARM = Topic(name="rt/rearm", type="std_msgs/Bool", depth=1)
CANCEL = Topic(name="rt/cancel", type="std_msgs/Bool", depth=1)
"""True: the robot has nowhere to go any more, and brakes along its way."""
MAP = Topic(name="rt/map", type="nav_msgs/OccupancyGrid", depth=1, latched=True)
PLAN = Topic(name="rt/plan", type="nav_msgs/Path", depth=1)
CANDIDATES = Topic(name="rt/candidates", type="visualization_msgs/MarkerArray", depth=1)
TRACKS = Topic(name="rt/tracks", type="vision_msgs/Detection3DArray", depth=1)

TOPICS = (
    *(COMMAND, SCAN, ODOMETRY, DETECTIONS, TRANSFORMS),
    *(E_STOP, REARM),
    *(GOAL, CANCEL, MAP, PLAN, CANDIDATES, TRACKS),
)

MOST_TAKEN = 64
"""Messages of one topic that are looked at in one go: of a flood the rest waits, or is lost."""


class Wire(Protocol):
    """A place on the wire.  One thread uses it."""

    def publish(self, topic: Topic, message: Mapping[str, Any]) -> None:
        """Send; never waits.  What cannot be sent is lost and counted."""
        ...

    def take(self) -> list[tuple[Topic, dict[str, Any]]]:
        """What has come on the topics that are listened to: of each the newest, oldest first.

        What is no such message is counted and left out.
        """
        ...

    @property
    def counts(self) -> Mapping[str, int]:
        """``received``, ``malformed``, ``overtaken`` (more than were kept), ``unsent``."""
        ...

    def close(self) -> None:
        """Leave."""
        ...
