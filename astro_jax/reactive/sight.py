"""What the gate's scan shows: what is near, what is new, and how far the way is in sight.

New is what stands where an older scan saw through: it moved there, however briefly it has
been known, and may go on moving.  What comes into view as the robot moves is not new in that
sense; neither scan has seen the place free.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from astro_jax.config import RobotConfig
from astro_jax.geometry import to_frame
from astro_jax.reactive.gaps import rectangle_gap
from astro_jax.reactive.path import Path
from astro_jax.reactive.senses import Glance, Memory, Senses
from astro_jax.types import Scan, Tracks
from astro_jax.world.grid import beam_bearings, scan_points

WINDOW = 1.0
"""Half the side of the square around the robot in which returns count, m."""
AHEAD = 0.5
"""Half of the sector ahead in which the robot must not be blind, rad."""
GLANCE = 0.2
"""Time between the scans that are remembered, s."""
NEW = 0.12
"""What stands nearer than an older scan was free by more than this is new, m."""
EXPLAINED = 0.25
"""Returns this close to a track's outline are that track, m."""
UNSEEN_ALLOWED = 0.10
"""So far beside its present place the robot may reach without looking, m."""
BLIND_SPEED = 0.15
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


def glance(robot: RobotConfig, scan: Scan) -> Glance:
    """The scan as it will be remembered: nothing is free along a beam that says nothing."""
    reach = jnp.where(jnp.isinf(scan.ranges), robot.sensor.range_max, scan.ranges)
    free = reach if scan.free is None else jnp.minimum(scan.free, reach)
    says = scan.valid & jnp.isfinite(free)
    return Glance(free=jnp.where(says, free, 0.0), eye_map=scan.pose_map)


def new_points(
    robot: RobotConfig,
    memory: Memory,
    points_map: Float[Array, "R 2"],
    returned: Bool[Array, "R"],
    tracks: Tracks,
    scan_age,
) -> Bool[Array, "R"]:
    """Returns from where an older scan saw nothing, and that no track explains."""
    distance, free = _free_towards(robot, memory.old, points_map)
    appeared = free > distance + NEW
    shift = (tracks.age - scan_age) * tracks.velocity_map
    x, y = jnp.moveaxis(tracks.xy_map + shift, -1, 0)[..., None]
    # a row per track: sums over an axis of two, and along rows, take five times as long
    gap = jnp.sqrt((points_map[None, :, 0] - x) ** 2 + (points_map[None, :, 1] - y) ** 2)
    mine = tracks.valid[:, None] & (gap < tracks.radius[:, None] + EXPLAINED)
    return returned & appeared & ~jnp.any(mine, axis=0)


def seen_way(robot: RobotConfig, now: Glance, path: Path) -> Float[Array, ""]:
    """Metres of path (m) up to the first pose of which some corner is not in sight.

    What lies within ``UNSEEN_ALLOWED`` of the robot's present place needs no look.
    """
    dx, dy = robot.length / 2, robot.width / 2
    corners = np.array([(dx, dy), (dx, -dy), (-dx, dy), (-dx, -dy)], np.float32)
    c, s = jnp.cos(path.poses[:, 2:]), jnp.sin(path.poses[:, 2:])
    ahead, aside = corners[None, :, 0], corners[None, :, 1]
    x = path.poses[:, :1] + c * ahead - s * aside
    y = path.poses[:, 1:2] + s * ahead + c * aside
    places = jnp.stack([x, y], axis=-1)
    flat = places.reshape(-1, 2)
    distance, free = _free_towards(robot, now, flat)
    here = rectangle_gap(robot, to_frame(path.poses[0], flat)) < UNSEEN_ALLOWED
    seen = ((free > distance - NEW) | here).reshape(places.shape[:-1])
    unseen = ~jnp.all(seen, axis=1)
    first = path.lengths[jnp.argmax(unseen)]
    return jnp.where(jnp.any(unseen), first, jnp.inf)


def _free_towards(
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


def remember(
    robot: RobotConfig, memory: Memory, senses: Senses, now: Glance, tick: float
) -> Memory:
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
        old=_either(due, memory.middle, memory.old),
        middle=_either(due, now, memory.middle),
        since=jnp.where(due, tick, memory.since + tick),
    )


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
