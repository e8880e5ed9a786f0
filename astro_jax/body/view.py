"""What the camera in the screen will see: where bodies will be, seen from the base, and when.

In: the base's plan, the bodies' forecast and the local map.  Out: bearings with their spread,
by the *screen's* clock; and for any course of the screen the probability that a body is in view.

The joints answer at once, the wheels only after a delay (``Actuation.delay``): t seconds after a
plan was taken over the screen is where its plan says, and the base where its own plan has it at
t − delay.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from astro_jax.config import CameraConfig, PlannerConfig, RobotConfig
from astro_jax.geometry import sample, wrap_angle
from astro_jax.local.normal import cdf
from astro_jax.types import Clearance, Forecast, Motion, Scalar, pytree

LEAST_SPREAD = 0.02
"""Of a bearing, rad: a body is no point."""
RAY_STEPS, LEAST_STEP = 32, 0.025
"""Places between camera and body where a wall is looked for, and their least distance, m."""
EDGE_OF_WALL = 0.03
"""How gradually somebody gets out of sight behind a wall, m of clearance."""
NEAREST = 0.2
"""Bearings of bodies nearer than this to the camera mean little, m."""


@pytree
class Bodies:
    """Bodies as the axis of the screen will see them, t times of ``config.people_stride``."""

    bearing: Float[Array, "*batch M t C"]
    """Of each component's mean, against the map, rad."""
    spread: Float[Array, "*batch M t C"]
    """Standard deviation of the bearing, rad."""
    distance: Float[Array, "*batch M t C"]
    """m"""
    depth: Float[Array, "*batch M t C"]
    """Standard deviation of the distance, m."""
    clear: Float[Array, "*batch M t"]
    """Probability that no wall is in between, as far as the local map knows."""
    middle: Float[Array, "*batch M t"]
    """Bearing of the components' mean, rad."""
    width: Float[Array, "*batch M t"]
    """Standard deviation of the bearing over all components, rad."""
    weight: Float[Array, "*batch M C"]
    valid: Bool[Array, "*batch M"]


def axis_map(robot: RobotConfig, pose_map: Float[Array, "*n 3"]) -> Float[Array, "*n 2"]:
    """Where the axis of the pan joint is, m: there the camera is taken to be."""
    c, s = jnp.cos(pose_map[..., 2]), jnp.sin(pose_map[..., 2])
    x, y = robot.screen.mount_x, robot.screen.mount_y
    place = jnp.stack([c * x - s * y, s * x + c * y], axis=-1)
    return pose_map[..., :2] + place


def later(values: Float[Array, "T *n"], spacing: float, shift: Scalar) -> Float[Array, "T *n"]:
    """The same course ``shift`` seconds later; it ends as it ended.

    Before its beginning it goes on backwards as it began.
    """
    count = values.shape[0]
    place = jnp.arange(count, dtype=jnp.float32) - shift / spacing
    index = jnp.clip(jnp.floor(place), 0, count - 2).astype(jnp.int32)
    share = jnp.minimum(place - index, 1.0).reshape(-1, *[1] * (values.ndim - 1))
    return (1.0 - share) * values[index] + share * values[index + 1]


