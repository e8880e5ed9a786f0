"""What a robot's sensors send, in the conventions of ROS, before anything is believed of it. [host]

Plain dataclasses that a few lines of glue fill from any middleware; nothing here is checked
(``world/inbox.py`` does that).  A *stamp* is the moment at which the content was true, in integer
nanoseconds of the host's monotonic clock (``time.monotonic_ns``): a wall clock may be set under
way, and in float seconds the same drive would round differently after a month of uptime.
Frames are names; metres, radians, quaternions as (x, y, z, w).
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from astro_jax.types import Kind

Values = Sequence[float] | np.ndarray
Table = Sequence[Sequence[float]] | np.ndarray


@dataclasses.dataclass(frozen=True, kw_only=True)
class ScanMessage:
    """sensor_msgs/LaserScan.  +inf: nothing in reach; −inf: too close to tell; NaN: lost."""

    stamp: int
    frame: str
    angle_min: float
    angle_max: float
    angle_increment: float
    """Negative for a sensor that is mounted upside down."""
    range_min: float
    range_max: float
    ranges: Values


@dataclasses.dataclass(frozen=True, kw_only=True)
class OdometryMessage:
    """nav_msgs/Odometry: the base in the robot's own frame, where it never jumps."""

    stamp: int
    frame: str
    child_frame: str
    position: Values
    """(x, y, z)."""
    orientation: Values
    linear: Values
    """Velocity in the base's frame, m/s."""
    angular: Values
    """rad/s."""
    covariance: Values | Table
    """Of the pose: 6 x 6 or its 36 entries by row, (x, y, z, roll, pitch, yaw).  Zeros: as good
    as exact.  It is the error against what the robot saw lately; an estimator that adds up the
    drift since the start should send what it adds in a minute."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class DetectionsMessage:
    """One frame of a detector of people and other bodies (vision_msgs/Detection3DArray)."""

    stamp: int
    frame: str
    positions: Table
    """(x, y), one row per detection."""
    covariances: Sequence[Table] | np.ndarray
    """2 x 2 each, m²."""
    kinds: Sequence[int] | np.ndarray
    """A ``Kind`` each; a number that is none counts as unknown."""
    identities: Sequence[int] | np.ndarray | None = None
    """The detector's own guess at who is who, from 0; None: it makes none."""
    radii: Values | None = None
    """m; None: what is usual for the kind."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class LocalisationMessage:
    """geometry_msgs/TransformStamped from the house's frame to the robot's own (map → odom)."""

    stamp: int
    frame: str
    child_frame: str
    translation: Values
    rotation: Values


Message = ScanMessage | OdometryMessage | DetectionsMessage | LocalisationMessage


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mount:
    """Where a sensor's frame lies on the base: m, m, rad."""

    frame: str
    x: float = 0.0
    y: float = 0.0
    yaw: float = 0.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Frames:
    """Names of the frames; the defaults are those of ROS (REP 105)."""

    house: str = "map"
    """Of the house map, in which localisation finds the robot."""
    map: str = "odom"
    """The robot's own frame: what is called the map frame everywhere else in this package."""
    base: str = "base_link"
    mounts: tuple[Mount, ...] = (Mount(frame="laser", x=0.10),)
    """Of all sensors whose messages come in their own frame."""
    more_scans: tuple[str, ...] = ()
    """Mounts of further range sensors.  What they meet within the first one's view is added to
    its scan; the robot stands unless all of them report."""


EVERY_KIND = frozenset(int(kind) for kind in Kind)
