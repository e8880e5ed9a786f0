"""Floor plans as ROS map_server keeps them: a YAML beside a PGM or PNG.        [host]

A path comes in; a ``HouseMap`` goes out, or an ``InputError`` that says which line of
which file to mend.  Nothing of the image is decoded before its size is known to be sane.
"""

import dataclasses
import math
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
import yaml
from jaxtyping import Bool, Float, Int, Int8
from PIL import Image

from astro_jax.errors import InputError

Numbers = Sequence[Any] | np.ndarray | jax.Array
"""Anything that NumPy makes an array of: callers hold poses as tuples and as arrays."""

MODES = ("trinary", "scale", "raw")
MAX_YAML_BYTES = 1 << 20
MAX_CELLS = 16_000_000
FINEST, COARSEST = 0.001, 1.0
"""Edges of a cell, in metres per pixel, between which a floor plan makes sense."""
ORIGIN_REACH = 1e6
"""Farthest origin of a map, m: beyond it float32 no longer resolves a cell."""
LIKELY_OCCUPIED = 50
"""Percent from which a graded cell (modes scale and raw) counts as an obstacle."""


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class HouseMap:
    """A floor plan on square cells aligned with the map axes; row 0 is the smallest y."""

    occupancy: Int8[np.ndarray, "H W"]
    """0 free, 100 occupied, between them percent (modes scale and raw), −1 unknown."""
    resolution: float
    """Edge of a cell, m."""
    origin: Float[np.ndarray, "2"]
    """Map coordinates of the *centre* of cell [0, 0], m."""
    name: str = ""

    @property
    def blocked(self) -> Bool[np.ndarray, "H W"]:
        """Where a robot must not be: occupied, or never seen."""
        return (self.occupancy < 0) | (self.occupancy >= LIKELY_OCCUPIED)

    def cell_of(
        self, xy_map: Numbers
    ) -> tuple[Int[np.ndarray, "*n"], Int[np.ndarray, "*n"], Bool[np.ndarray, "*n"]]:
        """Row, column and whether the point is on the map at all.

        Row and column are 0 where the third answer is false (outside, or not finite), so
        that they always index.
        """
        with np.errstate(invalid="ignore", over="ignore"):
            steps = (np.asarray(xy_map, np.float64) - self.origin) / self.resolution
            cells = np.floor(steps + 0.5)
        inside = np.asarray(np.all((cells >= 0) & (cells < self.occupancy.shape[::-1]), axis=-1))
        indices = np.where(inside[..., None], cells, 0.0).astype(np.int64)
        return indices[..., 1], indices[..., 0], inside

    def contains(self, xy_map: Numbers) -> Bool[np.ndarray, "*n"]:
        """Whether points lie on the map; not-a-number does not."""
        return self.cell_of(xy_map)[2]

    def xy_of(self, cells: Numbers) -> Float[np.ndarray, "*n 2"]:
        """Map coordinates of the centres of cells, m; takes (rows, columns)."""
        return self.origin + self.resolution * np.moveaxis(np.asarray(cells)[::-1], 0, -1)


def load_map(path: str | Path) -> HouseMap:
    """Read a map_server YAML and the image it names.

    A pixel's occupancy is p = 1 − brightness, or the brightness itself with ``negate``.
    trinary: p > occupied_thresh is occupied, p < free_thresh is free, the rest unknown.
    scale: the same ends, percent between them, unknown where not opaque.  raw: the byte
    itself is the percentage, above 100 unknown.  As in map_server an alpha channel is
    averaged in like a colour in mode trinary, and otherwise left out of the brightness.

    Args:
      path: the YAML file; a relative image is looked for beside it.

    Raises:
      InputError: the YAML or the image is missing or malformed, or a value is of the wrong
        type or out of range; names the field, the value and the file.

    Source: ROS map_server and nav2_map_server, map file format (wiki.ros.org/map_server).
    """
    path = Path(path)
    entries = _read_yaml(path)
    where = str(path)
    resolution = _number(entries, "resolution", FINEST, COARSEST, where)
    corner = _origin(entries, where)
    negate = _flag(entries, "negate", where)
    free, occupied = _thresholds(entries, where)
    mode = entries.get("mode", "trinary")
    if not isinstance(mode, str) or mode.lower() not in MODES:
        raise _refusal("mode", mode, f"one of {', '.join(MODES)}", where)
    image_name = _required(entries, "image", where)
    if not isinstance(image_name, str) or not image_name.strip() or "\0" in image_name:
        raise _refusal("image", image_name, "the name of a PGM or PNG file", where)

    brightness, opaque = _read_image(path.parent / image_name, mode.lower(), where)
    occupancy = _interpret(brightness, opaque, mode.lower(), negate, free, occupied)
    return HouseMap(
        occupancy=np.ascontiguousarray(occupancy[::-1]),
        resolution=resolution,
        # map_server's origin is the outer corner of the lower left pixel.
        origin=corner + 0.5 * resolution,
        name=path.stem,
    )


