"""Gaps, closing speeds and times to collision between one robot's rectangle and what is there.

In: the true pose and twist of the robot, people as discs, the true occupancy grid.  Out: metres,
metres per second and seconds.  Written anew here on purpose: a referee (``sim/contact.py``)
that shared code with the planner would share its mistakes.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from astro_jax.products import apart, once
from astro_jax.types import Scalar

# ---- the robot against walls ---------------------------------------------------------


def window_for(length: float, width: float, resolution: float, reach: float = 0.3) -> int:
    """Smallest window (cells per side) in which wall gaps are exact up to ``reach`` m. [host]

    ``reach=0`` is enough for ``touches_wall``.
    """
    half_diagonal = 0.5 * math.hypot(length, width)
    return math.ceil(2.0 * (reach + half_diagonal) / resolution + 1.0)


def touches_wall(
    pose: Float[Array, "3"],
    length: Scalar,
    width: Scalar,
    blocked: Bool[Array, "H W"],
    origin: Float[Array, "2"],
    resolution: Scalar,
    window_cells: int = 24,
) -> Bool[Array, ""]:
    """Whether the robot's rectangle meets an occupied cell or leaves the map.

    Separating axes of a rectangle and a square: exact for a footprint within the window.

    Args:
      pose: of the rectangle's centre, in the map.
      length: of the rectangle along the heading, m.
      width: across, m.
      blocked: the true grid, row 0 at the smallest y; beyond its edge all is blocked.
      origin: map coordinates of the centre of cell [0, 0], m.
      resolution: edge of a cell, m.
      window_cells: cells per side looked at around the robot, see ``window_for`` (static).
    """
    x, y, occupied = _cells_nearby(pose, blocked, origin, resolution, window_cells)
    overlap = _overlapping(pose[2], length, width, x, y, resolution)
    inside = _border_gap(pose, length, width, blocked.shape, origin, resolution) > 0.0
    return jnp.any(occupied & overlap) | ~inside


def wall_gap(
    pose: Float[Array, "3"],
    length: Scalar,
    width: Scalar,
    blocked: Bool[Array, "H W"],
    origin: Float[Array, "2"],
    resolution: Scalar,
    window_cells: int = 24,
) -> Float[Array, ""]:
    """Distance from the robot's rectangle to the nearest occupied cell or map edge, m.

    Exact between polygons, 0 when they meet.  It saturates where the window ends, at
    (window_cells − 1)/2 · resolution − half the rectangle's diagonal: .33 m for 24 cells of
    5 cm and a robot of .42 m x .25 m.  A window too small for the robot reads 0, so that the
    mistake shows as contact.  The arguments are those of ``touches_wall``.
    """
    x, y, occupied = _cells_nearby(pose, blocked, origin, resolution, window_cells)
    half = 0.5 * resolution
    # Two disjoint convex polygons are nearest at a vertex of one of them: first the corners of
    # the cells (neighbours share them) against the rectangle, seen from the robot ...
    corner_x = jnp.append(x - half, x[-1] + half)
    corner_y = jnp.append(y - half, y[-1] + half)
    filled = jnp.pad(occupied, 1)
    is_corner = filled[1:, 1:] | filled[1:, :-1] | filled[:-1, 1:] | filled[:-1, :-1]
    c, s = jnp.cos(pose[2]), jnp.sin(pose[2])
    ahead = jnp.abs((c * corner_x)[None, :] + (s * corner_y)[:, None]) - 0.5 * length
    aside = jnp.abs((c * corner_y)[:, None] - (s * corner_x)[None, :]) - 0.5 * width
    to_robot = jnp.square(jnp.maximum(ahead, 0.0)) + jnp.square(jnp.maximum(aside, 0.0))
    squared = jnp.min(jnp.where(is_corner, to_robot, jnp.inf))
    # ... then the robot's corners against the cells.
    robot_x, robot_y = _corners(pose[2], length, width)
    out_x = jnp.maximum(jnp.abs(x[None, :] - robot_x[:, None]) - half, 0.0)
    out_y = jnp.maximum(jnp.abs(y[None, :] - robot_y[:, None]) - half, 0.0)
    to_cell = jnp.min(jnp.square(out_x)[:, None, :] + jnp.square(out_y)[:, :, None], axis=0)
    squared = jnp.minimum(squared, jnp.min(jnp.where(occupied, to_cell, jnp.inf)))
    # Crossing rectangles may overlap with every vertex outside the other one.
    overlap = _overlapping(pose[2], length, width, x, y, resolution)
    gap = jnp.where(jnp.any(occupied & overlap), 0.0, jnp.sqrt(squared))

    border = _border_gap(pose, length, width, blocked.shape, origin, resolution)
    reach = 0.5 * (window_cells - 1) * resolution - 0.5 * jnp.hypot(length, width)
    return jnp.maximum(jnp.minimum(jnp.minimum(gap, border), reach), 0.0)


def _cells_nearby(pose, blocked, origin, resolution, window_cells):
    """Cell centres relative to the robot's (columns' x, rows' y) and which are occupied."""
    shape = tuple(min(window_cells, cells) for cells in blocked.shape)
    index = (pose[:2] - origin) / resolution  # of the robot's centre, fractional (x, y)
    size = np.array(shape[::-1], np.float32)
    centred = jnp.round(index - 0.5 * (size - 1.0))
    # worked out once: anew for each use, a half would be rounded up here and down there
    centred = apart(once(centred[:, None]))[:, 0].astype(jnp.int32)
    column, row = jnp.clip(centred, 0, np.array(blocked.shape[::-1]) - shape[::-1])
    occupied = jax.lax.dynamic_slice(blocked, (row, column), shape)
    x = ((column + jnp.arange(shape[1])) - index[0]) * resolution
    y = ((row + jnp.arange(shape[0])) - index[1]) * resolution
    return x, y, occupied


