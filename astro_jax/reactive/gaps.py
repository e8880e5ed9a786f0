"""Gaps between the robot's footprint on its way and the things that stand there."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from astro_jax.config import PlannerConfig, RobotConfig
from astro_jax.geometry import from_frame, sample, to_frame
from astro_jax.reactive.path import Path
from astro_jax.reactive.stopping import stopping_speed
from astro_jax.robot.footprint import covering_discs
from astro_jax.types import Clearance, Scalar

STATIC_MARGIN = 0.012
"""Gap (m) to scan points that is kept, ``NEARER`` of it granted: range and pose noise."""
CRAWL_MARGIN, CRAWL_SPEED = 0.06, 0.12
"""A path that leads nearer than this (m) is driven no faster than this (m/s)."""
NEARER, LEAST = 0.004, 0.008
"""What is within the margin already blocks only what brings it nearer by more than this (m), and
anything that does once this much of the margin is used up (m)."""
ROUNDING = 1e-4
"""Of a gap, m."""


def allowed_by_things(
    robot: RobotConfig, reaction: Scalar, path: Path, gap: Float[Array, "C P"]
) -> Float[Array, ""]:
    """Fastest path speed (m/s) at which the robot still stops before a gap closes."""
    free = free_distance(gap, path.lengths)
    # before a tight place the robot slows to a crawl instead of stopping short of it
    tight = free_distance(gap - (CRAWL_MARGIN - STATIC_MARGIN), path.lengths)
    return jnp.minimum(
        stopping_speed(robot, reaction, free),
        jnp.maximum(stopping_speed(robot, reaction, tight), CRAWL_SPEED),
    )


def gaps_to_things(
    robot: RobotConfig,
    config: PlannerConfig,
    path: Path,
    points_map: Float[Array, "R 2"],
    returned: Bool[Array, "R"],
    clearance: Clearance,
) -> Float[Array, "C P"]:
    """Gaps (m, the margin taken off) between the footprint and scan points and local map."""
    points = jax.vmap(to_frame, (0, None))(path.poses, points_map)
    wall_gap = jnp.where(returned[None], rectangle_gap(robot, points), 1e3) - STATIC_MARGIN
    # as finely as the plan: where discs of the search stick out further, its plans were not obeyed
    disc_centres, disc_radii = covering_discs(robot, config.exact_discs)
    centres = jax.vmap(from_frame, (0, None))(path.poses, jnp.asarray(disc_centres))
    # half a cell is the map's own rounding; the discs reach over the hull on top of it
    map_gap = sample(clearance, centres) - disc_radii[None] + 0.5 * clearance.resolution
    return jnp.concatenate([wall_gap, map_gap], axis=1)


def free_distance(gap: Float[Array, "C P"], lengths: Float[Array, "C"]) -> Float[Array, ""]:
    """Metres of path before some gap closes, inf if none does.

    What is too near already blocks only motion that brings it nearer still.
    """
    # otherwise the robot, allowed so much anew in every tick, creeps on until it touches
    slack = jnp.where(gap[:1] > -LEAST, NEARER, ROUNDING)
    nearer = gap < jnp.minimum(gap[:1], 0.0) - slack
    # NaN compares false: write it as "not clear"
    blocked = jnp.any(~(gap >= 0.0) & (nearer | ~jnp.isfinite(gap)), axis=1)
    first = jnp.argmax(blocked)
    # the last pose known to be clear lies one check before
    reach = lengths[jnp.maximum(first - 1, 0)]
    return jnp.where(jnp.any(blocked), reach, jnp.inf)


def rectangle_gap(robot: RobotConfig, xy_base: Float[Array, "*n 2"]) -> Float[Array, "*n"]:
    """Signed distance of points to the robot's rectangle (m), negative inside."""
    dx = jnp.abs(xy_base[..., 0]) - robot.length / 2
    dy = jnp.abs(xy_base[..., 1]) - robot.width / 2
    outside = jnp.hypot(jnp.maximum(dx, 0.0), jnp.maximum(dy, 0.0))
    return outside + jnp.minimum(jnp.maximum(dx, dy), 0.0)


def nearest_rows(distance: Float[Array, "N S"]) -> Int[Array, "S"]:
    """The row of the least distance in each column, the first of several; NaN gives the last.

    Along columns that takes a tenth of the time of an argmin.
    """
    rows = distance.shape[0]
    order = jnp.arange(rows, dtype=jnp.int32)[:, None]
    least = jnp.min(distance, axis=0)[None]
    return jnp.min(jnp.where(distance == least, order, rows - 1), axis=0)
