"""Exact shortest costs on a grid of eight directions, as benchmarks define them.    [host]

Which cells are open, a start and a goal come in; the cost goes out.  A straight step costs
1, a diagonal one √2 and is allowed only if both cells beside it are open.  A* with the
octile distance, whose queue is made of buckets of equal f = g + h to one unit: label
correcting, so the width costs nothing but a few visits.  Source: P. E. Hart, N. J. Nilsson
and B. Raphael, A Formal Basis for the Heuristic Determination of Minimum Cost Paths (1968).
"""

import numpy as np
from jaxtyping import Bool, Float64, Int

from astro_jax.route.compiled import compiled, inlined

_DIAGONAL = np.sqrt(2.0)


def octile_cost(
    open_cells: Bool[np.ndarray, "H W"], start: tuple[int, int], goal: tuple[int, int]
) -> float:
    """Cost of the shortest path between two cells (row, column), or infinity if there is none."""
    rows, columns = open_cells.shape
    for row, column in (start, goal):
        if not (0 <= row < rows and 0 <= column < columns) or not open_cells[row, column]:
            return float("inf")
    return float(octile_costs(open_cells, np.array([start]), np.array([goal]))[0])


def octile_costs(
    open_cells: Bool[np.ndarray, "H W"],
    starts: Int[np.ndarray, "Q 2"],
    goals: Int[np.ndarray, "Q 2"],
) -> Float64[np.ndarray, "Q"]:
    """``octile_cost`` of many queries (row, column); all must lie on open cells."""
    walled = np.pad(np.ascontiguousarray(open_cells), 1)
    stride = walled.shape[1]
    first = (starts[:, 0] + 1) * stride + starts[:, 1] + 1
    last = (goals[:, 0] + 1) * stride + goals[:, 1] + 1
    return _costs(walled.reshape(-1), stride, first, last)


@inlined
def _octile(row, column, to_row, to_column):
    a, b = abs(row - to_row), abs(column - to_column)
    return max(a, b) + (_DIAGONAL - 1.0) * min(a, b)


@compiled
def _costs(open_cells, stride, starts, goals):
    steps = np.array(
        [-stride, stride, -1, 1, -stride - 1, -stride + 1, stride - 1, stride + 1], np.int64
    )
    down = np.array([-1, 1, 0, 0, -1, -1, 1, 1], np.int64)
    right = np.array([0, 0, -1, 1, -1, 1, -1, 1], np.int64)
    cost = np.full(len(open_cells), np.inf)
    expanded = np.full(len(open_cells), np.inf)
    touched = np.empty(len(open_cells), np.int64)
    found = np.empty(len(starts))
    waiting = np.empty((4, 256), np.int64)
    count = np.zeros(4, np.int64)
    for q in range(len(starts)):
        goal = goals[q]
        goal_row, goal_column = goal // stride, goal % stride
        start_row, start_column = starts[q] // stride, starts[q] % stride
        marks, pending = 1, 1
        cost[starts[q]] = 0.0
        touched[0] = starts[q]
        bucket = np.int64(_octile(start_row, start_column, goal_row, goal_column))
        count[:] = 0
        waiting[bucket & 3, 0] = starts[q]
        count[bucket & 3] = 1
        # f falls along no step and rises by at most 2 √2: four buckets suffice
        while pending > 0 and not cost[goal] < bucket:
            here = bucket & 3
            done = 0
            while done < count[here]:
                c = waiting[here, done]
                done += 1
                g = cost[c]
                if g == expanded[c]:
                    continue
                expanded[c] = g
                row, column = c // stride, c % stride
                if count.max() + 8 > waiting.shape[1]:
                    more = np.empty((4, 2 * waiting.shape[1]), np.int64)
                    more[:, : waiting.shape[1]] = waiting
                    waiting = more
                for k in range(8):
                    n = c + steps[k]
                    if not open_cells[n]:
                        continue
                    step = 1.0
                    if k >= 4:
                        if not (open_cells[c + right[k]] and open_cells[n - right[k]]):
                            continue
                        step = _DIAGONAL
                    if g + step < cost[n]:
                        if cost[n] == np.inf:
                            touched[marks] = n
                            marks += 1
                        cost[n] = g + step
                        ahead = _octile(row + down[k], column + right[k], goal_row, goal_column)
                        f = g + step + ahead
                        there = max(np.int64(f), bucket) & 3
                        waiting[there, count[there]] = n
                        count[there] += 1
                        pending += 1
            pending -= count[here]
            count[here] = 0
            bucket += 1
        found[q] = cost[goal]
        for k in range(marks):
            cost[touched[k]] = expanded[touched[k]] = np.inf
    return found