def _overlapping(yaw, length, width, x, y, resolution):
    """Which cells the rectangle overlaps: no separation along any of the four edge normals."""
    c, s = jnp.cos(yaw), jnp.sin(yaw)
    half = 0.5 * resolution
    extent_x = 0.5 * (jnp.abs(c) * length + jnp.abs(s) * width)
    extent_y = 0.5 * (jnp.abs(s) * length + jnp.abs(c) * width)
    turned = half * (jnp.abs(c) + jnp.abs(s))
    ahead = jnp.abs((c * x)[None, :] + (s * y)[:, None])
    aside = jnp.abs((c * y)[:, None] - (s * x)[None, :])
    return (
        (jnp.abs(x) <= extent_x + half)[None, :]
        & (jnp.abs(y) <= extent_y + half)[:, None]
        & (ahead <= 0.5 * length + turned)
        & (aside <= 0.5 * width + turned)
    )


def _corners(yaw, length, width):
    """Corners of the rectangle relative to its centre, map axes."""
    c, s = jnp.cos(yaw), jnp.sin(yaw)
    ahead = 0.5 * length * jnp.array([1.0, 1.0, -1.0, -1.0])
    aside = 0.5 * width * jnp.array([1.0, -1.0, 1.0, -1.0])
    return c * ahead - s * aside, s * ahead + c * aside


def _border_gap(pose, length, width, shape, origin, resolution):
    """Distance of the rectangle to the outside of the map; negative when it sticks out."""
    c, s = jnp.abs(jnp.cos(pose[2])), jnp.abs(jnp.sin(pose[2]))
    extent = 0.5 * jnp.stack([c * length + s * width, s * length + c * width])
    low = origin - 0.5 * resolution
    high = low + resolution * jnp.array([shape[1], shape[0]], jnp.float32)
    return jnp.min(jnp.minimum(pose[:2] - low, high - pose[:2]) - extent)


# ---- the robot against people --------------------------------------------------------


def footprint_speed(twist: Float[Array, "2"], length: Scalar, width: Scalar) -> Float[Array, ""]:
    """v_p: speed of the fastest point of the rectangle, m/s.

    Point (x, y) moves with (v − ω·y, ω·x); the fastest is a corner.
    """
    v, w = jnp.abs(twist[0]), jnp.abs(twist[1])
    return jnp.hypot(v + 0.5 * width * w, 0.5 * length * w)


def person_gap(
    pose: Float[Array, "3"],
    length: Scalar,
    width: Scalar,
    xy: Float[Array, "M 2"],
    radius: Float[Array, "M"],
    valid: Bool[Array, "M"],
) -> Float[Array, "M"]:
    """Signed distance of the robot's rectangle to each disc, m.

    Negative when they overlap, by the least shift that parts them; +inf where not valid.
    """
    half = 0.5 * jnp.stack([jnp.asarray(length), jnp.asarray(width)])
    beyond = jnp.abs(_to_body(pose[2], xy - pose[None, :2])) - half[None, :]
    outside = jnp.linalg.norm(jnp.maximum(beyond, 0.0), axis=-1)
    inside = jnp.minimum(jnp.max(beyond, axis=-1), 0.0)
    return jnp.where(valid, outside + inside - radius, jnp.inf)


