"""Doors on local maps that are drawn by hand, and on one that was seen by a scan."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from astro_jax.config import DEFAULT_PLANNER, DEFAULT_ROBOT, SensorConfig
from astro_jax.route.house import Door
from astro_jax.route.sightings import Sighting, sighting
from astro_jax.types import Grid, Scan
from astro_jax.world.grid import HIGH, LOW, beam_bearings, blank_map, update_map
from astro_jax.world.people import no_tracks
from astro_jax.world.prior import PRIOR_FREE, prior_from_occupancy

RESOLUTION = 0.05
DOOR = Door(name="d", jambs=np.array([[3.0, 1.0], [3.0, 1.9]]))


def grid(*patches, origin=(0.025, 0.025), frame=(0.0, 0.0, 0.0)) -> Grid:
    """The map alone, and patches (x0, x1, y0, y1, value) in the house."""
    rows, columns = np.indices((120, 120))
    x, y = origin[0] + RESOLUTION * columns, origin[1] + RESOLUTION * rows
    c, s = np.cos(frame[2]), np.sin(frame[2])
    house_x, house_y = frame[0] + c * x - s * y, frame[1] + s * x + c * y
    values = np.full(x.shape, PRIOR_FREE)
    for x0, x1, y0, y1, value in patches:
        inside = (house_x >= x0) & (house_x <= x1) & (house_y >= y0) & (house_y <= y1)
        values[inside] = value
    return Grid(
        values=jnp.asarray(values, jnp.float32),
        origin=jnp.asarray(origin, jnp.float32),
        resolution=jnp.float32(RESOLUTION),
    )


WALL = [(2.9, 3.1, 0.0, 0.99, HIGH), (2.9, 3.1, 1.91, 6.0, HIGH)]
VIEW = (1.0, 5.0, 0.5, 2.5, LOW)


def look(*patches, **more):
    return sighting(DOOR, grid(*patches, **more), DEFAULT_ROBOT)


def test_the_map_alone_is_no_sight():
    assert look() == Sighting.HIDDEN
    assert look(*WALL) == Sighting.HIDDEN


def test_seen_free_it_is_open():
    assert look(VIEW, *WALL) == Sighting.OPEN
    # with the leaf open at a right angle beside its jamb
    assert look(VIEW, *WALL, (3.0, 3.9, 1.85, 1.9, HIGH)) == Sighting.OPEN


def test_a_leaf_across_it_is_closed_wherever_it_hangs_in_the_frame():
    for x in (2.91, 3.0, 3.06):
        assert look(*WALL, (x - 0.02, x + 0.03, 1.0, 1.9, HIGH)) == Sighting.CLOSED
    # a hole between two hits is no way through
    leaf = [(2.98, 3.03, y, y + 0.1, HIGH) for y in np.arange(1.0, 1.85, 0.2)]
    assert look(VIEW, *WALL, *leaf) == Sighting.CLOSED


def test_half_a_leaf_says_nothing_until_the_rest_is_seen():
    half = (2.98, 3.03, 1.0, 1.45, HIGH)
    assert look(*WALL, half) == Sighting.HIDDEN
    # the other half seen free is a gap of .45 m, enough for this robot
    assert look(VIEW, *WALL, half) == Sighting.OPEN
    # what is left open is too narrow, though something was seen free
    most = (2.98, 3.03, 1.0, 1.7, HIGH)
    assert look(VIEW, *WALL, most) == Sighting.CLOSED


def test_half_seen_free_is_open_only_if_the_robot_fits():
    assert look((1.0, 5.0, 1.0, 1.45, LOW), *WALL) == Sighting.OPEN
    assert look((1.0, 5.0, 1.0, 1.25, LOW), *WALL) == Sighting.HIDDEN


def test_off_the_local_map_it_is_hidden():
    assert look(origin=(20.0, 20.0)) == Sighting.HIDDEN
    nothing = Door(name="n", jambs=np.array([[3.0, 1.0], [3.0, 1.0]]))
    assert sighting(nothing, grid(VIEW), DEFAULT_ROBOT) == Sighting.HIDDEN


@pytest.mark.parametrize("turn", [-0.7, 0.4, 1.6])
def test_wherever_the_local_map_lies_in_the_house(turn):
    c, s = np.cos(turn), np.sin(turn)
    # so that the middle of the local map (3 m, 3 m) lies on the door
    frame = (3.0 - (c * 3.0 - s * 3.0), 1.45 - (s * 3.0 + c * 3.0), turn)
    for patch, expected in (
        (VIEW, Sighting.OPEN),
        ((2.97, 3.04, 0.95, 1.95, HIGH), Sighting.CLOSED),
        ((5.0, 5.1, 0.0, 1.0, LOW), Sighting.HIDDEN),
    ):
        turned = grid(patch, frame=frame)
        assert sighting(DOOR, turned, DEFAULT_ROBOT, frame) == expected
        # taken for unturned the same map does not show it
        if expected == Sighting.CLOSED:
            assert sighting(DOOR, turned, DEFAULT_ROBOT) == Sighting.HIDDEN


@pytest.mark.parametrize("closed", [False, True])
def test_what_a_range_sensor_sees_of_a_door(closed):
    """A wall at x = 3 m seen from x = 1 m; behind the open door there is one at 5 m."""
    sensor = SensorConfig()
    occupancy = np.zeros((120, 120), np.int8)
    occupancy[:, 59:61] = 100
    occupancy[20:38, 59:61] = 0
    occupancy[:, 100] = 100
    house = Grid(
        values=prior_from_occupancy(jnp.asarray(occupancy)),
        origin=jnp.array([0.025, 0.025]),
        resolution=jnp.float32(RESOLUTION),
    )
    pose, bearing = np.array([1.0, 1.45, 0.0]), beam_bearings(sensor)
    # from the robot's sensor to the plane of the wall, or through the door to the next
    place = pose[:2] + np.array([DEFAULT_ROBOT.sensor.mount_x, DEFAULT_ROBOT.sensor.mount_y])
    ahead = np.cos(bearing) > 0.05
    reach = [
        np.where(ahead, (x - place[0]) / np.maximum(np.cos(bearing), 0.05), np.inf)
        for x in (2.95, 5.0)
    ]
    crossing = place[1] + reach[0] * np.sin(bearing)
    through = (np.abs(crossing - 1.45) < 0.45) & (not closed)
    ranges = np.where(through, reach[1], reach[0])
    scan = Scan(
        ranges=jnp.asarray(np.minimum(ranges, 50.0), jnp.float32),
        valid=jnp.ones(sensor.beams, bool),
        pose_map=jnp.asarray([*place, 0.0], jnp.float32),
        age=0.0,
    )
    local = jax.jit(functools.partial(blank_map, DEFAULT_PLANNER))(house, jnp.asarray(pose[:2]))
    update = jax.jit(functools.partial(update_map, DEFAULT_ROBOT, DEFAULT_PLANNER))
    assert sighting(DOOR, local.grid, DEFAULT_ROBOT) == Sighting.HIDDEN
    for _ in range(4):
        local = update(local, house, jnp.zeros(3), scan, no_tracks(1), jnp.asarray(pose[:2]))
    expected = Sighting.CLOSED if closed else Sighting.OPEN
    assert sighting(DOOR, local.grid, DEFAULT_ROBOT) == expected
