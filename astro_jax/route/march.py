"""The cost-to-go itself: one wave from the goals over every cell that can be reached. [host]

Slownesses (cost per cell, infinite where shut) and the values of some seeds come in; the
cost of every cell goes out, and to which neighbours it owes that, so that a later change
can be repaired where it matters.  All arrays are flat and carry a rim of shut cells.

V solves the eikonal equation |∇V| = s by the monotone scheme on eight neighbours: with V
linear between an edge neighbour a and a corner neighbour d next to it, and δ = V_a − V_d,

  V = V_a + s                 where δ ≤ 0
      V_a + √(s² − δ²)        where 0 < δ < s/√2
      max(V_a, V_d + √2 s)    beyond (the maximum counts beside slower cells only),

the smallest of the eight.  A corner is cut only beside an open cell.  The scheme has one
solution, however it is come by, and a third of the error of four neighbours.  Cells are
settled by buckets narrower than any step, within which the order is of no account: linear
time.  Sources: J. N. Tsitsiklis, Efficient Algorithms for Globally Optimal Trajectories
(1995); R. B. Dial, Algorithm 360 (1969); L. Yatziv, A. Bartesaghi and G. Sapiro, O(N)
implementation of the fast marching algorithm (2006).
"""

import numpy as np
from jaxtyping import Float32, Float64, Int64, UInt8

from astro_jax.route.compiled import compiled, inlined

_HALF, _ROOT2 = np.sqrt(0.5), np.sqrt(2.0)
_NARROW = 0.99 * _HALF
"""Width of a bucket over the smallest slowness: steps are not shorter than √½ of it."""
_CHUNK = 64
"""Cells that are settled between two looks at whether the buckets still have room."""
MOST = 0.3
"""Share of all cells from which on a wave from the seeds is quicker than a repair."""
SEED, NOBODY = 255, 254
"""Owes its value to no neighbour; has none."""


def march(
    values: Float64[np.ndarray, "N"],
    owed: UInt8[np.ndarray, "N"],
    slowness: Float32[np.ndarray, "N"],
    seeds: Int64[np.ndarray, "K"],
    stride: int,
    bounds: tuple[float, float],
) -> None:
    """Fill ``values`` and ``owed`` (in place) from the seeds, whose values are set.

    ``stride`` is the number of cells in a row, the rim included; between ``bounds`` lie all
    finite slownesses.
    """
    spans = np.empty((0, 2), np.int64)
    _settle(values, owed, slowness, seeds, stride, *bounds, spans)


