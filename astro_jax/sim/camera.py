"""Simulated camera in the screen: it knows who somebody is, and where more precisely."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from astro_jax.body.view import axis_map
from astro_jax.config import RobotConfig
from astro_jax.sim.scene import Scene
from astro_jax.sim.sensors import line_of_sight
from astro_jax.types import Scalar

NOISE = 0.03
"""Standard deviation of the position of a person seen close by, per axis, m."""
NOISE_PER_RANGE = 0.005
"""Another one, independent of the first, per metre of distance."""


def in_picture(
    robot: RobotConfig,
    scene: Scene,
    pose_map: Float[Array, "3"],
    pan: Scalar,
    people_xy: Float[Array, "M 2"],
) -> Bool[Array, "M"]:
    """Whom the camera of a robot at the true pose sees: in view, behind no wall and nobody."""
    camera = robot.camera
    if camera.field_of_view <= 0.0:
        return jnp.zeros(scene.present.shape, bool)
    eye = axis_map(robot, pose_map)
    offset = people_xy - eye[None]
    distance = jnp.sqrt(jnp.sum(offset**2, axis=-1) + 1e-9)
    direction = offset / distance[:, None]
    bearing = jnp.arctan2(offset[:, 1], offset[:, 0]) - pose_map[2] - pan
    inside = jnp.cos(bearing) >= jnp.cos(camera.field_of_view / 2)
    free = line_of_sight(scene, eye, direction, camera.range_max)
    # of everybody else the disc, on the way to this one's middle
    along = direction @ offset.T
    across = direction[:, :1] * offset[None, :, 1] - direction[:, 1:] * offset[None, :, 0]
    before = (along > 0.0) & (along < distance[:, None]) & scene.present[None]
    hidden = before & (jnp.abs(across) < scene.radius[None]) & ~jnp.eye(len(offset), dtype=bool)
    seen = scene.present & inside & (distance < free + scene.radius)
    return seen & (distance < camera.range_max) & ~jnp.any(hidden, axis=1)


def measured(
    people_xy: Float[Array, "M 2"], eye: Float[Array, "2"], key: Array
) -> tuple[Float[Array, "M 2"], Float[Array, "M"]]:
    """Positions as the camera measures them, and their variance per axis, m²."""
    square = jnp.sum((people_xy - eye[None]) ** 2, axis=-1)
    variance = NOISE**2 + NOISE_PER_RANGE**2 * square
    return people_xy + jnp.sqrt(variance)[:, None] * jax.random.normal(
        key, people_xy.shape
    ), variance
