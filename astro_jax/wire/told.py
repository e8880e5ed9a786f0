"""What goes out, and what the simulator sends, as messages of the wire.              [host]

The inverse of ``wire/sensed.py`` for sensors' messages; commands, plans, maps and people for those
who listen.  ``offset`` is ``sensed.clock_offset``.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from astro_jax.route.house import HouseMap
from astro_jax.types import Kind
from astro_jax.wire.topics import DETECTIONS, ODOMETRY, SCAN, TRANSFORMS, Topic
from astro_jax.world.inbox import SECOND
from astro_jax.world.messages import (
    DetectionsMessage,
    LocalisationMessage,
    Message,
    OdometryMessage,
    ScanMessage,
)

Values = dict[str, Any]
LINE_LIST, POINTS_OF_A_LINE = 5, 8
"""A ``Marker`` of separate lines; candidates are drawn with so many points."""
TALL = 1.7
"""Of the boxes that stand for bodies, m."""


def command(twist: Float[np.ndarray, "2"]) -> Values:
    """(v, ω) for the wheels."""
    v, omega = (float(value) for value in twist)
    return {"linear": {"x": v}, "angular": {"z": omega}}


def button(pressed: bool) -> Values:
    """An emergency stop pressed or let go; a robot re-armed."""
    return {"data": pressed}


def header(frame: str, stamp: int, offset: int) -> Values:
    """``stamp`` is of the monotonic clock, ns."""
    seconds, rest = divmod(stamp - offset, SECOND)
    return {"stamp": {"sec": seconds, "nanosec": rest}, "frame_id": frame}


def pose_of(pose: Float[np.ndarray, "3"]) -> Values:
    """(x, y, yaw) as geometry_msgs/Pose."""
    x, y, yaw = (float(value) for value in pose)
    turned = {"z": math.sin(yaw / 2), "w": math.cos(yaw / 2)}
    return {"position": {"x": x, "y": y}, "orientation": turned}


def goal(frame: str, pose: Float[np.ndarray, "3"], stamp: int, offset: int) -> Values:
    """Where to go."""
    return {"header": header(frame, stamp, offset), "pose": pose_of(pose)}


def path(frame: str, poses: Float[np.ndarray, "T 3"], stamp: int, offset: int) -> Values:
    """A plan's way."""
    head = header(frame, stamp, offset)
    return {"header": head, "poses": [{"header": head, "pose": pose_of(pose)} for pose in poses]}


def tracks(
    frame: str,
    xy: Float[np.ndarray, "M 2"],
    var: Float[np.ndarray, "M"],
    radius: Float[np.ndarray, "M"],
    kind: Int[np.ndarray, "M"],
    valid: Bool[np.ndarray, "M"],
    stamp: int,
    offset: int,
) -> Values:
    """Whom the robot believes to be where; the name of a body is its slot."""
    head = header(frame, stamp, offset)
    found = [
        _body(head, xy[k], var[k] * np.eye(2), float(radius[k]), int(kind[k]), str(k))
        for k in np.flatnonzero(valid)
    ]
    return {"header": head, "detections": found}


def candidates(
    frame: str,
    xy: Float[np.ndarray, "K T 2"],
    cost: Float[np.ndarray, "K"],
    stamp: int,
    offset: int,
) -> Values:
    """What was considered, as lines from green (cheapest) to red; what is not finite is not."""
    usable = np.isfinite(cost) & np.isfinite(xy).all(axis=(1, 2))
    xy, cost = xy[usable], cost[usable]
    chosen = np.linspace(0, xy.shape[1] - 1, POINTS_OF_A_LINE).round().astype(int)
    lines = np.repeat(xy[:, chosen], 2, axis=1)[:, 1:-1]  # both ends of every piece
    points = np.zeros((lines.shape[0] * lines.shape[1], 3))
    points[:, :2] = lines.reshape(-1, 2)
    rank = np.argsort(np.argsort(cost)) / max(len(cost) - 1, 1)
    colours = np.stack([rank, 1 - rank, 0 * rank, 0 * rank + 0.6], axis=-1)
    marker = {
        "header": header(frame, stamp, offset),
        "ns": "candidates",
        "type": LINE_LIST,
        "pose": pose_of(np.zeros(3)),
        "scale": {"x": 0.01},
        "color": {"a": 1.0},
        "points": points,
        "colors": np.repeat(colours, lines.shape[1], axis=0),
    }
    return {"markers": [marker]}


