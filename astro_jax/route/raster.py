"""Lines and areas on the cells of a lattice.                                       [host]

Points come in as (x, y) in *cells*, a cell's centre being a pair of whole numbers.
"""

import math

import numpy as np
from jaxtyping import Bool, Float


def line_cells(start: Float[np.ndarray, "2"], end: Float[np.ndarray, "2"]) -> list[tuple[int, int]]:
    """The cells (row, column) of a straight line, each sharing an edge with the next.

    Source: J. Amanatides and A. Woo, A fast voxel traversal algorithm for ray tracing (1987).
    """
    cell = [math.floor(v + 0.5) for v in start]
    last = [math.floor(v + 0.5) for v in end]
    way = [float(b - a) for a, b in zip(start, end, strict=True)]
    side = [1 if v > 0 else -1 for v in way]
    per_cell = [1.0 / abs(v) if v else math.inf for v in way]
    at_edge = [
        abs(c + 0.5 * s - a) * p if math.isfinite(p) else math.inf
        for c, s, a, p in zip(cell, side, start, per_cell, strict=True)
    ]
    cells = [(cell[1], cell[0])]
    while cell != last:
        done = [c == e for c, e in zip(cell, last, strict=True)]
        # Rounding must not lead past the last cell.
        axis = 1 if done[0] or (not done[1] and at_edge[1] < at_edge[0]) else 0
        cell[axis] += side[axis]
        at_edge[axis] += per_cell[axis]
        cells.append((cell[1], cell[0]))
    return cells


def clipped(
    start: Float[np.ndarray, "2"], end: Float[np.ndarray, "2"], shape: tuple[int, int]
) -> tuple[Float[np.ndarray, "2"], Float[np.ndarray, "2"]] | None:
    """The part of a line near the lattice, so that one from far away costs no walk.

    Source: Y.-D. Liang and B. Barsky, A new concept and method for line clipping (1984).
    """
    way = end - start
    if not np.all(np.isfinite(way)):
        return None
    enter, leave = 0.0, 1.0
    for axis, cells in ((0, shape[1]), (1, shape[0])):
        for bound, sign in ((-2.0, 1.0), (cells + 1.0, -1.0)):
            inward, ahead = sign * way[axis], sign * (bound - start[axis])
            if inward == 0.0 and ahead > 0.0:
                return None
            if inward > 0.0:
                enter = max(enter, ahead / inward)
            elif inward < 0.0:
                leave = min(leave, ahead / inward)
    return (start + enter * way, start + leave * way) if enter <= leave else None


def polygon_cells(
    outline: Float[np.ndarray, "N 2"], shape: tuple[int, int]
) -> Bool[np.ndarray, "H W"]:
    """The cells that a polygon touches: centres inside (even–odd), and what its edges cross.

    Two corners are a line; no step to one of eight neighbours gets through it.
    """
    rows, columns = shape
    toggles = np.zeros((rows, columns + 1), bool)
    touched = np.zeros(shape, bool)
    for start, end in zip(outline, np.roll(outline, -1, axis=0), strict=True):
        _toggle_right_of(toggles, start, end)
        part = clipped(start, end, shape)
        for row, column in line_cells(*part) if part else ():
            if 0 <= row < rows and 0 <= column < columns:
                touched[row, column] = True
    return touched | np.logical_xor.accumulate(toggles, axis=1)[:, :-1]


def _toggle_right_of(
    toggles: Bool[np.ndarray, "H W1"], start: Float[np.ndarray, "2"], end: Float[np.ndarray, "2"]
) -> None:
    """Turn inside to outside right of an edge, in every row that it spans."""
    (x0, y0), (x1, y1) = sorted((start.tolist(), end.tolist()), key=lambda p: p[1])
    limit = toggles.shape[0]
    # Half open: a corner between two edges counts once.
    low, high = (int(np.clip(math.ceil(y), 0, limit)) for y in (y0, y1))
    if low >= high:
        return
    y = np.arange(low, high)
    x = x0 + (y - y0) / (y1 - y0) * (x1 - x0)
    column = np.clip(np.ceil(x), 0, toggles.shape[1] - 1).astype(int)
    toggles[y, column] ^= True
