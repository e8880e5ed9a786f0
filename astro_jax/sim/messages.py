"""What the simulated robot's sensors say, as the messages that a real one would send.  [host]"""

import numpy as np

from astro_jax.config import RobotConfig
from astro_jax.types import Snapshot
from astro_jax.world.inbox import SECOND
from astro_jax.world.messages import (
    DetectionsMessage,
    Frames,
    LocalisationMessage,
    Message,
    OdometryMessage,
    ScanMessage,
)


def as_messages(
    robot: RobotConfig, frames: Frames, scanner: str, snapshot: Snapshot, now: int
) -> list[Message]:
    """The messages behind a snapshot, stamped by a clock that shows ``now`` (ns).

    ``scanner`` is the frame of the range sensor; its lost beams are NaN.  Detections come in the
    robot's own frame.  What a localisation says has no age in a snapshot: it is of now.
    """
    scan, odometry, detections = snapshot.scan, snapshot.odometry, snapshot.detections
    half, beams = robot.sensor.field_of_view / 2, robot.sensor.beams
    seen = np.asarray(detections.seen)
    cov = np.zeros((6, 6))
    if odometry.cov is not None:
        cov[np.ix_((0, 1, 5), (0, 1, 5))] = odometry.cov
    v, omega = np.asarray(odometry.twist, float)
    return [
        OdometryMessage(
            stamp=_stamp(now, odometry.age),
            frame=frames.map,
            child_frame=frames.base,
            position=_position(odometry.pose_map),
            orientation=_orientation(odometry.pose_map),
            linear=(v, 0.0, 0.0),
            angular=(0.0, 0.0, omega),
            covariance=cov,
        ),
        ScanMessage(
            stamp=_stamp(now, scan.age),
            frame=scanner,
            angle_min=-half,
            angle_max=half,
            angle_increment=2 * half / (beams - 1),
            range_min=0.0,
            range_max=robot.sensor.range_max,
            ranges=np.where(scan.valid, scan.ranges, np.nan),
        ),
        DetectionsMessage(
            stamp=_stamp(now, detections.age),
            frame=frames.map,
            positions=np.asarray(detections.xy_map)[seen],
            covariances=np.asarray(detections.xy_cov)[seen],
            kinds=np.asarray(detections.kind)[seen],
            identities=np.asarray(detections.identity)[seen],
            radii=np.asarray(detections.radius)[seen],
        ),
        LocalisationMessage(
            stamp=now,
            frame=frames.house,
            child_frame=frames.map,
            translation=_position(snapshot.house_from_map),
            rotation=_orientation(snapshot.house_from_map),
        ),
    ]


def _stamp(now: int, age) -> int:
    return now - round(float(age) * SECOND)


def _position(pose) -> tuple[float, float, float]:
    return float(pose[0]), float(pose[1]), 0.0


def _orientation(pose) -> tuple[float, float, float, float]:
    half = float(pose[2]) / 2
    return 0.0, 0.0, float(np.sin(half)), float(np.cos(half))