def repair(
    values: Float64[np.ndarray, "N"],
    owed: UInt8[np.ndarray, "N"],
    slowness: Float32[np.ndarray, "N"],
    changed: Int64[np.ndarray, "K"],
    stride: int,
    bounds: tuple[float, float],
) -> tuple[int, Int64[np.ndarray, "h 2"]]:
    """Make ``values`` and ``owed`` (in place) what ``march`` finds for the new slownesses.

    ``changed`` are the cells whose slowness differs from the one that the values are of; no
    seed is among them.  All that is owed to them, directly or not, is forgotten; the wave then
    goes on from the rim of that, and wherever it comes sooner than before.

    Returns how many cells were settled anew, and of each row the columns (first, last) between
    which values may have changed; last is −1 where none has.
    """
    spans = np.empty((len(values) // stride, 2), np.int64)
    spans[:] = stride, -1
    forgotten, starts = _forget(values, owed, slowness, changed, stride, spans)
    if forgotten > MOST * len(values):
        seeds = np.flatnonzero(owed == SEED)
        kept = values[seeds]
        values[:], owed[:] = np.inf, NOBODY
        values[seeds], owed[seeds] = kept, SEED
        spans[1:-1] = 1, stride - 2
        return _settle(values, owed, slowness, seeds, stride, *bounds, spans[:0]), spans
    return _settle(values, owed, slowness, starts, stride, *bounds, spans), spans


@inlined
def _through(va, vd, s):
    δ = va - vd
    if not δ > 0.0:
        return va + s
    if δ < s * _HALF:
        return va + np.sqrt(s * s - δ * δ)
    return max(va, vd + s * _ROOT2)


@compiled
def _doubled(waiting):
    more = np.empty((waiting.shape[0], 2 * waiting.shape[1]), waiting.dtype)
    more[:, : waiting.shape[1]] = waiting
    return more


@inlined
def _cover(spans, cell, row):
    i = np.uint64(np.uint32(cell) // np.uint32(row))
    j = np.int64(cell - i * row)
    spans[i, 0] = min(spans[i, 0], j)
    spans[i, 1] = max(spans[i, 1], j)


@compiled
def _settle(values, owed, slowness, starts, stride, least, most, spans):
    """Run the wave on from ``starts`` until no cell can be had for less.

    With ``spans``, some cells have values from before.  Such a cell sends out no wave of its own,
    so whoever is settled also serves its corner neighbours by way of the cells between them.
    """
    again = len(spans) > 0
    # unsigned indices need no check for being negative
    one, row = np.uint64(1), np.uint64(stride)
    ahead = (np.uint64(0) - row, row, np.uint64(0) - one, one)
    per_width = 1.0 / (least * _NARROW)
    nearby = least * _HALF
    # Buckets are used in turn: no step is longer than all of them but one.  First come, first
    # served keeps neighbours together in the cache.
    ring = 8
    while ring < np.int64(most * _ROOT2 * per_width) + 3:
        ring *= 2
    mask = ring - 1
    waiting = np.empty((ring, 1024), np.uint32)
    count = np.zeros(ring, np.int64)
    starts = starts[np.argsort(values[starts])]
    started, pending, bucket, settled = 0, 0, 0, 0
    while pending > 0 or started < len(starts):
        if pending == 0:
            bucket = np.int64(values[starts[started]] * per_width)
        here = np.uint64(bucket & mask)
        while started < len(starts) and np.int64(values[starts[started]] * per_width) <= bucket:
            if count[here] == waiting.shape[1]:
                waiting = _doubled(waiting)
            waiting[here, count[here]] = starts[started]
            count[here] += 1
            pending += 1
            started += 1
        done, due = 0, np.uint64(count[here])
        while done < count[here]:
            if count.max() + 12 * _CHUNK > waiting.shape[1]:
                waiting = _doubled(waiting)
            stop = min(count[here], done + _CHUNK)
            for k in range(np.uint64(done), np.uint64(stop)):
                c = np.uint64(waiting[here, k])
                v = values[c]
                if np.int64(v * per_width) != bucket:
                    continue  # it was settled before, for less
                settled += 1
                if again:
                    _cover(spans, c, row)
                up, down = values[c - row], values[c + row]
                left, right = values[c - one], values[c + one]
                across, along = min(left, right), min(up, down)
                for way in range(4):
                    if way == 0:
                        n, before, vd = c - row, up, across
                    elif way == 1:
                        n, before, vd = c + row, down, across
                    elif way == 2:
                        n, before, vd = c - one, left, along
                    else:
                        n, before, vd = c + one, right, along
                    δ = v - vd
                    if before <= v or (before <= v + nearby and δ < nearby):
                        continue
                    s = np.float64(slowness[n])
                    if before <= v + s * _HALF and δ < s * _HALF:
                        continue
                    found = _through(v, vd, s)
                    if found < before:
                        first = right < left if way < 2 else down < up
                        side = 0 if not δ > 0.0 else (1 if first else 2)
                        values[n] = found
                        owed[n] = 4 * way + side
                        there = np.uint64(np.int64(found * per_width) & mask)
                        waiting[there, np.uint64(count[there])] = n
                        count[there] += 1
                        pending += 1
                # late in its bucket a cell may have been lowered after its edge neighbours left
                if not again and k < due:
                    continue
                for way in range(4):
                    aside = one if way < 2 else row
                    for side in range(1, 3):
                        # c is the corner neighbour of n, a the edge neighbour between them
                        a = c - aside if side == 1 else c + aside
                        va, n = values[a], a + ahead[way]
                        if not (v < va < np.inf and values[n] > v + nearby):
                            continue
                        s = np.float64(slowness[n])
                        if values[n] <= va + s * _HALF and va - v < s * _HALF:
                            continue
                        found = _through(va, v, s)
                        if found < values[n]:
                            values[n] = found
                            owed[n] = 4 * way + side
                            there = np.uint64(np.int64(found * per_width) & mask)
                            waiting[there, np.uint64(count[there])] = n
                            count[there] += 1
                            pending += 1
            done = stop
        pending -= count[here]
        count[here] = 0
        bucket += 1
    return settled


@compiled
def _forget(values, owed, slowness, changed, stride, spans):
    """Clear the changed cells and all that is owed to them.

    Returns how many these are, and the cells with values from which the wave has to go on.
    """
    ahead = np.array([-stride, stride, -1, 1])
    aside = np.array([1, 1, stride, stride])
    around = np.array([-stride - 1, -stride, -stride + 1, -1, 1, stride - 1, stride, stride + 1])
    # owing[k, code]: whether a cell with this code owes its value to the one it is around[k] of
    owing = np.zeros((8, 256), np.bool_)
    for k in range(8):
        for way in range(4):
            owing[k, 4 * way : 4 * way + 3] = around[k] == ahead[way]
            for side in range(1, 3):
                aslant = ahead[way] - aside[way] if side == 1 else ahead[way] + aside[way]
                if around[k] == aslant:
                    owing[k, 4 * way + side] = True
    cleared = np.empty(len(changed) + 1024, np.int64)
    count = 0
    for c in changed:
        if values[c] < np.inf:
            values[c] = np.inf
            owed[c] = NOBODY
        cleared[count] = c
        count += 1
    done = 0
    while done < count:
        c = cleared[done]
        done += 1
        _cover(spans, np.uint64(c), np.uint64(stride))
        if count + 8 > len(cleared):
            more = np.empty(2 * len(cleared), np.int64)
            more[: len(cleared)] = cleared
            cleared = more
        for k in range(8):
            n = c + around[k]
            if owing[k, owed[n]]:
                values[n] = np.inf
                owed[n] = NOBODY
                cleared[count] = n
                count += 1

    starts = np.empty(4 * count, np.int64)
    found = 0
    for c in cleared[:count]:
        if slowness[c] < np.inf:
            for step in ahead:
                if values[c + step] < np.inf:
                    starts[found] = c + step
                    found += 1
    return count, starts[:found]
