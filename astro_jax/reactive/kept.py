"""What has just passed out of the scan's view, as exactly as the scan saw it.

A robot that backs or turns moves its rear towards things that no beam reaches any more.  The
local map knows of them, but no better than its cells are large: of 132 contacts with still things
in 100 000 ambushes 130 were with things behind the sensor's view, nearly all below .25 m/s
(experiments/out_of_sight).  So returns at the edges of the view are kept, in the map
frame, until they are seen through, too far away or too old.

The nearest one per sector of bearing around the base is kept: what is behind another is not met
first, and the capacity never runs out.
"""

import dataclasses

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from astro_jax.config import RobotConfig
from astro_jax.geometry import from_frame, to_frame
from astro_jax.reactive.gaps import nearest_rows, rectangle_gap
from astro_jax.reactive.senses import SECTORS, Kept
from astro_jax.reactive.watch import goes_on
from astro_jax.types import Scalar
from astro_jax.world.grid import beam_bearings
from astro_jax.world.sight import Glance, free_towards

EDGE = np.radians(20.0)
"""Returns this close to an edge of the view are kept: what leaves it passes there, also while
every other scan is missing."""
LASTS = 10.0
"""Dead reckoning places nothing well enough for longer, s."""
REACH = 0.6
"""What is farther than this from the footprint is met by no stop, m."""
THROUGH = 0.05
"""A place is empty if the scan was free beyond it by this, m."""
TOGETHER = 0.1
"""One beam alone may be a ghost; two neighbouring returns this close are a thing, m."""


def stayed(kept: Kept, last_map: Float[Array, "3"], pose_map: Float[Array, "3"]) -> Kept:
    """The same around a robot whose pose has jumped: its frame has, not the robot."""
    jumped = jnp.all(jnp.isfinite(last_map) & jnp.isfinite(pose_map))
    jumped = jumped & ~goes_on(last_map, pose_map)
    beside = from_frame(pose_map, to_frame(last_map, kept.xy_map))
    return dataclasses.replace(kept, xy_map=jnp.where(jumped, beside, kept.xy_map))


def keep(
    robot: RobotConfig,
    kept: Kept,
    now: Glance,
    pose_map: Float[Array, "3"],
    points_map: Float[Array, "R 2"],
    things: Bool[Array, "R"],
    scan_age: Scalar,
    tick: float,
) -> Kept:
    """What is kept for the next tick; ``things`` are the scan's returns that are nobody's."""
    rim = np.flatnonzero(
        robot.sensor.field_of_view / 2 - np.abs(beam_bearings(robot.sensor)) < EDGE
    )
    if robot.sensor.field_of_view > 2 * np.pi - 1e-3:
        rim = rim[:0]  # it looks everywhere
    step = points_map[1:] - points_map[:-1]
    close = jnp.sum(step**2, axis=-1) < TOGETHER**2
    pair = things[1:] & things[:-1] & close
    things = jnp.pad(pair, (0, 1)) | jnp.pad(pair, (1, 0))

    xy = jnp.concatenate([kept.xy_map, points_map[rim]])
    fresh = jnp.full(len(rim), scan_age, jnp.float32)
    age = jnp.concatenate([kept.age, fresh]) + tick
    distance, free = free_towards(robot, now, kept.xy_map)
    unrefuted = kept.there & ~(free > distance + THROUGH)
    there = jnp.concatenate([unrefuted, things[rim]])

    seen = to_frame(pose_map, xy)
    gap = rectangle_gap(robot, seen)
    # what is not a number is nowhere
    there = there & (gap < REACH) & (age < LASTS)
    turn = jnp.arctan2(seen[:, 1], seen[:, 0]) / (2.0 * jnp.pi)
    sector = jnp.floor(jnp.mod(turn, 1.0) * SECTORS)
    own = (sector[:, None] == jnp.arange(SECTORS, dtype=jnp.float32)[None]) & there[:, None]
    rank = jnp.where(own, gap[:, None], jnp.inf)
    best = nearest_rows(rank)
    some = jnp.any(own, axis=0)
    return Kept(
        xy_map=jnp.where(some[:, None], xy[best], 0.0),
        age=jnp.where(some, age[best], 0.0),
        there=some,
    )
