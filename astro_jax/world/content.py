"""What one message says, once it has been found not to contradict itself.          [host]

In: a message and the robot it is about.  Out: its content in the base's axes or the map's, in
float64.  Values that are wrong in a way the planner judges by itself (a pose that is not a number,
a covariance that is none) pass; a shape, frame or rotation that is wrong does not.
"""

import dataclasses
import math

import numpy as np
from jaxtyping import Bool, Float, Int

from astro_jax.config import RobotConfig
from astro_jax.errors import MessageError
from astro_jax.types import Kind
from astro_jax.world.messages import (
    EVERY_KIND,
    DetectionsMessage,
    Frames,
    LocalisationMessage,
    OdometryMessage,
    ScanMessage,
    Values,
)
from astro_jax.world.resample import resample

UNIT = 1e-2
"""A quaternion whose length is off one by more than this is no rotation."""
TILT = 0.5
"""A base that leans by more than this (rad) has fallen or been picked up: it is on no map."""
MOUNTED = 5e-3
"""A sensor is where the robot's configuration says if it is within this, m."""
MOST_RAYS = 100_000


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Sweep:
    """A scan on the robot's beams (see ``resample``)."""

    stamp: int
    ranges: Float[np.ndarray, "R"]
    free: Float[np.ndarray, "R"]
    valid: Bool[np.ndarray, "R"]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Echoes:
    """What a further range sensor has met."""

    stamp: int
    frame: str
    xy_base: Float[np.ndarray, "n 2"]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Pose:
    """Where the base was, how fast, and how sure of it."""

    stamp: int
    pose_map: Float[np.ndarray, "3"]
    twist: Float[np.ndarray, "2"]
    cov: Float[np.ndarray, "3 3"]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Bodies:
    """A frame of detections, in a frame on the base or in the map's (mount: None)."""

    stamp: int
    mount: Float[np.ndarray, "3"] | None
    xy: Float[np.ndarray, "n 2"]
    cov: Float[np.ndarray, "n 2 2"]
    radius: Float[np.ndarray, "n"]
    kind: Int[np.ndarray, "n"]
    identity: Int[np.ndarray, "n"]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Place:
    """Where the robot's own frame lies in the house."""

    stamp: int
    house_from_map: Float[np.ndarray, "3"]


def sweep(robot: RobotConfig, frames: Frames, message: ScanMessage) -> Sweep:
    """A scan that is of the robot's range sensor and has as many ranges as it says.

    Raises:
      MessageError: it is not.
    """
    sensor, mount = robot.sensor, _mount(frames, message.frame, "scan")
    if np.hypot(mount[0] - sensor.mount_x, mount[1] - sensor.mount_y) > MOUNTED:
        expected = f"that of a sensor at ({sensor.mount_x:g}, {sensor.mount_y:g}) on the base"
        raise MessageError("frame", message.frame, expected, "scan")
    rays = _rays(message)
    bearings = rays.bearings + mount[2]
    near, free, valid = resample(
        robot, bearings, rays.increment, rays.ranges, rays.range_min, rays.range_max
    )
    return Sweep(stamp=message.stamp, ranges=near, free=free, valid=valid)


def echoes(robot: RobotConfig, frames: Frames, message: ScanMessage) -> Echoes:
    """What another range sensor than the robot's first has met.

    Raises:
      MessageError: its frame is unknown, or it has not as many ranges as it says.
    """
    mount, rays = _mount(frames, message.frame, "scan"), _rays(message)
    reach = np.where(np.isneginf(rays.ranges), rays.range_min, rays.ranges)
    met = (reach >= rays.range_min) & (reach <= rays.range_max)
    bearings, reach = rays.bearings[met] + mount[2], reach[met]
    xy = mount[:2] + np.column_stack([reach * np.cos(bearings), reach * np.sin(bearings)])
    itself = (np.abs(xy[:, 0]) < robot.length / 2) & (np.abs(xy[:, 1]) < robot.width / 2)
    return Echoes(stamp=message.stamp, frame=message.frame, xy_base=xy[~itself])


