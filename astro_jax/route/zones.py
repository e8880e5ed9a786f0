"""What people say about a floor plan: zones, doors, names of rooms.                [host]

``home.zones.yaml`` beside ``home.yaml`` comes in, strictly read; zones and doors in the house
frame go out, and what they mean for the route: cells that are closed, factors of the speed.

All of the file is optional.  Places are metres in the frame of the map's own YAML, which is
what RViz shows for the map::

    rooms:
      image: home.rooms.png       # default <map>.rooms.png: pixels are numbers, 0 is no room
      names: [hall, kitchen]      # of the numbers 1, 2, …
    zones:
      - {name: aquarium, kind: no-go, box: [1.0, 2.0, 1.8, 2.5]}    # two opposite corners
      - {name: party, kind: no-go, line: [[0.0, 4.0], [2.5, 4.0]]}  # a wall that only we see
      - {name: rug, kind: slow, polygon: [[3, 1], [5, 1], [5, 3]], factor: 0.5}
      - {name: cellar, kind: stairs, line: [[6.1, 0.9], [7.0, 0.9]], margin: 0.3}
    doors:
      - {name: to the garden, jambs: [[4.2, 5.7], [4.2, 6.6]], rooms: [kitchen], habit: 0.3}

``no-go``: the robot's hull stays out.  ``slow``: routes count on ``factor`` times the speed.
``stairs``: the edge to fall over; kept clear by ``margin`` metres as well.  ``habit``: share of
the time that the door stands open.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

from astro_jax.errors import InputError
from astro_jax.route.house import Door, HouseMap, Zone, turned
from astro_jax.route.raster import polygon_cells
from astro_jax.strict_yaml import Section, build, load_yaml

KINDS: dict[str, Literal["no-go", "slow", "stairs"]] = {
    "no-go": "no-go",
    "slow": "slow",
    "stairs": "stairs",
}
REACH = {"low": -1e6, "high": 1e6}
NARROWEST_DOOR, WIDEST_DOOR = 0.2, 5.0
"""Between its jambs, m: beyond, something else was meant."""

Point = tuple[float, float]


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Rooms:
    image: str = ""
    names: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Zone:
    name: str
    kind: str
    box: tuple[float, ...] = dataclasses.field(default=(), metadata=REACH)
    polygon: tuple[Point, ...] = dataclasses.field(default=(), metadata=REACH)
    line: tuple[Point, ...] = dataclasses.field(default=(), metadata=REACH)
    factor: float = dataclasses.field(default=0.5, metadata={"low": 0.05, "high": 1.0})
    margin: float = dataclasses.field(default=0.3, metadata={"low": 0.0, "high": 3.0})


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Door:
    name: str
    jambs: tuple[Point, Point] = dataclasses.field(metadata=REACH)
    rooms: tuple[str, ...] = ()
    habit: float = dataclasses.field(default=0.5, metadata={"low": 0.0, "high": 1.0})


@dataclasses.dataclass(frozen=True, kw_only=True)
class Remarks:
    """The content of one file."""

    zones: tuple[Zone, ...] = ()
    doors: tuple[Door, ...] = ()
    rooms_image: str = ""
    """As it is written; empty if it is not."""
    room_names: Mapping[int, str] = dataclasses.field(default_factory=dict)


def load_remarks(path: str | Path, yaw: float = 0.0) -> Remarks:
    """Read a ``.zones.yaml``; ``yaw`` is that of the map's axes in the file's frame, rad.

    Raises:
      InputError: not strict YAML, an unknown key or kind, a shape that is missing, double or
        flat, a name used twice, a number out of range; names the file and the line.
    """
    document = load_yaml(path)
    for key in document:
        if key not in ("rooms", "zones", "doors"):
            raise InputError(key[:60], "unknown", "rooms, zones or doors", document.where(key))
    rooms = _Rooms()
    if "rooms" in document:
        rooms = build(_Rooms, _mapping(document["rooms"], "rooms", document.where("rooms")))
        _refuse_twins(rooms.names, "rooms.names", document["rooms"].where("names"))
    zones = [_zone(entry, yaw) for entry in _entries(document, "zones")]
    doors = [_door(entry, yaw) for entry in _entries(document, "doors")]
    _refuse_twins([zone.name for zone in zones], "zones.name", str(path))
    _refuse_twins([door.name for door in doors], "doors.name", str(path))
    return Remarks(
        zones=tuple(zones),
        doors=tuple(doors),
        rooms_image=rooms.image,
        room_names=dict(enumerate(rooms.names, 1)),
    )


def blocked_by(zones: Sequence[Zone], house_map: HouseMap) -> Bool[np.ndarray, "H W"]:
    """The cells that no-go zones and stairs touch, and those within the margin of stairs."""
    closed = np.zeros(house_map.occupancy.shape, bool)
    for zone in zones:
        if zone.kind in ("no-go", "stairs"):
            closed |= _grown(_cells(zone, house_map), zone.margin / house_map.resolution)
    return closed


def speed_factor(zones: Sequence[Zone], house_map: HouseMap) -> Float[np.ndarray, "H W"]:
    """Factor of the speed in each cell: the smallest of the slow zones that touch it, or 1."""
    factor = np.ones(house_map.occupancy.shape)
    for zone in zones:
        if zone.kind == "slow":
            cells = _cells(zone, house_map)
            factor[cells] = np.minimum(factor[cells], zone.factor)
    return factor


def closed_cells(house_map: HouseMap) -> Bool[np.ndarray, "H W"]:
    """What the map blocks, and what its zones forbid."""
    return house_map.blocked | blocked_by(house_map.zones, house_map)


def slow_cells(house_map: HouseMap) -> Float[np.ndarray, "H W"] | None:
    """``speed_factor`` of the map's own zones; None if none of them is slow."""
    slow = any(zone.kind == "slow" for zone in house_map.zones)
    return speed_factor(house_map.zones, house_map) if slow else None


