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


def outline_gaps(
    poses: Float[np.ndarray, "N 3"],
    xy: Float[np.ndarray, "N M 2"],
    radius: Float[np.ndarray, "M"],
    outline: Float[np.ndarray, "v 2"],
) -> Float[np.ndarray, "N M"]:
    """The same for any closed convex outline, counter-clockwise, in the frame of the base."""
    c, s = np.cos(poses[:, 2])[:, None], np.sin(poses[:, 2])[:, None]
    x, y = np.moveaxis(xy - poses[:, None, :2], -1, 0)
    at = np.stack([c * x + s * y, c * y - s * x], axis=-1)
    edges = np.diff(outline, axis=0)
    inwards, outside = np.full(xy.shape[:2], -np.inf), np.full(xy.shape[:2], np.inf)
    for corner, edge in zip(outline[:-1], edges, strict=True):
        away, length = at - corner, float(np.hypot(*edge))
        beyond = (away @ [edge[1], -edge[0]]) / length
        along = np.clip((away @ edge) / length**2, 0.0, 1.0)
        inwards = np.maximum(inwards, beyond)
        outside = np.minimum(outside, np.linalg.norm(away - along[..., None] * edge, axis=-1))
    return np.where(inwards <= 0.0, inwards, outside) - radius[None]
