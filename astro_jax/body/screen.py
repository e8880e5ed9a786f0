"""The screen is planned with the base, in the same cycle and over the same horizon.

In: what to look at, the base's plan, where bodies will be, and how the screen will stand when
the plan takes over.  Out: splines of its joints' angles (robot/joint.py), which keep every limit
whatever is asked, and what will come of looking (``Looking``).

People read the direction of a head before they read that of a body: by default the screen faces
where the base will head a second from now.  While it is told to keep somebody in view it shows
turns as far as that allows (body/aims.py).

Of several courses, one for what it is told and one towards each body, it takes the one of least

    J = ∫ (1 − cos(θ − θ*)) dt + κ ∫ (θ̈/a)² dt − w_i Σ_m n_m ∫ p_m(θ) v_m²/(v_m + r) dt

θ* the course it is told, a the joint's acceleration limit.  The last term is what there is to
know: n_m is how near body m will come to the base (probability of being within ``NEAR``), p_m
the probability that the camera sees it, and v − vr/(v + r) what a look with variance r takes of
its variance v (Kalman).  With ``params.information`` (w_i) 0 the screen does as it is told.

There is no search for the course it is told: following it by the joint's reachable sets costs
J = .112 s in the mean of 200 random cases, the best of 64 courses around it .110, 200 steps of
Adam .107 (experiments/screen/closed_form.py).
"""

import dataclasses
import enum

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from astro_jax.body.aims import kept_in_view, sweeping, towards, way_ahead
from astro_jax.body.gaze import Gaze, Intent
from astro_jax.body.servo import Angles, ScreenState
from astro_jax.body.view import (
    Bodies,
    axis_map,
    bearing_of,
    bodies_seen,
    clear_to,
    in_view,
    later,
)
from astro_jax.config import PlannerConfig, PlannerParams, RobotConfig
from astro_jax.local.normal import cdf
from astro_jax.products import apply, integral, interpolated
from astro_jax.robot.joint import follow, pan_joint, tilt_joint
from astro_jax.robot.splines import SplineBasis
from astro_jax.types import Motion, Scalar, WorldAtEffect, pytree

NEAR = 0.6
"""Who comes nearer than this to the base's centre matters to it, m."""
LOOK_VAR = 0.03**2
"""Of a position that the camera has measured, m²."""
EFFORT = 0.02
"""κ: a second at full acceleration is as bad as facing .2 rad off for a second."""
FACE = 1.5
"""Height of what a tilting camera looks at, m."""
SLOWEST = 0.25
"""A clock slower than this is taken for so slow."""
IN_VIEW = 0.5
"""More likely than this in view counts as seen."""


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


@pytree
class ScreenPlan:
    """Where the screen will face, from the moment at which the base's plan takes over."""

    controls: Float[Array, "*batch N 2"]
    """Spline control points of pan and tilt, rad."""
    angles: Angles
    by_time: Bool[Array, "*batch"]
    """It looks at something, which does not wait for the base: see body/servo.py."""
    looking: Int[Array, "*batch"]
    """A ``Looking``."""
    seen: Float[Array, "*batch M"]
    """Probability of having each body in the camera's view, averaged over the next second."""


def resting_screen(basis: SplineBasis, bodies: int) -> ScreenPlan:
    """Straight ahead."""
    ticks, count = basis.tick_value.shape
    return ScreenPlan(
        controls=jnp.zeros((count, 2)),
        angles=Angles(pan=jnp.zeros(ticks), tilt=jnp.zeros(ticks)),
        by_time=jnp.asarray(False),
        looking=jnp.int32(int(Looking.AT_NOTHING)),
        seen=jnp.zeros(bodies),
    )


