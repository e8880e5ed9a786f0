"""The screen is planned with the base, in the same cycle and over the same horizon.

In: what to look at, the base's plan, where bodies will be, and how the screen will stand when
the plan takes over.  Out: splines of its joints' angles (robot/joint.py), which keep every limit
whatever is asked, and what will come of looking (``Looking``).

People read the direction of a head before they read that of a body: by default the screen faces
where the base will head a second from now.  While it is told to keep somebody in view it shows
turns as far as that allows (body/aims.py).

There is no search for the course it is told: following it by the joint's reachable sets costs
J = .112 s in the mean of 200 random cases, the best of 64 courses around it .110, 200 steps of
Adam .107 (experiments/screen/closed_form.py; J: body/worth.py).
"""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from astro_jax.body.gaze import Gaze, Intent
from astro_jax.body.servo import Angles, ScreenState
from astro_jax.body.target import (
    Looking,
    course_of,
    looking_at,
    scenery,
    target_of,
    tilt_of,
)
from astro_jax.body.view import in_view
from astro_jax.body.worth import cost_of, courses
from astro_jax.config import PlannerConfig, PlannerParams, RobotConfig
from astro_jax.robot.joint import follow, pan_joint, tilt_joint
from astro_jax.robot.splines import SplineBasis
from astro_jax.types import Motion, Scalar, WorldAtEffect, pytree

SLOWEST = 0.25
"""A clock slower than this is taken for so slow."""


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
    pan, tilt = screen.pan, screen.tilt
    around = scenery(robot, config, world, motion, delay, pan.angle)
    target = target_of(config, gaze, around, pan.angle)
    told = course_of(robot, config, gaze, target, around, screen)

    # by a clock that passes slowly the same rate is a faster one
    pace = jnp.maximum(screen.pace, SLOWEST)
    wanted = courses(robot, config, told, around.to_bodies, around.bodies)
    found = follow(pan_joint(robot), basis, pan.angle, pan.rate / pace, wanted)
    cost = cost_of(robot, config, params, basis, found, told, around.yaw, around.bodies)
    # a screen that rests has nothing to learn
    free = (params.information > 0.0) & (gaze.intent != int(Intent.REST))
    best = jnp.where(free, jnp.argmin(cost), 0)
    chosen = found[:, best]
    raised = tilt_of(robot, target)
    level = follow(tilt_joint(robot), basis, tilt.angle, tilt.rate / pace, raised)

    facing = jnp.asarray(basis.value) @ chosen + around.yaw
    seen = in_view(robot.camera, around.bodies, facing[:: config.people_stride])
    ticks = jnp.asarray(basis.tick_value)
    second = 1 + round(1.0 / (config.dt * config.people_stride))
    return ScreenPlan(
        controls=jnp.stack([chosen, level], axis=-1),
        angles=Angles(pan=ticks @ chosen, tilt=ticks @ level),
        by_time=(gaze.intent != int(Intent.AHEAD)) | (best > 0),
        looking=looking_at(robot, target),
        seen=jnp.mean(seen[:, :second], axis=1),
    )
