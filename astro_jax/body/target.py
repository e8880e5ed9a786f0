"""What the screen is told to look at: where that is, and whether it can be seen.

In: a gaze and what there is around the base.  Out: the course of the pan joint that the gaze asks
for, that of the tilt joint, and what will come of looking.
"""

import dataclasses
import enum

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from astro_jax.body.aims import kept_in_view, sweeping, towards, way_ahead
from astro_jax.body.gaze import Gaze, Intent
from astro_jax.body.servo import ScreenState
from astro_jax.body.view import Bodies, axis_map, bearing_of, bodies_seen, clear_to, later
from astro_jax.config import PlannerConfig, RobotConfig
from astro_jax.products import interpolated
from astro_jax.types import Clearance, Motion, Scalar, WorldAtEffect

FACE = 1.5
"""Height of what a tilting camera looks at, m."""
NEAREST_FACE = 0.3
"""A face nearer than this is looked at as if it were so far, m."""
CLEAR = 0.5
"""A line of sight that is free with more than this probability counts as free."""


class Looking(enum.IntEnum):
    """What comes of looking at what the screen is told to look at."""

    AT_NOTHING = 0
    """There is nothing to see: it shows the way, searches or rests."""
    SEEN = 1
    """The camera has it in view, or will have as soon as the screen has turned there."""
    OUT_OF_REACH = 2
    """The pan joint's range excludes it, or it is too far away: the screen faces as near to it as
    it can."""
    HIDDEN = 3
    """Something known to the map is in between; the screen faces it."""
    LOST = 4
    """No such body is tracked, or the place is none: the screen goes to rest."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Scenery:
    """What is around the base, by the screen's clock."""

    ahead: Float[Array, "T"]
    """How far the base will have turned a second later, rad."""
    yaw: Float[Array, "T"]
    """Heading of the base, rad."""
    eye_map: Float[Array, "T 2"]
    bodies: Bodies
    to_bodies: Float[Array, "M T"]
    """Pan angles that face the bodies, rad."""
    clearance: Clearance


@dataclasses.dataclass(frozen=True, kw_only=True)
class Target:
    """What the screen shall look at, if anything."""

    any: Bool[Array, ""]
    """It shall look at a body or at a place."""
    known: Bool[Array, ""]
    """That, or the bearing to search about, is a thing that can be looked at."""
    pan: Float[Array, "T"]
    """Angles that face it, rad."""
    spread: Float[Array, "T"]
    """Their standard deviation, rad."""
    distance: Float[Array, ""]
    """Now, m."""
    clear: Float[Array, ""]
    """Probability that nothing known to the map is in between, now."""
    tall: Bool[Array, ""]
    """It has a face."""


def scenery(
    robot: RobotConfig,
    config: PlannerConfig,
    world: WorldAtEffect,
    motion: Motion,
    delay: Scalar,
    pan: Scalar,
) -> Scenery:
    """Around a base that moves as ``motion`` says, ``delay`` s after it is told; ``pan``: now."""
    pose, stride = later(motion.pose_map, config.dt, delay), config.people_stride
    bodies = bodies_seen(robot, config, motion, world.forecast, world.clearance, delay)
    angles = towards(bodies.middle, pose[::stride, 2], pan)
    return Scenery(
        ahead=way_ahead(config, motion.pose_map[:, 2], pose[:, 2]),
        yaw=pose[:, 2],
        eye_map=axis_map(robot, pose),
        bodies=bodies,
        to_bodies=interpolated(angles.T, stride).T,
        clearance=world.clearance,
    )


def target_of(config: PlannerConfig, gaze: Gaze, around: Scenery, pan: Scalar) -> Target:
    """The body or the place that the gaze is after."""
    bodies, body = around.bodies, gaze.intent == int(Intent.BODY)
    count = bodies.valid.shape[0]
    slot = jnp.clip(gaze.body, 0, count - 1)
    tracked = (gaze.body >= 0) & (gaze.body < count) & bodies.valid[slot]
    point = gaze.intent == int(Intent.POINT)
    real = jnp.all(jnp.isfinite(gaze.point_map))
    place = jnp.where(real, gaze.point_map, 0.0)
    offset = place[None] - around.eye_map
    clear = clear_to(around.clearance, around.eye_map[:1], place[None, None], jnp.zeros(1))
    search = (gaze.intent == int(Intent.SCAN)) & jnp.isfinite(gaze.centre)
    whole = (gaze.intent == int(Intent.AHEAD)) | (gaze.intent == int(Intent.REST))
    spread = interpolated(bodies.width[slot][:, None], config.people_stride)[:, 0]
    to_body = jnp.sum(bodies.weight[slot] * bodies.distance[slot, 0])
    to_place = jnp.sqrt(jnp.sum(offset[0] ** 2))
    return Target(
        any=body | point,
        known=(body & tracked) | (point & real) | search | whole,
        pan=jnp.where(body, around.to_bodies[slot], towards(bearing_of(offset), around.yaw, pan)),
        spread=jnp.where(body & tracked, spread, 0.0),
        distance=jnp.where(body, to_body, to_place),
        clear=jnp.where(body, bodies.clear[slot, 0], clear[0, 0]),
        tall=body & tracked,
    )


def course_of(
    robot: RobotConfig,
    config: PlannerConfig,
    gaze: Gaze,
    target: Target,
    around: Scenery,
    screen: ScreenState,
) -> Float[Array, "T"]:
    """The course of the pan joint that is asked for, rad; to rest if there is nothing."""
    share = jnp.clip(jnp.where(jnp.isfinite(gaze.share), gaze.share, 1.0), 0.0, 1.0)
    ahead, pan = around.ahead, screen.pan.angle
    at_it = kept_in_view(robot.camera, ahead, target.pan, target.spread, share)
    search = sweeping(robot, config, gaze.centre, around.yaw, pan, screen.sweep)
    search = share * search + (1.0 - share) * ahead
    courses = jnp.stack([ahead, at_it, at_it, search, jnp.zeros_like(ahead)])
    told = courses[jnp.clip(gaze.intent, 0, len(Intent) - 1)]
    return jnp.where(target.known & jnp.isfinite(told), told, 0.0)


def tilt_of(robot: RobotConfig, target: Target) -> Float[Array, "T"]:
    """Tilt angles: up to a face, otherwise level, rad."""
    distance = jnp.maximum(target.distance, NEAREST_FACE)
    up = jnp.arctan2(FACE - robot.camera.height, distance)
    return jnp.broadcast_to(jnp.where(target.tall, up, 0.0), target.pan.shape)


def looking_at(robot: RobotConfig, target: Target) -> Int[Array, ""]:
    """The ``Looking`` of now."""
    most = robot.pan_limit + robot.camera.field_of_view / 2
    reached = (jnp.abs(target.pan[0]) <= most) & (target.distance <= robot.camera.range_max)
    seen = jnp.where(target.clear >= CLEAR, int(Looking.SEEN), int(Looking.HIDDEN))
    looking = jnp.where(reached, seen, int(Looking.OUT_OF_REACH))
    looking = jnp.where(target.any, looking, int(Looking.AT_NOTHING))
    return jnp.where(target.known, looking, int(Looking.LOST)).astype(jnp.int32)
