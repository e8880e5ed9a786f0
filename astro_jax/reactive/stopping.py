"""How far a robot goes before it stands, and how fast it may be to stand in time."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from astro_jax.config import RobotConfig
from astro_jax.types import Scalar


def reaction_time(robot: RobotConfig, scan_age: Scalar, delay: Scalar, tick: float) -> Scalar:
    """From something that shows itself to the brakes, s.

    Photon to gate, a tick, gate to motion, and with a jerk limit b/2j for the brakes to come
    on: v·b/(2j) is what a ramp of the deceleration costs in metres, to first order.
    """
    easing = robot.wheel_acceleration / (2.0 * robot.jerk) if robot.jerk else 0.0
    return jnp.maximum(scan_age, 0.0) + delay + tick + easing


def stopping_distance(robot: RobotConfig, reaction: Scalar, speed: Scalar) -> Scalar:
    """Metres to rest, v·t_r + v²/(2b), with comfortable braking b: the brakes keep a reserve."""
    return speed * reaction + speed**2 / (2.0 * robot.wheel_acceleration)


def stopping_speed(
    robot: RobotConfig, reaction: Scalar, free: Float[Array, "*n"]
) -> Float[Array, "*n"]:
    """Fastest path speed (m/s) from which the robot still stops within ``free`` metres."""
    b = robot.wheel_acceleration
    return -b * reaction + jnp.sqrt((b * reaction) ** 2 + 2.0 * b * jnp.maximum(free, 0.0))


def travelled(
    robot: RobotConfig, reaction: Scalar, speed: Float[Array, "*n"], time: Float[Array, "*n"]
) -> Float[Array, "*n"]:
    """Metres driven ``time`` s into a stop from ``speed`` that begins after the reaction time."""
    b = robot.wheel_acceleration
    braking = jnp.clip(time - reaction, 0.0, speed / b)
    return speed * jnp.minimum(time, reaction) + speed * braking - 0.5 * b * braking**2
