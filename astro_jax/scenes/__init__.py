"""The scenes that come with the package, and how scenes are described.        [host]

A scene is a floor plan plus what happens on it: where the robot starts and wants to go,
which doors of the map are closed in truth, and where people walk.
"""

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from jaxtyping import Bool

from astro_jax.errors import InputError
from astro_jax.route.house import HouseMap


@dataclasses.dataclass(frozen=True, kw_only=True)
class Door:
    """An opening in a wall; the map shows it open whether or not it is."""

    name: str
    rectangle: tuple[float, float, float, float]
    """x_min, y_min, x_max, y_max in the map frame, m."""
    closed: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class Walk:
    """A person's way, there and back again."""

    name: str
    waypoints: tuple[tuple[float, float], ...]
    """In the map frame, m."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class SceneDescription:
    """What is true in a scene besides its floor plan."""

    name: str
    map_path: Path
    """The map_server YAML."""
    start_map: tuple[float, float, float]
    """Pose (x, y, yaw) of the robot, m and rad."""
    goal_map: tuple[float, float, float]
    doors: tuple[Door, ...] = ()
    people: tuple[Walk, ...] = ()


def flat_scene() -> SceneDescription:
    """The packaged flat: five rooms in two loops, one door closed on the shortest way."""
    return load_scene(Path(__file__).with_name("flat_scene.yaml"))


def load_scene(path: str | Path) -> SceneDescription:
    """Read a scene; its map is looked for beside it.

    Raises:
      InputError: the file is missing or malformed, or an entry is of the wrong type.
    """
    path = Path(path)
    where = str(path)
    try:
        entries = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, ValueError) as error:
        problem = " ".join(str(error).split())
        raise InputError("scene", problem, "a readable YAML file", where) from error
    scene = _mapping(entries, "scene", {"name", "map", "start", "goal", "doors", "people"}, where)
    doors = _list(scene.get("doors", []), "doors", where)
    people = _list(scene.get("people", []), "people", where)
    return SceneDescription(
        name=_text(scene, "name", where),
        map_path=path.parent / _text(scene, "map", where),
        start_map=_pose(scene, "start", where),
        goal_map=_pose(scene, "goal", where),
        doors=tuple(_door(entry, f"doors[{k}]", where) for k, entry in enumerate(doors)),
        people=tuple(_walk(entry, f"people[{k}]", where) for k, entry in enumerate(people)),
    )


def truth_blocked(house_map: HouseMap, doors: Sequence[Door]) -> Bool[np.ndarray, "H W"]:
    """The cells blocked in truth: the map's, and every cell that a closed door covers."""
    blocked = house_map.blocked.copy()
    x, y = np.moveaxis(house_map.xy_of(np.indices(blocked.shape)), -1, 0)
    for door in doors:
        if door.closed:
            x_min, y_min, x_max, y_max = door.rectangle
            blocked |= (x >= x_min) & (x <= x_max) & (y >= y_min) & (y <= y_max)
    return blocked


def _door(entry: Any, field: str, where: str) -> Door:
    door = _mapping(entry, field, {"name", "rectangle", "closed"}, where)
    x_min, y_min, x_max, y_max = _numbers(door.get("rectangle"), 4, f"{field}.rectangle", where)
    if x_min >= x_max or y_min >= y_max:
        found = [x_min, y_min, x_max, y_max]
        raise InputError(f"{field}.rectangle", found, "x_min < x_max and y_min < y_max", where)
    closed = door.get("closed", False)
    if not isinstance(closed, bool):
        raise InputError(f"{field}.closed", closed, "true or false", where)
    rectangle = (x_min, y_min, x_max, y_max)
    return Door(name=_text(door, "name", where), rectangle=rectangle, closed=closed)


def _walk(entry: Any, field: str, where: str) -> Walk:
    walk = _mapping(entry, field, {"name", "waypoints"}, where)
    points = _list(walk.get("waypoints"), f"{field}.waypoints", where)
    if len(points) < 2:
        raise InputError(f"{field}.waypoints", points, "at least two points [x, y]", where)
    pairs = (_numbers(point, 2, f"{field}.waypoints", where) for point in points)
    return Walk(name=_text(walk, "name", where), waypoints=tuple((x, y) for x, y in pairs))


def _pose(scene: dict[str, Any], field: str, where: str) -> tuple[float, float, float]:
    x, y, yaw = _numbers(scene.get(field), 3, field, where)
    return x, y, yaw


def _mapping(entry: Any, field: str, keys: set[str], where: str) -> dict[str, Any]:
    if not isinstance(entry, dict):
        raise InputError(field, entry, f"a mapping with {', '.join(sorted(keys))}", where)
    for key in entry:
        if key not in keys:
            raise InputError(f"{field}.{key}", entry[key], f"only {', '.join(sorted(keys))}", where)
    return entry


def _list(entry: Any, field: str, where: str) -> list[Any]:
    if not isinstance(entry, list):
        raise InputError(field, entry, "a list", where)
    return entry


def _text(entry: dict[str, Any], field: str, where: str) -> str:
    text = entry.get(field)
    if not isinstance(text, str) or not text:
        raise InputError(field, text, "a text", where)
    return text


def _numbers(entry: Any, count: int, field: str, where: str) -> tuple[float, ...]:
    if (
        not isinstance(entry, list)
        or len(entry) != count
        or not all(isinstance(v, int | float) and not isinstance(v, bool) for v in entry)
        or not all(math.isfinite(v) for v in entry)
    ):
        raise InputError(field, entry, f"{count} numbers", where)
    return tuple(float(v) for v in entry)
