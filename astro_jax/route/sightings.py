"""What the robot's local map says about a door: open, closed, or nothing.           [host]

The local map's log-odds and a door come in; a ``Sighting`` goes out.  The line from jamb to
jamb is looked at across its whole thickness, since a leaf may hang anywhere in its frame:

  closed   something was seen to stand across it, and no gap is left that the robot could
           pass, even where nothing was seen;
  open     a gap that the robot can pass was seen to be free;
  hidden   everything else: too far, out of sight, half seen, or known from the map alone.

A box or a half-open leaf that leaves no way through is a closed door, too: what counts is
whether the robot gets through.
"""

import enum
import math

import numpy as np
from jaxtyping import Bool, Float

from astro_jax.config import RobotConfig
from astro_jax.route.field import passing_radius
from astro_jax.route.house import Door, Numbers
from astro_jax.route.planner import SURE_BLOCKED, SURE_FREE
from astro_jax.types import Grid

THICKNESS = 0.2
"""Across a door's line, m, within which something stands in the door."""


class Sighting(enum.IntEnum):
    """What a look at a door shows."""

    HIDDEN = 0
    OPEN = 1
    CLOSED = 2


def sighting(
    door: Door,
    local_map: Grid,
    robot: RobotConfig,
    house_from_map: Numbers = (0.0, 0.0, 0.0),
) -> Sighting:
    """Look at one door on the local map; ``house_from_map`` places that in the house."""
    need = 2.0 * passing_radius(robot)
    step = 0.5 * float(local_map.resolution)
    blocked, free = _across(door, local_map, house_from_map, step)
    if _longest(free) * step >= need:
        return Sighting.OPEN
    # What was not seen may be a gap.
    if np.any(blocked) and _longest(~blocked) * step < need:
        return Sighting.CLOSED
    return Sighting.HIDDEN


def _across(
    door: Door, local_map: Grid, house_from_map: Numbers, step: float
) -> tuple[Bool[np.ndarray, "n"], Bool[np.ndarray, "n"]]:
    """Per place along the door: something was seen there; all of it was seen free."""
    along = door.jambs[1] - door.jambs[0]
    width = math.hypot(*along)
    if not width > 0.0:
        return np.zeros(0, bool), np.zeros(0, bool)
    normal = np.array([-along[1], along[0]]) / width
    share = (np.arange(max(round(width / step), 1)) + 0.5) / max(round(width / step), 1)
    reach = 0.5 * THICKNESS
    offset = np.linspace(-reach, reach, 2 * math.ceil(reach / step) + 1)
    xy = door.jambs[0] + share[:, None, None] * along + offset[None, :, None] * normal
    values = _values_at(xy, local_map, house_from_map)
    return np.any(values > SURE_BLOCKED, axis=1), np.all(values < SURE_FREE, axis=1)


def _values_at(
    xy_house: Float[np.ndarray, "n m 2"], local_map: Grid, house_from_map: Numbers
) -> Float[np.ndarray, "n m"]:
    """Log-odds of the cells that points of the house lie in; NaN (neither) off the map."""
    x0, y0, turn = np.asarray(house_from_map, np.float64)
    c, s = math.cos(turn), math.sin(turn)
    x, y = xy_house[..., 0] - x0, xy_house[..., 1] - y0
    xy = np.stack([c * x + s * y, c * y - s * x], axis=-1)
    table = np.asarray(local_map.values, np.float64)
    steps = (xy - np.asarray(local_map.origin, np.float64)) / float(local_map.resolution)
    with np.errstate(invalid="ignore"):
        cells = np.floor(steps + 0.5)
        inside = np.all((cells >= 0.0) & (cells < table.shape[::-1]), axis=-1)
    column, row = np.moveaxis(np.where(inside[..., None], cells, 0.0).astype(np.int64), -1, 0)
    return np.where(inside, table[row, column], np.nan)


def _longest(flags: Bool[np.ndarray, "n"]) -> int:
    """Length of the longest run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]])))
    return int(np.max(edges[1::2] - edges[::2], initial=0))
