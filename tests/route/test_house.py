"""Frames of a turned map, points off the map, and the unknown."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from astro_jax.config import DEFAULT_ROBOT
from astro_jax.errors import InputError
from astro_jax.route.field import check_query
from astro_jax.route.house import HouseMap
from astro_jax.route.maps import load_map

TURNS = st.floats(-math.tau, math.tau)


def small_map(yaw=0.0, occupancy=None, **more):
    cells = np.zeros((40, 60), np.int8) if occupancy is None else occupancy
    return HouseMap(occupancy=cells, resolution=0.05, origin=np.array([-1.0, 2.0]), yaw=yaw, **more)


@given(yaw=TURNS, pose=st.tuples(*[st.floats(-50.0, 50.0)] * 3))
def test_there_and_back_between_file_and_house(yaw, pose):
    house_map = small_map(yaw)
    np.testing.assert_allclose(house_map.to_file(house_map.to_house(pose)), pose, atol=1e-9)
    x, y, heading = house_map.to_house(pose)
    # A step along the heading is the same step in both frames.
    step = np.add(pose[:2], (math.cos(pose[2]), math.sin(pose[2])))
    expected = (x + math.cos(heading), y + math.sin(heading))
    np.testing.assert_allclose(house_map.to_house(step), expected, atol=1e-9)


@settings(max_examples=25, deadline=None)
@given(yaw=TURNS, x=st.floats(-9.0, 9.0), y=st.floats(-9.0, 9.0), seed=st.integers(0, 999))
def test_a_pixel_lies_where_map_server_puts_it(tmp_path_factory, yaw, x, y, seed):
    """One black pixel: its centre by the file's own words, looked up by ``blocked_at``."""
    folder = tmp_path_factory.mktemp("turned")
    rng = np.random.default_rng(seed)
    pixels = np.full((12, 17), 254, np.uint8)
    row, column = rng.integers(12), rng.integers(17)
    pixels[row, column] = 0
    Image.fromarray(pixels).save(folder / "m.png")
    (folder / "m.yaml").write_text(
        f"image: m.png\nresolution: 0.1\norigin: [{x:.15f}, {y:.15f}, {yaw:.15f}]\n"
        "negate: 0\noccupied_thresh: 0.65\nfree_thresh: 0.196\n"
    )
    house_map = load_map(folder / "m.yaml")

    # From the lower left corner of the picture, columns go along the yaw, rows up beside it.
    right, up = 0.1 * (column + 0.5), 0.1 * (12 - row - 0.5)
    place = (
        x + right * math.cos(yaw) - up * math.sin(yaw),
        y + right * math.sin(yaw) + up * math.cos(yaw),
    )
    assert house_map.blocked_at(house_map.to_house(place))
    assert np.count_nonzero(house_map.blocked) == 1
    centre = house_map.to_file(house_map.xy_of(np.nonzero(house_map.blocked)))
    np.testing.assert_allclose(centre, [place], atol=1e-9)


@given(xy=st.tuples(*[st.floats(allow_nan=True, allow_infinity=True)] * 2))
def test_off_the_map_is_blocked_and_not_the_nearest_cell(xy):
    """Fault 29: the whole map is free, so whatever is blocked is off it."""
    house_map = small_map()
    on_map = -1.025 <= xy[0] < 1.975 and 1.975 <= xy[1] < 3.975
    near_edge = min(abs(xy[0] + 1.025), abs(xy[0] - 1.975), abs(xy[1] - 1.975), abs(xy[1] - 3.975))
    assert bool(house_map.blocked_at(xy)) != on_map or near_edge < 1e-9


def test_unknown_is_blocked_unless_told_otherwise(tmp_path):
    pixels = np.array([[0, 205, 254]], np.uint8)
    Image.fromarray(pixels).save(tmp_path / "m.png")
    (tmp_path / "m.yaml").write_text(
        "image: m.png\nresolution: 0.05\norigin: [0, 0, 0]\n"
        "negate: 0\noccupied_thresh: 0.65\nfree_thresh: 0.196\n"
    )
    path = tmp_path / "m.yaml"
    np.testing.assert_array_equal(load_map(path).blocked, [[True, True, False]])
    np.testing.assert_array_equal(load_map(path, unknown="free").blocked, [[True, False, False]])
    np.testing.assert_array_equal(load_map(path, unknown="free").occupancy, [[100, -1, 0]])


@pytest.mark.parametrize(("value", "reason"), [(-1, "all unknown"), (100, "blocked everywhere")])
def test_a_map_without_any_free_place_says_so(value, reason):
    """Fault 32."""
    house_map = small_map(occupancy=np.full((40, 60), value, np.int8))
    with pytest.raises(InputError, match=reason) as caught:
        check_query(house_map, DEFAULT_ROBOT, (0.0, 3.0, 0.0), (1.0, 3.0, 0.0))
    assert caught.value.field == "map"


def test_with_the_wrong_origin_or_yaw_there_is_no_route():
    """Fault 31: the robot then stands off the map, or in a wall."""
    occupancy = np.zeros((40, 60), np.int8)
    occupancy[:, :8] = 100
    house_map = small_map(occupancy=occupancy)
    start, goal = (-0.2, 3.0, 0.0), (1.3, 3.0, 0.0)
    check_query(house_map, DEFAULT_ROBOT, start, goal)
    for x, y, yaw in ((0.6, 0.0, 0.0), (-3.0, 0.0, 0.0), (0.0, 0.0, math.pi)):
        wrong = HouseMap(
            occupancy=occupancy, resolution=0.05, origin=np.add(house_map.origin, (x, y)), yaw=yaw
        )
        with pytest.raises(InputError, match="start") as caught:
            check_query(wrong, DEFAULT_ROBOT, wrong.to_house(start), wrong.to_house(goal))
        assert caught.value.field == "start"
