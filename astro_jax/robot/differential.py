"""Differential drive: the command is (v, ω), forward speed in m/s and yaw rate in rad/s.

Wheels: |v| + (b/2)|ω| is the faster wheel's speed, and |v̇| + (b/2)|ω̇| the acceleration of
the one that accelerates more; b is the distance between them.  The body caps v, ω and ω̇, and
the lateral acceleration |v·ω| ≤ A by a line below that hyperbola.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from astro_jax.config import RobotConfig
from astro_jax.products import apply
from astro_jax.robot.reach import Limits, capped, under_hyperbola
from astro_jax.robot.splines import SplineBasis

MOVES = (True, True)
"""Coordinates that are zero at rest."""


def limits(robot: RobotConfig) -> Limits:
    """Speed, acceleration and jerk limits on (v, ω)."""
    half = robot.wheel_base / 2
    top = max(robot.speed, robot.reverse_speed)
    return capped(
        low=(-robot.reverse_speed, -robot.yaw_rate),
        high=(robot.speed, robot.yaw_rate),
        speed=[
            (1.0, half, robot.wheel_speed),
            under_hyperbola(1, robot.lateral_acceleration, top, robot.yaw_rate),
        ],
        rate=[(1.0, half, robot.wheel_acceleration), (0.0, 1.0, robot.yaw_acceleration)],
        jerk=(robot.jerk or np.inf, robot.yaw_jerk or np.inf),
    )


def body_twist(v, omega):
    """(v, 0, ω)."""
    return v, jnp.zeros_like(v), omega


def body_twist_dot(command, command_dot):
    """(v̇, 0, ω̇)."""
    del command
    return body_twist(*command_dot)


def command_of(robot: RobotConfig, vx, vy, omega):
    """The command of a body twist; sideways motion is none of this drive's."""
    del robot, vy
    return vx, omega


def turned(
    basis: SplineBasis, controls: Float[Array, "N 2 *K"]
) -> tuple[Float[Array, "T *K"], Float[Array, "t *K"]]:
    """∫ω dt to the plan times and to the quadrature's nodes, exact."""
    return apply(basis.integral, controls[:, 1]), apply(basis.node_integral, controls[:, 1])


def steady(robot: RobotConfig) -> list[tuple[float, ...]]:
    """Rest; then straights, arcs and turns on the spot; then backing out."""
    speeds = np.array([0.0, 0.25, 0.5, 0.75, 1.0]) * robot.speed
    rates = np.array([-1.0, -0.5, -0.2, 0.0, 0.2, 0.5, 1.0]) * robot.yaw_rate
    forward = [(v, w) for v in speeds for w in rates if (v, w) != (0.0, 0.0)]
    return [(0.0, 0.0), *forward, *((-robot.reverse_speed, w) for w in rates[[1, 3, 5]])]
