"""What the gate's scan shows: what is near, what is new, and how far the way is in sight.

New is what stands where an older scan saw through: it moved there, however briefly it has
been known, and may go on moving.  What comes into view as the robot moves is not new in that
sense; neither scan has seen the place free.
"""

import dataclasses

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from astro_jax.config import RobotConfig
from astro_jax.geometry import to_frame
from astro_jax.reactive.gaps import rectangle_gap
from astro_jax.reactive.path import Path
from astro_jax.reactive.senses import Memory, Senses
from astro_jax.types import Odometry, Scalar, Scan, Tracks
from astro_jax.world.grid import beam_bearings, scan_points
from astro_jax.world.sight import Glance, free_towards

WINDOW = 1.0
"""Half the side of the square around the robot in which returns count, m."""
AHEAD = 0.5
"""Half of the sector ahead in which the robot must not be blind, rad."""
GLANCE = 0.2
"""Time between the scans that are remembered, s."""
NEW = 0.12
"""What stands nearer than an older scan was free by more than this is new, m."""
EXPLAINED = 0.15
"""Returns this close to a track's outline are that track, m."""
TOGETHER = 0.1
"""Neighbouring returns no farther apart than this are of one thing, m."""
STIRS = (0.03, 0.1)
"""Slower than this (m/s, rad/s) the odometry may just be noisy."""
UNSEEN_ALLOWED = 0.10
"""So far beside its present place the robot may reach without looking, m."""
BLIND_SPEED = 0.12
"""Path speed where the sensor does not look, m/s."""


def nearby(
    robot: RobotConfig, senses: Senses
) -> tuple[Float[Array, "R 2"], Bool[Array, "R"], Float[Array, "R 2"]]:
    """(End points of the beams, which hit something in the window, the points seen from base)."""
    points, returned = scan_points(robot, senses.scan)
    seen_from_base = to_frame(senses.odometry.pose_map, points)
    # NaN might be anywhere: in
    inside = ~jnp.any(jnp.abs(seen_from_base) > WINDOW, axis=-1)
    return points, returned & inside, seen_from_base


def sighted(robot: RobotConfig, scan: Scan) -> Float[Array, ""]:
    """Share of beams that say something: of all, or of those ahead if these are fewer."""
    says = (scan.valid & ~jnp.isnan(scan.ranges)).astype(jnp.float32)
    ahead = np.flatnonzero(np.abs(beam_bearings(robot.sensor)) <= AHEAD)
    return jnp.minimum(jnp.mean(says), jnp.mean(says[ahead]))


def claims(
    tracks: Tracks, points_map: Float[Array, "R 2"], returned: Bool[Array, "R"], scan_age: Scalar
) -> tuple[Float[Array, "M 2"], Bool[Array, "M R"]]:
    """(Where the tracks were when the scan looked, which of its returns are whose)."""
    there = tracks.xy_map + (tracks.age - scan_age) * tracks.velocity_map
    x, y = jnp.moveaxis(there, -1, 0)[..., None]
    # a row per track: sums over an axis of two, and along rows, take five times as long
    gap = jnp.sqrt((points_map[None, :, 0] - x) ** 2 + (points_map[None, :, 1] - y) ** 2)
    near = gap < tracks.radius[:, None] + EXPLAINED
    return there, returned[None] & tracks.valid[:, None] & near


def new_points(
    robot: RobotConfig, memory: Memory, points_map: Float[Array, "R 2"], returned: Bool[Array, "R"]
) -> Bool[Array, "R"]:
    """Returns from where an older scan saw nothing.

    Two neighbours must say so: one beam alone is a ghost, or an edge that it just missed before.
    """
    distance, free = free_towards(robot, memory.old, points_map)
    new = returned & (free > distance + NEW)
    step = points_map[1:] - points_map[:-1]
    apart = jnp.sqrt(step[:, 0] ** 2 + step[:, 1] ** 2)
    # what is not a number is not apart
    pair = new[1:] & new[:-1] & ~(apart > TOGETHER)
    return jnp.pad(pair, (0, 1)) | jnp.pad(pair, (1, 0))