def plan_screen(
    robot: RobotConfig,
    config: PlannerConfig,
    params: PlannerParams,
    basis: SplineBasis,
    screen: ScreenState,
    gaze: Gaze,
    world: WorldAtEffect,
    motion: Motion,
    delay: Scalar,
) -> ScreenPlan:
    """One cycle's plan; ``screen`` is the state in which it will take over.

    ``motion`` is what the base will do, ``delay`` how much later than it is told (s).  Bodies
    keep their slots: ``gaze.body`` is one of ``world.forecast``.
    """
    yaw = later(motion.pose_map[:, 2], config.dt, delay)
    bodies = bodies_seen(robot, config, motion, world.forecast, world.clearance, delay)
    to_bodies = _course(config, bodies.middle, yaw, screen.pan.angle)
    target = _target(robot, config, gaze, world, motion, delay, yaw, screen, bodies, to_bodies)
    told = _told(robot, config, gaze, target, screen, yaw, motion)

    # by a clock that passes slowly the same rate is a faster one
    pace = jnp.maximum(screen.pace, SLOWEST)
    controls = follow(
        pan_joint(robot),
        basis,
        screen.pan.angle,
        screen.pan.rate / pace,
        _courses(robot, config, told, to_bodies, bodies),
    )
    cost = _cost(robot, config, params, basis, controls, told, yaw, bodies)
    # nothing is to be learned by a screen that rests
    free = (params.information > 0.0) & (gaze.intent != int(Intent.REST))
    chosen = controls[:, jnp.where(free, jnp.argmin(cost), 0)]
    tilt = follow(
        tilt_joint(robot), basis, screen.tilt.angle, screen.tilt.rate / pace, _raised(robot, target)
    )

    facing = jnp.asarray(basis.value) @ chosen + yaw
    seen = in_view(robot.camera, bodies, facing[:: config.people_stride])
    ticks = jnp.asarray(basis.tick_value)
    second = 1 + round(1.0 / (config.dt * config.people_stride))
    return ScreenPlan(
        controls=jnp.stack([chosen, tilt], axis=-1),
        angles=Angles(pan=ticks @ chosen, tilt=ticks @ tilt),
        by_time=gaze.intent != int(Intent.AHEAD),
        looking=_looking(robot, target),
        seen=jnp.mean(seen[:, :second], axis=1),
    )


# ---- what it is told -----------------------------------------------------------------


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Target:
    """What the screen shall look at, if anything."""

    any: Bool[Array, ""]
    """It shall look at a body or at a place."""
    known: Bool[Array, ""]
    """That, or the bearing to search about, is a thing that can be looked at."""
    pan: Float[Array, "T"]
    spread: Float[Array, "T"]
    distance: Float[Array, ""]
    """Now, m."""
    clear: Float[Array, ""]
    """Now, probability."""
    tall: Bool[Array, ""]
    """It has a face."""


def _target(
    robot, config, gaze, world, motion, delay, yaw, screen, bodies: Bodies, to_bodies
) -> _Target:
    count, body = bodies.valid.shape[0], gaze.intent == int(Intent.BODY)
    slot = jnp.clip(gaze.body, 0, count - 1)
    tracked = (gaze.body >= 0) & (gaze.body < count) & bodies.valid[slot]
    point = gaze.intent == int(Intent.POINT)
    real = jnp.all(jnp.isfinite(gaze.point_map))
    place = jnp.where(real, gaze.point_map, 0.0)
    eye = axis_map(robot, later(motion.pose_map, config.dt, delay))
    offset = place[None] - eye
    to_place = towards(bearing_of(offset), yaw, screen.pan.angle)
    clear = clear_to(world.clearance, eye[:1], place[None, None], jnp.zeros(1))
    search = gaze.intent == int(Intent.SCAN)
    whole = (gaze.intent == int(Intent.AHEAD)) | (gaze.intent == int(Intent.REST))
    known = (body & tracked) | (point & real) | (search & jnp.isfinite(gaze.centre)) | whole
    spread = interpolated(bodies.width[slot][:, None], config.people_stride)[:, 0]
    return _Target(
        any=body | point,
        known=known,
        pan=jnp.where(body, to_bodies[slot], to_place),
        spread=jnp.where(body & tracked, spread, 0.0),
        distance=jnp.where(
            body,
            jnp.sum(bodies.weight[slot] * bodies.distance[slot, 0]),
            jnp.sqrt(jnp.sum(offset[0] ** 2)),
        ),
        clear=jnp.where(body, bodies.clear[slot, 0], clear[0, 0]),
        tall=body & tracked,
    )


