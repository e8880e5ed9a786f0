"""Exact Euclidean distances on a grid, and which cell is the nearest one.          [host]

Masks come in; squared distances in cells, or flat indices, go out.  One pass along the
columns finds the nearest mark of each column, one along the rows the lower envelope of the
parabolas that these span.  A row's marked cells screen off what lies behind them, so only
the runs between them are worked on.

Source: P. F. Felzenszwalb and D. P. Huttenlocher, Distance Transforms of Sampled Functions,
Theory of Computing 8 (2012), section 2.
"""

import numpy as np
from jaxtyping import Bool, Float32, Int32

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
    # one layout: each takes a compilation of its own
    return _squared(np.ascontiguousarray(blocked), min(cap, _FAR))


@inlined
def _envelope(height, first, last, cap, at, low, start):
    """Lower envelope of (x − q)² + height[q]² for q from ``first`` to ``last``: its length.

    ``height`` is read with an offset of one, so that a virtual mark may stand before it.  The
    division is exact where it counts: ties fall the same way wherever a window begins.
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
            left = 0.5 * (level - low[count - 1]) / (q - at[count - 1])
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
            count = _envelope(height, j - 1, end, cap, at, low, start)
            k = 0
            for x in range(j, end):
                while k + 1 < count and start[k + 1] <= x:
                    k += 1
                off = x - at[k]
                g = height[at[k] + 1]
                squared[i, x] = min(off * off + g * g, far)
            j = end
    return squared


def nearest_marked(
    marked: Bool[np.ndarray, "H W"],
) -> tuple[Int32[np.ndarray, "H W"], Float32[np.ndarray, "H W"]]:
    """The nearest marked cell of each cell (itself if marked), and the distance in cells.

    As a flat index into a grid that has a rim of one cell more.  Some cell must be marked.
    """
    return _nearest(np.ascontiguousarray(marked), 1, 1, marked.shape[1] + 2)


def nearest_again(
    marked: Bool[np.ndarray, "H W"],
    before: tuple[Int32[np.ndarray, "H W"], Float32[np.ndarray, "H W"]],
    changed: tuple[slice, slice],
    margin: int,
) -> tuple[Int32[np.ndarray, "H W"], Float32[np.ndarray, "H W"]]:
    """``nearest_marked`` after marks changed within a window: it is worked out around that.

    If cells farther than ``margin`` are concerned, on all of the grid.
    """
    rows, columns = changed
    top, left = max(rows.start - margin, 0), max(columns.start - margin, 0)
    frame = (slice(top, rows.stop + margin), slice(left, columns.stop + margin))
    part = _nearest(np.ascontiguousarray(marked[frame]), top + 1, left + 1, marked.shape[1] + 2)
    nearest, distance = before[0].copy(), before[1].copy()
    window = np.array([rows.start, rows.stop, columns.start, columns.stop])
    if part[0].size < marked.size and _patch(nearest, distance, *part, top, left, window, margin):
        return nearest, distance
    return nearest_marked(marked)


@compiled
def _patch(nearest, distance, part_nearest, part_distance, top, left, window, margin):
    """Put the part into its place; False if it does not tell all that changed."""
    rows, columns = nearest.shape
    height, width = part_nearest.shape
    for i in range(rows):
        off_row = max(window[0] - i, i - window[1] + 1, 0)
        for j in range(columns):
            inside = 0 <= i - top < height and 0 <= j - left < width
            if not inside and distance[i, j] <= margin:
                continue
            if inside:
                # what lies beyond the part is at least this far away
                beyond = 1 << 20
                if top > 0:
                    beyond = min(beyond, i - top + 1)
                if left > 0:
                    beyond = min(beyond, j - left + 1)
                if top + height < rows:
                    beyond = min(beyond, top + height - i)
                if left + width < columns:
                    beyond = min(beyond, left + width - j)
                found = part_distance[i - top, j - left]
                if found < beyond:
                    nearest[i, j] = part_nearest[i - top, j - left]
                    distance[i, j] = found
                    continue
            off_column = max(window[2] - j, j - window[3] + 1, 0)
            if distance[i, j] > 0.0 and distance[i, j] + 0.01 >= np.hypot(off_row, off_column):
                return False
    return True


@compiled
def _nearest(marked, first_row, first_column, stride):
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
    height = np.empty(columns + 2, np.int64)
    at = np.empty(columns + 2, np.int32)
    low = np.empty(columns + 2, np.float64)
    start = np.empty(columns + 2, np.float64)
    far = 1 << 27
    for i in range(rows):
        j = 0
        while j < columns:
            if marked[i, j]:
                nearest[i, j] = (i + first_row) * stride + j + first_column
                distance[i, j] = 0.0
                j += 1
                continue
            end = j
            while end < columns and not marked[i, end]:
                end += 1
            first, last = max(j - 1, 0), min(end, columns - 1)
            for q in range(first, last + 1):
                height[q + 1] = abs(row_of[i, q] - i)
            count = _envelope(height, first, last, far, at, low, start)
            k = 0
            for x in range(j, end):
                while k + 1 < count and start[k + 1] <= x:
                    k += 1
                q = at[k]
                off = x - q
                nearest[i, x] = (row_of[i, q] + first_row) * stride + q + first_column
                distance[i, x] = np.sqrt(np.float64(off * off + height[q + 1] * height[q + 1]))
            j = end
    return nearest, distance
