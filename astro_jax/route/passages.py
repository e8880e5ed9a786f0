"""A home as places joined by doors: the little graph on which ways are weighed.     [host]

A map, its doors and a robot come in; once per map the travel times between the *fronts* of
the doors (a place on either side of each) go out, all doors being shut, the times through
each door, and from where each door can be seen.  What a way costs for any states of the
doors is then a sum of a few of these numbers, and no search on the map.
"""

import dataclasses
import math
from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import ndimage

from astro_jax.config import RobotConfig
from astro_jax.errors import InputError
from astro_jax.route.doors import door_cells
from astro_jax.route.field import (
    components,
    passing_radius,
    solve_field,
    traversal_speed,
)
from astro_jax.route.house import Door, HouseMap, Numbers
from astro_jax.route.zones import closed_cells, slow_cells

SIGHT = 3.0
"""From how far the robot tells an open door from a closed one, m."""
GRAZING = 0.2
"""Sine of the least angle between a door's line and the line of sight."""
FRONT, FARTHEST_FRONT = 0.6, 1.2
"""Distance of a front from its door, m: out of reach of what a shut door slows; and the
farthest one where there is furniture."""
LOOKOUTS = 200
"""Places from which to look at a door that are kept per side, at most."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Passages:
    """Travel times between the fronts of doors; front 2·k + s is the one on side s of door k."""

    house_map: HouseMap
    robot: RobotConfig
    doors: tuple[Door, ...]
    shut: Bool[np.ndarray, "H W"]
    """Blocked cells with all doors shut."""
    region: Int[np.ndarray, "H W"]
    """Which part of the home is nearest, all doors being shut: parts are numbered from 1."""
    fronts: Float[np.ndarray, "F 2"]
    """m; NaN where the robot does not fit."""
    between: Float[np.ndarray, "F F"]
    """s; infinite between different parts of the home."""
    crossing: Float[np.ndarray, "n"]
    """From front to front through the open door, s; infinite if it is too narrow."""
    lookouts: tuple[Int[np.ndarray, "c"], ...]
    """Per front: cells (flat indices) of its part of the home from which its door is seen."""
    to_lookouts: tuple[Float[np.ndarray, "F c"], ...]
    """Per front: from every front to those cells, s."""

    def number(self, door: str) -> int:
        """Which of the doors that is.

        Raises:
          InputError: there is none of that name.
        """
        for k, known in enumerate(self.doors):
            if known.name == door:
                return k
        names = ", ".join(known.name for known in self.doors)
        raise InputError("door", door, f"one of {names}", self.house_map.name)


def passages_of(
    house_map: HouseMap, robot: RobotConfig, doors: Sequence[Door], sight: float = SIGHT
) -> Passages:
    """Search the map once from both sides of every door, and once through each.

    A door that the map does not show open, or that the robot does not fit through, can be
    among them; no way leads through it.

    Raises:
      InputError: two doors have the same name.
    """
    names = [door.name for door in doors]
    if len(set(names)) < len(names):
        raise InputError("doors", names, "names that differ", house_map.name)
    shut = with_shut(house_map, doors)
    passable = traversal_speed(shut, house_map.resolution, passing_radius(robot)) > 0.0
    region = _parts(house_map, robot, shut)
    fronts = np.full((2 * len(doors), 2), np.nan)
    for k, door in enumerate(doors):
        if len(door_cells(house_map, door)[0]):
            fronts[2 * k], fronts[2 * k + 1] = (
                _front(house_map, passable, door, side) for side in (1.0, -1.0)
            )
    empty = Passages(
        house_map=house_map,
        robot=robot,
        doors=tuple(doors),
        shut=shut,
        region=region,
        fronts=fronts,
        between=np.full((len(fronts), len(fronts)), np.inf),
        crossing=np.full(len(doors), np.inf),
        lookouts=tuple(np.zeros(0, np.int64) for _ in fronts),
        to_lookouts=(),
    )
    times = [times_from(empty, xy) for xy in fronts]
    between = np.array([front_times(empty, t) for t in times]).reshape(len(fronts), len(fronts))
    np.fill_diagonal(between, 0.0)
    lookouts = tuple(
        _lookouts(empty, doors[front // 2], front, sight) for front in range(len(fronts))
    )
    return dataclasses.replace(
        empty,
        between=0.5 * (between + between.T),
        crossing=np.array([_crossing(empty, k) for k in range(len(doors))]),
        lookouts=lookouts,
        to_lookouts=tuple(
            np.array([t.reshape(-1)[cells] for t in times]).reshape(len(fronts), len(cells))
            for cells in lookouts
        ),
    )


def with_shut(house_map: HouseMap, shut: Iterable[Door]) -> Bool[np.ndarray, "H W"]:
    """Blocked cells of the map with these doors shut."""
    blocked = closed_cells(house_map)
    for door in shut:
        rows, columns = door_cells(house_map, door)
        blocked[rows, columns] = True
    return blocked


def times_from(passages: Passages, xy: Numbers) -> Float[np.ndarray, "H W"]:
    """Travel time between a place and every cell, all doors shut, s; infinite elsewhere.

    From a place in a doorway both sides are reached: that door is open.  All infinite for a
    place off the map, in a wall, or not a number.
    """
    house = passages.house_map
    row, column, inside = house.cell_of(xy)
    if not inside or house.blocked[row, column]:
        return np.full(passages.shut.shape, np.inf)
    blocked, region = passages.shut, passages.region
    around = [door for door in passages.doors if _stands_in(passages, door, xy)]
    if around:
        blocked = with_shut(house, [door for door in passages.doors if door not in around])
        region = _parts(house, passages.robot, blocked)
    if blocked[row, column]:
        return np.full(passages.shut.shape, np.inf)
    x, y = np.asarray(xy, np.float64)
    field = solve_field(
        house, blocked, (float(x), float(y), 0.0), passages.robot, factor=slow_cells(house)
    )
    times = np.asarray(field.cost_to_go.table, np.float64)[..., 0]
    # The field goes on through walls, where nobody can.
    return np.where(region == region[row, column], np.maximum(times, 0.0), np.inf)


def _stands_in(passages: Passages, door: Door, xy: Numbers) -> bool:
    """Whether a robot at ``xy`` would touch the door if it were shut."""
    rows, columns = door_cells(passages.house_map, door)
    if len(rows) == 0:
        return False
    way = passages.house_map.xy_of((rows, columns)) - np.asarray(xy, np.float64)
    near = passing_radius(passages.robot) + passages.house_map.resolution
    return bool(np.min(np.hypot(way[:, 0], way[:, 1])) < near)


def front_times(passages: Passages, times: Float[np.ndarray, "H W"]) -> Float[np.ndarray, "F"]:
    """What ``times_from`` says at the fronts; infinite where there is none."""
    row, column, inside = passages.house_map.cell_of(passages.fronts)
    return np.where(inside, times[row, column], np.inf)


def sight_of(
    house_map: HouseMap, blocked: Bool[np.ndarray, "H W"], door: Door, sight: float = SIGHT
) -> Bool[np.ndarray, "H W"]:
    """The cells from whose centres the middle of a door is seen, not too far or too flat.

    ``blocked`` may hold the door itself shut: the last bit of the line of sight is not asked.
    """
    middle = np.mean(door.jambs, axis=0)
    along = door.jambs[1] - door.jambs[0]
    normal = np.array([-along[1], along[0]]) / max(math.hypot(*along), 1e-9)
    xy = house_map.xy_of(np.indices(blocked.shape))
    way = middle - xy
    distance = np.hypot(way[..., 0], way[..., 1])
    seen = (distance <= sight) & (np.abs(way @ normal) >= GRAZING * distance) & ~blocked
    near = np.argwhere(seen)
    here = xy[near[:, 0], near[:, 1]]
    steps = max(math.ceil(sight / (0.5 * house_map.resolution)), 1)
    length = np.maximum(distance[seen], 1e-9)
    stop = np.maximum(length - 2.0 * house_map.resolution, 0.0) / length
    share = stop[:, None] * (np.arange(steps) / steps)
    line = here[:, None, :] + share[..., None] * (middle - here)[:, None, :]
    row, column, inside = house_map.cell_of(line)
    clear = ~np.any(~inside | blocked[row, column], axis=1)
    seen[near[:, 0], near[:, 1]] = clear
    return seen


def _parts(
    house_map: HouseMap, robot: RobotConfig, blocked: Bool[np.ndarray, "H W"]
) -> Int[np.ndarray, "H W"]:
    """The number of the part of the home that is nearest to each cell."""
    speed = traversal_speed(blocked, house_map.resolution, passing_radius(robot))
    labels = components(speed > 0.0)
    if not labels.any():
        return labels
    nearest = np.empty((2, *labels.shape), np.int32)
    ndimage.distance_transform_edt(labels == 0, indices=nearest, return_indices=True)
    return labels[nearest[0], nearest[1]]


def _front(
    house_map: HouseMap, passable: Bool[np.ndarray, "H W"], door: Door, side: float
) -> Float[np.ndarray, "2"]:
    """The place before a door that is nearest to ``FRONT`` metres from its middle."""
    along = door.jambs[1] - door.jambs[0]
    normal = side * np.array([-along[1], along[0]]) / max(math.hypot(*along), 1e-9)
    distance = np.arange(house_map.resolution, FARTHEST_FRONT, 0.5 * house_map.resolution)
    xy = np.mean(door.jambs, axis=0) + distance[:, None] * normal
    row, column, inside = house_map.cell_of(xy)
    # What lies behind furniture is not in front of the door.
    seen = np.cumprod(inside & ~house_map.blocked[row, column]).astype(bool)
    fits = seen & passable[row, column]
    if not fits.any():
        return np.full(2, np.nan)
    return xy[np.argmin(np.where(fits, np.abs(distance - FRONT), np.inf))]


def _crossing(passages: Passages, k: int) -> float:
    """Time from front to front with all doors but this one shut, s."""
    house, doors = passages.house_map, passages.doors
    first, last = passages.fronts[2 * k : 2 * k + 2]
    if not np.all(np.isfinite([first, last])):
        return math.inf
    blocked = with_shut(house, [door for j, door in enumerate(doors) if j != k])
    speed = traversal_speed(blocked, house.resolution, passing_radius(passages.robot))
    parts = components(speed > 0.0)
    (row, other), (column, far), _ = house.cell_of(np.stack([first, last]))
    if parts[row, column] != parts[other, far]:
        return math.inf
    x, y = first
    field = solve_field(
        house, blocked, (float(x), float(y), 0.0), passages.robot, factor=slow_cells(house)
    )
    return float(np.asarray(field.cost_to_go.table)[other, far, 0])


def _lookouts(passages: Passages, door: Door, front: int, sight: float) -> Int[np.ndarray, "c"]:
    house = passages.house_map
    row, column, inside = house.cell_of(passages.fronts[front])
    if not inside:
        return np.zeros(0, np.int64)
    seen = sight_of(house, passages.shut, door, sight)
    passable = traversal_speed(passages.shut, house.resolution, passing_radius(passages.robot))
    # on this side of the door, though both sides may be one part of the home
    middle = np.mean(door.jambs, axis=0)
    ahead = (house.xy_of(np.indices(seen.shape)) - middle) @ (passages.fronts[front] - middle)
    same = passages.region == passages.region[row, column]
    cells = np.flatnonzero(seen & same & (passable > 0.0) & (ahead > 0.0))
    thinned = cells[:: max(len(cells) // LOOKOUTS, 1)]
    own = row * seen.shape[1] + column
    return np.unique(np.append(thinned, own)).astype(np.int64)