def time_to_collision(
    pose: Float[Array, "3"],
    length: Scalar,
    width: Scalar,
    xy: Float[Array, "M 2"],
    velocity: Float[Array, "M 2"],
    radius: Float[Array, "M"],
    valid: Bool[Array, "M"],
) -> Float[Array, "M"]:
    """When each disc, moving on at ``velocity``, first touches the resting rectangle, s.

    0 when it touches already, +inf when it never will or is not valid.  With velocities
    relative to the robot's this is the usual time to collision (Hayward, "Near-miss
    determination through use of a scale of danger", 1972).
    """
    half = 0.5 * jnp.stack([jnp.asarray(length), jnp.asarray(width)])
    start = _to_body(pose[2], xy - pose[None, :2])
    velocity = _to_body(pose[2], velocity)
    # The disc's centre meets the rectangle grown by the radius: two boxes and four corner discs.
    along = jnp.stack([radius, jnp.zeros_like(radius)], axis=-1)
    boxes = [
        _ray_meets_box(start, velocity, half[None, :] + along),
        _ray_meets_box(start, velocity, half[None, :] + along[:, ::-1]),
    ]
    signs = jnp.array([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    rounds = jax.vmap(lambda corner: _ray_meets_disc(start - corner[None, :], velocity, radius))(
        signs * half[None, :]
    )
    first = jnp.minimum(jnp.minimum(*boxes), jnp.min(rounds, axis=0))
    return jnp.where(valid, first, jnp.inf)


def _to_body(yaw, vectors):
    """Map vectors (M, 2) seen from the robot: ahead, to the left."""
    c, s = jnp.cos(yaw), jnp.sin(yaw)
    x, y = vectors[:, 0], vectors[:, 1]
    return jnp.stack([c * x + s * y, c * y - s * x], axis=-1)


def _ray_meets_box(start, velocity, half):
    """First t ≥ 0 with |start + t·velocity| ≤ half in both coordinates, +inf if never."""
    parallel = jnp.abs(velocity) < 1e-6  # to a pair of edges: always between them, or never
    rate = jnp.where(parallel, 1.0, velocity)
    a, b = (-half - start) / rate, (half - start) / rate
    always = jnp.where(jnp.abs(start) <= half, -jnp.inf, jnp.inf)
    enter = jnp.max(jnp.where(parallel, always, jnp.minimum(a, b)), axis=-1)
    leave = jnp.min(jnp.where(parallel, -always, jnp.maximum(a, b)), axis=-1)
    enter = jnp.maximum(enter, 0.0)
    return jnp.where(enter <= leave, enter, jnp.inf)


def _ray_meets_disc(start, velocity, radius):
    """First t ≥ 0 with |start + t·velocity| ≤ radius, +inf if never."""
    speed = jnp.maximum(jnp.linalg.norm(velocity, axis=-1), 1e-6)
    direction = velocity / speed[:, None]
    ahead = -jnp.sum(start * direction, axis=-1)
    aside = start[:, 0] * direction[:, 1] - start[:, 1] * direction[:, 0]
    chord = jnp.sqrt(jnp.maximum(jnp.square(radius) - jnp.square(aside), 0.0))
    touching = jnp.sum(jnp.square(start), axis=-1) <= jnp.square(radius)
    meets = (jnp.abs(aside) <= radius) & (ahead >= chord) & (speed > 1e-6)
    return jnp.where(touching, 0.0, jnp.where(meets, (ahead - chord) / speed, jnp.inf))


def at_contact_point(pose, twist, length, width, xy, velocity):
    """How the robot's point nearest to each person moves.

    Returns:
      Its own speed towards the person (closing, negative when it retreats), and the magnitude
      of its velocity relative to the person's, both in m/s.
    """
    half = 0.5 * jnp.stack([jnp.asarray(length), jnp.asarray(width)])
    person = _to_body(pose[2], xy - pose[None, :2])
    point = jnp.clip(person, -half[None, :], half[None, :])
    offset = person - point
    distance = jnp.linalg.norm(offset, axis=-1)
    # A centre inside the rectangle is taken to have come through the nearest edge.
    depth = half[None, :] - jnp.abs(person)
    nearest = jnp.stack([depth[:, 0] <= depth[:, 1], depth[:, 0] > depth[:, 1]], axis=-1)
    edge_normal = jnp.where(nearest, jnp.where(person < 0.0, -1.0, 1.0), 0.0)
    outward = offset / jnp.maximum(distance, 1e-9)[:, None]
    normal = jnp.where((distance > 0.0)[:, None], outward, edge_normal)
    own = jnp.stack([twist[0] - twist[1] * point[:, 1], twist[1] * point[:, 0]], axis=-1)
    relative = own - _to_body(pose[2], velocity)
    return jnp.sum(own * normal, axis=-1), jnp.linalg.norm(relative, axis=-1)