def _told(robot, config, gaze, target: _Target, screen, yaw, motion) -> Float[Array, "T"]:
    """The course of the pan joint that it is told to take, rad."""
    share = jnp.clip(jnp.where(jnp.isfinite(gaze.share), gaze.share, 1.0), 0.0, 1.0)
    ahead = way_ahead(config, motion.pose_map[:, 2], yaw)
    at_it = kept_in_view(robot.camera, ahead, target.pan, target.spread, share)
    search = sweeping(robot, config, gaze.centre, yaw, screen.pan.angle, screen.sweep)
    search = share * search + (1.0 - share) * ahead
    courses = jnp.stack([ahead, at_it, at_it, search, jnp.zeros_like(ahead)])
    told = courses[jnp.clip(gaze.intent, 0, len(Intent) - 1)]
    return jnp.where(target.known & jnp.isfinite(told), told, 0.0)


def _raised(robot: RobotConfig, target: _Target) -> Float[Array, "T"]:
    """Tilt angles: up to a face, otherwise level, rad."""
    up = jnp.arctan2(FACE - robot.camera.height, jnp.maximum(target.distance, 0.3))
    return jnp.broadcast_to(jnp.where(target.tall, up, 0.0), target.pan.shape)


def _looking(robot: RobotConfig, target: _Target) -> Int[Array, ""]:
    most = robot.pan_limit + robot.camera.field_of_view / 2
    reached = (jnp.abs(target.pan[0]) <= most) & (target.distance <= robot.camera.range_max)
    seen = jnp.where(target.clear >= IN_VIEW, int(Looking.SEEN), int(Looking.HIDDEN))
    looking = jnp.where(reached, seen, int(Looking.OUT_OF_REACH))
    looking = jnp.where(target.any, looking, int(Looking.AT_NOTHING))
    return jnp.where(target.known, looking, int(Looking.LOST)).astype(jnp.int32)


# ---- what there is to know -----------------------------------------------------------


def _course(
    config: PlannerConfig, bearing: Float[Array, "M t"], yaw: Float[Array, "T"], pan: Scalar
) -> Float[Array, "M T"]:
    angles = towards(bearing, yaw[:: config.people_stride], pan)
    return interpolated(angles.T, config.people_stride).T


def _courses(
    robot: RobotConfig,
    config: PlannerConfig,
    told: Float[Array, "T"],
    to_bodies: Float[Array, "M T"],
    bodies: Bodies,
) -> Float[Array, "T K"]:
    """What it is told; that with each body just in view; each body in the middle of the view."""
    spread = interpolated(bodies.width.T, config.people_stride).T
    beside = jax.vmap(kept_in_view, (None, None, 0, 0, None))(
        robot.camera, told, to_bodies, spread, jnp.float32(0.5)
    )
    at_bodies = jnp.concatenate([beside, to_bodies])
    valid = jnp.concatenate([bodies.valid, bodies.valid])[:, None]
    return jnp.concatenate([told[None], jnp.where(valid, at_bodies, told[None])]).T


def _cost(
    robot: RobotConfig,
    config: PlannerConfig,
    params: PlannerParams,
    basis: SplineBasis,
    controls: Float[Array, "N K"],
    told: Float[Array, "T"],
    yaw: Float[Array, "T"],
    bodies: Bodies,
) -> Float[Array, "K"]:
    """J of each course, s; what is no number is worst."""
    dt, stride = config.dt, config.people_stride
    angle = apply(basis.value, controls)
    change = jnp.diff(apply(basis.slope, controls), axis=0) / dt
    off = integral(1.0 - jnp.cos(angle - told[:, None]), dt)
    effort = dt * jnp.sum((change / robot.pan_acceleration) ** 2, axis=0)
    seen = in_view(robot.camera, bodies, (angle + yaw[:, None])[::stride])
    worth = _worth(bodies)
    gained = integral(jnp.sum(worth[..., None] * seen, axis=0), dt * stride)
    cost = off + EFFORT * effort - params.information * gained
    return jnp.where(jnp.isfinite(cost), cost, jnp.inf)


def _worth(bodies: Bodies) -> Float[Array, "M t"]:
    """Variance that a look at each time would take, of bodies that come near, m²."""
    across = bodies.spread * bodies.distance
    within = cdf((NEAR - bodies.distance) / bodies.depth) * (2.0 * cdf(NEAR / across) - 1.0)
    weight = bodies.weight[:, None]
    near = jnp.max(jnp.sum(weight * within, axis=-1), axis=-1)
    var = jnp.sum(weight * 0.5 * (across**2 + bodies.depth**2), axis=-1)
    worth = near[:, None] * var**2 / (var + LOOK_VAR)
    return jnp.where(bodies.valid[:, None] & jnp.isfinite(worth), worth, 0.0)