def _cells(zone: Zone, house_map: HouseMap) -> Bool[np.ndarray, "H W"]:
    in_cells = (zone.outline - house_map.origin) / house_map.resolution
    return polygon_cells(in_cells, house_map.occupancy.shape)


def _grown(cells: Bool[np.ndarray, "H W"], reach: float) -> Bool[np.ndarray, "H W"]:
    if reach <= 0.0 or not cells.any():
        return cells
    return np.asarray(ndimage.distance_transform_edt(~cells)) <= reach


def _zone(entry: Section, yaw: float) -> Zone:
    zone = build(_Zone, entry)
    if zone.kind not in KINDS:
        expected = f"one of {', '.join(KINDS)}"
        raise InputError("zones.kind", zone.kind, expected, entry.where("kind"))
    for key, kind in (("factor", "slow"), ("margin", "stairs")):
        if key in entry and zone.kind != kind:
            found = f"given for a zone of kind {zone.kind}"
            raise InputError(f"zones.{key}", found, f"only for {kind}", entry.where(key))
    shapes = [key for key in ("box", "polygon", "line") if key in entry]
    if len(shapes) != 1:
        found = " and ".join(shapes) or "missing"
        raise InputError("zones.box", found, "one of box, polygon, line", entry.where("name"))
    (shape,) = shapes
    if shape == "line" and zone.kind == "slow":
        expected = "a box or a polygon for a slow zone"
        raise InputError("zones.line", "given", expected, entry.where("line"))
    return Zone(
        name=zone.name,
        kind=KINDS[zone.kind],
        outline=turned(_outline(zone, shape, entry), -yaw),
        factor=zone.factor if zone.kind == "slow" else 1.0,
        margin=zone.margin if zone.kind == "stairs" else 0.0,
    )


def _outline(zone: _Zone, shape: str, entry: Section) -> Float[np.ndarray, "N 2"]:
    where = entry.where(shape)
    if shape == "box":
        x0, y0, x1, y1 = zone.box if len(zone.box) == 4 else (0.0,) * 4
        if x0 == x1 or y0 == y1:
            expected = "[x, y, x, y] of two opposite corners"
            raise InputError("zones.box", list(zone.box), expected, where)
        return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])
    points = np.array(zone.polygon or zone.line, np.float64).reshape(-1, 2)
    least = 3 if shape == "polygon" else 2
    if len(points) < least:
        expected = f"at least {least} points [x, y]"
        raise InputError(f"zones.{shape}", points.tolist(), expected, where)
    if shape == "polygon":
        return points
    # There and back again: the way back closes the outline without adding any area.
    return np.concatenate([points, points[-2:0:-1]])


def _door(entry: Section, yaw: float) -> Door:
    door = build(_Door, entry)
    width = math.dist(*door.jambs)
    if not NARROWEST_DOOR <= width <= WIDEST_DOOR:
        expected = f"two points {NARROWEST_DOOR:g} to {WIDEST_DOOR:g} m apart"
        raise InputError("doors.jambs", f"{width:g} m apart", expected, entry.where("jambs"))
    if len(door.rooms) > 2:
        expected = "the one or two rooms that it joins"
        raise InputError("doors.rooms", list(door.rooms), expected, entry.where("rooms"))
    return Door(
        name=door.name,
        jambs=turned(np.array(door.jambs, np.float64), -yaw),
        rooms=door.rooms,
        habit=door.habit if "habit" in entry else None,
    )


def _entries(document: Section, key: str) -> list[Section]:
    entries, where = document.get(key, []), document.where(key)
    if not isinstance(entries, list):
        raise InputError(key, entries, "a list (lines that begin with -)", where)
    return [_mapping(entry, key, where) for entry in entries]


def _mapping(entry: Any, field: str, where: str) -> Section:
    if not isinstance(entry, Section):
        raise InputError(field, entry, "a mapping (key: value)", where)
    return entry


def _refuse_twins(names: Sequence[str], field: str, where: str) -> None:
    for k, name in enumerate(names):
        if name in names[:k]:
            raise InputError(field, name, "each name once", where)
