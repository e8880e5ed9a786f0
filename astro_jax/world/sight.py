"""What a scan saw free, and so what it looked at."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from astro_jax.config import RobotConfig
from astro_jax.geometry import to_frame
from astro_jax.types import Scan, Tracks, pytree

HIDDEN = 0.3
"""A body is looked at unless the beams towards it end this far before its outline, m."""
CLOSE = 0.6
"""Nearer than this to the sensor (m) a detector may see too little of somebody to know them."""


@pytree
class Glance:
    """A scan as it is remembered: how far every beam was free, and from where."""

    free: Float[Array, "*batch R"]
    eye_map: Float[Array, "*batch 3"]


def glance(robot: RobotConfig, scan: Scan) -> Glance:
    """How far the beams were free (m): not at all along one that says nothing."""
    reach = jnp.where(jnp.isinf(scan.ranges), robot.sensor.range_max, scan.ranges)
    free = reach if scan.free is None else jnp.minimum(scan.free, reach)
    says = scan.valid & jnp.isfinite(free)
    return Glance(free=jnp.where(says, free, 0.0), eye_map=scan.pose_map)


def free_towards(
    robot: RobotConfig, looked: Glance, points_map: Float[Array, "N 2"]
) -> tuple[Float[Array, "N"], Float[Array, "N"]]:
    """(Distance from the eye, how far the beams towards the point were free), m.

    The least of three neighbouring beams: an edge between two of them may be either's.
    Out of the field of view nothing is free.
    """
    sensor = robot.sensor
    x, y = jnp.moveaxis(to_frame(looked.eye_map, points_map), -1, 0)
    distance, bearing = jnp.hypot(x, y), jnp.arctan2(y, x)
    step = sensor.field_of_view / (sensor.beams - 1)
    position = (bearing + sensor.field_of_view / 2) / step
    inside = (position > -0.5) & (position < sensor.beams - 0.5)
    index = jnp.clip(jnp.round(position).astype(jnp.int32), 0, sensor.beams - 1)
    padded = jnp.pad(looked.free, 1, mode="edge")
    least = jnp.minimum(jnp.minimum(padded[:-2], padded[1:-1]), padded[2:])
    return distance, jnp.where(inside, least[index], 0.0)


def looked_at(robot: RobotConfig, scan: Scan, tracks: Tracks) -> Bool[Array, "M"]:
    """Which tracked bodies the sensor would have seen where they are believed to be.

    Close by that takes more than that nothing is in between: the place must be seen through.
    """
    distance, free = free_towards(robot, glance(robot, scan), tracks.xy_map)
    before = jnp.where(distance < CLOSE, 0.0, tracks.radius + HIDDEN)
    return free > distance - before
