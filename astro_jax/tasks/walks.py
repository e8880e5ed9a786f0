"""Where somebody will be, as far as walls let them.                                  [host]"""

import numpy as np
from jaxtyping import Bool, Float

from astro_jax.route.house import HouseMap
from astro_jax.tasks.people import Known
from astro_jax.world.forecast import MAX_SPEED

NEAREST = 1.0
"""A place in a wall stands for the nearest free one, at most so far away, m."""
STANDS = 0.15
"""Whoever is tracked to be slower than this stays, m/s; up to twice that they go less far."""


def place_ahead(
    house_map: HouseMap, blocked: Bool[np.ndarray, "H W"], known: Known, time: float
) -> Float[np.ndarray, "2"]:
    """Where a person is at ``time`` (s), straight on but not through walls; house, m.

    The velocity is the forecast's mean (world/forecast.py): what is no larger than the tracker's
    noise is no walk.
    """
    speed = float(np.hypot(*known.velocity))
    share = float(np.clip(speed / STANDS - 1.0, 0.0, 1.0))
    velocity = known.velocity * share * min(1.0, MAX_SPEED / max(speed, 1e-6))
    return straight_on(house_map, blocked, known.xy, max(time - known.time, 0.0) * velocity)


def straight_on(
    house_map: HouseMap,
    blocked: Bool[np.ndarray, "H W"],
    start: Float[np.ndarray, "2"],
    way: Float[np.ndarray, "2"],
) -> Float[np.ndarray, "2"]:
    """The last free place on the straight way from (about) ``start``; house, m."""
    start = free_place(house_map, blocked, start)
    steps = max(int(np.ceil(2.0 * np.hypot(*way) / house_map.resolution)), 1)
    points = start + np.linspace(0.0, 1.0, steps + 1)[:, None] * way
    row, column, inside = house_map.cell_of(points)
    shut = ~inside | blocked[row, column]
    first = int(np.argmax(shut)) if shut.any() else len(points)
    return points[max(first - 1, 0)]


def free_place(
    house_map: HouseMap, blocked: Bool[np.ndarray, "H W"], xy: Float[np.ndarray, "2"]
) -> Float[np.ndarray, "2"]:
    """The place itself if it is free, else the nearest free one beside it (or itself again)."""
    row, column, inside = house_map.cell_of(xy)
    if inside and not blocked[row, column]:
        return np.asarray(xy, np.float64)
    reach = int(NEAREST / house_map.resolution)
    at = np.rint((np.asarray(xy, np.float64) - house_map.origin) / house_map.resolution)
    if not np.all(np.isfinite(at)):
        return np.asarray(xy, np.float64)
    column, row = (int(v) for v in np.clip(at, -1e6, 1e6))
    top, left = max(row - reach, 0), max(column - reach, 0)
    window = blocked[top : max(row + reach + 1, 0), left : max(column + reach + 1, 0)]
    rows, columns = np.nonzero(~window)
    if not len(rows):
        return np.asarray(xy, np.float64)
    cells = house_map.xy_of((rows + top, columns + left))
    return cells[int(np.argmin(np.hypot(*(cells - xy).T)))]
