"""The homes: the packaged flat, and larger ones that are drawn from a seed."""

import itertools

import numpy as np

from astro_jax.route.house import Door
from astro_jax.route.maps import HouseMap, load_map
from astro_jax.scenes import flat_scene

RESOLUTION = 0.05
DOOR = 0.9


def flat() -> tuple[HouseMap, tuple[Door, ...]]:
    """Five rooms in two loops, six doors."""
    scene = flat_scene()
    doors = []
    for door in scene.doors:
        x0, y0, x1, y1 = door.rectangle
        middle_x, middle_y = 0.5 * (x0 + x1), 0.5 * (y0 + y1)
        wide = x1 - x0 > y1 - y0
        jambs = [[x0, middle_y], [x1, middle_y]] if wide else [[middle_x, y0], [middle_x, y1]]
        doors.append(Door(name=door.name, jambs=np.array(jambs)))
    return load_map(scene.map_path), tuple(doors)


def drawn(seed: int, across: int = 4, along: int = 3) -> tuple[HouseMap, tuple[Door, ...]]:
    """Rooms of 3 to 4.5 m in rows, joined by doors and a few openings without a door.

    Every room can be reached, and most of them in more than one way: four fifths of the
    walls between neighbours have a passage.
    """
    rng = np.random.default_rng(seed)
    x = np.concatenate([[0.0], np.cumsum(rng.uniform(3.0, 4.5, across))])
    y = np.concatenate([[0.0], np.cumsum(rng.uniform(3.0, 4.5, along))])
    shape = (int(y[-1] / RESOLUTION) + 3, int(x[-1] / RESOLUTION) + 3)
    occupancy = np.zeros(shape, np.int8)
    origin = np.array([0.0, 0.0])
    for wall in x:
        occupancy[:, round(wall / RESOLUTION) : round(wall / RESOLUTION) + 2] = 100
    for wall in y:
        occupancy[round(wall / RESOLUTION) : round(wall / RESOLUTION) + 2, :] = 100
    occupancy[-1], occupancy[:, -1] = 100, 100

    rooms = list(itertools.product(range(across), range(along)))
    walls = [((i, j), (i + 1, j)) for i, j in rooms if i + 1 < across]
    walls += [((i, j), (i, j + 1)) for i, j in rooms if j + 1 < along]
    order = [walls[k] for k in rng.permutation(len(walls))]
    part = {room: room for room in rooms}

    def root(room):
        while part[room] != room:
            room = part[room]
        return room

    spanning = []
    for a, b in order:
        if root(a) != root(b):
            part[root(a)] = root(b)
            spanning.append((a, b))
    more = [wall for wall in order if wall not in spanning]
    passages = spanning + more[: round(0.8 * len(walls)) - len(spanning)]
    openings = set(rng.choice(len(passages), len(passages) // 5, replace=False).tolist())

    doors = []
    for number, (a, b) in enumerate(passages):
        wide = 1.4 if number in openings else DOOR
        beside = a[0] + 1 == b[0]
        if beside:
            low, high, at = y[a[1]], y[a[1] + 1], x[b[0]]
        else:
            low, high, at = x[a[0]], x[a[0] + 1], y[b[1]]
        begin = rng.uniform(low + 0.4, high - 0.3 - wide)
        first, last = round(begin / RESOLUTION), round((begin + wide) / RESOLUTION)
        wall = slice(round(at / RESOLUTION), round(at / RESOLUTION) + 2)
        line = at + 0.5 * RESOLUTION
        if beside:
            occupancy[first:last, wall] = 0
            jambs = [[line, first * RESOLUTION], [line, (last - 1) * RESOLUTION]]
        else:
            occupancy[wall, first:last] = 0
            jambs = [[first * RESOLUTION, line], [(last - 1) * RESOLUTION, line]]
        if number not in openings:
            name = f"room {a[0]}{a[1]} to room {b[0]}{b[1]}"
            doors.append(Door(name=name, jambs=np.array(jambs)))
    house = HouseMap(
        occupancy=occupancy, resolution=RESOLUTION, origin=origin, name=f"drawn {seed}"
    )
    return house, tuple(doors)
