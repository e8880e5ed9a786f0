"""Floor plans as ROS map_server keeps them: a YAML beside a PGM or PNG.        [host]

A path comes in; a ``HouseMap`` goes out with the rooms, zones and doors that lie beside it, or
an ``InputError`` that says what to mend in which file.
"""

import math
from pathlib import Path
from typing import Any, Literal

import numpy as np
import yaml

from astro_jax.errors import InputError
from astro_jax.route.house import HouseMap as HouseMap
from astro_jax.route.house import Numbers as Numbers
from astro_jax.route.house import turned
from astro_jax.route.map_image import read_occupancy
from astro_jax.route.rooms import load_rooms, room_name
from astro_jax.route.zones import Remarks, load_remarks

MODES = ("trinary", "scale", "raw")
MAX_YAML_BYTES = 1 << 15
MAX_NESTING = 20
"""Together they bound the time to refuse any file."""
FINEST, COARSEST = 0.001, 1.0
"""Edges of a cell, in metres per pixel, between which a floor plan makes sense."""
ORIGIN_REACH = 1e6
"""Farthest origin of a map, m: beyond it float32 no longer resolves a cell."""


def load_map(path: str | Path, unknown: Literal["blocked", "free"] = "blocked") -> HouseMap:
    """Read a map_server YAML and the image it names.

    A pixel's occupancy is p = 1 − brightness, or the brightness itself with ``negate``.
    trinary: p > occupied_thresh is occupied, p < free_thresh is free, the rest unknown.
    scale: the same ends, percent between them, unknown where not opaque.  raw: the byte
    itself is the percentage, above 100 unknown.  As in map_server an alpha channel is
    averaged in like a colour in mode trinary, and otherwise left out of the brightness.

    An origin with a yaw turns the house's frame (see ``route.house``).  ``home.zones.yaml``
    (see ``route.zones``) and ``home.rooms.png`` beside ``home.yaml`` are read if they exist.

    Args:
      path: the YAML file; a relative image is looked for beside it.
      unknown: what cells that nobody has seen count as.

    Raises:
      InputError: a file is missing or malformed, or a value is of the wrong type or out of
        range; names the field, the value and the file.

    Source: ROS map_server and nav2_map_server, map file format (wiki.ros.org/map_server).
    """
    path = Path(path)
    where = str(path)
    if unknown not in ("blocked", "free"):
        raise InputError("unknown", unknown, "blocked or free")
    entries = _read_yaml(path)
    resolution = _number(entries, "resolution", FINEST, COARSEST, where)
    x, y, yaw = _origin(entries, where)
    negate = _flag(entries, "negate", where)
    free, occupied = _thresholds(entries, where)
    mode = entries.get("mode", "trinary")
    if not isinstance(mode, str) or mode.lower() not in MODES:
        raise _refusal("mode", mode, f"one of {', '.join(MODES)}", where)
    image = path.parent / _image_name(entries, where)

    occupancy = read_occupancy(image, mode.lower(), negate, free, occupied, where)
    beside = path.with_suffix(".zones.yaml")
    remarks = load_remarks(beside, yaw) if beside.exists() else Remarks()
    house_map = HouseMap(
        occupancy=occupancy,
        resolution=resolution,
        # map_server's origin is the outer corner of the lower left pixel.
        origin=turned((x, y), -yaw) + 0.5 * resolution,
        name=path.stem,
        yaw=yaw,
        unknown_is_free=unknown == "free",
        rooms=_rooms(path, remarks, occupancy.shape),
        room_names=remarks.room_names,
        zones=remarks.zones,
        doors=remarks.doors,
    )
    _refuse_unknown_rooms(house_map, str(beside))
    return house_map


def _rooms(path: Path, remarks: Remarks, shape: tuple[int, int]) -> np.ndarray | None:
    named = path.parent / (remarks.rooms_image or path.with_suffix(".rooms.png").name)
    if not remarks.rooms_image and not named.exists():
        return None
    where = str(path.with_suffix(".zones.yaml") if remarks.rooms_image else named)
    return load_rooms(named, shape, where)


