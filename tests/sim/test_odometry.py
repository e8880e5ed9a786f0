"""The simulated state estimate: its frames agree, and its errors are as large as it says."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from astro_jax.geometry import compose, inverse
from astro_jax.sim.odometry import (
    EXACT,
    Believed,
    PoseErrors,
    as_believed,
    initial_belief,
    localise,
    reckon,
)

TICK = 0.02


def driven(errors, seconds=20.0, robots=400):
    """Robots on a circle: true poses and beliefs, every tick."""
    start = jnp.array([1.0, -2.0, 0.3])
    step = TICK * jnp.array([0.5, 0.0, 0.4])

    def tick(carry, key):
        pose, belief = carry
        after = compose(pose, step)
        belief = reckon(errors, belief, pose, after, TICK, key)
        return (after, belief), (after, belief)

    def one(key):
        keys = jax.random.split(key, round(seconds / TICK))
        return jax.lax.scan(tick, (start, initial_belief(start)), keys)[1]

    return jax.device_get(jax.jit(jax.vmap(one))(jax.random.split(jax.random.key(0), robots)))


def test_without_errors_belief_is_truth():
    poses, beliefs = driven(EXACT, 5.0, robots=1)
    np.testing.assert_allclose(beliefs.pose_map, poses, atol=2e-4)
    assert not beliefs.jump.any() and not beliefs.scale.any()


def test_drift_and_jumps_are_as_large_as_asked_for():
    errors = PoseErrors(drift=0.03, jump=0.05, jump_yaw=0.035, jump_rate=0.5)
    _, beliefs = driven(errors)
    late = slice(500, None)  # the drift has forgotten its start
    np.testing.assert_allclose(beliefs.scale[:, late].std(axis=(0, 1)), 0.03, rtol=0.1)
    np.testing.assert_allclose(
        beliefs.jump[:, late].std(axis=(0, 1)), [0.05, 0.05, 0.035], rtol=0.12
    )
    changes = np.any(np.diff(beliefs.jump, axis=1) != 0, axis=-1)
    rate = changes.sum() / (changes.size * TICK)
    assert abs(rate - 0.5) < 0.03


def test_dead_reckoning_never_jumps():
    _, beliefs = driven(PoseErrors(drift=0.05, jump=0.3, jump_rate=2.0), 10.0, robots=50)
    steps = np.linalg.norm(np.diff(beliefs.pose_map[..., :2], axis=1), axis=-1)
    assert steps.max() < 1.3 * 0.5 * TICK


def test_localisation_is_the_truth_but_for_the_jump():
    pose = jnp.array([2.0, 1.0, 0.5])
    belief = Believed(
        pose_map=jnp.array([-1.0, 4.0, -2.0]),
        scale=jnp.zeros(2),
        jump=jnp.array([0.04, 0.0, 0.02]),
        localised=jnp.asarray(True),
    )
    seen = compose(localise(belief, pose), belief.pose_map)
    np.testing.assert_allclose(seen, pose + belief.jump, atol=1e-5)


def test_without_localisation_the_odometry_is_believed():
    start, drifted = jnp.array([2.0, 1.0, 0.5]), jnp.array([2.5, 1.3, 0.4])
    belief = dataclasses.replace(initial_belief(start, localised=False), pose_map=drifted)
    believed = compose(localise(belief, jnp.array([2.4, 1.4, 0.5])), belief.pose_map)
    np.testing.assert_allclose(believed, drifted, atol=1e-6)


def test_things_are_believed_where_the_robot_sees_them():
    pose, pose_map = jnp.array([2.0, 1.0, 0.5]), jnp.array([-1.0, 4.0, -2.0])
    ahead = compose(pose, jnp.array([1.5, 0.2, 0.0]))[:2]
    believed = as_believed(pose, pose_map, ahead[None])[0]
    expected = compose(pose_map, jnp.array([1.5, 0.2, 0.0]))[:2]
    np.testing.assert_allclose(believed, expected, atol=1e-5)
    np.testing.assert_allclose(compose(inverse(pose), pose), 0.0, atol=1e-6)
