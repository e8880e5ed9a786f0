"""The truth that a visitor may change: doors, things on the floor, people.              [host]

A stage comes in and a changed one goes out; ``built`` makes its scene agree with it.  All of it is
the simulated world's: the robot's map stays as it was, it has to find out by itself.
"""

import dataclasses
import math

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool
from scipy import ndimage

from astro_jax.config import RobotConfig
from astro_jax.errors import InputError
from astro_jax.home import Home
from astro_jax.route.doors import door_cells, find_doors
from astro_jax.route.house import Door, HouseMap, Numbers
from astro_jax.sim.scene import Scene

BRUSH = 0.15
"""Half the side of what is put on the floor, m."""
APART = 0.1
"""Between the robot or somebody and what appears, at least, m."""
HURRY, STROLL = 1.3, 0.9
"""Speeds of somebody who is dragged, and who walks, m/s."""
SHORTEST = 0.3
"""A walk is no shorter, m."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Stage:
    """What is true in the house."""

    house_map: HouseMap
    doors: tuple[Door, ...]
    closed: tuple[bool, ...]
    painted: Bool[np.ndarray, "H W"]
    scene: Scene


def stage_of(home: Home, robot: RobotConfig, named: tuple[Door, ...] = ()) -> Stage:
    """The home as it is, with the doors that its map has or that can be found in it.

    ``named`` are doors that somebody has given names.  A door is closed if the home says that any
    of its cells is blocked.
    """
    house_map = dataclasses.replace(home.house_map, doors=(*home.house_map.doors, *named))
    doors = find_doors(house_map, house_map.rooms, robot)
    closed = tuple(bool(home.blocked[door_cells(house_map, door)].any()) for door in doors)
    stage = Stage(
        house_map=house_map,
        doors=doors,
        closed=closed,
        painted=np.zeros(home.blocked.shape, bool),
        scene=home.scene,
    )
    return built(stage)


def truth(stage: Stage) -> Bool[np.ndarray, "H W"]:
    """What is blocked: the map's walls, shut doors and what was put down."""
    blocked = stage.house_map.blocked | stage.painted
    for door, closed in zip(stage.doors, stage.closed, strict=True):
        if closed:
            blocked[door_cells(stage.house_map, door)] = True
    return blocked


def with_door(stage: Stage, which: int, closed: bool, bodies: np.ndarray) -> Stage:
    """The door ``which`` shut or open.

    Args:
      stage: what is true before.
      which: its number.
      closed: whether it is to be shut.
      bodies: (x, y, radius) of everybody who must not be hit by it, m.

    Raises:
      InputError: there is no such door, or somebody stands in it.
    """
    if which >= len(stage.doors):
        raise InputError("which", which, f"a door from 0 to {len(stage.doors) - 1}")
    if closed and _hit(stage, door_cells(stage.house_map, stage.doors[which]), bodies).any():
        raise InputError("door", stage.doors[which].name, "nobody in its way")
    shut = tuple(closed if k == which else was for k, was in enumerate(stage.closed))
    return dataclasses.replace(stage, closed=shut)


def with_paint(stage: Stage, x: float, y: float, erase: bool, bodies: np.ndarray) -> Stage:
    """Something more on the floor around (x, y), or nothing of it there any more.

    What would hit somebody is left out.

    Raises:
      InputError: the place is off the map, or all of it would hit somebody.
    """
    house = stage.house_map
    row, column, inside = house.cell_of((x, y))
    if not inside:
        raise InputError("place", [round(x, 2), round(y, 2)], "a place on the map")
    reach = max(0, round(BRUSH / house.resolution))
    rows, columns = house.occupancy.shape
    low, high = max(int(row) - reach, 0), min(int(row) + reach + 1, rows)
    left, right = max(int(column) - reach, 0), min(int(column) + reach + 1, columns)
    cells = tuple(axis.ravel() for axis in np.mgrid[low:high, left:right])
    if not erase:
        free = ~_hit(stage, cells, bodies)
        if not free.any():
            raise InputError("place", [round(x, 2), round(y, 2)], "a place where nobody stands")
        cells = tuple(axis[free] for axis in cells)
    painted = stage.painted.copy()
    painted[cells] = not erase
    return dataclasses.replace(stage, painted=painted & ~house.blocked)


def with_person(stage: Stage, who: int, place: Numbers) -> Stage:
    """Somebody walks to a place by the shortest line and stays there.

    Raises:
      InputError: there is nobody of that number.
    """
    _check_present(stage, who)
    return _walking(stage, who, np.asarray(place, float), np.asarray(place, float), HURRY)


def with_walk(stage: Stage, who: int, people: np.ndarray, end: Numbers) -> Stage:
    """Somebody walks to and fro between where they are and a place, as far as there is no wall.

    Raises:
      InputError: there is nobody of that number, or no room for a walk.
    """
    _check_present(stage, who)
    first, last = np.asarray(people[who], float), np.asarray(end, float)
    points = stage.scene.path_map.shape[1]
    most = (points - 1) * float(stage.scene.path_spacing)
    length = min(math.dist(first, last), most)
    step = 0.5 * stage.house_map.resolution
    along = np.arange(0.0, length, step)[:, None]
    line = first + along * (last - first) / max(math.dist(first, last), 1e-9)
    row, column, inside = stage.house_map.cell_of(line)
    open_floor = inside & ~truth(stage)[row, column]
    blocked = np.nonzero(~open_floor)[0]
    free = step * (blocked[0] if len(blocked) else len(line)) - (0.3 if len(blocked) else 0.0)
    if free < SHORTEST:
        raise InputError("walk", [round(float(v), 2) for v in last], f"{SHORTEST} m of free floor")
    last = first + min(free, length) * (last - first) / math.dist(first, last)
    return _walking(stage, who, first, last, STROLL)


def _walking(stage: Stage, who: int, first: np.ndarray, last: np.ndarray, speed: float) -> Stage:
    scene = stage.scene
    spacing, points = float(scene.path_spacing), scene.path_map.shape[1]
    count = min(max(2, round(math.dist(first, last) / spacing) + 1), points)
    share = np.minimum(np.arange(points) / (count - 1), 1.0)[:, None]
    path = first + share * (last - first)
    changed = dataclasses.replace(
        scene,
        path_map=scene.path_map.at[who].set(jnp.asarray(path, jnp.float32)),
        path_length=scene.path_length.at[who].set(count),
        walk_speed=scene.walk_speed.at[who].set(speed),
    )
    return dataclasses.replace(stage, scene=changed)


def _check_present(stage: Stage, who: int) -> None:
    present = np.flatnonzero(np.asarray(stage.scene.present))
    if who not in present:
        raise InputError("who", who, f"one of {present.tolist()}")


def _hit(stage: Stage, cells: tuple[np.ndarray, ...], bodies: np.ndarray) -> Bool[np.ndarray, "n"]:
    xy = stage.house_map.xy_of(cells)
    gaps = np.hypot(*np.moveaxis(xy[:, None] - bodies[None, :, :2], -1, 0)) - bodies[None, :, 2]
    return np.any(gaps < APART, axis=1)


def built(stage: Stage) -> Stage:
    """The stage whose scene has all that is blocked: to be called once after some changes."""
    blocked = truth(stage)
    walled = np.pad(blocked, 1, constant_values=True)
    distance = np.asarray(ndimage.distance_transform_edt(~walled))[1:-1, 1:-1]
    scene = dataclasses.replace(
        stage.scene,
        blocked=jnp.asarray(blocked),
        distance=jnp.asarray(distance * stage.house_map.resolution, jnp.float32),
    )
    return dataclasses.replace(stage, scene=scene)