def bodies_seen(
    robot: RobotConfig,
    config: PlannerConfig,
    motion: Motion,
    bodies: Forecast,
    clearance: Clearance,
    delay: Scalar,
) -> Bodies:
    """Bodies from the axis of the screen, by the screen's clock."""
    step = config.dt * config.people_stride
    pose = later(motion.pose_map, config.dt, delay)[:: config.people_stride]
    xy = later(bodies.xy_map, step, delay)
    var = jnp.maximum(later(bodies.xy_var, step, delay), 1e-6)
    eye = axis_map(robot, pose)
    offset = xy - eye[:, None, None, :]
    square = jnp.sum(offset**2, axis=-1) + NEAREST**2
    # variance along the line of sight and across, of an ellipse along ``axis_map``
    along = jnp.sum(offset * bodies.axis_map, axis=-1) ** 2 / square
    deep = var[..., 0] * along + var[..., 1] * (1.0 - along)
    wide = var[..., 0] * (1.0 - along) + var[..., 1] * along
    bearing, spread = bearing_of(offset), jnp.sqrt(wide / square + LEAST_SPREAD**2)
    weight = bodies.weight[None]
    mean = jnp.sum(weight[..., None] * xy, axis=-2)
    middle = bearing_of(mean - eye[:, None])
    off = wrap_angle(bearing - middle[..., None])
    width = jnp.sqrt(jnp.sum(weight * (spread**2 + off**2), axis=-1))
    clear = clear_to(clearance, eye, mean, bodies.radius)
    by_body = lambda value: jnp.moveaxis(value, 0, 1)
    return Bodies(
        bearing=by_body(bearing),
        spread=by_body(spread),
        distance=by_body(jnp.sqrt(square)),
        depth=by_body(jnp.sqrt(deep)),
        clear=by_body(clear),
        middle=by_body(middle),
        width=by_body(width),
        weight=bodies.weight,
        valid=bodies.valid & jnp.all(jnp.isfinite(middle), axis=0),
    )


def bearing_of(offset: Float[Array, "*n 2"]) -> Float[Array, "*n"]:
    """Direction of a way, rad; of none at all, 0."""
    return jnp.arctan2(offset[..., 1], jnp.where(offset[..., 0] == 0.0, 1e-9, offset[..., 0]))


def in_view(
    camera: CameraConfig, bodies: Bodies, facing: Float[Array, "t *K"]
) -> Float[Array, "M t *K"]:
    """Probability that the camera sees each body's centre while the screen faces so.

    ``facing``: against the map, rad.  Per component of the mixture the bearing δ off the camera's
    axis is Gaussian: Φ((½f − δ)/σ) − Φ((−½f − δ)/σ), times that of being near enough and of no
    wall in between.  Other bodies in between are not counted.
    """
    if camera.field_of_view <= 0.0:
        return jnp.zeros((*bodies.clear.shape, *facing.shape[1:]))
    extra = (1,) * (facing.ndim - 1)
    raised = lambda value: value.reshape(*value.shape, *extra)
    weight = raised(jnp.where(bodies.valid[:, None], bodies.weight, 0.0))
    half, seen = camera.field_of_view / 2, jnp.float32(0.0)
    for c in range(bodies.weight.shape[-1]):
        off = wrap_angle(raised(bodies.bearing[..., c]) - facing[None])
        spread = raised(bodies.spread[..., c])
        within = cdf((half - off) / spread) - cdf((-half - off) / spread)
        near = cdf((camera.range_max - bodies.distance[..., c]) / bodies.depth[..., c])
        seen = seen + weight[:, None, c] * within * raised(near)
    seen = jnp.clip(seen * raised(bodies.clear), 0.0, 1.0)
    return jnp.where(jnp.isfinite(seen), seen, 0.0)


def clear_to(
    clearance: Clearance,
    eye: Float[Array, "t 2"],
    xy_map: Float[Array, "t M 2"],
    radius: Float[Array, "M"],
) -> Float[Array, "t M"]:
    """How surely no wall is on the line from the eye to each thing's near side."""
    offset = xy_map - eye[:, None]
    length = jnp.sqrt(jnp.sum(offset**2, axis=-1) + NEAREST**2)
    end = jnp.maximum(length - radius[None] - EDGE_OF_WALL, 0.0)

    def onwards(_, carry):
        # from anywhere as far as nothing can be in between
        travelled, least = carry
        here = eye[:, None] + (travelled / length)[..., None] * offset
        gap = sample(clearance, here)
        return jnp.minimum(travelled + jnp.maximum(gap, LEAST_STEP), end), jnp.minimum(least, gap)

    start = jnp.zeros_like(length), jnp.full_like(length, jnp.inf)
    _, least = jax.lax.fori_loop(0, RAY_STEPS, onwards, start)
    known = 1.0 / (1.0 + jnp.exp(-jnp.clip(least / (0.15 * EDGE_OF_WALL), -30.0, 30.0)))
    return jnp.where(jnp.isfinite(known), known, 0.0)
