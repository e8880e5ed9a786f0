"""The screen is planned too: it turns first to where the robot will go.

In: the base's plan and the screen's pan angle.  Out: the pan rate for the next period.
People read the direction of a head before they read that of a body; so the target is the
direction in which the plan leaves ``LEAD`` seconds from now, seen from the base.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from astro_jax.config import RobotConfig
from astro_jax.geometry import wrap_angle
from astro_jax.types import Motion, pytree

LEAD = 0.9
"""How far ahead the screen looks along the plan, s."""
STIFFNESS = 5.0
"""Rate of closing on the target, 1/s (critically damped within the limits)."""


@pytree
class ScreenState:
    """Pan angle against the base (rad, left positive) and its rate (rad/s)."""

    pan: Float[Array, "*batch"]
    rate: Float[Array, "*batch"]


def initial_screen() -> ScreenState:
    """Looking straight ahead, at rest."""
    return ScreenState(pan=jnp.float32(0.0), rate=jnp.float32(0.0))


def intent(robot: RobotConfig, motion: Motion, dt: float) -> Float[Array, ""]:
    """Pan angle (rad) that shows where the plan leads.

    The direction from here to the place ``LEAD`` s ahead while the base travels, and the
    heading there while it mostly turns on the spot; blended by the distance between.
    """
    index = min(round(LEAD / dt), motion.pose_map.shape[0] - 1)
    here, there = motion.pose_map[0], motion.pose_map[index]
    offset = there[:2] - here[:2]
    distance = jnp.sqrt(jnp.sum(offset**2) + 1e-9)
    travelling = distance / (distance + 0.15)
    turn = wrap_angle(there[2] - here[2])
    bearing = wrap_angle(jnp.arctan2(offset[1], offset[0]) - here[2])
    # a robot that backs out looks ahead, not over its shoulder
    bearing = jnp.where(jnp.abs(bearing) < jnp.pi / 2, bearing, turn)
    target = travelling * (0.5 * bearing + 0.5 * turn) + (1.0 - travelling) * turn
    return jnp.clip(target, -robot.pan_limit, robot.pan_limit)


def move_screen(
    robot: RobotConfig, state: ScreenState, target: Float[Array, ""], tick: float
) -> ScreenState:
    """One tick towards ``target`` within rate and acceleration limits, no overshoot.

    The rate is capped at what can still be braked before the target, one tick from now:
    r·tick + r²/2a ≤ |error|.
    """
    # the joint's own end must be braked for as well; without a target it stays where it is
    target = jnp.clip(target, -robot.pan_limit, robot.pan_limit)
    error = jnp.where(jnp.isnan(target), 0.0, target - state.pan)
    a = robot.pan_acceleration
    stoppable = a * (jnp.sqrt(tick**2 + 2.0 * jnp.abs(error) / a) - tick)
    cap = jnp.minimum(robot.pan_rate, jnp.minimum(stoppable, jnp.abs(error) * STIFFNESS))
    change = a * tick
    rate = jnp.clip(jnp.sign(error) * cap, state.rate - change, state.rate + change)
    pan = jnp.clip(state.pan + tick * rate, -robot.pan_limit, robot.pan_limit)
    return ScreenState(pan=pan, rate=rate)