def _refuse_unknown_rooms(house_map: HouseMap, where: str) -> None:
    numbers = [] if house_map.rooms is None else np.unique(house_map.rooms).tolist()
    for number, name in house_map.room_names.items():
        if number not in numbers:
            expected = f"names of rooms in the picture; it has no number {number}"
            raise InputError("rooms.names", name, expected, where)
    known = [room_name(house_map, number) for number in numbers if number]
    for door in house_map.doors:
        for name in door.rooms if known else ():
            if name not in known:
                raise InputError("doors.rooms", name, f"one of {', '.join(known)}", where)


class _PlainLoader(yaml.SafeLoader):
    """Safe YAML without aliases: nested, a few lines of them grow beyond any memory."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("an alias (*), which map files do not need")
        return super().compose_node(parent, index)

    def fetch_flow_collection_start(self, TokenClass: Any) -> None:
        # The scanner reads ahead of compose_node, quadratically in the number of brackets.
        if self.flow_level >= MAX_NESTING:
            raise yaml.YAMLError(f"brackets nested more than {MAX_NESTING} deep")
        super().fetch_flow_collection_start(TokenClass)


def _read_yaml(path: Path) -> dict[Any, Any]:
    where = str(path)
    try:
        if not path.is_file():
            raise InputError("map", where, "an existing map_server YAML file", where)
        size = path.stat().st_size
        if size > MAX_YAML_BYTES:
            raise InputError("map", f"{size} bytes", f"at most {MAX_YAML_BYTES} bytes", where)
        entries = _PlainLoader(path.read_text(encoding="utf-8")).get_single_data()
    except InputError:
        raise
    # Besides YAMLError, PyYAML lets ValueError, KeyError, RecursionError … of odd scalars out.
    except Exception as error:
        problem = " ".join(str(error).split()) or type(error).__name__
        raise InputError("map", problem, "well-formed YAML in UTF-8", where) from error
    if not isinstance(entries, dict):
        raise _refusal("map", entries, "a mapping with image, resolution, origin …", where)
    return entries


def _refusal(key: str, value: Any, expected: str, where: str) -> InputError:
    try:
        shown = repr(value)
    except ValueError:  # Python does not print integers of thousands of digits
        shown = "an enormous integer"
    return InputError(key, value if isinstance(value, str) else shown, expected, where)


def _required(entries: dict[Any, Any], key: str, where: str) -> Any:
    if key not in entries:
        raise InputError(key, "missing", "an entry in the map's YAML", where)
    return entries[key]


def _is_finite_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond the range of floats
        return False


def _number(entries: dict[Any, Any], key: str, low: float, high: float, where: str) -> float:
    value = _required(entries, key, where)
    if not _is_finite_number(value) or not low <= value <= high:
        raise _refusal(key, value, f"a number from {low:g} to {high:g}", where)
    return float(value)


def _flag(entries: dict[Any, Any], key: str, where: str) -> bool:
    value = _required(entries, key, where)
    if not isinstance(value, bool | int) or value not in (0, 1):
        raise _refusal(key, value, "0 or 1", where)
    return bool(value)


def _origin(entries: dict[Any, Any], where: str) -> tuple[float, float, float]:
    origin = _required(entries, "origin", where)
    numbers = isinstance(origin, list) and all(_is_finite_number(v) for v in origin)
    if not numbers or len(origin) != 3 or max(abs(v) for v in origin) > ORIGIN_REACH:
        raise _refusal("origin", origin, f"[x, y, yaw], numbers within ±{ORIGIN_REACH:g}", where)
    if abs(origin[2]) > math.tau:
        raise _refusal("origin", origin, "a yaw in radians, within ±2π", where)
    x, y, yaw = (float(v) for v in origin)
    return x, y, yaw


def _image_name(entries: dict[Any, Any], where: str) -> str:
    name = _required(entries, "image", where)
    if not isinstance(name, str) or not name.strip() or "\0" in name:
        raise _refusal("image", name, "the name of a PGM or PNG file", where)
    return name


def _thresholds(entries: dict[Any, Any], where: str) -> tuple[float, float]:
    free = _number(entries, "free_thresh", 0.0, 1.0, where)
    occupied = _number(entries, "occupied_thresh", 0.0, 1.0, where)
    if free >= occupied:
        raise InputError("free_thresh", free, f"less than occupied_thresh ({occupied})", where)
    return free, occupied
