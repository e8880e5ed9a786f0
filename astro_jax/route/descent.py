"""The way that a field means: downhill from a place to the goal.                   [host]

A field and a start come in, a polyline goes out.
"""

import math

import numpy as np
from jaxtyping import Float

from astro_jax.errors import UnreachableError
from astro_jax.route.compiled import compiled
from astro_jax.route.house import Numbers
from astro_jax.types import RouteField

_TURNS = 32
"""Directions that are tried where the slope misleads."""


def guide_path(
    field: RouteField, start: Numbers, step: float = 0.05, max_len: float = 200.0
) -> Float[np.ndarray, "N 2"]:
    """Descend the field from ``start`` to the goal in steps of ``step`` metres.

    Its length (``path_length``) is what metrics call the shortest path.  It ends at the
    goal, or after ``max_len`` metres; in a field of several goals at whichever is nearest by
    the field, to a cell, and in one of a region where it enters that.

    Raises:
      UnreachableError: the descent ends in a pit; ``check_query`` would have said so.
    """
    grid = field.cost_to_go
    x, y = (float(v) for v in np.asarray(start, np.float64)[:2])
    points, arrived = _descend(
        np.asarray(grid.table),
        np.asarray(grid.origin, np.float64),
        float(grid.resolution),
        np.asarray(field.goal_map, np.float64)[:2],
        np.array([x, y]),
        step,
        math.ceil(max_len / step),
    )
    if not arrived:
        place = (round(x, 3), round(y, 3))
        raise UnreachableError("start", place, "a place from which the goal is reachable")
    return points


def path_length(points: Float[np.ndarray, "N 2"]) -> float:
    """Length of a polyline, m."""
    return float(np.sum(np.hypot(*np.diff(points, axis=0).T)))


@compiled
def _sample(table, column, row):
    """Bilinear value and slopes at a place in cells."""
    column = min(max(column, 0.0), table.shape[1] - 1.001)
    row = min(max(row, 0.0), table.shape[0] - 1.001)
    j, i = np.int64(column), np.int64(row)
    u, v = column - j, row - i
    mixed = np.empty(3)
    for k in range(3):
        low = (1.0 - u) * np.float64(table[i, j, k]) + u * np.float64(table[i, j + 1, k])
        high = (1.0 - u) * np.float64(table[i + 1, j, k]) + u * np.float64(table[i + 1, j + 1, k])
        mixed[k] = (1.0 - v) * low + v * high
    return mixed[0], mixed[1], mixed[2]


@compiled
def _descend(table, origin, resolution, goal, start, step, steps):
    points = np.empty((steps + 2, 2))
    points[0] = start
    count = 1
    # x and y in cells from here on
    x, y = (start - origin) / resolution
    goal_x, goal_y = (goal - origin) / resolution
    stride = step / resolution
    steepest = 0.0
    for _ in range(steps):
        remaining = math.hypot(goal_x - x, goal_y - y)
        if remaining <= max(stride, 1.0):
            if remaining > 0.0:
                points[count] = goal
                count += 1
            return points[:count].copy(), True
        here, slope_x, slope_y = _sample(table, x, y)
        size = max(math.hypot(slope_x, slope_y), 1e-12)
        middle_x = x - 0.5 * stride * slope_x / size
        middle_y = y - 0.5 * stride * slope_y / size
        _, slope_x, slope_y = _sample(table, middle_x, middle_y)
        size = max(math.hypot(slope_x, slope_y), 1e-12)
        dx, dy = -slope_x / size, -slope_y / size
        if _sample(table, x + stride * dx, y + stride * dy)[0] >= here:
            # On a ridge or in a notch of the grid the slope misleads: look around instead.
            best = np.inf
            for ring in range(1, 3):
                for k in range(_TURNS):
                    turn = 2.0 * math.pi * k / _TURNS
                    a, b = ring * math.cos(turn), ring * math.sin(turn)
                    value = _sample(table, x + stride * a, y + stride * b)[0]
                    if value < best:
                        best, dx, dy = value, a, b
            if best >= here:
                # the bottom: of a goal if hardly more than a cell's cost is left
                return points[:count].copy(), here <= 2.0 * resolution * steepest
        steepest = max(steepest, size)
        # beyond the map there is no slope to lead back
        x = min(max(x + stride * dx, 0.0), table.shape[1] - 1.0)
        y = min(max(y + stride * dy, 0.0), table.shape[0] - 1.0)
        points[count, 0] = origin[0] + resolution * x
        points[count, 1] = origin[1] + resolution * y
        count += 1
    return points[:count].copy(), True
