"""Simulated detector of people: what the range sensor finds, and what the camera knows better."""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from astro_jax.body.view import axis_map
from astro_jax.config import RobotConfig
from astro_jax.sim.camera import in_picture, measured
from astro_jax.sim.scene import Scene
from astro_jax.sim.sensors import ghost, people_in_sight
from astro_jax.types import Detections, Scalar


def detect_people(
    robot: RobotConfig,
    scene: Scene,
    pose_map: Float[Array, "3"],
    pan: Scalar,
    people_xy: Float[Array, "M 2"],
    age: Scalar,
    key: Array,
) -> Detections:
    """One frame of the detector: people in sight and perhaps a ghost, in random order.

    The range sensor finds legs all around and knows nobody (identity −1).  Whom the camera has
    in its picture is reported once, by the camera: with an identity, and more precisely.
    """
    key_people, key_ghost, key_order = jax.random.split(key, 3)
    found = people_in_sight(robot.sensor, scene, pose_map, people_xy, key_people)
    everybody = jax.tree.map(
        lambda *parts: jnp.concatenate(parts),
        _known(robot, scene, pose_map, pan, people_xy, found, key_people),
        ghost(robot.sensor, scene, pose_map, key_ghost),
    )
    order = jax.random.permutation(key_order, everybody.seen.shape[0])
    shuffled = jax.tree.map(lambda leaf: leaf[order], everybody)
    return dataclasses.replace(shuffled, age=age)


def _known(
    robot: RobotConfig, scene: Scene, pose_map, pan, people_xy, found: Detections, key: Array
) -> Detections:
    """The same people, those in the camera's picture as it sees them."""
    key_miss, key_noise = jax.random.split(jax.random.fold_in(key, 1))
    seen = in_picture(robot, scene, pose_map, pan, people_xy)
    seen = seen & ~jax.random.bernoulli(key_miss, scene.miss_rate, seen.shape)
    xy, variance = measured(people_xy, axis_map(robot, pose_map), key_noise)
    identity = jnp.arange(seen.shape[0], dtype=jnp.int32)
    return dataclasses.replace(
        found,
        xy_map=jnp.where(seen[:, None], xy, found.xy_map),
        xy_cov=jnp.where(
            seen[:, None, None], variance[:, None, None] * jnp.eye(2)[None], found.xy_cov
        ),
        identity=jnp.where(seen, identity, found.identity),
        seen=seen | found.seen,
    )
