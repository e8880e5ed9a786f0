"""Errands from room to room on any floor plan, a shut door on the way, cropped to a window. [host]

A map and a name come in; the part of the map that is shown, start and goal, the way by the map and
what is blocked in truth go out.  The same name gives the same errand.
"""

import dataclasses
from functools import lru_cache
from pathlib import Path
from zlib import crc32

import numpy as np
from jaxtyping import Bool, Float, Int

from astro_jax.config import RobotConfig
from astro_jax.errors import InputError
from astro_jax.route.doors import door_cells, find_doors
from astro_jax.route.field import check_query, components, guide_path, solve_field
from astro_jax.route.house import Door, HouseMap
from astro_jax.route.maps import load_map
from astro_jax.route.waypoints import random_query
from astro_jax.route.zones import closed_cells

LEAST_WAY = 5.0
"""m"""
LEAST_ROOM = 2.0
"""Of the parts that doors leave, m²."""
SIDES, MARGIN = (12.0, 24.0, 30.0), 1.5
"""Windows, and what they show beyond a way, m."""
ON_THE_WAY = 0.3
"""Farthest that a way leads past the middle of a door it goes through, m."""
FEW, TRIES = 3, 50
"""Draws until a map counts as one without rooms, and until it is given up."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Errand:
    """From a start to a goal (poses, m and rad)."""

    house: HouseMap
    """What is shown of the map."""
    start: Float[np.ndarray, "3"]
    goal: Float[np.ndarray, "3"]
    way: Float[np.ndarray, "n 2"]
    """By the map, m."""
    truth: Bool[np.ndarray, "H W"]
    """What is blocked, a shut door included."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class _Known:
    """What is found on a map once."""

    house: HouseMap
    doors: tuple[Door, ...]
    rooms: Int[np.ndarray, "H W"] | None


def draw_errand(path: Path, robot: RobotConfig, name: str) -> Errand:
    """The errand of that name on the map at ``path``.

    Raises:
      InputError: the map is malformed, or has no two places far enough apart.
    """
    known = _known(path, robot)
    house = known.house
    for k in range(TRIES):
        drawn = _drawn(house, robot, f"{name} {k}", known.rooms)
        if drawn is None:
            continue
        start, goal = drawn
        way = guide_path(solve_field(house, closed_cells(house), goal, robot, slowest=1.0), start)
        shown = _window(house, way)
        if shown is not None:
            truth = _with_shut_door(shown, known.doors, robot, drawn, way)
            return Errand(house=shown, start=start, goal=goal, way=way, truth=truth)
    across = SIDES[-1] - 2 * MARGIN
    expected = f"two places {LEAST_WAY:g} m apart with a way of at most {across:g} m across"
    raise InputError("map", house.name, expected, str(path))


@lru_cache(maxsize=4)
def _known(path: Path, robot: RobotConfig) -> _Known:
    house = load_map(path)
    doors, rooms = find_doors(house, house.rooms, robot), house.rooms
    if rooms is None:
        parts = components(~_shut(house, doors))
        areas = np.bincount(parts.ravel()) * house.resolution**2
        areas[0] = 0.0
        rooms = np.where(areas[parts] >= LEAST_ROOM, parts, 0)
    drawn = [_drawn(house, robot, f"{house.name} {k}", rooms) for k in range(FEW)]
    some = any(ends is not None for ends in drawn)
    return _Known(house=house, doors=doors, rooms=rooms if some else None)


def _drawn(
    house: HouseMap, robot: RobotConfig, name: str, rooms: Int[np.ndarray, "H W"] | None
) -> tuple[Float[np.ndarray, "3"], Float[np.ndarray, "3"]] | None:
    """Start and goal in different rooms, or nothing if none were found in some tries."""
    seed, closed = crc32(name.encode()), closed_cells(house)
    try:
        return random_query(house, robot, seed, LEAST_WAY, blocked=closed, rooms=rooms)
    except InputError:
        return None


def _window(house: HouseMap, way: Float[np.ndarray, "n 2"]) -> HouseMap | None:
    """The map in a square: all that is known of it, or what is around the way; if that fits in."""
    known = np.argwhere(house.occupancy >= 0)[:, ::-1]
    first, last = known.min(axis=0), known.max(axis=0) + 1
    sizes = [round(side / house.resolution) for side in SIDES]
    cells = next((n for n in sizes if (last - first <= n).all()), sizes[-1])
    middle = 0.5 * (way.min(axis=0) + way.max(axis=0))
    around = np.rint((middle - house.origin) / house.resolution).astype(int) - cells // 2
    fits = last - first <= cells
    corner = np.where(fits, (first + last - cells) // 2, np.clip(around, first, last - cells))
    at = (way - house.origin) / house.resolution - corner
    margin = MARGIN / house.resolution
    if not np.all(fits | ((at >= margin) & (at <= cells - 1 - margin)).all(axis=0)):
        return None
    return dataclasses.replace(
        house,
        occupancy=_cropped(house.occupancy, corner, cells, -1),
        rooms=None if house.rooms is None else _cropped(house.rooms, corner, cells, 0),
        origin=house.origin + house.resolution * corner,
    )


def _cropped(
    grid: Int[np.ndarray, "H W"], corner: Int[np.ndarray, "2"], cells: int, beyond: int
) -> Int[np.ndarray, "h w"]:
    """A square from ``corner`` (column, row) on; what is off the grid is ``beyond``."""
    padded = np.pad(grid, cells, constant_values=beyond)
    column, row = corner + cells
    return padded[row : row + cells, column : column + cells].copy()


def _shut(house: HouseMap, doors: tuple[Door, ...]) -> Bool[np.ndarray, "H W"]:
    """The map's blocked cells and those of shut doors."""
    blocked = house.blocked.copy()
    for door in doors:
        blocked[door_cells(house, door)] = True
    return blocked


def _with_shut_door(
    house: HouseMap,
    doors: tuple[Door, ...],
    robot: RobotConfig,
    ends: tuple[Float[np.ndarray, "3"], Float[np.ndarray, "3"]],
    way: Float[np.ndarray, "n 2"],
) -> Bool[np.ndarray, "H W"]:
    """What is blocked if the first door is shut that can be: those on the way, then near ones."""

    def off(door: Door) -> float:
        return float(np.hypot(*(way - door.jambs.mean(axis=0)).T).min())

    zones = closed_cells(house)
    for door in sorted(doors, key=lambda door: max(off(door), ON_THE_WAY)):
        blocked = _shut(house, (door,))
        try:
            check_query(house, robot, *ends, blocked | zones)
        except InputError:
            continue
        return blocked
    return house.blocked
