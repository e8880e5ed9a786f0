"""Simulated range sensor, and people as it finds them, in the true world."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from astro_jax.config import SensorConfig
from astro_jax.geometry import compose
from astro_jax.products import merges
from astro_jax.sim.scene import Scene
from astro_jax.types import Detections, Kind, Scalar, Scan
from astro_jax.world.grid import beam_angles

DETECTION_NOISE = 0.05
"""Standard deviation of the position of a person detected close by, per axis, m."""
NOISE_PER_RANGE = 0.01
"""Another one, independent of the first, per metre of distance."""
PERSON_SIGHT = 6.0
"""How far a person is recognised, m."""
UNROLLED = 8
"""Steps of the beams that an accelerator takes at once."""


def eye_of(sensor: SensorConfig, pose_map: Float[Array, "3"]) -> Float[Array, "3"]:
    """Pose of the sensor on a robot at ``pose_map``."""
    return compose(pose_map, jnp.array([sensor.mount_x, sensor.mount_y, 0.0]))


def take_scan(
    sensor: SensorConfig,
    scene: Scene,
    pose_map: Float[Array, "3"],
    people_xy: Float[Array, "M 2"],
    age: Scalar,
    key: Array,
    steps: int,
) -> Scan:
    """What the sensor saw from the base's true pose: walls and people, with range noise.

    Beams are sphere-traced through the true distance grid; one that has not come to an end
    after ``steps`` is reported as invalid.  Legs and trunks are seen as the person's disc.
    """
    eye = eye_of(sensor, pose_map)
    angles = beam_angles(sensor) + eye[2]
    direction = jnp.stack([jnp.cos(angles), jnp.sin(angles)], axis=-1)
    wall, ended = _trace(scene, eye[:2], direction, sensor.range_max, steps)
    person = _to_people(scene, eye[:2], direction, people_xy)
    ranges = jnp.minimum(wall, person)
    noise = sensor.range_noise * jax.random.normal(key, ranges.shape)
    decided = ended | (person < wall)
    hit = decided & (ranges < sensor.range_max)
    return Scan(
        ranges=jnp.where(hit, jnp.maximum(ranges + noise, 0.0), jnp.inf),
        valid=decided,
        pose_map=eye,
        age=age,
    )


def people_in_sight(
    sensor: SensorConfig,
    scene: Scene,
    pose_map: Float[Array, "3"],
    people_xy: Float[Array, "M 2"],
    key: Array,
) -> Detections:
    """People within the sensor's field of view and in line of sight, with noise."""
    key_noise, key_miss = jax.random.split(key)
    eye = eye_of(sensor, pose_map)
    offset = people_xy - eye[None, :2]
    distance = jnp.sqrt(jnp.sum(offset**2, axis=-1) + 1e-9)
    bearing = jnp.arctan2(offset[:, 1], offset[:, 0]) - eye[2]
    ahead = jnp.cos(bearing) >= jnp.cos(sensor.field_of_view / 2)
    sight = line_of_sight(scene, eye[:2], offset / distance[:, None], PERSON_SIGHT)
    seen = scene.present & ahead & (distance < sight + scene.radius) & (distance < PERSON_SIGHT)
    seen = seen & ~jax.random.bernoulli(key_miss, scene.miss_rate, seen.shape)
    variance = _noise_var(scene, distance)
    noise = jnp.sqrt(variance)[:, None] * jax.random.normal(key_noise, people_xy.shape)
    return _report(people_xy + noise, variance, scene.radius, scene.kind, seen)


def ghost(
    sensor: SensorConfig, scene: Scene, pose_map: Float[Array, "3"], key: Array
) -> Detections:
    """In some frames one person who is not there, anywhere in view."""
    key_now, key_place = jax.random.split(key)
    now = jax.random.bernoulli(key_now, scene.ghost_rate, (1,))
    eye, (u, v) = eye_of(sensor, pose_map), jax.random.uniform(key_place, (2,))
    reach = PERSON_SIGHT * jnp.sqrt(u)  # as often on every square metre
    bearing = eye[2] + sensor.field_of_view * (v - 0.5)
    place = eye[:2] + reach * jnp.stack([jnp.cos(bearing), jnp.sin(bearing)])
    kind = jnp.full(1, int(Kind.PERSON), jnp.int32)
    return _report(place[None], _noise_var(scene, reach[None]), scene.radius[:1], kind, now)


