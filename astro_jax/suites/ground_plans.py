"""What stands where the ETH/UCY pedestrians were recorded.                             [host]

``maps/*_PLACE__H.txt`` is the homography from the video's picture to the ground, beside it lies
what is no floor: a picture (ETH; bright pixels) or a closed line in it (UCY).  A function from
points of the ground to yes or no comes out.

The two sources number pixels differently, as drawing them over everybody's ways shows.  ETH:
(row, column) from the upper left corner.  UCY: from the middle of a picture of 720 x 576, up and
to the *left*: only then does the line run along the edge of everybody's ways.

Source: the files as OpenTraj collects them (Amirian et al., 2020).
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float
from PIL import Image, ImageDraw

from astro_jax.errors import InputError
from astro_jax.route.map_image import read_labels

UCY_PICTURE = (720, 576)
BRIGHT = 128
MOST_BYTES = 1 << 20

Plan = Callable[[Float[np.ndarray, "*n 2"]], Bool[np.ndarray, "*n"]]
"""Points of the ground (m) → whether something stands there."""


def ground_plan(folder: Path, place: str) -> Plan:
    """The plan of a place; nothing stands where the folder has none of it.

    Raises:
      InputError: two plans of one place, or a malformed file.
    """
    files = sorted((folder / "maps").glob(f"*_{place}__H.txt"))
    if len(files) > 1:
        expected = f"one plan of {place} ({files[0].name} is the other)"
        raise InputError("maps", files[1].name, expected, str(folder))
    if not files:
        return lambda xy: np.zeros(np.shape(xy)[:-1], bool)
    homography = _table(files[0], 3)
    if homography.shape != (3, 3) or abs(np.linalg.det(homography)) < 1e-12:
        raise InputError("homography", homography.tolist(), "a regular 3 x 3 matrix", str(files[0]))
    picture = Path(str(files[0]).replace("__H.txt", "__map.png"))
    line = Path(str(files[0]).replace("__H.txt", "__static.txt"))
    if picture.is_file():
        bright = read_labels(picture, "picture", str(picture))[::-1] >= BRIGHT
        return _looked_up(homography, bright, lambda u, v: (u, v))
    if line.is_file():
        width, height = UCY_PICTURE
        inside = _inside(_table(line, 2), UCY_PICTURE)
        return _looked_up(homography, inside, lambda u, v: (0.5 * height - v, 0.5 * width - u))
    return lambda xy: np.zeros(np.shape(xy)[:-1], bool)


def _looked_up(
    homography: Float[np.ndarray, "3 3"],
    picture: Bool[np.ndarray, "H W"],
    to_pixel: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]],
) -> Plan:
    back = np.linalg.inv(homography)

    def plan(xy: Float[np.ndarray, "*n 2"]) -> Bool[np.ndarray, "*n"]:
        points = np.asarray(xy, np.float64)
        u, v, scale = np.moveaxis(points @ back[:, :2].T + back[:, 2], -1, 0)
        with np.errstate(divide="ignore", invalid="ignore"):
            row, column = to_pixel(u / scale, v / scale)
        rows, columns = picture.shape
        seen = (row > -0.5) & (row < rows - 0.5) & (column > -0.5) & (column < columns - 0.5)
        i, j = (np.rint(np.where(seen, at, 0.0)).astype(int) for at in (row, column))
        return seen & picture[i, j]

    return plan


def _inside(line: Float[np.ndarray, "n 2"], size: tuple[int, int]) -> Bool[np.ndarray, "H W"]:
    """Pixels within a closed line of (column, row)."""
    picture = Image.new("1", size)
    ImageDraw.Draw(picture).polygon([(float(x), float(y)) for x, y in line], fill=1)
    return np.asarray(picture)


def _table(path: Path, columns: int) -> Float[np.ndarray, "n columns"]:
    """Lines of numbers."""
    where = str(path)
    try:
        if path.stat().st_size > MOST_BYTES:
            raise InputError("file", "too large", f"at most {MOST_BYTES} bytes", where)
        rows = [line.split() for line in path.read_text(encoding="utf-8").splitlines()]
        table = np.array([[float(word) for word in row] for row in rows if row])
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError("file", str(error), f"lines of {columns} numbers", where) from error
    if table.ndim != 2 or table.shape[1] != columns or not np.isfinite(table).all():
        raise InputError("file", table.shape, f"lines of {columns} finite numbers", where)
    return table
