"""Rooms: a picture whose pixels are the numbers of rooms, beside the floor plan.    [host]"""

from pathlib import Path

import numpy as np
from jaxtyping import Int

from astro_jax.errors import InputError
from astro_jax.route.house import HouseMap
from astro_jax.route.map_image import read_labels


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
