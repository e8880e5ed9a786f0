"""A scan with any angles, on the robot's beams: what is free on them was free before."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from astro_jax.config import DEFAULT_ROBOT, SensorConfig
from astro_jax.world.grid import beam_bearings
from astro_jax.world.resample import resample

REACH = 6.0
NEAREST = 0.05


def robot_with(beams, view):
    sensor = SensorConfig(beams=beams, field_of_view=view, range_max=8.0, mount_x=0.0)
    # so small that nothing is seen within itself
    return dataclasses.replace(DEFAULT_ROBOT, sensor=sensor, length=0.05, width=0.05, footprint=())


def free_between(angle, bearings, reach, gap=np.inf):
    """How far one may go at an angle: as far as both neighbouring rays came, if they are near."""
    right = np.searchsorted(bearings, angle)
    if right == 0 or right == len(bearings) or bearings[right] - bearings[right - 1] > gap:
        return 0.0
    return min(reach[right - 1], reach[right])


def known_free(ranges):
    """Of single rays, by the conventions of ROS (REP 117)."""
    return np.where(
        np.isposinf(ranges),
        REACH,
        np.where(
            np.isneginf(ranges),
            NEAREST,
            np.where((ranges >= NEAREST) & (ranges <= REACH), ranges, 0.0),
        ),
    )


@settings(max_examples=150)
@given(
    seed=st.integers(0, 2**32 - 1),
    beams=st.integers(8, 90),
    rays=st.integers(2, 400),
    view=st.floats(0.5, 6.2),
    covered=st.floats(0.3, 6.1),
    turned=st.floats(-1.5, 1.5),
    backwards=st.booleans(),
)
def test_no_space_is_invented_and_no_return_is_lost(
    seed, beams, rays, view, covered, turned, backwards
):
    step = covered / (rays - 1)
    random = np.random.default_rng(seed)
    robot = robot_with(beams, view)
    ranges = random.uniform(0.2, REACH, rays)
    odd = random.choice([np.inf, -np.inf, np.nan, 0.0, 7.0], rays)
    ranges = np.where(random.random(rays) < 0.3, odd, ranges)
    bearings = turned + np.linspace(-covered / 2, covered / 2, rays)
    given_order = slice(None, None, -1) if backwards else slice(None)
    near, free, valid = resample(
        robot,
        bearings[given_order],
        -step if backwards else step,
        ranges[given_order],
        NEAREST,
        REACH,
    )
    assert np.all(free >= 0.0) and np.all(free[~valid] == 0.0)
    assert np.all(np.isinf(near[~valid]))

    targets = beam_bearings(robot.sensor).astype(float)
    spacing = view / (beams - 1)
    reach = known_free(ranges)
    # once around: where the ends nearly meet they are neighbours
    around = np.concatenate([bearings - 2 * np.pi, bearings, bearings + 2 * np.pi])
    for angle in random.uniform(-view / 2, view / 2, 60):
        # rays within the tolerance of a beam count as on it
        if np.min(np.abs(targets - angle)) < 0.03 * spacing:
            continue
        claimed = free_between(angle, targets, free)
        assert claimed <= free_between(angle, around, np.tile(reach, 3), 1.5 * step) + 1e-9
    # every return is on the beam next to it, or something nearer is
    returned = np.isneginf(ranges) | ((ranges >= NEAREST) & (ranges <= REACH))
    directions = np.mod(bearings + np.pi, 2 * np.pi) - np.pi
    for angle, r in zip(directions[returned], reach[returned], strict=True):
        beam = np.argmin(np.abs(targets - angle))
        if abs(targets[beam] - angle) < 0.49 * spacing:
            assert near[beam] <= r
    # and no beam reports what no ray has seen
    assert set(near[np.isfinite(near)]) <= set(reach[returned])


def test_the_robots_own_angles_change_nothing():
    robot = robot_with(90, 4.0)
    ranges = np.random.default_rng(0).uniform(0.2, REACH, 90)
    ranges[5], ranges[7] = np.inf, np.nan
    bearings = np.linspace(-2.0, 2.0, 90)
    near, free, valid = resample(robot, bearings, 4.0 / 89, ranges, NEAREST, REACH)
    whole = np.isfinite(ranges)
    np.testing.assert_array_equal(near[whole], ranges[whole])
    np.testing.assert_array_equal(free[whole], ranges[whole])
    assert free[5] == REACH and near[5] == np.inf and valid[5]
    assert free[7] == 0.0 and not valid[7]


def test_once_around_from_zero_to_two_pi():
    """A lidar that begins ahead and ends ahead: the seam is behind neither of them."""
    robot = robot_with(61, 2 * np.pi)
    rays = 720
    bearings = np.arange(rays) * 2 * np.pi / rays
    ranges = 2.0 + np.cos(bearings)
    near, free, valid = resample(robot, bearings, 2 * np.pi / rays, ranges, NEAREST, REACH)
    assert valid.all()
    expected = 2.0 + np.cos(beam_bearings(robot.sensor))
    np.testing.assert_allclose(near, expected, atol=np.pi / 60)
    assert np.all(near <= expected + 1e-4) and np.all(free <= expected + 1e-6)


@pytest.mark.parametrize("mount_x", [0.0, 0.1])
def test_a_cable_in_view_hides_nothing_behind_it(mount_x):
    sensor = dataclasses.replace(DEFAULT_ROBOT.sensor, mount_x=mount_x)
    robot = dataclasses.replace(DEFAULT_ROBOT, sensor=sensor)
    rays = 10 * (sensor.beams - 1) + 1
    bearings = np.linspace(-sensor.field_of_view / 2, sensor.field_of_view / 2, rays)
    ranges = np.full(rays, 1.5)
    ranges[::10] = 0.06  # within length x width
    near, free, _ = resample(robot, bearings, bearings[1] - bearings[0], ranges, 0.0, REACH)
    assert np.all(near == 1.5)
    assert np.all(free == 0.0)  # what the cable covers is not known to be free
