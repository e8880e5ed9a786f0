"""A smooth surface of what a march has found, on all of the map.                   [host]

Values where the wave came come in; a table of cost-to-go and slopes goes out, finite
everywhere: inside walls and in places that cannot be reached it rises steeply away from the
nearest place that can.
"""

import numpy as np
from jaxtyping import Float32, Float64, Int32

from astro_jax.route.compiled import compiled


def surface(
    heights: Float64[np.ndarray, "H W"], resolution: float, steepest: float
) -> Float32[np.ndarray, "H W 3"]:
    """Heights and their slopes by central differences, no steeper than ``steepest``.

    Where two sides of a wall meet the height jumps; the slope there must not dwarf all others.
    """
    table = np.empty((*heights.shape, 3), np.float32)
    first = np.zeros(len(heights), np.int64)
    last = np.full(len(heights), heights.shape[1] - 1)
    _slopes(heights, table, first, last, resolution, steepest)
    return table


def mended(
    table: Float32[np.ndarray, "H W 3"],
    before: Float64[np.ndarray, "H W"],
    heights: Float64[np.ndarray, "H W"],
    resolution: float,
    steepest: float,
) -> Float32[np.ndarray, "H W 3"]:
    """``surface`` of new heights, worked out only where they differ from those ``before``."""
    table = table.copy()
    first, last = _differences(before, heights)
    _slopes(heights, table, first, last, resolution, steepest)
    return table


@compiled
def continued(
    values: Float64[np.ndarray, "h w"],
    nearest: Int32[np.ndarray, "H W"],
    distance: Float32[np.ndarray, "H W"],
    scale: float,
    rise: float,
) -> Float64[np.ndarray, "H W"]:
    """``scale`` times the values; where there is none, the nearest one and ``rise`` per cell.

    ``values`` has a rim of one cell that the answer lacks.
    """
    rows, columns = nearest.shape
    heights = np.empty((rows, columns))
    for i in range(rows):
        for j in range(columns):
            value = values[i + 1, j + 1]
            if value < np.inf:
                heights[i, j] = scale * value
            else:
                at = nearest[i, j]
                value = values[at // columns + 1, at % columns + 1]
                heights[i, j] = scale * value + rise * distance[i, j]
    return heights


@compiled
def _slopes(heights, table, first, last, resolution, steepest):
    rows, columns = heights.shape
    for i in range(rows):
        below, above = max(i - 1, 0), min(i + 1, rows - 1)
        per_y = 1.0 / (resolution * max(above - below, 1))
        for j in range(first[i], last[i] + 1):
            left, right = max(j - 1, 0), min(j + 1, columns - 1)
            x = (heights[i, right] - heights[i, left]) / (resolution * max(right - left, 1))
            y = (heights[above, j] - heights[below, j]) * per_y
            square = x * x + y * y
            if square > steepest * steepest:
                shrink = steepest / np.sqrt(square)
                x, y = x * shrink, y * shrink
            table[i, j, 0] = heights[i, j]
            table[i, j, 1] = x
            table[i, j, 2] = y


@compiled
def _differences(before, after):
    """First and last column of each row whose slope or height may differ; none: 0, −1."""
    rows, columns = after.shape
    own_first = np.full(rows, columns, np.int64)
    own_last = np.full(rows, -1, np.int64)
    for i in range(rows):
        for j in range(columns):
            if before[i, j] != after[i, j]:
                own_first[i] = j
                break
        if own_first[i] < columns:
            for j in range(columns - 1, -1, -1):
                if before[i, j] != after[i, j]:
                    own_last[i] = j
                    break
    first, last = np.empty(rows, np.int64), np.empty(rows, np.int64)
    for i in range(rows):
        low, high = columns, -1
        for k in range(max(i - 1, 0), min(i + 2, rows)):
            low, high = min(low, own_first[k]), max(high, own_last[k])
        first[i] = max(low - 1, 0) if high >= 0 else 0
        last[i] = min(high + 1, columns - 1) if high >= 0 else -1
    return first, last
