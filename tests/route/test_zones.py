"""Zones, given doors and rooms: strict reading, tight cells, and routes that heed them."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from astro_jax.config import DEFAULT_ROBOT
from astro_jax.errors import InputError, UnreachableError
from astro_jax.route.field import components, guide_path, path_length
from astro_jax.route.house import HouseMap, Zone
from astro_jax.route.maps import load_map
from astro_jax.route.planner import plan_route
from astro_jax.route.rooms import meetings, room_areas
from astro_jax.route.zones import blocked_by, load_remarks, speed_factor

RESOLUTION = 0.1


def open_map(rows=60, columns=80, zones=()):
    return HouseMap(
        occupancy=np.zeros((rows, columns), np.int8),
        resolution=RESOLUTION,
        origin=np.array([0.05, 0.05]),
        zones=tuple(zones),
    )


def zone(kind, *outline, factor=1.0, margin=0.0):
    points = np.array(outline, np.float64)
    return Zone(name="z", kind=kind, outline=points, factor=factor, margin=margin)


def inside(outline, xy):
    """Even–odd by the winding angle, an independent reading of a simple polygon."""
    off = np.array(outline)[None] - xy[:, None]
    angle = np.arctan2(off[..., 1], off[..., 0])
    steps = np.roll(angle, -1, axis=1) - angle
    turns = np.sum((steps + math.pi) % math.tau - math.pi, axis=1)
    return np.abs(turns) > math.pi


def off_outline(outline, xy):
    """Distance to the outline, m."""
    least = np.full(len(xy), np.inf)
    for a, b in zip(outline, np.roll(outline, -1, axis=0), strict=True):
        t = np.clip((xy - a) @ (b - a) / max((b - a) @ (b - a), 1e-12), 0.0, 1.0)
        least = np.minimum(least, np.hypot(*(xy - a - t[:, None] * (b - a)).T))
    return least


@settings(max_examples=60, deadline=None)
@given(
    angles=st.lists(st.floats(0.0, 6.2), min_size=3, max_size=7, unique=True),
    radius=st.floats(0.3, 6.0),
    x=st.floats(-1.0, 9.0),
    y=st.floats(-1.0, 7.0),
)
def test_a_polygon_closes_what_is_inside_and_what_its_outline_crosses(angles, radius, x, y):
    angles = np.sort(angles)
    outline = np.array([x, y]) + radius * np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    house_map = open_map()
    closed = blocked_by([zone("no-go", *outline)], house_map).ravel()
    xy = house_map.xy_of(np.indices((60, 80))).reshape(-1, 2)
    near = off_outline(outline, xy)
    sure = near > 1e-6
    assert closed[inside(outline, xy) & sure].all()
    assert closed[near < 0.5 * RESOLUTION - 1e-6].all()
    assert not closed[~inside(outline, xy) & (near > RESOLUTION * math.sqrt(0.5) + 1e-6)].any()


def test_a_line_is_a_wall_without_gaps_and_stairs_keep_their_margin():
    house_map = open_map()
    line = ((-1.0, 1.3), (9.0, 4.2))
    wall = blocked_by([zone("no-go", *line)], house_map)
    assert components(~wall).max() == 2
    stairs = blocked_by([zone("stairs", *line, margin=0.5)], house_map)
    distance = off_outline(np.array(line), house_map.xy_of(np.indices((60, 80))).reshape(-1, 2))
    assert stairs.ravel()[distance < 0.5 - RESOLUTION].all()
    assert not stairs.ravel()[distance > 0.5 + RESOLUTION].any()


def test_slow_zones_multiply_and_the_slower_wins():
    house_map = open_map()
    one = zone("slow", (1, 1), (3, 1), (3, 3), (1, 3), factor=0.5)
    two = zone("slow", (2, 2), (4, 2), (4, 4), (2, 4), factor=0.2)
    factor = speed_factor([one, two, zone("no-go", (5, 5), (6, 5), (6, 6))], house_map)
    for place, expected in (((1.5, 1.5), 0.5), ((2.5, 2.5), 0.2), ((3.5, 3.5), 0.2), ((5, 1), 1)):
        assert factor[house_map.cell_of(place)[:2]] == expected
    assert not blocked_by([one, two], house_map).any()


def test_routes_go_around_no_go_zones_and_slow_ones_if_it_pays():
    start, goal = (1.0, 3.0, 0.0), (7.0, 3.0, 0.0)
    straight = plan_route(open_map(), DEFAULT_ROBOT, start, goal)
    block = [(3.5, 1.5), (4.5, 1.5), (4.5, 4.5), (3.5, 4.5)]
    around = plan_route(open_map(zones=[zone("no-go", *block)]), DEFAULT_ROBOT, start, goal)
    path = guide_path(around.field, start)
    assert not inside(block, path).any()
    assert path_length(path) > path_length(guide_path(straight.field, start)) + 0.5

    # through .8 m at half the speed: .8 m more, around it: 1.9 m more
    strip = [(3.6, -1.0), (4.4, -1.0), (4.4, 4.5), (3.6, 4.5)]
    for factor, through in ((0.5, True), (0.1, False)):
        slow = open_map(zones=[zone("slow", *strip, factor=factor)])
        route = plan_route(slow, DEFAULT_ROBOT, start, goal)
        assert inside(strip, guide_path(route.field, start)).any() == through
        assert route.to_go(start) > straight.to_go(start)


def test_goals_in_or_behind_no_go_zones_are_refused():
    wall = open_map(zones=[zone("no-go", (4.0, -1.0), (4.0, 7.0))])
    with pytest.raises(UnreachableError):
        plan_route(wall, DEFAULT_ROBOT, (1.0, 3.0, 0.0), (7.0, 3.0, 0.0))
    with pytest.raises(InputError, match="goal"):
        plan_route(wall, DEFAULT_ROBOT, (1.0, 3.0, 0.0), (4.0, 3.0, 0.0))


GOOD = """\
rooms:
  names: [hall, kitchen]