def pose(robot: RobotConfig, frames: Frames, message: OdometryMessage) -> Pose:
    """The base's pose in the plane.

    Raises:
      MessageError: a wrong shape or frame, or an orientation that is none.
    """
    _expect(message.frame, frames.map, "frame", "odometry")
    _expect(message.child_frame, frames.base, "child_frame", "odometry")
    where = numbers(message.position, (3,), "position", "odometry")
    yaw = heading(message.orientation, "orientation", "odometry")
    linear = numbers(message.linear, (3,), "linear", "odometry")
    angular = numbers(message.angular, (3,), "angular", "odometry")
    cov = numbers(message.covariance, None, "covariance", "odometry")
    if cov.size != 36:
        raise MessageError("covariance", cov.shape, "6 x 6 or 36 numbers", "odometry")
    planar = np.ix_((0, 1, 5), (0, 1, 5))
    return Pose(
        stamp=message.stamp,
        pose_map=np.array([where[0], where[1], yaw]),
        twist=np.array([linear[0], angular[2]]),
        cov=cov.reshape(6, 6)[planar],
    )


def bodies(robot: RobotConfig, frames: Frames, message: DetectionsMessage) -> Bodies:
    """Detections, every column of which has as many rows.

    Raises:
      MessageError: one has not, or the frame is unknown.
    """
    mount = None
    if message.frame != frames.map:
        mount = _mount(frames, message.frame, "detections")
    xy = numbers(message.positions, None, "positions", "detections")
    xy = xy.reshape(0, 2) if xy.size == 0 else xy
    if xy.ndim != 2 or xy.shape[1] != 2:
        raise MessageError("positions", xy.shape, "rows of (x, y)", "detections")
    count = len(xy)
    cov = numbers(message.covariances, None, "covariances", "detections")
    cov = cov.reshape(0, 2, 2) if cov.size == 0 else cov
    if cov.shape != (count, 2, 2):
        raise MessageError("covariances", cov.shape, f"({count}, 2, 2)", "detections")
    kind = numbers(message.kinds, (count,), "kinds", "detections")
    radius = np.zeros(count)
    if message.radii is not None:
        radius = numbers(message.radii, (count,), "radii", "detections")
    identity = np.full(count, -1)
    if message.identities is not None:
        given = numbers(message.identities, (count,), "identities", "detections")
        # int32 is what travels; what does not fit in is no name
        identity = np.where((given >= 0) & (given < 2**31 - 1), given, -1).astype(int)
    known = np.isin(kind, list(EVERY_KIND))
    return Bodies(
        stamp=message.stamp,
        mount=mount,
        xy=xy,
        cov=cov,
        radius=radius,
        kind=np.where(known, kind, int(Kind.UNKNOWN)).astype(int),
        identity=identity,
    )


def place(robot: RobotConfig, frames: Frames, message: LocalisationMessage) -> Place:
    """Localisation's word.

    Raises:
      MessageError: a wrong shape or frame, or what is no pose.
    """
    _expect(message.frame, frames.house, "frame", "localisation")
    _expect(message.child_frame, frames.map, "child_frame", "localisation")
    where = numbers(message.translation, (3,), "translation", "localisation", finite=True)
    yaw = heading(message.rotation, "rotation", "localisation")
    return Place(stamp=message.stamp, house_from_map=np.array([where[0], where[1], yaw]))


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class _Rays:
    bearings: Float[np.ndarray, "n"]
    increment: float
    ranges: Float[np.ndarray, "n"]
    range_min: float
    range_max: float


def _rays(message: ScanMessage) -> _Rays:
    limits = ("angle_min", "angle_max", "angle_increment", "range_min", "range_max")
    low, high, increment, nearest, farthest = (
        float(numbers(getattr(message, field), (), field, "scan", finite=True)) for field in limits
    )
    if not (abs(low) <= 10.0 and abs(high) <= 10.0 and abs(high - low) <= 2 * np.pi + 0.1):
        raise MessageError("angle_max", high, "an angle once around from angle_min at most", "scan")
    if not (1e-6 < abs(increment) < 1.0 and (high - low) * increment > 0.0):
        expected = "a step from angle_min towards angle_max, from 1e-6 to 1 rad"
        raise MessageError("angle_increment", increment, expected, "scan")
    if not 0.0 <= nearest < farthest:
        raise MessageError("range_max", farthest, f"more than range_min ({nearest:g})", "scan")
    ranges = numbers(message.ranges, (None,), "ranges", "scan")
    count = round((high - low) / increment) + 1
    if not (2 <= len(ranges) <= MOST_RAYS and len(ranges) == count):
        expected = f"{count}, as the angles say (2 … {MOST_RAYS})"
        raise MessageError("ranges", f"{len(ranges)} numbers", expected, "scan")
    return _Rays(
        bearings=low + increment * np.arange(count),
        increment=increment,
        ranges=ranges,
        range_min=nearest,
        range_max=farthest,
    )