def seen_way(robot: RobotConfig, now: Glance, path: Path) -> Float[Array, ""]:
    """Metres of path (m) up to the first pose of which some corner is not in sight.

    What lies within ``UNSEEN_ALLOWED`` of the robot's present place needs no look.  A single
    beam that says nothing, between two that do, hides no more than they do.
    """
    dx, dy = robot.length / 2, robot.width / 2
    outline = np.array([(dx, dy), (dx, -dy), (-dx, dy), (-dx, -dy)], np.float32)
    c, s = jnp.cos(path.poses[:, 2:]), jnp.sin(path.poses[:, 2:])
    ahead, aside = outline[None, :, 0], outline[None, :, 1]
    x = path.poses[:, :1] + c * ahead - s * aside
    y = path.poses[:, 1:2] + s * ahead + c * aside
    places = jnp.stack([x, y], axis=-1)
    flat = places.reshape(-1, 2)
    aside = jnp.minimum(jnp.pad(now.free[1:], (0, 1)), jnp.pad(now.free[:-1], (1, 0)))
    whole = Glance(free=jnp.where(now.free > 0.0, now.free, aside), eye_map=now.eye_map)
    distance, free = free_towards(robot, whole, flat)
    beyond = rectangle_gap(robot, to_frame(path.poses[0], flat)).reshape(places.shape[:-1])
    in_sight = (free > distance - NEW).reshape(places.shape[:-1])
    seen = in_sight | (beyond < UNSEEN_ALLOWED)
    unseen = ~jnp.all(seen, axis=1)
    first = path.lengths[jnp.argmax(unseen)]
    return jnp.where(jnp.any(unseen), first, jnp.inf)


def backing(robot: RobotConfig) -> RobotConfig:
    """The robot with the limits that plans keep: out of its sensor's sight it backs at a crawl.

    The gate grants ``UNSEEN_ALLOWED`` anew at every tick, and so would let it back faster.
    """
    looks_back = robot.sensor.field_of_view > 2 * np.pi - 1e-3
    most = robot.reverse_speed if looks_back else min(robot.reverse_speed, BLIND_SPEED)
    return dataclasses.replace(robot, reverse_speed=most)


def remember(memory: Memory, senses: Senses, now: Glance, tick: float) -> Memory:
    """The memory for the next tick."""
    scan = senses.scan
    same = same_content(memory, scan)
    due = memory.since >= GLANCE - 0.5 * tick
    return Memory(
        ranges=scan.ranges,
        # frozen content stays with the place it was first seen from, until there is other
        eye_map=jnp.where(
            same | ~jnp.all(jnp.isfinite(scan.pose_map)), memory.eye_map, scan.pose_map
        ),
        scan_age=jnp.float32(scan.age),
        pose_map=jnp.where(
            jnp.all(jnp.isfinite(senses.odometry.pose_map)),
            senses.odometry.pose_map,
            memory.pose_map,
        ),
        odometry_age=jnp.float32(senses.odometry.age),
        rolled=rolled_on_the_spot(memory, senses.odometry, senses.elapsed),
        old=_either(due, memory.middle, memory.old),
        middle=_either(due, now, memory.middle),
        since=jnp.where(due, tick, memory.since + tick),
    )


def rolled_on_the_spot(memory: Memory, odometry: Odometry, elapsed: Scalar) -> Float[Array, ""]:
    """How far the wheels say to have rolled by now with the very same pose, m and rad.

    A base that says its last message again and again, each time as if it were new, is not found
    out by a scan that does the same.  The same message once more is older than it was: it proves
    nothing, and is too old soon.  Nor does a gyroscope's noise at rest; and a base that says that
    it rests is believed: a single wrong twist must not hold a robot that stands for ever.
    """
    same = jnp.all(odometry.pose_map == memory.pose_map)
    again = jnp.asarray(odometry.age) >= memory.odometry_age + 1e-3
    rates = jnp.abs(odometry.twist)
    # what is not a number stirs nothing: it is a fault of its own
    step = jnp.sum(jnp.where(rates > jnp.array(STIRS), rates, 0.0)) * jnp.asarray(elapsed)
    rolled = jnp.where(step > 0.0, memory.rolled + jnp.where(again, 0.0, step), 0.0)
    return jnp.where(same & jnp.isfinite(rolled), rolled, 0.0)


def same_content(memory: Memory, scan: Scan) -> Bool[Array, ""]:
    """Whether the scan repeats the last one to the last bit, with something in it."""
    returned = scan.valid & jnp.isfinite(scan.ranges)
    alike = scan.ranges == memory.ranges
    return jnp.all(alike | ~returned) & jnp.any(returned)


def _either(first: Bool[Array, ""], one: Glance, other: Glance) -> Glance:
    return Glance(
        free=jnp.where(first, one.free, other.free),
        eye_map=jnp.where(first, one.eye_map, other.eye_map),
    )
