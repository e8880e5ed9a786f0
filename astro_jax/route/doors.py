"""Doors of a floor plan: where they are, and which cells they block when shut.      [host]

A door is a line from jamb to jamb.  A floor plan comes in; doors go out, and the cells that
such a line blocks, tight against every way a robot could slip through a grid.
"""

import math

import numpy as np
from jaxtyping import Bool, Float, Int

from astro_jax.route.house import Door, HouseMap
from astro_jax.route.raster import clipped, line_cells

JAMB_REACH = 0.15
"""Farthest that the end of a door may lie from the wall it is hinged to, m."""


def door_cells(
    house_map: HouseMap, door: Door
) -> tuple[Int[np.ndarray, "n"], Int[np.ndarray, "n"]]:
    """Rows and columns of the free cells that the shut door blocks.

    The cells hang together edge to edge, from wall to wall, so that no step to one of eight
    neighbours gets through: an end that falls short of the wall by up to ``JAMB_REACH`` is
    continued to it.  Cells that the map itself blocks, or that lie off it, are left out; there
    are none for a door that the map shows as wall.
    """
    blocked = house_map.blocked
    shape = blocked.shape
    ends = (np.asarray(door.jambs, np.float64) - house_map.origin) / house_map.resolution
    part = clipped(ends[0], ends[1], shape)
    reach = JAMB_REACH / house_map.resolution
    line: list[tuple[int, int]] = []
    if part:
        first, last = part
        line += line_cells(_nearest_wall(blocked, first, reach), first)
        line += line_cells(first, last)
        line += line_cells(last, _nearest_wall(blocked, last, reach))
    free = [
        (row, column)
        for row, column in dict.fromkeys(line)
        if 0 <= row < shape[0] and 0 <= column < shape[1] and not blocked[row, column]
    ]
    found = np.array(free, np.int64).reshape(-1, 2)
    return found[:, 0], found[:, 1]


def _nearest_wall(
    blocked: Bool[np.ndarray, "H W"], at: Float[np.ndarray, "2"], reach: float
) -> Float[np.ndarray, "2"]:
    """Centre of the blocked cell nearest to ``at`` (x, y in cells), or ``at`` if none is near."""
    low_x, low_y = (max(math.ceil(v - reach), 0) for v in at)
    high_x, high_y = (max(math.floor(v + reach) + 1, 0) for v in at)
    y, x = np.nonzero(blocked[low_y:high_y, low_x:high_x])
    if x.size == 0:
        return at
    walls = np.stack([x + low_x, y + low_y], axis=-1).astype(np.float64)
    distance = np.hypot(*(walls - at).T)
    k = int(np.argmin(distance))
    return walls[k] if distance[k] <= reach else at
