"""Coming to rest where the goal is a pose, as move_base does around planners of velocities."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from astro_jax.config import RobotConfig
from astro_jax.geometry import wrap_angle
from astro_jax.sim.steered import Choose, Known

NEAR = 0.12
"""Within this distance of the goal it only turns, m."""
GENTLE = 0.6
"""Share of the acceleration that it brakes with towards the goal."""
TURN_GAIN = 1.5
"""1/s"""


def resting(robot: RobotConfig, choose: Choose) -> Choose:
    """``choose``, slower towards the goal, |v| ≤ √(2 a d), and at it turning to its heading."""

    def calmed(known: Known) -> Float[Array, "2"]:
        goal = known.way.goal_map
        away = jnp.hypot(goal[0] - known.pose_map[0], goal[1] - known.pose_map[1])
        wanted = choose(known)
        a = GENTLE * robot.wheel_acceleration
        most = jnp.sqrt(2.0 * a * jnp.maximum(away - 0.5 * NEAR, 0.0)) + 0.02
        wanted = wanted * jnp.minimum(1.0, most / jnp.maximum(jnp.abs(wanted[0]), 1e-3))
        turn = TURN_GAIN * wrap_angle(goal[2] - known.pose_map[2])
        limit = 0.5 * robot.yaw_rate
        there = jnp.stack([jnp.float32(0.0), jnp.clip(turn, -limit, limit)])
        return jnp.where(away < NEAR, there, wanted)

    return calmed
