"""Doors of a floor plan: where they are, and which cells they block when shut.      [host]

A door is a line from jamb to jamb.  A floor plan comes in; doors go out, and the cells that
such a line blocks, tight against every way a robot could slip through a grid.
"""

import dataclasses
import math

import numpy as np
from jaxtyping import Float, Int

from astro_jax.route.maps import HouseMap

JAMB_REACH = 0.15
"""Farthest that the end of a door may lie from the wall it is hinged to, m."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Door:
    """A passage that may be shut, whatever the map shows."""

    name: str
    """Stable for the same map."""
    jambs: Float[np.ndarray, "2 2"]
    """Both ends of the leaf, in the house frame, m."""
    rooms: tuple[str, ...] = ()
    """Names of the rooms that it joins, if known."""

    @property
    def width(self) -> float:
        """From jamb to jamb, m."""
        return math.dist(*self.jambs)


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
    first, last = _on_map(house_map, door.jambs)
    reach = JAMB_REACH / house_map.resolution
    line = [
        *_line(_nearest_wall(house_map, first, reach), first),
        *_line(first, last),
        *_line(last, _nearest_wall(house_map, last, reach)),
    ]
    rows, columns = blocked.shape
    free = [
        (row, column)
        for column, row in dict.fromkeys(line)
        if 0 <= row < rows and 0 <= column < columns and not blocked[row, column]
    ]
    found = np.array(free, np.int64).reshape(-1, 2)
    return found[:, 0], found[:, 1]


def _on_map(
    house_map: HouseMap, ends: Float[np.ndarray, "2 2"]
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Both ends (x, y) in cells, a centre being a whole number; what is far off is cut off."""
    start, end = (np.asarray(ends, np.float64) - house_map.origin) / house_map.resolution
    way = end - start
    low, high = np.array([-2.0, -2.0]), np.add(house_map.occupancy.shape[::-1], 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        crossings = np.stack([low - start, high - start]) / way
    # Along an axis on which the line does not move, it is within the map always or never.
    crossings = np.where(np.isnan(crossings), 0.0, crossings)
    enter = float(np.clip(np.max(np.min(crossings, axis=0)), 0.0, 1.0))
    leave = float(np.clip(np.min(np.max(crossings, axis=0)), 0.0, 1.0))
    if enter > leave or not np.all(np.isfinite(start + end)):
        return (-2.0, -2.0), (-2.0, -2.0)
    (x0, y0), (x1, y1) = start + enter * way, start + leave * way
    return (float(x0), float(y0)), (float(x1), float(y1))


def _nearest_wall(
    house_map: HouseMap, at: tuple[float, float], reach: float
) -> tuple[float, float]:
    """Centre of the blocked cell nearest to ``at`` (in cells), or ``at`` if none is near."""
    blocked = house_map.blocked
    low_x, low_y = (max(math.ceil(v - reach), 0) for v in at)
    high_x, high_y = (max(math.floor(v + reach) + 1, 0) for v in at)
    y, x = np.nonzero(blocked[low_y:high_y, low_x:high_x])
    if x.size == 0:
        return at
    distance = np.hypot(x + low_x - at[0], y + low_y - at[1])
    k = int(np.argmin(distance))
    if distance[k] > reach:
        return at
    return float(x[k] + low_x), float(y[k] + low_y)


def _line(start: tuple[float, float], end: tuple[float, float]) -> list[tuple[int, int]]:
    """The cells (column, row) of a straight line, each sharing an edge with the next.

    Source: J. Amanatides and A. Woo, A fast voxel traversal algorithm for ray tracing (1987).
    """
    cell = [math.floor(v + 0.5) for v in start]
    last = [math.floor(v + 0.5) for v in end]
    way = [b - a for a, b in zip(start, end, strict=True)]
    side = [1 if v > 0 else -1 for v in way]
    per_cell = [1.0 / abs(v) if v else math.inf for v in way]
    at_edge = [
        abs(c + 0.5 * s - a) * p if math.isfinite(p) else math.inf
        for c, s, a, p in zip(cell, side, start, per_cell, strict=True)
    ]
    cells = [(cell[0], cell[1])]
    while cell != last:
        done = [c == e for c, e in zip(cell, last, strict=True)]
        # Rounding must not lead past the last cell.
        axis = 1 if done[0] or (not done[1] and at_edge[1] < at_edge[0]) else 0
        cell[axis] += side[axis]
        at_edge[axis] += per_cell[axis]
        cells.append((cell[0], cell[1]))
    return cells
