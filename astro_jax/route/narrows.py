"""Narrow places of a floor plan, found from its walls alone.                       [host]

Blocked cells come in; *chords* go out: lines from wall to opposite wall across the middle of
whatever is as narrow as a door.  A chord is a passage where the floor widens soon on either
side of it, and where there is no short way around: that tells a door from a corridor, and
from the gap between a table and a wall.
"""

import dataclasses
import math

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import ndimage

from astro_jax.route.raster import line_cells

NARROWEST, WIDEST = 0.5, 1.3
"""Widths between which a passage may be a door, m."""
WIDER = (0.25, 0.6)
"""How much wider the floor must become on one side of a passage, and on the other, m …"""
SOON = 0.7
"""… and how far from it at most, m."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Demands:
    """What a line must part to be a door."""

    around: float
    """A way around within this radius means that nothing is parted, m."""
    room: float
    """Least floor on either side within that radius where a robot's centre may be, m²."""


PLAIN = Demands(around=2.0, room=0.5)
"""Where nothing but the walls speaks for a door: no table may pass for one."""
LABELLED = Demands(around=1.1, room=0.1)
"""Where rooms meet: several doors may be close to each other, and closets are rooms."""

FAN = (0, 6, -6, 12, -12, 18, -18)
"""Directions in which the wall opposite is looked for, degrees."""
STRAIGHTER = 0.6
"""How much nearer that must be than what is straight ahead."""
EVERY_STEP = np.ones((3, 3), bool)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Chords:
    """Lines across narrow places; every point is (x, y) in cells."""

    first: Float[np.ndarray, "n 2"]
    """Centre of the wall's cell at one end …"""
    last: Float[np.ndarray, "n 2"]
    """… and at the other."""
    width: Float[np.ndarray, "n"]
    """Between the walls' surfaces, cells."""

    @property
    def middle(self) -> Float[np.ndarray, "n 2"]:
        """Half-way, cells."""
        return 0.5 * (self.first + self.last)

    def taken(self, which: Int[np.ndarray, "k"] | Bool[np.ndarray, "n"]) -> "Chords":
        """Some of them."""
        return Chords(first=self.first[which], last=self.last[which], width=self.width[which])


def chords(blocked: Bool[np.ndarray, "H W"], narrowest: float, widest: float) -> Chords:
    """A line across the floor through every cell that lies half-way between two walls.

    It leads from the nearest wall through the cell and on to the wall behind; widths are in
    cells, and what lies off the map is a wall.
    """
    walled = np.pad(blocked, 1, constant_values=True)
    nearest = np.empty((2, *walled.shape), np.int32)
    distance = np.asarray(
        ndimage.distance_transform_edt(~walled, return_indices=True, indices=nearest)
    )
    rows, columns = np.nonzero((distance > 0.0) & (distance <= 0.5 * widest + 1.0))
    here = np.stack([columns, rows], axis=-1).astype(np.float64)
    first = np.stack([nearest[1, rows, columns], nearest[0, rows, columns]], axis=-1)
    first = first.astype(np.float64)
    away = (here - first) / distance[rows, columns][:, None]
    column, row = np.rint(here + away).astype(int).T
    # On the ridge between two walls, a step away from one is a step towards the other.
    ridge = distance[row, column] <= distance[rows, columns] + 0.5
    here, first, away = here[ridge], first[ridge], away[ridge]
    first, last = _opposite(walled, here, first, away, widest)
    width = np.hypot(*(last - first).T) - 1.0
    good = (width >= narrowest) & (width <= widest) & _clear_between(walled, first, last)
    return Chords(first=first[good] - 1.0, last=last[good] - 1.0, width=width[good])


def _opposite(
    blocked: Bool[np.ndarray, "H W"],
    here: Float[np.ndarray, "n 2"],
    first: Float[np.ndarray, "n 2"],
    away: Float[np.ndarray, "n 2"],
    longest: float,
) -> tuple[Float[np.ndarray, "k 2"], Float[np.ndarray, "k 2"]]:
    """The walls' cells behind ``here`` seen from ``first``: the nearest within a narrow fan.

    A single ray would miss: the cell nearest to the middle may be any of a jamb's few.
    """
    best = np.full(len(here), np.inf)
    last = here.copy()
    for turn in np.deg2rad(FAN):
        c, s = math.cos(turn), math.sin(turn)
        ahead = away @ np.array([[c, s], [-s, c]])
        run = clear_run(blocked, here, ahead, longest)
        nearer = run < STRAIGHTER * best
        best[nearer] = run[nearer]
        last[nearer] = np.floor(here[nearer] + run[nearer, None] * ahead[nearer] + 0.5)
    seen = np.isfinite(best)
    return first[seen], last[seen]


