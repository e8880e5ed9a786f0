"""What ``check_map`` says of plans of which everything is known."""

import dataclasses

import numpy as np
import pytest

from astro_jax.config import DEFAULT_ROBOT
from astro_jax.route.check import check_map
from astro_jax.route.field import passing_radius
from astro_jax.route.house import Door, HouseMap, Zone
from astro_jax.route.maps import load_map

RESOLUTION = 0.05


def two_rooms(door=0.9, unknown_end=False):
    """3 x 4 m and 2 x 4 m, .1 m of wall between them, and around them .1 m of wall."""
    occupancy = np.full((84, 106), 100, np.int8)
    occupancy[2:82, 2:62] = 0
    occupancy[2:82, 64:104] = 0
    rows = round(door / RESOLUTION)
    occupancy[30 : 30 + rows, 62:64] = 0
    if unknown_end:
        occupancy[:, 104:] = -1
    rooms = np.zeros(occupancy.shape, np.int32)
    rooms[:, :63], rooms[:, 63:] = 1, 2
    rooms[occupancy != 0] = 0
    return HouseMap(
        occupancy=occupancy,
        resolution=RESOLUTION,
        origin=np.zeros(2),
        rooms=rooms,
        room_names={1: "hall", 2: "den"},
    )


def test_areas_rooms_doors_and_reach():
    report = check_map(two_rooms(), DEFAULT_ROBOT)
    assert report.free == pytest.approx(12.0 + 8.0 + 0.9 * 0.1)
    assert report.free + report.occupied + report.unknown == pytest.approx(4.2 * 5.3)
    assert report.rooms == pytest.approx({"hall": 12.045, "den": 8.045})
    (door,) = report.doors
    assert (door.name, door.rooms) == ("hall to den", ("hall", "den"))
    assert door.width == pytest.approx(0.9)
    # All but the corners that a disc does not fill: (4 − π)/4 of a square of its radius each.
    corners = 12 * (1 - np.pi / 4) * passing_radius(DEFAULT_ROBOT) ** 2
    assert report.reached_share == pytest.approx(1 - corners / report.free, abs=0.01)
    assert report.cut_off == report.warnings == ()


def test_a_door_that_is_too_narrow_cuts_a_room_off():
    wide = dataclasses.replace(DEFAULT_ROBOT, width=0.6, length=0.6)
    report = check_map(two_rooms(door=0.65), wide)
    assert report.too_narrow(report.doors[0])
    assert report.cut_off == ("den",)
    assert report.reached_share == pytest.approx(0.6, abs=0.02)
    said = " ".join(report.warnings)
    assert "does not fit through hall to den (0.65 m)" in said and "does not get into den" in said
    assert check_map(two_rooms(door=0.65), DEFAULT_ROBOT).cut_off == ()


def test_no_go_zones_cut_off_too():
    line = Zone(name="z", kind="no-go", outline=np.array([[3.2, -1.0], [3.2, 9.0]]))
    report = check_map(dataclasses.replace(two_rooms(), zones=(line,)), DEFAULT_ROBOT)
    assert report.cut_off == ("den",)


def test_what_is_wrong_is_said():
    blank = np.full((40, 60), -1, np.int8)
    unknown = HouseMap(occupancy=blank, resolution=RESOLUTION, origin=np.zeros(2))
    assert check_map(unknown, DEFAULT_ROBOT).warnings == ("all of the map is unknown",)
    walls = HouseMap(occupancy=np.full_like(blank, 100), resolution=0.05, origin=np.zeros(2))
    assert check_map(walls, DEFAULT_ROBOT).warnings == ("no cell of the map is free",)
    cracks = np.full_like(blank, 100)
    cracks[20:23] = 0
    narrow = HouseMap(occupancy=cracks, resolution=RESOLUTION, origin=np.zeros(2))
    assert check_map(narrow, DEFAULT_ROBOT).warnings == (
        "there is no place that the robot could turn in",
    )
    (leak,) = check_map(two_rooms(unknown_end=True), DEFAULT_ROBOT).warnings
    # the den's far wall of 80 cells; a door of 18 interrupts the wall between the rooms
    edge = 2 * (60 + 40) + 2 * 80 + 2 * (80 - 18)
    assert leak.startswith(f"{80 / edge:.0%} of the floor's edge")
    shut = Door(name="shut", jambs=np.array([[3.12, 3.0], [3.12, 3.8]]))
    (wall,) = check_map(dataclasses.replace(two_rooms(), doors=(shut,)), DEFAULT_ROBOT).warnings
    assert wall == "the map shows shut as a wall"


@pytest.mark.parametrize(
    ("name", "rooms", "doors"),
    [("d9_1093_huge", 14, 13), ("S5_FW2020_with_segments", 8, 7), ("z10_1056_paths", 7, 3)],
)
def test_vacuum_maps_come_with_their_rooms_and_the_doors_between_them(data_dir, name, rooms, doors):
    path = data_dir / "home_maps" / "vacuum" / f"{name}.yaml"
    if not path.is_file():
        pytest.skip(f"{path} is missing")
    report = check_map(load_map(path), DEFAULT_ROBOT)
    assert len(report.rooms) == rooms
    between = [door for door in report.doors if len(door.rooms) == 2]
    assert len(between) >= doors
    assert 0.5 < report.reached_share < 1.0
