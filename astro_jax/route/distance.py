"""Exact Euclidean distances on a grid, and which cell is the nearest one.          [host]

Masks come in; squared distances in cells, or flat indices, go out.  One pass along the
columns finds the nearest mark of each column, one along the rows the lower envelope of the
parabolas that these span.  A row's marked cells screen off what lies behind them, so only
the runs between them are worked on.

Source: P. F. Felzenszwalb and D. P. Huttenlocher, Distance Transforms of Sampled Functions,
Theory of Computing 8 (2012), section 2.
"""

import numpy as np
from jaxtyping import Bool, Int32

from astro_jax.route.compiled import compiled, inlined

_FAR = 1 << 14
"""Longer than the square root of any squared distance that is told: 16 million cells are
refused before, but a map may be a strip."""


def squared_wall_distance(
    blocked: Bool[np.ndarray, "H W"], cap: int = _FAR
) -> Int32[np.ndarray, "H W"]:
    """Squared distance to the centre of the nearest blocked cell, cells²; at most ``cap``².

    What lies off the map is blocked; a blocked cell itself has 0.
    """
    return _squared(blocked, min(cap, _FAR))


@inlined
def _envelope(height, first, last, cap, at, low, start, inverse):
    """Lower envelope of (x − q)² + height[q]² for q from ``first`` to ``last``: its length.

    ``height`` is read with an offset of one, so that a virtual mark may stand before it.
    """
    count = 0
    for q in range(first, last + 1):
        g = height[q + 1]
        if g >= cap:
            continue
        level = g * g + q * q
        left = -1e30
        while count > 0:
            # where the new parabola falls below the last one
            left = (level - low[count - 1]) * inverse[q - at[count - 1]]
            if left > start[count - 1]:
                break
            count -= 1
        at[count] = q
        low[count] = level
        start[count] = left if count > 0 else -1e30
        count += 1
    return count


@compiled
def _squared(blocked, cap):
    rows, columns = blocked.shape
    gap = np.empty((rows, columns + 2), np.int32)
    gap[:, 0] = 0
    gap[:, columns + 1] = 0
    for j in range(columns):
        gap[0, j + 1] = 0 if blocked[0, j] else 1
    for i in range(1, rows):
        for j in range(columns):
            gap[i, j + 1] = 0 if blocked[i, j] else gap[i - 1, j + 1] + 1
    for j in range(columns):
        gap[rows - 1, j + 1] = min(gap[rows - 1, j + 1], 1)
    for i in range(rows - 2, -1, -1):
        for j in range(columns):
            gap[i, j + 1] = min(gap[i, j + 1], gap[i + 1, j + 1] + 1)

    far = cap * cap
    squared = np.empty((rows, columns), np.int32)
    inverse = 0.5 / np.maximum(np.arange(columns + 3), 0.5)
    at = np.empty(columns + 2, np.int32)
    low = np.empty(columns + 2, np.float64)
    start = np.empty(columns + 2, np.float64)
    for i in range(rows):
        height = gap[i]
        j = 0
        while j < columns:
            if height[j + 1] == 0:
                squared[i, j] = 0
                j += 1
                continue
            end = j
            while height[end + 1] != 0:
                end += 1
            count = _envelope(height, j - 1, end, cap, at, low, start, inverse)
            k = 0
            for x in range(j, end):
                while k + 1 < count and start[k + 1] <= x:
                    k += 1
                off = x - at[k]
                g = height[at[k] + 1]
                squared[i, x] = min(off * off + g * g, far)
            j = end
    return squared


@compiled
def nearest_marked(marked):
    """Flat index of the nearest marked cell (its own if marked), and the distance in cells.

    Some cell must be marked.
    """
    rows, columns = marked.shape
    row_of = np.empty((rows, columns), np.int32)
    none = -(1 << 28)
    for j in range(columns):
        row_of[0, j] = 0 if marked[0, j] else none
    for i in range(1, rows):
        for j in range(columns):
            row_of[i, j] = i if marked[i, j] else row_of[i - 1, j]
    for i in range(rows - 2, -1, -1):
        for j in range(columns):
            below = row_of[i + 1, j]
            here = row_of[i, j]
            row_of[i, j] = below if abs(below - i) < i - here else here

    nearest = np.empty((rows, columns), np.int32)
    distance = np.empty((rows, columns), np.float32)
    inverse = 0.5 / np.maximum(np.arange(columns + 3), 0.5)
    height = np.empty(columns + 2, np.int64)
    at = np.empty(columns + 2, np.int32)
    low = np.empty(columns + 2, np.float64)
    start = np.empty(columns + 2, np.float64)
    far = 1 << 27
    for i in range(rows):
        j = 0
        while j < columns:
            if marked[i, j]:
                nearest[i, j] = i * columns + j
                distance[i, j] = 0.0
                j += 1
                continue
            end = j
            while end < columns and not marked[i, end]:
                end += 1
            first, last = max(j - 1, 0), min(end, columns - 1)
            for q in range(first, last + 1):
                height[q + 1] = abs(row_of[i, q] - i)
            count = _envelope(height, first, last, far, at, low, start, inverse)
            k = 0
            for x in range(j, end):
                while k + 1 < count and start[k + 1] <= x:
                    k += 1
                q = at[k]
                off = x - q
                nearest[i, x] = row_of[i, q] * columns + q
                distance[i, x] = np.sqrt(np.float64(off * off + height[q + 1] * height[q + 1]))
            j = end
    return nearest, distance