zones:
  - {name: tank, kind: no-go, box: [0.2, 0.1, 0.4, 0.3]}
  - {name: rug, kind: slow, polygon: [[0, 0], [1, 0], [1, 1]], factor: 0.4}
  - {name: cellar, kind: stairs, line: [[0, 1], [1, 1], [2, 1]], margin: 0.2}
doors:
  - {name: door, jambs: [[1.0, 0.0], [1.0, 0.8]], rooms: [hall, kitchen], habit: 0.25}
  - {name: hatch, jambs: [[2, 0], [2, 1]]}
"""


def home(
    folder: Path,
    zones: str | None = GOOD,
    yaw: float = 0.0,
    labels: Any = ((1, 1, 2, 2), (1, 0, 0, 2)),
    name: str = "home.rooms.png",
) -> Path:
    Image.fromarray(np.full((2, 4), 254, np.uint8)).save(folder / "home.png")
    if labels is not None:
        Image.fromarray(np.array(labels, np.uint8)).save(folder / name)
    (folder / "home.yaml").write_text(
        f"image: home.png\nresolution: 0.5\norigin: [0.0, 0.0, {yaw}]\n"
        "negate: 0\noccupied_thresh: 0.65\nfree_thresh: 0.196\n"
    )
    if zones is not None:
        (folder / "home.zones.yaml").write_text(zones)
    return folder / "home.yaml"


def test_what_lies_beside_a_map_is_read_with_it(tmp_path):
    house_map = load_map(home(tmp_path, yaw=0.5))
    np.testing.assert_array_equal(house_map.rooms, [[1, 0, 0, 2], [1, 1, 2, 2]])
    assert house_map.room_names == {1: "hall", 2: "kitchen"}
    assert room_areas(house_map) == {"hall": 0.75, "kitchen": 0.75}
    tank, rug, cellar = house_map.zones
    assert (tank.kind, rug.factor, cellar.margin) == ("no-go", 0.4, 0.2)
    np.testing.assert_allclose(
        house_map.to_file(tank.outline), [[0.2, 0.1], [0.4, 0.1], [0.4, 0.3], [0.2, 0.3]]
    )
    door, hatch = house_map.doors
    np.testing.assert_allclose(house_map.to_file(door.jambs), [[1.0, 0.0], [1.0, 0.8]])
    assert (door.rooms, door.habit, hatch.rooms, hatch.habit) == (
        ("hall", "kitchen"),
        0.25,
        (),
        None,
    )


def test_a_map_alone_has_neither_rooms_nor_zones(tmp_path):
    house_map = load_map(home(tmp_path, zones=None, labels=None))
    assert house_map.rooms is None
    assert house_map.zones == house_map.doors == ()


def test_rooms_may_lie_elsewhere(tmp_path):
    path = home(tmp_path, zones="rooms: {image: other.png}\n", name="other.png")
    assert load_map(path).rooms is not None
    (tmp_path / "other.png").unlink()
    with pytest.raises(InputError, match=r"other.png"):
        load_map(path)


BAD = [
    ("zones: 3\n", 1, "zones"),
    ("zones:\n  - tank\n", 1, "zones"),
    ("walls: []\n", 1, "walls"),
    ("zones:\n  - {name: a, kind: moat, box: [0, 0, 1, 1]}\n", 2, "zones.kind"),
    ("zones:\n  - {name: a, kind: no-go}\n", 2, "zones.box"),
    ("zones:\n  - {name: a, kind: no-go, box: [0, 0, 1]}\n", 2, "zones.box"),
    ("zones:\n  - {name: a, kind: no-go, box: [0, 0, 0, 1]}\n", 2, "zones.box"),
    ("zones:\n  - {name: a, kind: no-go, box: [0, 0, .nan, 1]}\n", 2, "zones.box"),
    ("zones:\n  - {name: a, kind: no-go, box: [0, 0, 1, 1.0e+9]}\n", 2, "zones.box"),
    ("zones:\n  - {name: a, kind: no-go, line: [[0, 0]]}\n", 2, "zones.line"),
    ("zones:\n  - {name: a, kind: no-go, polygon: [[0, 0], [1, 1]]}\n", 2, "zones.polygon"),
    ("zones:\n  - {name: a, kind: no-go, polygon: [[0], [1], [2]]}\n", 2, "zones.polygon"),
    (
        "zones:\n  - name: a\n    kind: no-go\n    box: [0, 0, 1, 1]\n    line: [[0, 0], [1, 1]]\n",
        2,
        "zones.box",
    ),
    ("zones:\n  - name: a\n    kind: slow\n    line: [[0, 0], [1, 1]]\n", 4, "zones.line"),
    (
        "zones:\n  - name: a\n    kind: slow\n    box: [0, 0, 1, 1]\n    factor: 0\n",
        5,
        "zones.factor",
    ),
    (
        "zones:\n  - name: a\n    kind: no-go\n    box: [0, 0, 1, 1]\n    factor: 0.5\n",
        5,
        "zones.factor",
    ),
    (
        "zones:\n  - name: a\n    kind: no-go\n    box: [0, 0, 1, 1]\n    margin: 0.5\n",
        5,
        "zones.margin",
    ),
    ("doors:\n  - {name: a}\n", None, "doors.jambs"),
    ("doors:\n  - {name: a, jambs: [[0, 0], [0, 0.1]]}\n", 2, "doors.jambs"),
    ("doors:\n  - {name: a, jambs: [[0, 0], [0, 9]]}\n", 2, "doors.jambs"),
    ("doors:\n  - {name: a, jambs: [[0, 0], [0, 1]], habit: 2}\n", 2, "doors.habit"),
    ("doors:\n  - {name: a, jambs: [[0, 0], [0, 1]], rooms: [a, b, c]}\n", 2, "doors.rooms"),
    ("doors:\n  - {name: a, jambs: [[0, 0], [0, 1]], rooms: [cellar]}\n", None, "doors.rooms"),
    ("rooms: {names: [hall, hall]}\n", 1, "rooms.names"),
    ("rooms: {names: [hall, kitchen, attic]}\n", None, "rooms.names"),
    ("rooms: [hall]\n", 1, "rooms"),
    ("rooms: {image: home.yaml}\n", None, "rooms.image"),
    ("zones:\n  - {name: a, kind: slow, box: [0, 0, 1, 1]}\n" * 2, 3, "zones"),
]


@pytest.mark.parametrize(("text", "line", "field"), BAD)
def test_refuses_with_the_line(tmp_path, text, line, field):
    with pytest.raises(InputError) as caught:
        load_map(home(tmp_path, text))
    assert caught.value.field == field
    place = str(tmp_path / "home.zones.yaml")
    assert caught.value.where == (place if line is None else f"{place}:{line}")


def test_names_are_used_once(tmp_path):
    door = "  - {name: a, jambs: [[0, 0], [0, 1]]}\n"
    with pytest.raises(InputError, match="each name once"):
        load_remarks(home(tmp_path, "doors:\n" + 2 * door).with_suffix(".zones.yaml"))


@pytest.mark.parametrize("labels", [((1, 1), (2, 2)), np.zeros((2, 4, 3))])
def test_refuses_pictures_of_rooms(tmp_path, labels):
    with pytest.raises(InputError) as caught:
        load_map(home(tmp_path, None, labels=labels))
    assert caught.value.field == "rooms.image"


def test_rooms_meet_across_an_unlabelled_doorway():
    rooms = np.zeros((30, 41), np.int32)
    rooms[:, :19], rooms[:, 22:] = 7, 3
    blocked = np.zeros(rooms.shape, bool)
    blocked[:, 19:22] = True
    blocked[4:12, 19:22] = False  # three cells of doorway that belong to nobody
    blocked[8, :] = True  # a leg in it, .05 m wide
    blocked[20:23, 19:22] = False
    borders = list(meetings(rooms, blocked, 0.05))
    assert [pair for pair, _ in borders] == [(3, 7), (3, 7)]
    first, second = {4, 5, 6, 7, 9, 10, 11}, {20, 21, 22}
    for (_, cells), at in zip(borders, (first, second), strict=True):
        assert set(cells[:, 1]) == at
        assert np.all((cells[:, 0] >= 18) & (cells[:, 0] <= 22))
