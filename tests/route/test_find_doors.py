"""Doors are found where plans were drawn with them, and nowhere else."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from astro_jax.config import DEFAULT_ROBOT
from astro_jax.route.doors import door_cells, find_doors
from astro_jax.route.field import components
from astro_jax.route.house import Door, HouseMap
from astro_jax.route.maps import load_map
from astro_jax.route.narrows import NARROWEST, WIDEST
from astro_jax.scenes import flat_scene

RESOLUTION = 0.05


def plan(columns, rows, size, thickness, gaps, turn):
    """A grid of rooms, turned about its middle, and its door places.

    ``gaps`` maps a wall (column, row, "right" or "up") to (place along it, width).
    """
    width, height = columns * size[0], rows * size[1]
    reach = 0.5 * math.hypot(width, height) + 0.5
    cells = math.ceil(2 * reach / RESOLUTION)
    steps = RESOLUTION * (np.arange(cells) + 0.5) - reach
    x_map, y_map = np.meshgrid(steps, steps)
    c, s = math.cos(turn), math.sin(turn)
    x, y = c * x_map + s * y_map + width / 2, c * y_map - s * x_map + height / 2

    half = thickness / 2
    near_x = np.abs(x - np.rint(x / size[0]) * size[0]) <= half
    near_y = np.abs(y - np.rint(y / size[1]) * size[1]) <= half
    outside = (x < -half) | (x > width + half) | (y < -half) | (y > height + half)
    occupancy = np.where(near_x | near_y, 100, 0).astype(np.int8)
    occupancy[outside] = -1
    rooms = 1 + np.clip(x // size[0], 0, columns - 1) + columns * np.clip(y // size[1], 0, rows - 1)
    truth = []
    for (column, row, side), (place, gap) in gaps.items():
        if side == "right":
            middle = np.array([(column + 1) * size[0], row * size[1] + place])
            open_ = (np.abs(x - middle[0]) <= half) & (np.abs(y - middle[1]) <= gap / 2)
            joined = {1 + column + columns * row, 2 + column + columns * row}
        else:
            middle = np.array([column * size[0] + place, (row + 1) * size[1]])
            open_ = (np.abs(y - middle[1]) <= half) & (np.abs(x - middle[0]) <= gap / 2)
            joined = {1 + column + columns * row, 1 + column + columns * (row + 1)}
        occupancy[open_] = 0
        u, v = middle - (width / 2, height / 2)
        truth.append((np.array([c * u - s * v, s * u + c * v]), gap, joined))
    house_map = HouseMap(
        occupancy=occupancy,
        resolution=RESOLUTION,
        origin=np.array([steps[0], steps[0]]),
        rooms=np.where(occupancy == 0, rooms, 0).astype(np.int32),
    )
    return house_map, truth


@st.composite
def plans(draw, doors=4):
    """Up to four rooms with at most so many doors: four around a corner are a short loop."""
    columns, rows = draw(st.integers(1, 2)), draw(st.integers(1, 2))
    size = draw(st.floats(2.6, 4.0)), draw(st.floats(2.6, 4.0))
    walls = [(0, row, "right") for row in range(rows) if columns == 2]
    walls += [(column, 0, "up") for column in range(columns) if rows == 2]
    gaps = {}
    for wall in draw(st.permutations(walls))[:doors]:
        gap, length = draw(st.floats(0.65, 1.15)), size[1] if wall[2] == "right" else size[0]
        gaps[wall] = (draw(st.floats(0.5 * gap + 0.4, length - 0.5 * gap - 0.4)), gap)
    turn = draw(st.sampled_from([0.0, math.pi / 2]) | st.floats(-math.pi, math.pi))
    return plan(columns, rows, size, draw(st.floats(0.1, 0.3)), gaps, turn)


def pairs_of(doors, truth, tolerance):
    """Which true door each found one is, by place; −1 for none."""
    places = np.array([middle for middle, *_ in truth]).reshape(-1, 2)
    pairs = []
    for door in doors:
        distance = np.hypot(*(places - door.jambs.mean(axis=0)).T)
        near = np.nonzero(distance <= tolerance)[0]
        pairs.append(int(near[0]) if near.size else -1)
    return pairs


def check_against(house_map, truth, rooms):
    doors = find_doors(house_map, rooms, DEFAULT_ROBOT)
    pairs = pairs_of(doors, truth, tolerance=0.2)
    assert sorted(pairs) == list(range(len(truth)))
    assert len({door.name for door in doors}) == len(doors)
    for door, k in zip(doors, pairs, strict=True):
        _, gap, joined = truth[k]
        assert abs(door.width - gap) <= 3.0 * RESOLUTION
        if rooms is not None:
            assert set(door.rooms) == {f"room {number}" for number in joined}
    return doors


@settings(max_examples=12, deadline=None)
@given(case=plans(doors=3))
def test_walls_alone_give_back_the_doors_they_were_drawn_with(case):
    house_map, truth = case
    doors = check_against(house_map, truth, None)
    # All shut, every part of the floor is one room.
    blocked = house_map.blocked.copy()
    for door in doors:
        blocked[door_cells(house_map, door)] = True
    labels = components(~blocked)
    for label in range(1, labels.max() + 1):
        part = house_map.rooms[labels == label]
        # up to half a wall's thickness of doorway belongs to the neighbour
        assert np.bincount(part).max() / part.size > 0.95


@settings(max_examples=12, deadline=None)
@given(case=plans())
def test_rooms_give_back_all_doors_even_where_they_crowd(case):
    house_map, truth = case
    check_against(house_map, truth, house_map.rooms)


@pytest.mark.parametrize("gap", [0.35, 1.6, 2.4])
def test_gaps_and_openings_are_no_doors(gap):
    house_map, _ = plan(2, 1, (3.5, 3.5), 0.15, {(0, 0, "right"): (1.75, gap)}, 0.0)
    assert not NARROWEST <= gap <= WIDEST
    for rooms in (None, house_map.rooms):
        assert find_doors(house_map, rooms, DEFAULT_ROBOT) == ()


def test_corridors_and_gaps_beside_furniture_are_no_doors():
    occupancy = np.zeros((100, 160), np.int8)
    occupancy[:10], occupancy[-10:], occupancy[:, :10], occupancy[:, -10:] = 100, 100, 100, 100
    occupancy[10:50, 10:100] = 100  # leaves a corridor .9 m wide under an L
    occupancy[50:72, 60:100] = 100
    table = occupancy.copy()
    table[28:40, 115:140] = 100  # .75 m from the wall on one side, .5 m on the other
    for cells in (occupancy, table):
        house_map = HouseMap(occupancy=cells, resolution=RESOLUTION, origin=np.zeros(2))
        assert find_doors(house_map, None, DEFAULT_ROBOT) == ()


def test_given_doors_come_first_and_hide_what_is_found_there():
    house_map, truth = plan(2, 1, (3.5, 3.5), 0.15, {(0, 0, "right"): (1.75, 0.9)}, 0.0)
    middle = truth[0][0]
    given_door = Door(name="my door", jambs=middle + np.array([[0.1, -0.5], [0.1, 0.5]]))
    far = Door(name="hatch", jambs=middle + np.array([[1.0, 1.0], [1.0, 1.7]]))
    house_map = dataclasses.replace(house_map, doors=(given_door, far))
    doors = find_doors(house_map, house_map.rooms, DEFAULT_ROBOT)
    assert doors == (given_door, far)


def test_names_are_stable_and_distinct():
    gaps = {(0, 0, "right"): (0.9, 0.8), (0, 1, "right"): (2.2, 0.8), (0, 0, "up"): (1.5, 0.8)}
    house_map, _ = plan(2, 2, (3.5, 3.5), 0.15, gaps, 0.3)
    rooms = house_map.rooms
    assert rooms is not None
    merged = np.where(rooms > 2, rooms - 2, rooms)  # two doors between the same two rooms
    house_map = dataclasses.replace(house_map, rooms=merged, room_names={1: "hall", 2: "kitchen"})
    first = find_doors(house_map, merged, DEFAULT_ROBOT)
    again = find_doors(dataclasses.replace(house_map), merged, DEFAULT_ROBOT)
    assert [d.name for d in first] == [d.name for d in again]
    names = sorted(d.name.split(" at ")[0] for d in first)
    assert names == ["hall to kitchen", "hall to kitchen", "passage"]
    assert len({d.name for d in first}) == 3


def test_doors_of_the_packaged_flat():
    """All six, and at most one furniture gap besides."""
    flat = load_map(flat_scene().map_path)
    truth = []
    for door in flat_scene().doors:
        x_min, y_min, x_max, y_max = door.rectangle
        middle = np.array([(x_min + x_max) / 2, (y_min + y_max) / 2])
        truth.append((middle, max(x_max - x_min, y_max - y_min), set()))
    doors = find_doors(flat, None, DEFAULT_ROBOT)
    pairs = pairs_of(doors, truth, tolerance=0.1)
    assert set(pairs) - {-1} == set(range(6))
    assert pairs.count(-1) <= 1 and len(pairs) <= 7
    for door, k in zip(doors, pairs, strict=True):
        if k >= 0:
            assert abs(door.width - truth[k][1]) < 0.03
