"""MovingAI's grid maps and scenario files: exact shortest costs to compare with.     [host]

A folder comes in; per map which cells are open, and its queries with their optimal costs, go
out.  A map is ``NAME.map``, its scenarios ``NAME.map.scen`` beside it; ``.``, ``G`` and ``S``
are open, ``@``, ``O``, ``T`` and ``W`` are not.  Costs count 1 per straight step and √2 per
diagonal one, which may not cut a corner.

Source: N. R. Sturtevant, Benchmarks for Grid-Based Pathfinding (2012), and the format pages
of movingai.com.
"""

import dataclasses
import math
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int

from astro_jax.errors import InputError

OPEN, SHUT = ".GS", "@OTW"
MAX_CELLS = 16_000_000
MAX_BYTES = 64 << 20
TOLERANCE = 0.001
"""How far a given cost may be off, in cells, unless its digits say less."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class GridSuite:
    """One map and its queries."""

    name: str
    open_cells: Bool[np.ndarray, "H W"]
    starts: Int[np.ndarray, "Q 2"]
    """(row, column); row 0 is the file's first."""
    goals: Int[np.ndarray, "Q 2"]
    costs: Float[np.ndarray, "Q"]
    """Optimal, in cells, as rounded in the file."""
    tolerance: Float[np.ndarray, "Q"]
    """``TOLERANCE``, or half a unit of the last digit that the file gives, if that is more."""


def load_suites(folder: str | Path) -> list[GridSuite]:
    """The maps with scenarios in a folder (or in its subfolder ``movingai``), by name.

    Raises:
      InputError: no folder, no scenarios in it, or what ``load_suite`` raises.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError("data", str(folder), "an existing folder")
    inner = folder / "movingai"
    folder = inner if inner.is_dir() else folder
    files = sorted(folder.glob("*.map.scen"))
    if not files:
        raise InputError("data", str(folder), "a folder with scenario files (*.map.scen)")
    return [load_suite(path) for path in files]


def load_suite(path: str | Path) -> GridSuite:
    """One scenario file and the map beside it.

    Raises:
      InputError: a file is missing, too large or malformed, or a query lies off the map or in
        a wall; names the file and the line.
    """
    path = Path(path)
    map_path = path.with_suffix("")
    open_cells = load_grid(map_path)
    lines = _lines(path)
    header = lines[0].split()
    if len(header) != 2 or header[0] != "version" or header[1] not in ("1", "1.0"):
        raise InputError("version", lines[0], "version 1", f"{path}:1")
    queries, written = [], []
    for number, line in enumerate(lines[1:], start=2):
        if line.strip():
            queries.append(_query(line, open_cells, f"{path}:{number}"))
            written.append(line.split()[8])
    if not queries:
        raise InputError("scenarios", "none", "at least one query", str(path))
    table = np.array(queries)
    places = table[:, :4].astype(np.int64)
    return GridSuite(
        name=map_path.stem,
        open_cells=open_cells,
        starts=places[:, 1::-1],
        goals=places[:, 3:1:-1],
        costs=table[:, 4],
        tolerance=np.maximum(TOLERANCE, _rounding(written)),
    )


def load_grid(path: str | Path) -> Bool[np.ndarray, "H W"]:
    """Which cells of a map are open.

    Raises:
      InputError: missing, too large or malformed; names the file and the line.
    """
    path = Path(path)
    lines = _lines(path)
    if lines[0].split() != ["type", "octile"]:
        raise InputError("type", lines[0], "type octile", f"{path}:1")
    sizes = {}
    for number, key in ((2, "height"), (3, "width")):
        line = lines[number - 1] if len(lines) >= number else ""
        words = line.split()
        if len(words) != 2 or words[0] != key or not words[1].isdecimal() or len(words[1]) > 8:
            raise InputError(key, line, f"{key} and a whole number", f"{path}:{number}")
        sizes[key] = int(words[1])
    height, width = sizes["height"], sizes["width"]
    if not 0 < height * width <= MAX_CELLS:
        found = f"{width} x {height} cells"
        raise InputError("height", found, f"1 to {MAX_CELLS} cells", f"{path}:2")
    if len(lines) < 4 or lines[3].strip() != "map":
        raise InputError("map", lines[3] if len(lines) > 3 else "", "map", f"{path}:4")
    rows = lines[4 : 4 + height]
    if len(rows) < height or any(line.strip() for line in lines[4 + height :]):
        raise InputError("height", f"{len(lines) - 4} rows", f"{height} rows", str(path))
    for number, row in enumerate(rows, start=5):
        if len(row) != width:
            found = f"{len(row)} characters"
            raise InputError("width", found, f"{width} characters", f"{path}:{number}")
        strange = set(row) - set(OPEN + SHUT)
        if strange:
            expected = f"one of {OPEN}{SHUT}"
            raise InputError("terrain", min(strange), expected, f"{path}:{number}")
    letters = np.frombuffer("".join(rows).encode("ascii"), np.uint8).reshape(height, width)
    return np.isin(letters, np.frombuffer(OPEN.encode("ascii"), np.uint8))


def _query(line: str, open_cells: Bool[np.ndarray, "H W"], where: str) -> tuple[float, ...]:
    """Start and goal (x, y) and the cost."""
    words = line.split()
    if len(words) != 9:
        expected = "bucket, map, width, height, start x y, goal x y, cost"
        raise InputError("scenario", line, expected, where)
    numbers = [word for k, word in enumerate(words) if k not in (1, 8)]
    if not all(word.isdecimal() and len(word) <= 8 for word in numbers):
        raise InputError("scenario", line, "whole numbers up to the cost", where)
    _, width, height, *places = (int(word) for word in numbers)
    if (height, width) != open_cells.shape:
        expected = f"{open_cells.shape[1]} x {open_cells.shape[0]}, as the map (no scaling)"
        raise InputError("size", f"{width} x {height}", expected, where)
    for field, x, y in (("start", *places[:2]), ("goal", *places[2:])):
        if x >= width or y >= height or not open_cells[y, x]:
            raise InputError(field, f"{x} {y}", "an open cell of the map", where)
    try:
        cost = float(words[8])
    except ValueError:
        cost = math.nan
    if not (math.isfinite(cost) and cost >= 0.0):
        raise InputError("cost", words[8], "a finite number from 0", where)
    return (*places, cost)


def _rounding(written: list[str]) -> Float[np.ndarray, "Q"]:
    """Half a unit of the last digit of each cost.

    Zeros at the end may be missing, so digits are counted over the whole file: so many behind
    the point at most, and so many altogether.
    """
    parts = [word.lower().partition("e")[0].partition(".") for word in written]
    behind = max(len(fraction) for _, _, fraction in parts)
    altogether = max(len(whole.lstrip("0")) + len(fraction) for whole, _, fraction in parts)
    decimals = [min(behind, altogether - len(whole.lstrip("0"))) for whole, _, _ in parts]
    return 0.5 * 10.0 ** -np.array(decimals, float) + 1e-9


def _lines(path: Path) -> list[str]:
    """The lines of a text file, at least one."""
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise InputError("file", f"{size} bytes", f"at most {MAX_BYTES} bytes", str(path))
        lines = path.read_text(encoding="ascii").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError("file", str(error), "a readable text file", str(path)) from error
    if not lines:
        raise InputError("file", "empty", "a map or scenarios", str(path))
    return lines
