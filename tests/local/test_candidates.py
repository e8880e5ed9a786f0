"""Where the search looks: everywhere, every time, and along last cycle's plan."""

import dataclasses
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from astro_jax.geometry import sample
from astro_jax.local import candidates
from astro_jax.local.planner import basis_of
from astro_jax.robot import drive

pytestmark = pytest.mark.usefixtures("compiled_quickly")


@pytest.fixture(scope="module")
def free(lab):
    return basis_of(lab.config).value.shape[1] - 2


@pytest.fixture(scope="module")
def look(lab):
    """(world, field, previous, key) → the seeds, and the motions they name; K first."""
    basis = basis_of(lab.config)

    @jax.jit
    def seeds_and_motions(world, field, previous, key):
        z = candidates.seeds(lab.robot, lab.config, lab.params, basis, world, field, previous, key)
        controls = drive.decode(lab.robot, basis, world.command, world.command_dot, z)
        motion = drive.motion(lab.robot, basis, world.pose_map, controls)
        return jax.tree.map(lambda leaf: jnp.moveaxis(leaf, -1, 0), (z, controls, motion))

    return seeds_and_motions


@pytest.fixture(scope="module")
def parts(lab):
    """Slices of the seeds, in their order."""
    fixed = candidates.anchors(lab.robot, basis_of(lab.config)).shape[-1]
    guided = fixed + 1 + lab.config.guided_candidates
    return types.SimpleNamespace(
        anchors=slice(0, fixed),
        previous=fixed,
        guided=slice(fixed + 1, guided),
        drawn=slice(guided, lab.config.candidates),
    )


def nothing(free, seed=0):
    """No last plan; a key."""
    return jnp.zeros((free + 2, 2)), jax.random.key(seed)


@pytest.mark.parametrize("twist", [(0.0, 0.0), (0.6, 0.0), (0.4, 1.2), (-0.2, -0.5)])
def test_the_first_seed_is_the_full_stop(lab, look, free, twist):
    z, _, motion = look(lab.world(command=twist), lab.field(), *nothing(free))
    assert z.shape == (lab.config.candidates, free, 2)
    assert np.all(np.isfinite(z)) and np.all(np.abs(z) < 20.0)
    start = np.asarray(motion.twist[0, 0, [0, 2]])
    np.testing.assert_allclose(start, twist, atol=1e-6)
    np.testing.assert_allclose(motion.twist[0, -1], 0.0, atol=5e-3)
    speed = np.abs(motion.twist[0, :, 0])
    # a spline cannot brake at the limit all the time, but not much more slowly either
    braking = abs(twist[0]) / lab.robot.wheel_acceleration
    assert np.argmax(speed < 0.02) * lab.config.dt < 1.2 * braking + 0.35
    way = np.linalg.norm(motion.pose_map[0, -1, :2])
    assert way <= 0.5 * abs(twist[0]) * braking + 0.15 * abs(twist[0]) + 1e-6
    assert np.all(np.diff(speed) < 0.02)


def test_last_cycles_plan_is_among_the_seeds_one_period_on(lab, look, parts, free):
    """It decodes to the same curve, seen from the new start."""
    random, basis = np.random.default_rng(0), basis_of(lab.config)
    ahead = round(lab.config.period / lab.config.dt)
    z = np.clip(random.normal(size=(8, free, 2)), -2.5, 2.5).astype(np.float32)
    for k in range(8):
        old = drive.decode(lab.robot, basis, jnp.array([0.3, 0.2]), jnp.zeros(2), z[k])
        motion = drive.motion(lab.robot, basis, jnp.zeros(3), old)
        world = dataclasses.replace(
            lab.world(),
            pose_map=motion.pose_map[ahead],
            command=motion.twist[ahead][np.array([0, 2])],
            command_dot=motion.twist_dot[ahead][np.array([0, 2])],
        )
        _, _, motions = look(world, lab.field(), old, jax.random.key(0))
        again = jax.tree.map(lambda leaf: leaf[parts.previous], motions)
        # least squares on other knots: near, not equal
        gap = np.linalg.norm((again.pose_map[:-ahead] - motion.pose_map[ahead:])[:, :2], axis=1)
        assert np.max(gap) < 0.03
        assert np.sqrt(np.mean((again.twist[:-ahead] - motion.twist[ahead:]) ** 2)) < 0.05
        others = np.asarray(motions.pose_map)[:, -1 - ahead, :2] - np.asarray(
            motion.pose_map[-1, :2]
        )
        assert np.sum(np.linalg.norm(others, axis=1) < 0.05) < lab.config.candidates // 2


