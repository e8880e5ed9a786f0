"""The simulated camera: who is in its picture, and what the detector then says of them."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from astro_jax.config import CameraConfig, RobotConfig, SensorConfig
from astro_jax.sim.camera import NOISE, in_picture
from astro_jax.sim.detector import detect_people
from astro_jax.sim.scene import make_scene
from astro_jax.sim.sensors import DETECTION_NOISE

pytestmark = pytest.mark.usefixtures("compiled_quickly")

CAMERA = CameraConfig(field_of_view=1.2, range_max=4.0)
ROBOT = RobotConfig(camera=CAMERA)
MOUNT = ROBOT.screen.mount_x
SIZE, CELL = 240, 0.05
MIDDLE = np.array([6.0, 6.0])
PEOPLE, RADIUS = 4, 0.22


@functools.cache
def scene_of(wall=False):
    """A hall of 12 m, with a wall 1.5 m to the right (x) of its middle if asked for."""
    blocked = np.zeros((SIZE, SIZE), bool)
    if wall:
        blocked[100:141, 150] = True
    return make_scene(
        np.where(blocked, 100, 0),
        blocked,
        np.zeros(2),
        CELL,
        np.array([*MIDDLE, 0.0]),
        np.array([*MIDDLE, 0.0]),
        np.zeros((PEOPLE, 2, 2)),
        np.full(PEOPLE, 2),
        0.1,
        PEOPLE,
        seed=0,
    )


@jax.jit
def look(scene, pose, pan, people):
    return in_picture(ROBOT, scene, pose, pan, people)


def seen(people, pan=0.0, yaw=0.0, wall=False):
    """People in polar coordinates (m, rad) about the camera's axis."""
    axis = MIDDLE + MOUNT * np.array([np.cos(yaw), np.sin(yaw)])
    places = np.full((PEOPLE, 2), -50.0)
    for k, (distance, bearing) in enumerate(people):
        places[k] = axis + distance * np.array([np.cos(bearing), np.sin(bearing)])
    pose = jnp.asarray([*MIDDLE, yaw], jnp.float32)
    places = jnp.asarray(places, jnp.float32)
    return np.asarray(look(scene_of(wall), pose, jnp.float32(pan), places))[: len(people)]


@pytest.mark.parametrize("yaw", [0.0, 2.0, -3.0])
@pytest.mark.parametrize("pan", [0.0, 0.9, -1.4])
def test_the_picture_turns_with_the_pan_joint(yaw, pan):
    facing, half = yaw + pan, CAMERA.field_of_view / 2
    for off, inside in ((0.0, True), (half - 0.05, True), (-half + 0.05, True),
                        (half + 0.05, False), (-half - 0.05, False), (np.pi, False)):  # fmt: skip
        assert seen([(2.0, facing + off)], pan, yaw)[0] == inside
    np.testing.assert_array_equal(
        seen([(3.9, facing), (4.1, facing + 0.4)], pan, yaw), [True, False]
    )


def test_walls_and_people_hide_who_is_behind_them():
    assert seen([(3.0, 0.0)])[0] and not seen([(3.0, 0.0)], wall=True)[0]
    assert seen([(1.0, 0.0)], wall=True)[0]
    np.testing.assert_array_equal(seen([(1.0, 0.0), (3.0, 0.05)]), [True, False])
    aside = np.arcsin(RADIUS / 3.0) + np.arcsin(RADIUS / 1.0)
    np.testing.assert_array_equal(seen([(1.0, -aside), (3.0, 0.03)]), [True, True])


def frames(robot, people, pan=0.0, count=400):
    """What the detector says, frame by frame."""
    scene = dataclasses.replace(scene_of(), ghost_rate=jnp.float32(0.0))
    pose = jnp.asarray([*MIDDLE, 0.0], jnp.float32)
    people = jnp.asarray(people, jnp.float32)
    detect = functools.partial(detect_people, robot, scene, pose, jnp.float32(pan), people)
    keys = jax.random.split(jax.random.key(0), count)
    quick = {"xla_backend_optimization_level": 0}
    run = jax.jit(jax.vmap(lambda key: detect(0.1, key)), compiler_options=quick)
    return jax.device_get(run(keys))


@pytest.fixture(scope="module")
def people():
    offset = np.array([[2.0, 0.0], [1.5, 1.5], [-0.5, -2.0], [5.5, 0.0]])
    return MIDDLE + offset


def test_whom_the_camera_sees_is_named_and_better_placed(people):
    """In view: the first. The others are found by the range sensor alone, and nobody twice."""
    found = frames(ROBOT, people)
    assert np.all(found.seen.sum(axis=1) == 4)
    named = found.identity >= 0
    assert np.all(named.sum(axis=1) == 1) and np.all(found.identity[named] == 0)
    error = found.xy_map[named] - people[0]
    assert error.std() == pytest.approx(np.hypot(NOISE, 0.005 * 2.0), rel=0.1)
    std = np.sqrt(found.xy_cov[..., 0, 0])
    assert std[named].max() < DETECTION_NOISE < std[found.seen & ~named].min()


def test_a_robot_without_a_camera_is_told_what_it_always_was(people):
    blind = dataclasses.replace(ROBOT, camera=CameraConfig(field_of_view=0.0))
    without, elsewhere = frames(blind, people), frames(ROBOT, people, pan=-3.1)
    assert np.all(without.identity == -1) and np.all(elsewhere.identity == -1)
    np.testing.assert_array_equal(without.xy_map, elsewhere.xy_map)
    np.testing.assert_array_equal(without.seen, elsewhere.seen)


def test_a_narrow_range_sensor_finds_more_people_where_the_camera_looks(people):
    narrow = dataclasses.replace(ROBOT, sensor=SensorConfig(field_of_view=0.8))
    ahead, aside = frames(narrow, people, count=50), frames(narrow, people, pan=0.8, count=50)
    assert np.all(ahead.seen.sum(axis=1) == 2) and np.all(aside.seen.sum(axis=1) == 3)
