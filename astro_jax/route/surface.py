"""A smooth surface of what a march has found, on all of the map.                   [host]

Values where the wave came come in; a table of heights and slopes goes out, finite everywhere:
inside walls and in places that cannot be reached it rises steeply away from the nearest place
that can.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Float64, Int32, Int64

from astro_jax.route.compiled import compiled, inlined


class Found(NamedTuple):
    """What a march has found, and the way from everywhere to the nearest cell of that."""

    values: Float64[np.ndarray, "h w"]
    """With a rim of one cell; infinite where the wave did not come."""
    nearest: Int32[np.ndarray, "H W"]
    """Flat index into ``values`` of the nearest cell with a value."""
    distance: Float32[np.ndarray, "H W"]
    """How far that is, in cells."""


_ALIGNED = 64
"""Bytes: arrays that begin at a multiple of this JAX takes over without a copy."""


def surface(
    found: Found, scale: float, resolution: float, steepest: float
) -> Float32[np.ndarray, "H W 3"]:
    """Heights, and their slopes by central differences.

    Values times ``scale`` are heights; where there is none, the nearest one times ``scale`` and
    ``steepest`` times the distance.  Where two sides of a wall meet the height
    jumps: no slope is told as steeper than ``steepest``, or it would dwarf all others.  Beside
    a wall the slope is that of the free side alone, along the wall and not off it.
    """
    rows, columns = found.nearest.shape
    table = _table(rows, columns)
    spans = np.empty((rows + 2, 2), np.int64)
    spans[:] = 1, columns
    _fill(table, *found, spans, scale, resolution, steepest)
    return table


def mended(
    table: Float32[np.ndarray, "H W 3"],
    before: Found,
    after: Found,
    scale: float,
    resolution: float,
    steepest: float,
    spans: Int64[np.ndarray, "h 2"],
) -> Float32[np.ndarray, "H W 3"]:
    """``surface`` again: ``table`` is that of ``before``, values differ within ``spans``."""
    renewed = _table(*table.shape[:2])
    renewed[:] = table
    spans = spans.copy()
    _follow(*before, *after, spans, scale, resolution * steepest)
    _fill(renewed, *after, spans, scale, resolution, steepest)
    return renewed


def _table(rows: int, columns: int) -> Float32[np.ndarray, "H W 3"]:
    space = np.empty(3 * rows * columns + _ALIGNED // 4, np.float32)
    first = -space.ctypes.data % _ALIGNED // 4
    return space[first : first + 3 * rows * columns].reshape(rows, columns, 3)


@inlined
def _height(flat, nearest, distance, i, j, scale, rise):
    return scale * flat[np.uint64(nearest[i, j])] + rise * distance[i, j]


@compiled
def _follow(old_values, old_nearest, old_distance, values, nearest, distance, spans, scale, rise):
    """Widen the spans by cells without a value whose height is another one now."""
    rows, columns = nearest.shape
    flat, old = values.reshape(-1), old_values.reshape(-1)
    for i in range(rows):
        for j in range(columns):
            if distance[i, j] > 0.0:
                height = _height(flat, nearest, distance, i, j, scale, rise)
                if height != _height(old, old_nearest, old_distance, i, j, scale, rise):
                    spans[i + 1, 0] = min(spans[i + 1, 0], j + 1)
                    spans[i + 1, 1] = max(spans[i + 1, 1], j + 1)


@compiled
def _fill(table, values, nearest, distance, spans, scale, resolution, steepest):
    """Heights and slopes of all cells within, or beside, the spans (which count the rim)."""
    rows, columns = nearest.shape
    flat = values.reshape(-1)
    rise = resolution * steepest
    for i in range(rows):
        low, high = columns, -1
        for k in range(i, i + 3):
            if spans[k, 1] >= 0:
                low, high = min(low, spans[k, 0] - 2), max(high, spans[k, 1])
        low, high = max(low, 0), min(high, columns - 1)
        below, above = max(i - 1, 0), min(i + 1, rows - 1)
        per_y = 1.0 / (resolution * max(above - below, 1))
        for j in range(low, high + 1):
            left, right = max(j - 1, 0), min(j + 1, columns - 1)
            per_x = 1.0 / (resolution * max(right - left, 1))
            x = values[i + 1, right + 1] - values[i + 1, left + 1]
            y = values[above + 1, j + 1] - values[below + 1, j + 1]
            here = values[i + 1, j + 1]
            if here + np.abs(x) + np.abs(y) < np.inf:
                here, x, y = scale * here, scale * x * per_x, scale * y * per_y
            else:
                known = here < np.inf
                here = _height(flat, nearest, distance, i, j, scale, rise)
                if known and (values[i + 1, left + 1] < np.inf) != (
                    values[i + 1, right + 1] < np.inf
                ):
                    left, right = (left, j) if values[i + 1, left + 1] < np.inf else (j, right)
                if known and (values[below + 1, j + 1] < np.inf) != (
                    values[above + 1, j + 1] < np.inf
                ):
                    bottom, top = (below, i) if values[below + 1, j + 1] < np.inf else (i, above)
                else:
                    bottom, top = below, above
                per_x = 1.0 / (resolution * max(right - left, 1))
                per_row = 1.0 / (resolution * max(top - bottom, 1))
                x = _height(flat, nearest, distance, i, right, scale, rise)
                x = (x - _height(flat, nearest, distance, i, left, scale, rise)) * per_x
                y = _height(flat, nearest, distance, top, j, scale, rise)
                y = (y - _height(flat, nearest, distance, bottom, j, scale, rise)) * per_row
            square = x * x + y * y
            if square > steepest * steepest:
                shrink = steepest / np.sqrt(square)
                x, y = x * shrink, y * shrink
            table[i, j, 0] = here
            table[i, j, 1] = x
            table[i, j, 2] = y
