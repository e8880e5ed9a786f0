"""Where a route may end: at a pose, at any of several, or anywhere in a region.      [host]

What the caller means by a goal comes in; the cells from which the wave starts go out.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, Int64

from astro_jax.errors import InputError
from astro_jax.route.distance import squared_wall_distance
from astro_jax.route.house import HouseMap, Numbers
from astro_jax.route.query import around, free_cell, pose_of, shown

Goal = Numbers | Sequence[Numbers]
"""A pose (x, y, yaw); several of them; or a mask of the map's cells, any of which will do."""
EXACT_DISC = 4.0
"""Largest radius of the disc around a goal where V is set rather than marched, cells."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Goals:
    """The ends of a search: all poses, whether free at the moment or not, or a region."""

    poses: Float[np.ndarray, "N 3"]
    cells: tuple[tuple[int, int], ...]
    """Rows and columns of the poses."""
    region: Bool[np.ndarray, "H W"] | None = None


def goals_of(house_map: HouseMap, goal: Goal) -> Goals:
    """What ``goal`` means on this map.

    Raises:
      InputError: a pose is not finite or off the map, or a region of another size than the map.
    """
    shape = house_map.occupancy.shape
    nothing = np.zeros(shape, bool)
    if isinstance(goal, np.ndarray) and goal.dtype == bool:
        if goal.shape != shape:
            expected = f"a mask of the map's {shape[0]} x {shape[1]} cells"
            raise InputError("goal", str(goal.shape), expected, house_map.name)
        return Goals(poses=np.empty((0, 3)), cells=(), region=goal)
    try:
        several = np.ndim(np.asarray(goal, np.float64)) == 2
    except (TypeError, ValueError):
        several = False  # refused below, as one pose
    if not several:
        pose = pose_of("goal", goal)
        return Goals(poses=pose[None], cells=(free_cell(house_map, nothing, "goal", pose),))
    if len(goal) == 0:
        raise InputError("goal", "an empty list", "at least one pose")
    poses = [pose_of(f"goal[{k}]", pose) for k, pose in enumerate(goal)]
    cells = [free_cell(house_map, nothing, f"goal[{k}]", p) for k, p in enumerate(poses)]
    return Goals(poses=np.stack(poses), cells=tuple(cells))


def free_goals(
    house_map: HouseMap, blocked: Bool[np.ndarray, "H W"], goals: Goals, inside: float
) -> Goals:
    """The goals that are not blocked.

    Of a region the cells at least ``inside`` metres within, or all free ones if it is too
    small for that; its roomiest cell then stands for it as a pose.

    Raises:
      InputError: there are none.
    """
    if goals.region is None:
        free = [k for k, cell in enumerate(goals.cells) if not blocked[cell]]
        if not free:
            expected = "a free place, not in a wall"
            raise InputError("goal", shown(goals.poses[0]), expected, house_map.name)
        return Goals(poses=goals.poses[free], cells=tuple(goals.cells[k] for k in free))
    cells = goals.region & ~blocked
    if not cells.any():
        raise InputError("goal", "a region", "one with a free cell", house_map.name)
    well_inside = (inside / house_map.resolution) ** 2
    within = cells & (squared_wall_distance(~goals.region) >= well_inside)
    cells = within if within.any() else cells
    room = np.where(cells, squared_wall_distance(blocked | ~goals.region), -1)
    row, column = (int(k) for k in np.unravel_index(int(np.argmax(room)), room.shape))
    pose = np.array([*house_map.xy_of((row, column)), 0.0])
    return Goals(poses=pose[None], cells=((row, column),), region=cells)


def seeds(
    house_map: HouseMap, goals: Goals, slowness: Float32[np.ndarray, "h w"]
) -> tuple[Int64[np.ndarray, "K"], Float64[np.ndarray, "K"]]:
    """Flat indices (into ``slowness``, which has a rim of one) of first cells, and their cost.

    The front of a point is too curved for linear interpolation: the cost is that of the
    straight way in a disc that stays clear of the walls, but covers the goal's own cell.

    Raises:
      InputError: the body fits nowhere in the region.
    """
    stride = slowness.shape[1]
    if goals.region is not None:
        rows, columns = np.nonzero(goals.region & np.isfinite(slowness[1:-1, 1:-1]))
        if not len(rows):
            raise InputError("goal", "a region", "one with room for the robot", house_map.name)
        index = (rows + 1) * stride + columns + 1
        return index, np.zeros(len(index))
    found: dict[int, float] = {}
    for pose, (row, column) in zip(goals.poses, goals.cells, strict=True):
        window = around(slowness.shape, row + 1, column + 1, EXACT_DISC + 2.0)
        rows, columns = np.indices(slowness[window].shape)
        rows, columns = rows + window[0].start - 1, columns + window[1].start - 1
        shut = np.isinf(slowness[window])
        from_cell = np.hypot(rows - row, columns - column)
        room = float(np.min(from_cell[shut], initial=EXACT_DISC + 1.0))
        disc = float(np.clip(room - 0.75, 1.0, EXACT_DISC))
        x, y = (pose[:2] - house_map.origin) / house_map.resolution
        r = np.hypot(columns - x, rows - y)
        # without room only what shares an edge with the goal's cell is sure to be joined to it
        near = (r < disc) & ~shut & ((from_cell <= 1.0) | (disc > 1.0))
        near |= from_cell == 0.0
        for i, j, away in zip(rows[near], columns[near], r[near], strict=True):
            index = int((i + 1) * stride + j + 1)
            cost = float(away * slowness[row + 1, column + 1])
            found[index] = min(found.get(index, np.inf), cost)
    return np.array(list(found), np.int64), np.array(list(found.values()))