@pytest.mark.parametrize("yaw", [0.0, 1.5, -2.5])
def test_guided_rollouts_go_downhill(lab, look, parts, free, yaw):
    field = lab.field((1.2, 0.8, 0.7))
    world = lab.world((0.0, 0.0, yaw), (0.1, 0.0))
    _, _, motion = look(world, field, *nothing(free))
    height = np.asarray(sample(field.cost_to_go, motion.pose_map[parts.guided, :, :2]))
    gain = height[:, 0] - height[:, -1]
    assert np.all(gain > 0.1)
    assert np.max(gain) > 0.7
    assert np.std(gain) > 0.1  # at different speeds
    others = np.asarray(sample(field.cost_to_go, motion.pose_map[parts.drawn, :, :2]))
    assert np.median(gain) > np.median(others[:, 0] - others[:, -1])


def test_guided_rollouts_park(lab, look, parts, free):
    """From close by, some end at the goal with its heading."""
    field = lab.field((0.5, 0.0, 0.0))
    _, _, motion = look(lab.world(command=(0.1, 0.0)), field, *nothing(free))
    end = np.asarray(motion.pose_map[parts.guided, -1])
    off = np.hypot(end[:, 0] - 0.5, end[:, 1])
    assert np.any((off < 0.1) & (np.abs(end[:, 2]) < 0.2))


def test_every_cycle_draws_other_points(lab, look, parts, free):
    world, field = lab.world(command=(0.3, 0.0)), lab.field()
    here, _, _ = look(world, field, *nothing(free))
    there, _, _ = look(world, field, *nothing(free, seed=1))
    same, _, _ = look(world, field, *nothing(free))
    np.testing.assert_array_equal(here, same)
    moved = np.any(np.abs(here - there) > 1e-3, axis=(1, 2))
    assert np.mean(moved[parts.drawn]) > 0.95
    assert not np.any(moved[: parts.drawn.start])


@pytest.mark.parametrize("shift", [0.0, 0.61])
def test_whole_space_is_spread(free, shift):
    """Balanced in every coordinate, and in every pair of them."""
    z = candidates.whole_space(256, free, 2, jnp.full(2 * free, shift))
    z = np.asarray(z).reshape(-1, 256).T
    np.testing.assert_allclose(np.mean(z, axis=0), 0.0, atol=0.15)
    np.testing.assert_allclose(np.std(z, axis=0), 2.0, atol=0.15)
    for i in range(z.shape[1]):
        for j in range(i):
            quadrant = 2 * (z[:, i] > 0) + (z[:, j] > 0)
            assert np.min(np.bincount(quadrant, minlength=4)) > 30  # of 64
    assert np.max(np.abs(z)) < 7.0


def test_drawn_motions_go_both_ways_and_all_speeds(lab, look, parts, free):
    _, _, motion = look(lab.world(command=(0.3, 0.0)), lab.field(), *nothing(free))
    end = np.asarray(motion.pose_map)[:, -1]
    assert np.sum(end[:, 1] > 0.15) > 10 and np.sum(end[:, 1] < -0.15) > 10
    assert np.max(end[:, 0]) > 1.2 and np.min(end[:, 0]) < 0.2
    assert np.max(end[:, 2]) > 1.5 and np.min(end[:, 2]) < -1.5


def test_samples_around_elites_narrow(free):
    elites = jnp.asarray(np.random.default_rng(0).uniform(-3, 3, (free, 2, 4)), jnp.float32)
    around = jax.jit(candidates.around, static_argnums=2)
    z = {stage: around(jax.random.key(0), elites, 200, jnp.float32(stage)) for stage in (0, 1)}
    off = {s: np.asarray(z[s]) - np.asarray(elites)[..., np.arange(200) % 4] for s in z}
    width = {s: np.sqrt(np.mean(off[s] ** 2, axis=(0, 1))) for s in z}
    np.testing.assert_allclose(width[1], 0.5 * width[0], rtol=1e-3)
    assert width[0][:20].mean() == pytest.approx(0.9, rel=0.2)
    assert width[0][-20:].mean() == pytest.approx(0.055, rel=0.3)
    # every elite has near and far samples
    assert all(width[0][k::4].min() < 0.08 and width[0][k::4].max() > 0.6 for k in range(4))


def test_saturated_elites_come_back(free):
    elites = jnp.full((free, 2, 4), 40.0)
    z = candidates.around(jax.random.key(0), elites, 64, jnp.float32(0.0))
    assert np.max(z) < 8.0