def _clear_between(
    blocked: Bool[np.ndarray, "H W"],
    first: Float[np.ndarray, "n 2"],
    last: Float[np.ndarray, "n 2"],
) -> Bool[np.ndarray, "n"]:
    """Whether nothing is in the way, but for the walls' cells at both ends."""
    way = last - first
    length = np.hypot(*way.T)
    clear = np.ones(len(way), bool)
    for step in np.arange(1.0, np.max(length, initial=1.0) - 1.0, 0.5):
        between = first + (step / np.maximum(length, 1.0))[:, None] * way
        clear &= (step > length - 1.0) | ~blocked_near(blocked, between)
    return clear


def clear_run(
    blocked: Bool[np.ndarray, "H W"],
    start: Float[np.ndarray, "n 2"],
    direction: Float[np.ndarray, "n 2"],
    longest: float,
) -> Float[np.ndarray, "n"]:
    """Cells from ``start`` to the first blocked one ahead; ∞ if it is beyond ``longest``."""
    run = np.full(len(start), np.inf)
    for step in np.arange(0.0, longest + 1.0, 0.5):
        hit = blocked_near(blocked, start + step * direction) & np.isinf(run)
        run[hit] = step
    return run


def blocked_near(
    blocked: Bool[np.ndarray, "H W"], xy: Float[np.ndarray, "*n 2"]
) -> Bool[np.ndarray, "*n"]:
    """Whether the cells that points (x, y) lie in are blocked, or off the map."""
    column, row = np.moveaxis(np.floor(xy + 0.5).astype(int), -1, 0)
    inside = (row >= 0) & (row < blocked.shape[0]) & (column >= 0) & (column < blocked.shape[1])
    return ~inside | blocked[np.where(inside, row, 0), np.where(inside, column, 0)]


def narrow_places(found: Chords, shape: tuple[int, int], radius: float) -> Chords:
    """The chords that are the shortest within ``radius`` cells of their middle."""
    column, row = np.clip(np.rint(found.middle).astype(int).T, 0, np.array(shape)[::-1, None] - 1)
    width = np.full(shape, np.inf)
    np.minimum.at(width, (row, column), found.width)
    size = 2 * math.ceil(radius) + 1
    least = ndimage.minimum_filter(width, size=size, mode="constant", cval=np.inf)
    return found.taken(found.width <= least[row, column] + 1e-9)


def widens(blocked: Bool[np.ndarray, "H W"], found: Chords, resolution: float) -> np.ndarray:
    """Which chords are narrower than the floor just before and just behind them."""
    along = found.last - found.first
    along /= np.hypot(*along.T)[:, None]
    normal = np.stack([-along[:, 1], along[:, 0]], axis=-1)
    longest = WIDEST / resolution + 2.0
    gains = []
    for sign in (-1.0, 1.0):
        gain = np.zeros(len(found.width))
        open_so_far = np.ones(len(found.width), bool)
        for step in range(1, math.ceil(SOON / resolution) + 1):
            place = found.middle + sign * step * normal
            open_so_far &= ~blocked_near(blocked, place)
            across = clear_run(blocked, place, along, longest)
            across += clear_run(blocked, place, -along, longest)
            gain = np.where(open_so_far, np.maximum(gain, across - found.width), gain)
        gains.append(gain * resolution)
    less, more = np.sort(gains, axis=0)
    return (less >= WIDER[0] - 1e-6) & (more >= WIDER[1] - 1e-6)


def parts(
    blocked: Bool[np.ndarray, "H W"],
    standing: Bool[np.ndarray, "H W"],
    first: Float[np.ndarray, "2"],
    last: Float[np.ndarray, "2"],
    resolution: float,
    demands: Demands,
) -> bool:
    """Whether a line from wall to wall has room on either side, and no short way around it.

    ``standing`` is where the robot's centre may be.
    """
    middle, radius = 0.5 * (first + last), demands.around / resolution
    low = np.maximum(np.floor(middle - radius).astype(int), 0)
    high = np.minimum(np.ceil(middle + radius).astype(int) + 1, np.array(blocked.shape)[::-1])
    window = np.s_[low[1] : high[1], low[0] : high[0]]
    rows, columns = np.indices(blocked[window].shape)
    off = np.stack([columns, rows], axis=-1) - (middle - low)
    floor = ~blocked[window] & (np.hypot(off[..., 0], off[..., 1]) <= radius)
    for row, column in line_cells(first - low, last - low):
        if 0 <= row < floor.shape[0] and 0 <= column < floor.shape[1]:
            floor[row, column] = False
    labels = np.zeros(floor.shape, np.int32)
    ndimage.label(floor, EVERY_STEP, output=labels)

    way = last - first
    length = float(np.hypot(*way))
    normal = np.array([-way[1], way[0]]) / length
    beside = np.abs(off @ (way / length)) <= 0.5 * length
    height = off @ normal
    sides = []
    for sign in (-1.0, 1.0):
        touching = beside & (sign * height > 0.0) & (sign * height <= 2.5) & (labels > 0)
        sides.append(set(np.unique(labels[touching]).tolist()))
    if sides[0] & sides[1]:
        return False
    least = demands.room / resolution**2
    floors = [np.isin(labels, list(side)) & standing[window] for side in sides]
    return all(np.count_nonzero(part) >= least for part in floors)
