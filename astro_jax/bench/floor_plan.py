"""A made-up house of any size for timing: rooms with doors and furniture.           [host]"""

import itertools

import numpy as np

from astro_jax.route.house import HouseMap

ROOM, WALL, DOOR = 90, 3, 18
"""Cells of 5 cm: rooms of 4.5 m, walls of 15 cm, doors of 90 cm."""
RESOLUTION = 0.05


def floor_plan(side: int, seed: int = 0) -> HouseMap:
    """``side`` × ``side`` cells; most walls between two rooms have a door, some do not."""
    random = np.random.default_rng(seed)
    blocked = np.zeros((side, side), bool)
    walls = [*range(0, side - ROOM // 2, ROOM), side - WALL]
    for at in walls:
        blocked[at : at + WALL] = blocked[:, at : at + WALL] = True
    for first, last in itertools.pairwise(walls):
        for at in walls[1:-1]:
            for plan in (blocked, blocked.T):
                if random.random() < 0.85:
                    door = int(random.integers(first + WALL + 6, last - DOOR - 6))
                    plan[at : at + WALL, door : door + DOOR] = False
    for _ in range(side * side // 4000):
        row, column = random.integers(0, side - 20, 2)
        height, width = random.integers(6, 20, 2)
        around = blocked[
            max(row - DOOR, 0) : row + height + DOOR, max(column - DOOR, 0) : column + width + DOOR
        ]
        if not around.any():
            blocked[row : row + height, column : column + width] = True
    return HouseMap(
        occupancy=np.where(blocked, 100, 0).astype(np.int8),
        resolution=RESOLUTION,
        origin=np.zeros(2),
        name=f"floor plan {side}",
    )
