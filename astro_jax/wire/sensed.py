"""What comes over the wire, as the messages of ``world/messages.py``.               [host]

A stamp on the wire is of the sender's wall clock, as in ROS; the robot counts by its monotonic one.
What links the two is read when a message arrives, anew for each: a wall clock that is set moves the
stamps of nothing that was, or will be, received.  Nothing else is judged here (``world/inbox.py``).
"""

import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from astro_jax.errors import MessageError
from astro_jax.types import Kind
from astro_jax.wire.topics import DETECTIONS, ODOMETRY, SCAN, TRANSFORMS, Topic
from astro_jax.world.inbox import SECOND
from astro_jax.world.messages import (
    DetectionsMessage,
    Frames,
    LocalisationMessage,
    Message,
    OdometryMessage,
    ScanMessage,
)

Values = Mapping[str, Any]


def clock_offset() -> int:
    """Monotonic minus wall clock, ns."""
    return time.monotonic_ns() - time.time_ns()


def sensed(topic: Topic, message: Values, frames: Frames, offset: int) -> list[Message]:
    """The sensors' messages in one from the wire; transforms between other frames are none.

    Args:
      topic: on which it came.
      message: as ``wire/cdr.py`` reads it.
      frames: names of the robot's frames.
      offset: ``clock_offset`` as it came.

    Raises:
      MessageError: its stamp is before the beginning of time.
    """
    if topic is TRANSFORMS:
        wanted = (frames.house, frames.map)
        return [
            _localisation(one, offset)
            for one in message["transforms"]
            if (one["header"]["frame_id"], one["child_frame_id"]) == wanted
        ]
    read = {SCAN: _scan, ODOMETRY: _odometry, DETECTIONS: _detections}
    return [read[topic](message, offset)]


def _scan(message: Values, offset: int) -> ScanMessage:
    # what is as long as a float32 reaches the count that the angles say only with its own rounding
    count = len(message["ranges"])
    low, high = float(message["angle_min"]), float(message["angle_max"])
    step = float(message["angle_increment"])
    fits = count > 1 and abs(low + step * (count - 1) - high) < 0.5 * abs(step)
    return ScanMessage(
        stamp=_stamp(message["header"], offset),
        frame=message["header"]["frame_id"],
        angle_min=low,
        angle_max=high,
        angle_increment=(high - low) / (count - 1) if fits else step,
        range_min=message["range_min"],
        range_max=message["range_max"],
        ranges=message["ranges"],
    )


def _odometry(message: Values, offset: int) -> OdometryMessage:
    pose, twist = message["pose"]["pose"], message["twist"]["twist"]
    return OdometryMessage(
        stamp=_stamp(message["header"], offset),
        frame=message["header"]["frame_id"],
        child_frame=message["child_frame_id"],
        position=_xyz(pose["position"]),
        orientation=_xyzw(pose["orientation"]),
        linear=_xyz(twist["linear"]),
        angular=_xyz(twist["angular"]),
        covariance=message["pose"]["covariance"],
    )


def _detections(message: Values, offset: int) -> DetectionsMessage:
    found = message["detections"]
    best = [max(one["results"], key=_score, default=None) for one in found]
    cov = np.array([_cov(result) for result in best]).reshape(-1, 2, 2)
    return DetectionsMessage(
        stamp=_stamp(message["header"], offset),
        frame=message["header"]["frame_id"],
        positions=np.array([_xyz(one["bbox"]["center"]["position"])[:2] for one in found]),
        covariances=cov,
        kinds=[_kind(result) for result in best],
        identities=[int(one["id"]) if one["id"].isdecimal() else -1 for one in found],
        radii=[max(one["bbox"]["size"]["x"], one["bbox"]["size"]["y"]) / 2 for one in found],
    )


def _localisation(message: Values, offset: int) -> LocalisationMessage:
    return LocalisationMessage(
        stamp=_stamp(message["header"], offset),
        frame=message["header"]["frame_id"],
        child_frame=message["child_frame_id"],
        translation=_xyz(message["transform"]["translation"]),
        rotation=_xyzw(message["transform"]["rotation"]),
    )


def _score(result: Values) -> float:
    return result["hypothesis"]["score"]


def _kind(result: Values | None) -> int:
    name = "" if result is None else result["hypothesis"]["class_id"].upper()
    return int(Kind.__members__.get(name, Kind.UNKNOWN))


def _cov(result: Values | None) -> np.ndarray:
    # nothing said: what is usual for a detector
    if result is None or not np.any(result["pose"]["covariance"]):
        return 0.01 * np.eye(2)
    return np.asarray(result["pose"]["covariance"]).reshape(6, 6)[:2, :2]


def _stamp(header: Values, offset: int) -> int:
    stamp = header["stamp"]["sec"] * SECOND + header["stamp"]["nanosec"] + offset
    if stamp < 0:
        raise MessageError("stamp", stamp, "a time after this machine's start", "wire")
    return stamp


def _xyz(value: Values) -> tuple[float, float, float]:
    return value["x"], value["y"], value["z"]


def _xyzw(value: Values) -> tuple[float, float, float, float]:
    return value["x"], value["y"], value["z"], value["w"]
