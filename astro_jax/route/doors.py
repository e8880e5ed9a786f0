"""Doors of a floor plan: where they are, and which cells they block when shut.      [host]

A door is a line from jamb to jamb.  A floor plan comes in; doors go out, and the cells that
such a line blocks, tight against every way a robot could slip through a grid.
"""

import dataclasses
import math
from collections import Counter

import numpy as np
from jaxtyping import Bool, Float, Int

from astro_jax.config import RobotConfig
from astro_jax.route.field import passing_radius, wall_distance
from astro_jax.route.house import Door, HouseMap
from astro_jax.route.narrows import (
    LABELLED,
    NARROWEST,
    PLAIN,
    WIDEST,
    Chords,
    Demands,
    chords,
    narrow_places,
    parts,
    widens,
)
from astro_jax.route.raster import clipped, line_cells
from astro_jax.route.rooms import meetings, room_name

JAMB_REACH = 0.15
"""Farthest that the end of a door may lie from the wall it is hinged to, m."""
OPENING = 1.8
"""Longest border between two rooms that may be that of a door, m."""
NEAR_BORDER = 0.5
"""Farthest that a door lies from where the labels of its rooms meet, m."""
NEIGHBOURS = 0.25
"""A passage is the narrowest line within this distance, m."""
APART = 0.8
"""Least distance between the middles of two doors, m: a deep doorway is narrow at both ends."""


