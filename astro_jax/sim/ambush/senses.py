"""What the gate and the tracker are told of the ambush: late, noisy, in the robot's own frame."""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from astro_jax.config import RobotConfig, SensorConfig
from astro_jax.geometry import to_frame
from astro_jax.sim.ambush.shapes import Boxes, ray_boxes, ray_discs
from astro_jax.sim.odometry import as_believed
from astro_jax.sim.sensors import DETECTION_NOISE, NOISE_PER_RANGE, PERSON_SIGHT, eye_of
from astro_jax.types import Detections, Kind, pytree
from astro_jax.world.grid import beam_angles

WINDOW = 1.0
"""Half the side of the square around the robot in which the envelope counts on the scan, m."""
MISSED, GHOSTS = 0.05, 0.02
"""Shares of the people in sight who are overlooked, and of frames with one who is not there."""


@pytree
class Past:
    """The truth a while ago."""

    pose: Float[Array, "*batch 3"]
    belief: Float[Array, "*batch 3"]
    twist: Float[Array, "*batch 2"]
    people: Float[Array, "*batch M 2"]
    there: Bool[Array, "*batch M"]


@pytree
class Sweep:
    """One sweep of the range sensor, and whom it would show in the window without noise."""

    ranges: Float[Array, "*batch R"]
    valid: Bool[Array, "*batch R"]
    shows: Bool[Array, "*batch P"]
    """The people, then the boxes."""


def sweep(
    sensor: SensorConfig,
    past: Past,
    boxes: Boxes,
    radius: Float[Array, "M"],
    sight: float,
    noise: Float[Array, ""],
    lost: Float[Array, ""],
    ghosts: Float[Array, ""],
    key: Array,
) -> Sweep:
    """Ranges from the base's true pose, with noise, beams that are lost and beams that lie."""
    key_noise, key_lost = jax.random.split(key)
    eye = eye_of(sensor, past.pose)
    angles = jnp.asarray(beam_angles(sensor)) + eye[2]
    direction = jnp.stack([jnp.cos(angles), jnp.sin(angles)], axis=-1)
    each = jnp.concatenate(
        [
            ray_discs(eye[:2], direction, past.people, radius, past.there),
            ray_boxes(eye[:2], direction, boxes),
        ],
        axis=1,
    )
    nearest = jnp.min(each, axis=1)
    hits = eye[None, :2] + jnp.minimum(nearest, sight)[:, None] * direction
    near = jnp.all(jnp.abs(to_frame(past.pose, hits)) <= WINDOW, axis=-1) & (nearest < sight)
    shows = jnp.any((each <= nearest[:, None]) & near[:, None], axis=0)

    drawn = noise * sensor.range_noise * jax.random.normal(key_noise, nearest.shape)
    ranges = jnp.where(nearest < sight, jnp.maximum(nearest + drawn, 0.0), jnp.inf)
    u = jax.random.uniform(key_lost, nearest.shape)
    # the same draw, stretched: where in the way a ghost is
    somewhere = sight * (u - lost) / jnp.maximum(ghosts, 1e-6)
    ghost = (u >= lost) & (u < lost + ghosts)
    ranges = jnp.where(ghost, jnp.minimum(ranges, 0.15 + somewhere), ranges)
    return Sweep(ranges=ranges, valid=u >= lost, shows=shows)


def in_sight(
    sensor: SensorConfig, past: Past, boxes: Boxes, radius: Float[Array, "M"]
) -> Bool[Array, "M"]:
    """Who a perfect detector would see: in the field of view, near enough, nothing between."""
    eye = eye_of(sensor, past.pose)
    offset = past.people - eye[None, :2]
    distance = jnp.sqrt(jnp.sum(offset**2, axis=-1) + 1e-9)
    bearing = jnp.arctan2(offset[:, 1], offset[:, 0]) - eye[2]
    ahead = jnp.cos(bearing) >= jnp.cos(sensor.field_of_view / 2)
    free = jnp.min(ray_boxes(eye[:2], offset / distance[:, None], boxes), axis=1)
    # to the nearer edge of them: who is inside a wall is not seen
    unhidden = distance - radius < free
    return past.there & ahead & (distance < PERSON_SIGHT) & unhidden


def detect(
    robot: RobotConfig,
    past: Past,
    seen: Bool[Array, "M"],
    radius: Float[Array, "M"],
    noise: Float[Array, ""],
    age: float | Float[Array, ""],
    key: Array,
) -> Detections:
    """One frame of the detector as the robot's own frame has it; the last one is a ghost."""
    key_noise, key_miss, key_ghost = jax.random.split(key, 3)
    eye = eye_of(robot.sensor, past.pose)
    u = jax.random.uniform(key_ghost, (3,))
    reach = PERSON_SIGHT * jnp.sqrt(u[0])
    bearing = eye[2] + robot.sensor.field_of_view * (u[1] - 0.5)
    ghost = eye[:2] + reach * jnp.stack([jnp.cos(bearing), jnp.sin(bearing)])
    xy = jnp.concatenate([past.people, ghost[None]])
    distance = jnp.sqrt(jnp.sum((xy - eye[None, :2]) ** 2, axis=-1) + 1e-9)
    spread = DETECTION_NOISE**2 + (NOISE_PER_RANGE * distance) ** 2
    drawn = jnp.sqrt(spread)[:, None] * jax.random.normal(key_noise, xy.shape)
    found = seen & (jax.random.uniform(key_miss, seen.shape) >= MISSED)
    return Detections(
        xy_map=as_believed(past.pose, past.belief, xy + noise * drawn),
        xy_cov=(noise**2 * spread)[:, None, None] * jnp.eye(2)[None],
        radius=jnp.append(radius, 0.25),
        kind=jnp.full(xy.shape[0], int(Kind.PERSON), jnp.int32),
        identity=jnp.full(xy.shape[0], -1, jnp.int32),
        seen=jnp.append(found, u[2] < GHOSTS),
        age=jnp.asarray(age, jnp.float32),
    )


def blind_half(swept: Sweep, blind: Bool[Array, ""]) -> Sweep:
    """Without the left 60 % of the beams, while the sensor is ``blind`` there."""
    beams = swept.ranges.shape[0]
    kept = jnp.arange(beams) < round(0.4 * beams)
    return dataclasses.replace(swept, valid=swept.valid & (kept | ~blind))
