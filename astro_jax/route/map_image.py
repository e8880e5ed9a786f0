"""The picture of a floor plan: a PGM or PNG in, occupancy or labels out.             [host]

The size is read from the header and judged before a single pixel is decoded, and nothing of
eight bytes a pixel is ever made: the largest map allowed takes some 100 MB on the way.
"""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
from jaxtyping import Bool, Float, Int, Int8
from PIL import Image

from astro_jax.errors import InputError

_T = TypeVar("_T")

MAX_CELLS = 16_000_000
SOURCES = ("PPM", "PNG")
"""PIL's names of the readers that are let near a file."""


def read_occupancy(
    path: Path, mode: str, negate: bool, free: float, occupied: float, where: str
) -> Int8[np.ndarray, "H W"]:
    """Occupancy of each cell, row 0 at the bottom; see ``route.maps.load_map``.

    Raises:
      InputError: the image is missing, too large, damaged, or no PGM or PNG.
    """
    sums, full, opaque = _read(path, "image", where, lambda image: _brightness(image, mode))
    # Whole-number sums: a grey exactly at a threshold must not be tipped over by rounding.
    table = _interpret(np.arange(full + 1) / full, mode, negate, free, occupied)
    occupancy = table[sums]
    if mode == "scale":
        occupancy[~opaque] = -1
    return np.ascontiguousarray(occupancy[::-1])


def read_labels(path: Path, field: str, where: str) -> Int[np.ndarray, "H W"]:
    """The number of each pixel of a grey or indexed picture, row 0 at the bottom.

    Raises:
      InputError: as ``read_occupancy``; or the picture is in colours.
    """
    return np.ascontiguousarray(_read(path, field, where, _numbers)[::-1])


def _read(path: Path, field: str, where: str, decode: Callable[[Image.Image], _T]) -> _T:
    if not path.is_file():
        raise InputError(field, str(path), "an existing PGM or PNG file", where)
    try:
        with warnings.catch_warnings():
            # Our own limit on the size is below PIL's; its warning would only be noise.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(path, formats=SOURCES)
        with image:
            width, height = image.size
            if not 0 < width * height <= MAX_CELLS:
                found, limit = f"{width} x {height} pixels", f"1 to {MAX_CELLS} pixels"
                raise InputError(field, found, limit, where)
            start = image.tile[0].offset
            decoded = decode(image)
            _refuse_rest(path, image, start, field, where)
            return decoded
    except InputError:
        raise
    except Image.DecompressionBombError as error:
        raise InputError(field, str(error), f"1 to {MAX_CELLS} pixels", where) from error
    # PIL raises a different type for each way in which a file can be damaged.
    except Exception as error:
        found = f"{path.name} ({error})"
        raise InputError(field, found, "a readable PGM or PNG image", where) from error


def _refuse_rest(path: Path, image: Image.Image, start: int, field: str, where: str) -> None:
    """A PGM with pixels left over was written for another size: its rows would be sheared."""
    with path.open("rb") as file:
        if file.read(2) != b"P5":
            return
        width, height = image.size
        file.seek(start + width * height * (2 if image.mode.startswith("I") else 1))
        rest = file.read(1 << 16)
    if rest.strip():
        found = f"more than its {width} x {height} pixels"
        raise InputError(field, found, "as many pixels as the header says", where)


def _brightness(
    image: Image.Image, mode: str
) -> tuple[Int[np.ndarray, "H W"], int, Bool[np.ndarray, "H W"]]:
    """Sum of the channels of each pixel, the sum of a white one, and opacity."""
    if image.mode.startswith("I"):
        # PIL keeps greys of more than one byte on the scale of two.
        grey = np.clip(np.asarray(image, np.int32), 0, 65535)
        return grey, 65535, np.ones(grey.shape, bool)
    if image.mode in ("1", "L") and "transparency" not in image.info:
        grey = np.asarray(image.convert("L"))
        return grey, 255, np.ones(grey.shape, bool)
    if image.mode == "RGB" and "transparency" not in image.info:
        colours = np.asarray(image)
        opaque = np.ones(colours.shape[:2], bool)
    elif image.mode in ("P", "LA", "PA", "RGBA", "RGB", "L", "1"):
        # Palettes, grey with alpha and transparent colours all mean some RGBA.
        pixels = np.asarray(image.convert("RGBA"))
        opaque = pixels[..., 3] == 255
        colours = pixels if mode == "trinary" else pixels[..., :3]
    else:
        raise ValueError(f"pixels of type {image.mode}")
    return colours.sum(axis=-1, dtype=np.uint16), 255 * colours.shape[-1], opaque


def _numbers(image: Image.Image) -> Int[np.ndarray, "H W"]:
    if image.mode not in ("1", "L", "P") and not image.mode.startswith("I"):
        raise ValueError(f"pixels of type {image.mode}: numbers are grey or indexed")
    return np.asarray(image).astype(np.int32)


def _interpret(
    brightness: Float[np.ndarray, "n"], mode: str, negate: bool, free: float, occupied: float
) -> Int8[np.ndarray, "n"]:
    """Occupancy of each brightness from 0 to 1."""
    if mode == "raw":
        percent = np.rint(brightness * 255.0)
        return np.where(percent <= 100.0, percent, -1.0).astype(np.int8)
    p = brightness if negate else 1.0 - brightness
    between = -1.0
    if mode == "scale":
        between = np.rint(100.0 * (p - free) / (occupied - free))
    return np.where(p > occupied, 100.0, np.where(p < free, 0.0, between)).astype(np.int8)
