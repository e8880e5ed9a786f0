"""Bearings and chances of being in view, against sampling and plain geometry."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from astro_jax.body.view import axis_map, bodies_seen, in_view, later
from astro_jax.config import CameraConfig, PlannerConfig, RobotConfig
from astro_jax.types import Forecast, Grid, Motion
from astro_jax.world.distance import clearance_field

CONFIG = PlannerConfig(map_cells=160, people=3)
ROBOT = RobotConfig(camera=CameraConfig(field_of_view=1.0, range_max=3.0))
STEP = CONFIG.dt * CONFIG.people_stride
COUNT = (CONFIG.times - 1) // CONFIG.people_stride + 1


@functools.cache
def free():
    grid = Grid(
        values=jnp.zeros((CONFIG.map_cells,) * 2),
        origin=jnp.array([-4.0, -4.0]),
        resolution=jnp.float32(0.05),
    )
    return clearance_field(jnp.zeros((CONFIG.map_cells,) * 2, bool), grid, CONFIG.clearance_cells)


def mixture(seed):
    """Three bodies of two components each, any way round; standing."""
    random = np.random.default_rng(seed)
    shape = (COUNT, 3, 2)
    turn = random.uniform(-np.pi, np.pi, (1, 3, 1))
    axis = np.broadcast_to(np.stack([np.cos(turn), np.sin(turn)], -1), (*shape, 2))
    angle, distance = random.uniform(-0.9, 0.9, (1, 3, 1)), random.uniform(1.2, 3.2, (1, 3, 1))
    xy = distance[..., None] * np.stack([np.cos(angle), np.sin(angle)], -1)
    xy = np.broadcast_to(xy + 0.2 * random.normal(size=(1, 3, 2, 2)), (*shape, 2))
    var = np.broadcast_to(random.uniform(0.02, 0.3, (1, 3, 2, 2)) ** 2, (*shape, 2))
    weight = np.stack([np.full(3, 0.7), np.full(3, 0.3)], -1)
    cast = lambda value: jnp.asarray(value, jnp.float32)
    return Forecast(
        xy_map=cast(xy),
        velocity_map=jnp.zeros((*shape, 2)),
        axis_map=cast(axis),
        xy_var=cast(var),
        xy_velocity_cov=jnp.zeros((*shape, 2)),
        velocity_var=jnp.ones((*shape, 2)),
        weight=cast(weight),
        radius=jnp.full(3, 0.25),
        kind=jnp.zeros(3, jnp.int32),
        valid=jnp.ones(3, bool),
    )


def resting(pose=(0.0, 0.0, 0.0)):
    still = jnp.zeros((CONFIG.times, 3))
    return Motion(pose_map=still + jnp.asarray([pose], jnp.float32), twist=still, twist_dot=still)


@jax.jit
def chance(forecast, motion, clearance, facing):
    bodies = bodies_seen(ROBOT, CONFIG, motion, forecast, clearance, jnp.float32(0.0))
    return in_view(ROBOT.camera, bodies, facing)


@pytest.mark.parametrize("seed", range(6))
def test_the_chance_of_being_in_view_is_that_of_samples(seed):
    bodies, facing = mixture(seed), np.linspace(-0.6, 0.6, COUNT)
    estimate = np.asarray(chance(bodies, resting(), free(), jnp.asarray(facing, jnp.float32)))
    random, count = np.random.default_rng(seed), 40_000
    eye = np.array([ROBOT.screen.mount_x, 0.0])
    for m in range(3):
        which = (random.random(count) > 0.7).astype(int)
        axis = np.asarray(bodies.axis_map)[0, m, which]
        across = np.stack([-axis[:, 1], axis[:, 0]], -1)
        spread = np.sqrt(np.asarray(bodies.xy_var)[0, m, which]) * random.normal(size=(count, 2))
        place = np.asarray(bodies.xy_map)[0, m, which] - eye
        place = place + spread[:, :1] * axis + spread[:, 1:] * across
        near = np.hypot(*place.T) < ROBOT.camera.range_max
        bearing = np.arctan2(place[:, 1], place[:, 0])
        for t in (0, 5, 10):
            inside = np.abs(bearing - facing[t]) < ROBOT.camera.field_of_view / 2
            assert estimate[m, t] == pytest.approx(np.mean(inside & near), abs=0.05)


def test_it_does_not_see_through_walls():
    blocked = np.zeros((CONFIG.map_cells,) * 2, bool)
    blocked[30:131, 87] = True  # .35 m ahead
    grid = Grid(
        values=jnp.zeros(blocked.shape),
        origin=jnp.array([-4.0, -4.0]),
        resolution=jnp.float32(0.05),
    )
    walled = clearance_field(jnp.asarray(blocked), grid, CONFIG.clearance_cells)
    facing = jnp.zeros(COUNT)
    seen = [np.asarray(chance(mixture(seed), resting(), free(), facing)) for seed in range(3)]
    hidden = [np.asarray(chance(mixture(seed), resting(), walled, facing)) for seed in range(3)]
    assert np.all(np.stack(hidden) < 0.02) and np.max(seen) > 0.5


def test_slopes_are_those_of_differences():
    def total(facing):
        bodies = bodies_seen(ROBOT, CONFIG, resting(), mixture(1), free(), jnp.float32(0.0))
        return jnp.sum(in_view(ROBOT.camera, bodies, facing))

    facing, step = jnp.linspace(-0.5, 0.5, COUNT), 2e-3
    slope = np.asarray(jax.jit(jax.grad(total))(facing))
    shifts = jnp.concatenate([step * jnp.eye(COUNT), -step * jnp.eye(COUNT)])
    ahead, behind = np.split(np.asarray(jax.jit(jax.vmap(total))(facing[None] + shifts)), 2)
    np.testing.assert_allclose(slope, (ahead - behind) / (2 * step), atol=0.02)
    assert np.max(np.abs(slope)) > 0.2


def test_the_axis_is_where_the_mount_is():
    pose = jnp.array([[1.0, 2.0, np.pi / 2]])
    np.testing.assert_allclose(
        axis_map(ROBOT, pose), [[1.0, 2.0 + ROBOT.screen.mount_x]], atol=1e-6
    )


def test_a_course_seen_later_goes_on_backwards_and_ends_as_it_ends():
    values = jnp.asarray(np.arange(6.0)[:, None] * np.array([1.0, -2.0]), jnp.float32)
    shifted = later(values, 0.1, jnp.float32(0.25))
    np.testing.assert_allclose(shifted[:, 0], np.arange(6.0) - 2.5, atol=1e-5)
    early = later(values, 0.1, jnp.float32(-0.25))
    np.testing.assert_allclose(early[:, 1], -2.0 * np.minimum(np.arange(6.0) + 2.5, 5.0), atol=1e-5)