def heading(quaternion: Values, field: str, where: str) -> float:
    """Yaw of (x, y, z, w), rad: atan2(2(wz + xy), 1 − 2(y² + z²)).

    Raises:
      MessageError: it has not length one, or the base does not stand upright.
    """
    q = numbers(quaternion, (4,), field, where)
    length = math.hypot(*q)
    # NaN and overflow are no length of one either
    if not abs(length - 1.0) <= UNIT:
        raise MessageError(field, q.tolist(), "a quaternion (x, y, z, w) of length 1", where)
    x, y, z, w = q / length
    if 1.0 - 2.0 * (x * x + y * y) < np.cos(TILT):
        raise MessageError(field, q.tolist(), f"an upright pose (within {TILT:g} rad)", where)
    return float(np.arctan2(2.0 * (w * z + x * y), 1.0 - 2.0 * (y * y + z * z)))


def numbers(
    value: object,
    shape: tuple[int | None, ...] | None,
    field: str,
    where: str,
    finite: bool = False,
) -> np.ndarray:
    """``value`` as float64 of the given shape (None: any).

    Raises:
      MessageError: it is no such thing.
    """
    try:
        array = np.array(value, np.float64)
    except (TypeError, ValueError, OverflowError):
        raise MessageError(field, value, "numbers", where) from None
    fits = shape is None or (
        array.ndim == len(shape)
        and all(wanted in (None, given) for wanted, given in zip(shape, array.shape, strict=True))
    )
    if not fits:
        raise MessageError(field, array.shape, f"numbers of shape {shape}", where)
    if finite and not np.all(np.isfinite(array)):
        raise MessageError(field, array.tolist(), "finite numbers", where)
    return array


def moment(stamp: object, field: str) -> int:
    """A time in integer nanoseconds.

    Raises:
      MessageError: it is none.
    """
    whole = isinstance(stamp, int | np.integer) and not isinstance(stamp, bool)
    if not (whole and 0 <= int(stamp) < 2**63):  # type: ignore[call-overload]
        raise MessageError(field, stamp, "integer nanoseconds of the monotonic clock")
    return int(stamp)  # type: ignore[call-overload]


def placed(frame: Float[np.ndarray, "3"], pose: Float[np.ndarray, "3"]) -> Float[np.ndarray, "3"]:
    """A pose given in ``frame``, where ``frame`` is given."""
    c, s = np.cos(frame[2]), np.sin(frame[2])
    return np.array(
        [
            frame[0] + c * pose[0] - s * pose[1],
            frame[1] + s * pose[0] + c * pose[1],
            wrapped(frame[2] + pose[2]),
        ]
    )


def turning(angle: float) -> Float[np.ndarray, "2 2"]:
    """The rotation by an angle."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s], [s, c]])


def points(frame: Float[np.ndarray, "3"], xy: Float[np.ndarray, "n 2"]) -> np.ndarray:
    """Points given in ``frame``, where ``frame`` is given."""
    return frame[:2] + xy @ turning(frame[2]).T


def seen_from(frame: Float[np.ndarray, "3"], xy: Float[np.ndarray, "n 2"]) -> np.ndarray:
    """The inverse of ``points``."""
    return (xy - frame[:2]) @ turning(frame[2])


def wrapped(angle: float) -> float:
    """The same direction in [−π, π)."""
    return (angle + np.pi) % (2 * np.pi) - np.pi


def _mount(frames: Frames, frame: str, where: str) -> Float[np.ndarray, "3"]:
    for mount in frames.mounts:
        if mount.frame == frame:
            return np.array([mount.x, mount.y, mount.yaw])
    if frame == frames.base:
        return np.zeros(3)
    known = [*(mount.frame for mount in frames.mounts), frames.base]
    raise MessageError("frame", frame, f"one of {', '.join(known)}", where)


def _expect(given: str, wanted: str, field: str, where: str) -> None:
    if given != wanted:
        raise MessageError(field, given, wanted, where)