def find_doors(
    house_map: HouseMap, rooms: Int[np.ndarray, "H W"] | None, robot: RobotConfig
) -> tuple[Door, ...]:
    """The doors given with the map, those between its rooms, and other narrow passages.

    Where the labels of two rooms meet, the narrowest line from wall to wall nearby is their
    door if it is ``NARROWEST`` to ``WIDEST`` wide; wider ones are openings.  Elsewhere a
    passage counts if the floor widens on both sides of it.  In either case the robot needs
    room on both sides, and shutting it must leave no short way around.

    Args:
      house_map: the floor plan; ``house_map.doors`` come first and hide what is found there.
      rooms: the number of each cell's room, usually ``house_map.rooms``; or none.
      robot: whoever is to have room on both sides; doors may be too narrow for it.
    """
    blocked, resolution = house_map.blocked, house_map.resolution
    standing = wall_distance(blocked, resolution) >= passing_radius(robot)
    across = chords(blocked, NARROWEST / resolution - 0.5, WIDEST / resolution + 0.5)

    def parted(chord: Chords, demands: Demands) -> bool:
        return parts(blocked, standing, chord.first[0], chord.last[0], resolution, demands)

    found = list(house_map.doors)
    if rooms is not None:
        for (one, other), border in meetings(rooms, blocked, resolution):
            joined = (room_name(house_map, one), room_name(house_map, other))
            if np.max(np.ptp(border, axis=0)) > OPENING / resolution:
                continue
            at = _nearest_to(across, border, NEAR_BORDER / resolution)
            # several ways across the same opening: the first that parts the rooms
            for k in at[:: max(1, len(at) // 8)]:
                chord = across.taken(np.array([k]))
                if parted(chord, LABELLED):
                    _add(found, _door(house_map, chord, joined))
                    break
    narrow = narrow_places(across, blocked.shape, NEIGHBOURS / resolution)
    narrow = narrow.taken(widens(blocked, narrow, resolution) & _walled(house_map, narrow))
    for k in np.argsort(narrow.width, kind="stable"):
        chord = narrow.taken(np.array([k]))
        if parted(chord, PLAIN):
            beside = _rooms_beside(house_map, rooms, chord)
            _add(found, _door(house_map, chord, beside))
    return _named(house_map, found)


def _nearest_to(
    across: Chords, border: Float[np.ndarray, "n 2"], reach: float
) -> Int[np.ndarray, "k"]:
    """Indices of the chords whose middle is near a border: narrow, near and parallel ones first."""
    low, high = border.min(axis=0) - reach, border.max(axis=0) + reach
    near = np.nonzero(np.all((across.middle >= low) & (across.middle <= high), axis=-1))[0]
    off = across.middle[near][:, None] - border[None]
    distance = np.min(np.hypot(off[..., 0], off[..., 1]), axis=-1, initial=np.inf)
    # A slanted line from a jamb to a wall beside it may be shorter than the door.
    centred = border - border.mean(axis=0)
    along = np.linalg.eigh(centred.T @ centred)[1][:, 1]
    way = across.last[near] - across.first[near]
    slant = np.abs(way[:, 0] * along[1] - way[:, 1] * along[0]) / np.hypot(*way.T)
    order = np.argsort(across.width[near] * (1.0 + slant) + distance, kind="stable")
    return near[order[distance[order] <= reach]]


def _door(house_map: HouseMap, chord: Chords, rooms: tuple[str, ...]) -> Door:
    first, last = chord.first[0], chord.last[0]
    # from the walls' surfaces, half a cell before the centres of their cells
    inset = 0.5 * (last - first) / np.hypot(*(last - first))
    ends = np.stack([first + inset, last - inset])
    jambs = house_map.origin + house_map.resolution * ends
    return Door(name="", jambs=jambs, rooms=rooms)


def _add(found: list[Door], door: Door) -> None:
    middle = door.jambs.mean(axis=0)
    if all(math.dist(middle, other.jambs.mean(axis=0)) >= APART for other in found):
        found.append(door)


def _walled(house_map: HouseMap, found: Chords) -> Bool[np.ndarray, "n"]:
    """Whether both ends are something seen: the edge of what a sensor saw is no jamb."""
    reach = math.ceil(JAMB_REACH / house_map.resolution)
    unseen = wall_distance(house_map.occupancy > 0, 1.0) + 0.5
    ends = [np.clip(np.rint(e).astype(int), 0, _last(house_map)) for e in (found.first, found.last)]
    return np.all([unseen[end[:, 1], end[:, 0]] <= reach for end in ends], axis=0)


def _last(house_map: HouseMap) -> Int[np.ndarray, "2"]:
    return np.array(house_map.occupancy.shape)[::-1] - 1


def _rooms_beside(
    house_map: HouseMap, rooms: Int[np.ndarray, "H W"] | None, chord: Chords
) -> tuple[str, ...]:
    """Names of the rooms just before and just behind a passage."""
    if rooms is None:
        return ()
    way = chord.last[0] - chord.first[0]
    normal = np.array([-way[1], way[0]]) / np.hypot(*way)
    numbers = []
    for side in (-0.4, 0.4):
        at = np.rint(chord.middle[0] + side / house_map.resolution * normal).astype(int)
        column, row = np.clip(at, 0, _last(house_map))
        numbers.append(int(rooms[row, column]))
    return tuple(room_name(house_map, k) for k in sorted({k for k in numbers if k}))


def _named(house_map: HouseMap, found: list[Door]) -> tuple[Door, ...]:
    """Name what has none by its rooms, and by its place where that is not enough."""
    joined = Counter(door.rooms for door in found if not door.name)
    taken = {door.name for door in found}
    named = []
    for door in found:
        if not door.name:
            x, y = house_map.to_file(door.jambs.mean(axis=0))
            name = " to ".join(door.rooms) if len(door.rooms) == 2 else "passage"
            if name == "passage" or joined[door.rooms] > 1 or name in taken:
                name = f"{name} at {x:.2f}, {y:.2f}"
            door = dataclasses.replace(door, name=name)
        named.append(door)
    return tuple(named)


def door_cells(
    house_map: HouseMap, door: Door
) -> tuple[Int[np.ndarray, "n"], Int[np.ndarray, "n"]]:
    """Rows and columns of the free cells that the shut door blocks.

    The cells hang together edge to edge, from wall to wall, so that no step to one of eight
    neighbours gets through: an end that falls short of the wall by up to ``JAMB_REACH`` is
    continued to it.  Cells that the map itself blocks, or that lie off it, are left out; there
    are none for a door that the map shows as wall.
    """
    blocked = house_map.blocked
    shape = blocked.shape
    ends = (np.asarray(door.jambs, np.float64) - house_map.origin) / house_map.resolution
    part = clipped(ends[0], ends[1], shape)
    reach = JAMB_REACH / house_map.resolution
    line: list[tuple[int, int]] = []
    if part:
        first, last = part
        line += line_cells(_nearest_wall(blocked, first, reach), first)
        line += line_cells(first, last)
        line += line_cells(last, _nearest_wall(blocked, last, reach))
    free = [
        (row, column)
        for row, column in dict.fromkeys(line)
        if 0 <= row < shape[0] and 0 <= column < shape[1] and not blocked[row, column]
    ]
    found = np.array(free, np.int64).reshape(-1, 2)
    return found[:, 0], found[:, 1]


def _nearest_wall(
    blocked: Bool[np.ndarray, "H W"], at: Float[np.ndarray, "2"], reach: float
) -> Float[np.ndarray, "2"]:
    """Centre of the blocked cell nearest to ``at`` (x, y in cells), or ``at`` if none is near."""
    low_x, low_y = (max(math.ceil(v - reach), 0) for v in at)
    high_x, high_y = (max(math.floor(v + reach) + 1, 0) for v in at)
    y, x = np.nonzero(blocked[low_y:high_y, low_x:high_x])
    if x.size == 0:
        return at
    walls = np.stack([x + low_x, y + low_y], axis=-1).astype(np.float64)
    distance = np.hypot(*(walls - at).T)
    k = int(np.argmin(distance))
    return walls[k] if distance[k] <= reach else at
