"""Gaps between a robot and people over an episode, from its trace alone.              [host]"""

import numpy as np
from jaxtyping import Float

from astro_jax.config import RobotConfig
from astro_jax.suites.case import Trace


def rectangle_gaps(
    poses: Float[np.ndarray, "N 3"],
    xy: Float[np.ndarray, "N M 2"],
    radius: Float[np.ndarray, "M"],
    robot: RobotConfig,
) -> Float[np.ndarray, "N M"]:
    """Between the robot's rectangle and discs, m; where they overlap, minus the least shift."""
    c, s = np.cos(poses[:, 2])[:, None], np.sin(poses[:, 2])[:, None]
    x, y = np.moveaxis(xy - poses[:, None, :2], -1, 0)
    ahead = np.abs(c * x + s * y) - robot.length / 2
    aside = np.abs(c * y - s * x) - robot.width / 2
    outside = np.hypot(np.maximum(ahead, 0.0), np.maximum(aside, 0.0))
    return outside + np.minimum(np.maximum(ahead, aside), 0.0) - radius[None]


def nearest_gap(
    trace: Trace, radius: Float[np.ndarray, "M"], robot: RobotConfig
) -> Float[np.ndarray, "N"]:
    """To whoever is nearest, at every tick until the arrival, m."""
    ticks = trace.ticks
    kept = np.asarray(ticks.time) <= trace.arrived_at
    poses, xy = np.asarray(ticks.pose_map)[kept], np.asarray(ticks.people_xy)[kept]
    return rectangle_gaps(poses, xy, radius, robot).min(axis=1)
