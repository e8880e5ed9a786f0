"""Rooms: a picture whose pixels are the numbers of rooms, beside the floor plan.    [host]"""

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import ndimage

from astro_jax.errors import InputError
from astro_jax.route.house import HouseMap
from astro_jax.route.map_image import read_labels

UNLABELLED = 0.4
"""Widest strip without a room, as in a doorway, that is shared out to its neighbours, m."""

LEG = 0.2
"""Widest obstacle across which a border between rooms goes on, m."""


def load_rooms(path: Path, shape: tuple[int, int], where: str) -> Int[np.ndarray, "H W"]:
    """The number of each cell's room, 0 for none, row 0 at the bottom.

    Raises:
      InputError: no grey or indexed PGM or PNG, or not of the floor plan's ``shape``.
    """
    rooms = read_labels(path, "rooms.image", where)
    if rooms.shape != shape:
        found = f"{rooms.shape[1]} x {rooms.shape[0]} pixels"
        raise InputError("rooms.image", found, f"the map's {shape[1]} x {shape[0]}", str(path))
    return rooms


def room_name(house_map: HouseMap, number: int) -> str:
    """The name that was given, or a plain number."""
    return house_map.room_names.get(number, f"room {number}")


def room_areas(house_map: HouseMap) -> dict[str, float]:
    """Free floor of each room, m², in the order of their numbers."""
    if house_map.rooms is None:
        return {}
    counts = np.bincount(house_map.rooms[~house_map.blocked])
    cell = house_map.resolution**2
    return {room_name(house_map, int(k)): counts[k] * cell for k in np.nonzero(counts)[0] if k}


def meetings(
    rooms: Int[np.ndarray, "H W"], blocked: Bool[np.ndarray, "H W"], resolution: float
) -> Iterator[tuple[tuple[int, int], Float[np.ndarray, "n 2"]]]:
    """Where rooms meet: both numbers, and the cells (x, y) on both sides of the border.

    Borders that walls interrupt come in parts; legs of furniture interrupt none.
    """
    labels = np.where(blocked, 0, rooms)
    for _ in range(math.ceil(UNLABELLED / resolution)):
        labels = _spread(labels, ~blocked)
    pairs: dict[tuple[int, int], list[np.ndarray]] = {}
    for shift in ((0, 1), (1, 0)):
        here = labels[: labels.shape[0] - shift[0], : labels.shape[1] - shift[1]]
        there = labels[shift[0] :, shift[1] :]
        cells = np.argwhere((here != there) & (here > 0) & (there > 0))
        both = np.sort(np.stack([here[*cells.T], there[*cells.T]]), axis=0).T
        for pair in np.unique(both, axis=0):
            at = cells[np.all(both == pair, axis=-1)]
            pairs.setdefault((int(pair[0]), int(pair[1])), []).extend((at, at + shift))
    for pair, lists in sorted(pairs.items()):
        cells = np.concatenate(lists)
        low = cells.min(axis=0)
        border = np.zeros(cells.max(axis=0) - low + 1, bool)
        border[*(cells - low).T] = True
        reach = max(1, round(0.5 * LEG / resolution))
        near = ndimage.binary_dilation(np.pad(border, reach), np.ones((3, 3)), iterations=reach)
        pieces = np.zeros(np.shape(near), np.int32)
        ndimage.label(near, np.ones((3, 3), bool), output=pieces)
        pieces = np.where(border, pieces[reach:-reach, reach:-reach], 0)
        for k in range(1, int(pieces.max()) + 1):
            yield pair, (np.argwhere(pieces == k) + low)[:, ::-1].astype(np.float64)


def _spread(
    labels: Int[np.ndarray, "H W"], floor: Bool[np.ndarray, "H W"]
) -> Int[np.ndarray, "H W"]:
    """Give each free cell without a room that of a neighbour."""
    grown = labels.copy()
    padded = np.pad(labels, 1)
    for moved in (padded[1:-1, 2:], padded[1:-1, :-2], padded[2:, 1:-1], padded[:-2, 1:-1]):
        empty = floor & (grown == 0)
        grown[empty] = moved[empty]
    return grown