def occupancy_grid(frame: str, house: HouseMap, stamp: int, offset: int) -> Values:
    """A house map; the origin of a grid on the wire is the corner of its first cell."""
    rows, columns = house.occupancy.shape
    corner = np.asarray(house.origin) - house.resolution / 2
    return {
        "header": header(frame, stamp, offset),
        "info": {
            "resolution": house.resolution,
            "width": columns,
            "height": rows,
            "origin": pose_of(house.to_file([*corner, 0.0])),
        },
        "data": house.occupancy.reshape(-1),
    }


def measured(message: Message, offset: int) -> tuple[Topic, Values]:
    """A sensor's message, and on which topic it goes."""
    if isinstance(message, ScanMessage):
        return SCAN, _scan(message, offset)
    if isinstance(message, OdometryMessage):
        return ODOMETRY, _odometry(message, offset)
    if isinstance(message, DetectionsMessage):
        return DETECTIONS, _detections(message, offset)
    return TRANSFORMS, {"transforms": [_localisation(message, offset)]}


def _scan(message: ScanMessage, offset: int) -> Values:
    names = ("angle_min", "angle_max", "angle_increment", "range_min", "range_max", "ranges")
    fields = {name: getattr(message, name) for name in names}
    return {"header": header(message.frame, message.stamp, offset), **fields}


def _odometry(message: OdometryMessage, offset: int) -> Values:
    place = {"position": _xyz(message.position), "orientation": _xyzw(message.orientation)}
    moves = {"linear": _xyz(message.linear), "angular": _xyz(message.angular)}
    return {
        "header": header(message.frame, message.stamp, offset),
        "child_frame_id": message.child_frame,
        "pose": {"pose": place, "covariance": np.asarray(message.covariance).reshape(36)},
        "twist": {"twist": moves},
    }


def _detections(message: DetectionsMessage, offset: int) -> Values:
    head = header(message.frame, message.stamp, offset)
    count = len(message.positions)
    radii = message.radii if message.radii is not None else np.zeros(count)
    names = message.identities if message.identities is not None else np.full(count, -1)
    found = [
        _body(
            head,
            np.asarray(message.positions[k]),
            np.asarray(message.covariances[k]),
            float(radii[k]),
            int(message.kinds[k]),
            str(int(names[k])) if names[k] >= 0 else "",
        )
        for k in range(count)
    ]
    return {"header": head, "detections": found}


def _body(
    head: Mapping[str, Any], xy: np.ndarray, cov: np.ndarray, radius: float, kind: int, name: str
) -> Values:
    covariance = np.zeros((6, 6))
    covariance[:2, :2] = cov
    where = pose_of(np.array([*xy, 0.0]))
    size = {"x": 2 * radius, "y": 2 * radius, "z": TALL}
    believed = {
        "hypothesis": {"class_id": Kind(kind).name.lower(), "score": 1.0},
        "pose": {"pose": where, "covariance": covariance.reshape(36)},
    }
    return {
        "header": head,
        "results": [believed],
        "bbox": {"center": where, "size": size},
        "id": name,
    }


def _localisation(message: LocalisationMessage, offset: int) -> Values:
    return {
        "header": header(message.frame, message.stamp, offset),
        "child_frame_id": message.child_frame,
        "transform": {
            "translation": _xyz(message.translation),
            "rotation": _xyzw(message.rotation),
        },
    }


def _xyz(value: Sequence[float] | np.ndarray) -> Values:
    return {name: float(number) for name, number in zip("xyz", value, strict=True)}


def _xyzw(value: Sequence[float] | np.ndarray) -> Values:
    return {name: float(number) for name, number in zip("xyzw", value, strict=True)}