def _noise_var(scene: Scene, distance: Float[Array, "D"]) -> Float[Array, "D"]:
    usual = DETECTION_NOISE**2 + (NOISE_PER_RANGE * distance) ** 2
    return jnp.asarray(scene.detector_noise) ** 2 * usual


def _report(xy_map, variance, radius, kind, seen) -> Detections:
    """A frame without an age yet: there are D times of one."""
    return Detections(
        xy_map=xy_map,
        xy_cov=variance[:, None, None] * jnp.eye(2)[None],
        radius=radius,
        kind=kind,
        identity=jnp.full(seen.shape, -1, jnp.int32),
        seen=seen,
        age=jnp.zeros(seen.shape),
    )


def line_of_sight(
    scene: Scene, eye: Float[Array, "2"], direction: Float[Array, "R 2"], reach: float
) -> Float[Array, "R"]:
    """How far one sees from ``eye`` before a wall, m; at most ``reach``."""
    return _trace(scene, eye, direction, reach, 48)[0]


def _trace(
    scene: Scene,
    eye: Float[Array, "2"],
    direction: Float[Array, "R 2"],
    reach: float,
    steps: int,
) -> tuple[Float[Array, "R"], Bool[Array, "R"]]:
    """Range to the first blocked cell (at most ``reach``), and whether it was decided."""
    rows, columns = scene.distance.shape
    flat = scene.distance.reshape(-1)

    def advance(_, carry):
        travelled, hit = carry
        # x and y apart: one kernel instead of three
        x = (eye[0] + travelled * direction[:, 0] - scene.origin[0]) / scene.resolution
        y = (eye[1] + travelled * direction[:, 1] - scene.origin[1]) / scene.resolution
        column, row = jnp.round(x).astype(jnp.int32), jnp.round(y).astype(jnp.int32)
        inside = (row >= 0) & (row < rows) & (column >= 0) & (column < columns)
        index = jnp.clip(row, 0, rows - 1) * columns + jnp.clip(column, 0, columns - 1)
        gap = jnp.where(inside, flat.at[index].get(mode="promise_in_bounds"), 0.0)
        hit = hit | (gap <= 0.0)
        # from anywhere in this cell no blocked cell's edge is nearer than this
        safe = gap - 1.42 * scene.resolution
        step = jnp.maximum(safe, 0.35 * scene.resolution)
        return jnp.where(hit, travelled, jnp.minimum(travelled + step, reach)), hit

    def goes_on(state):
        step, (travelled, hit) = state
        return (step < steps) & jnp.any(~hit & (travelled < reach))

    start = jnp.zeros(direction.shape[0]), jnp.zeros(direction.shape[0], bool)
    if merges():
        together = UNROLLED if steps % UNROLLED == 0 else 1
        travelled, hit = jax.lax.fori_loop(0, steps, advance, start, unroll=together)
    else:
        # once all beams have come to an end the steps that are left change nothing
        _, (travelled, hit) = jax.lax.while_loop(
            goes_on, lambda state: (state[0] + 1, advance(state[0], state[1])), (0, start)
        )
    return travelled, hit | (travelled >= reach)


def _to_people(scene: Scene, eye, direction, people_xy) -> Float[Array, "R"]:
    """Range to the first person's disc along each beam, inf where there is none."""
    offset = people_xy - eye[None]
    along = direction @ offset.T
    across = direction[:, :1] * offset[None, :, 1] - direction[:, 1:] * offset[None, :, 0]
    inside = scene.radius[None] ** 2 - across**2
    entry = along - jnp.sqrt(jnp.maximum(inside, 0.0))
    hit = (inside > 0.0) & (entry > 0.0) & scene.present[None]
    return jnp.min(jnp.where(hit, entry, jnp.inf), axis=1)