class _PlainLoader(yaml.SafeLoader):
    """Safe YAML without aliases: nested, a few lines of them grow beyond any memory."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("an alias (*), which map files do not need")
        return super().compose_node(parent, index)


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


def _origin(entries: dict[Any, Any], where: str) -> Float[np.ndarray, "2"]:
    origin = _required(entries, "origin", where)
    numbers = isinstance(origin, list) and all(_is_finite_number(v) for v in origin)
    if not numbers or len(origin) != 3 or max(abs(v) for v in origin) > ORIGIN_REACH:
        raise _refusal("origin", origin, f"[x, y, yaw], numbers within ±{ORIGIN_REACH:g}", where)
    if origin[2] != 0:
        raise InputError("origin", origin, "a yaw of 0 (turned maps are not supported yet)", where)
    return np.asarray(origin[:2], np.float64)


def _thresholds(entries: dict[Any, Any], where: str) -> tuple[float, float]:
    free = _number(entries, "free_thresh", 0.0, 1.0, where)
    occupied = _number(entries, "occupied_thresh", 0.0, 1.0, where)
    if free >= occupied:
        raise InputError("free_thresh", free, f"less than occupied_thresh ({occupied})", where)
    return free, occupied


def _read_image(
    path: Path, mode: str, where: str
) -> tuple[Float[np.ndarray, "H W"], Bool[np.ndarray, "H W"]]:
    """Brightness 0 … 1 and opacity of each pixel, row 0 at the top."""
    if not path.is_file():
        raise InputError("image", str(path), "an existing PGM or PNG file", where)
    try:
        with warnings.catch_warnings():
            # Our own limit on the size is below PIL's; its warning would only be noise.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(path, formats=("PPM", "PNG"))
        with image:
            width, height = image.size
            if not 0 < width * height <= MAX_CELLS:
                found, limit = f"{width} x {height} pixels", f"1 to {MAX_CELLS} pixels"
                raise InputError("image", found, limit, where)
            return _brightness(image, mode)
    except InputError:
        raise
    except Image.DecompressionBombError as error:
        raise InputError("image", str(error), f"1 to {MAX_CELLS} pixels", where) from error
    # PIL raises a different type for each way in which a file can be damaged.
    except Exception as error:
        found = f"{path.name} ({error})"
        raise InputError("image", found, "a readable PGM or PNG image", where) from error


def _brightness(
    image: Image.Image, mode: str
) -> tuple[Float[np.ndarray, "H W"], Bool[np.ndarray, "H W"]]:
    opaque = np.ones((image.height, image.width), bool)
    white = 255.0
    if image.mode.startswith(("I", "F")):
        # PIL keeps greys of more than one byte on the scale of two.
        colours, white = np.asarray(image, np.float64)[..., None], 65535.0
    elif image.mode in ("1", "L") and "transparency" not in image.info:
        colours = np.asarray(image.convert("L"))[..., None]
    elif image.mode == "RGB" and "transparency" not in image.info:
        colours = np.asarray(image)
    else:
        # Palettes, grey with alpha and transparent colours all mean some RGBA.
        pixels = np.asarray(image.convert("RGBA"))
        opaque = pixels[..., 3] == 255
        colours = pixels if mode == "trinary" else pixels[..., :3]
    # Whole-number sums: a grey exactly at a threshold must not be tipped over by rounding.
    return colours.sum(axis=-1, dtype=np.float64) / (white * colours.shape[-1]), opaque


def _interpret(
    brightness: Float[np.ndarray, "H W"],
    opaque: Bool[np.ndarray, "H W"],
    mode: str,
    negate: bool,
    free: float,
    occupied: float,
) -> Int8[np.ndarray, "H W"]:
    """Occupancy of each pixel, row 0 still at the top."""
    if mode == "raw":
        percent = np.rint(brightness * 255.0)
        return np.where(percent <= 100.0, percent, -1.0).astype(np.int8)

    p = brightness if negate else 1.0 - brightness
    between = -1.0
    if mode == "scale":
        between = np.rint(100.0 * (p - free) / (occupied - free))
    values = np.where(p > occupied, 100.0, np.where(p < free, 0.0, between))
    if mode == "scale":
        values = np.where(opaque, values, -1.0)
    return values.astype(np.int8)
