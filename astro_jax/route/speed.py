"""How fast a body may go where: off the walls, and better with room than without. [host]

A mask of blocked cells comes in; distances to walls and speeds go out.
"""

import math

import numpy as np
from jaxtyping import Bool, Float, Float32, Int, Int32
from scipy import ndimage

from astro_jax.config import RobotConfig
from astro_jax.route.compiled import compiled
from astro_jax.route.distance import squared_wall_distance

CRUISE = 0.9
"""Fraction of the top speed at which routes are timed: nobody drives flat out at home."""
PASSING_MARGIN = 0.04
"""Room beside the hull on either side, m."""
SLOWEST = 0.2
"""Fraction of the cruising speed right beside a wall."""
COMFORT = 0.4
"""Gap between hull and wall from which a wall no longer slows, m."""


def traversal_speed(
    blocked: Bool[np.ndarray, "H W"],
    resolution: float,
    inscribed_radius: float,
    nominal: float = 1.0,
    slowest: float = SLOWEST,
    comfort: float = COMFORT,
    factor: Float[np.ndarray, "H W"] | None = None,
) -> Float[np.ndarray, "H W"]:
    """Speed of a body's centre over the map, m/s; 0 where the body cannot be.

    A cell is shut where the wall's surface (half a cell before the centre of the nearest
    blocked cell) is nearer than ``inscribed_radius``; what lies off the map is a wall.
    Beyond, the speed grows smoothly from ``slowest``·``nominal`` to ``nominal`` at a gap of
    ``comfort`` metres; ``factor`` (of slow zones) multiplies it cell by cell.
    """
    reach = cells_of_influence(resolution, inscribed_radius, comfort)
    by_distance = preference(reach, resolution, inscribed_radius, slowest, comfort)
    speed = nominal * by_distance[squared_wall_distance(blocked, reach)]
    return speed if factor is None else speed * factor


def cells_of_influence(resolution: float, inscribed_radius: float, comfort: float = COMFORT) -> int:
    """How many cells away a wall no longer counts."""
    return math.ceil((inscribed_radius + comfort) / resolution + 0.5)


def preference(
    reach: int,
    resolution: float,
    inscribed_radius: float,
    slowest: float = SLOWEST,
    comfort: float = COMFORT,
) -> Float[np.ndarray, "D"]:
    """Fraction of the cruising speed by the squared distance to the nearest wall, cells².

    Squared distances are whole numbers, and those from ``reach``² up are all the same: one
    look into a table replaces a root and a polynomial per cell.
    """
    clearance = (np.sqrt(np.arange(reach * reach + 1)) - 0.5) * resolution
    gap = clearance - inscribed_radius
    closeness = np.clip(gap / comfort, 0.0, 1.0)
    rising = slowest + (1.0 - slowest) * closeness**2 * (3.0 - 2.0 * closeness)
    # The tolerance keeps a gap of exactly zero open whatever the rounding.
    return np.where(gap > -1e-6, rising, 0.0)


def slowness(
    blocked: Bool[np.ndarray, "H W"],
    resolution: float,
    inscribed_radius: float,
    slowest: float = SLOWEST,
    factor: Float[np.ndarray, "H W"] | None = None,
) -> Float32[np.ndarray, "h w"]:
    """Cost of crossing each cell, in cells at cruising speed; infinite where shut.

    The inverse of ``traversal_speed``, with a rim of one shut cell around.
    """
    reach = cells_of_influence(resolution, inscribed_radius)
    by_distance = preference(reach, resolution, inscribed_radius, slowest)
    with np.errstate(divide="ignore"):
        cost = (1.0 / by_distance).astype(np.float32)
    out = np.empty((blocked.shape[0] + 2, blocked.shape[1] + 2), np.float32)
    out[[0, -1]] = out[:, [0, -1]] = np.inf
    _look_up(squared_wall_distance(blocked, reach), cost, out)
    if factor is not None:
        out[1:-1, 1:-1] /= factor
    return out


@compiled
def _look_up(squared, cost, out):
    for i in range(squared.shape[0]):
        for j in range(squared.shape[1]):
            out[i + 1, j + 1] = cost[np.uint64(squared[i, j])]


def wall_distance(blocked: Bool[np.ndarray, "H W"], resolution: float) -> Float[np.ndarray, "H W"]:
    """Distance from each cell's centre to the nearest wall's surface, m (negative inside)."""
    squared: Int32[np.ndarray, "H W"] = squared_wall_distance(blocked)
    return (np.sqrt(squared) - 0.5) * resolution


def components(passable: Bool[np.ndarray, "H W"]) -> Int[np.ndarray, "H W"]:
    """Number the parts that hang together edge to edge from 1 up; 0 is impassable."""
    labels = np.zeros(passable.shape, np.int32)
    ndimage.label(passable, output=labels)
    return labels


def passing_radius(robot: RobotConfig) -> float:
    """Half the width of the narrowest gap that the robot is sent through, m.

    The largest disc within the footprint, and room on either side for the errors of map
    and pose: a gap of the hull's own width is a way on paper only.
    """
    return 0.5 * min(robot.length, robot.width) + PASSING_MARGIN


def circumscribed_radius(robot: RobotConfig) -> float:
    """Radius of the smallest disc around the footprint, m."""
    return 0.5 * math.hypot(robot.length, robot.width)
