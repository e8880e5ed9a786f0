"""Ackermann steering: the command is (v, κ), speed in m/s and curvature in 1/m.

The yaw rate is ω = vκ.  Steering limits κ and κ̇, the motor v and v̇.  Lateral acceleration
v²|κ| ≤ A and yaw rate |vκ| ≤ Ω bound κ from above by curves that are not convex; lines below
them are.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from astro_jax.config import RobotConfig
from astro_jax.products import apply
from astro_jax.robot.reach import Limits, capped, under_hyperbola
from astro_jax.robot.splines import SplineBasis

STANDING = 0.05
"""Speed, m/s, below which a twist says little about how the wheels are turned."""

MOVES = (True, False)
"""Coordinates that are zero at rest: the wheels may stay turned."""


def limits(robot: RobotConfig) -> Limits:
    """Limits on (v, κ), their rates, v̈ and κ̈."""
    top = max(robot.speed, robot.reverse_speed)
    return capped(
        low=(-robot.reverse_speed, -robot.curvature),
        high=(robot.speed, robot.curvature),
        speed=[
            under_hyperbola(2, robot.lateral_acceleration, top, robot.curvature),
            under_hyperbola(1, robot.yaw_rate, top, robot.curvature),
        ],
        rate=[(1.0, 0.0, robot.wheel_acceleration), (0.0, 1.0, robot.curvature_rate)],
        jerk=(robot.jerk or np.inf, robot.curvature_acceleration or np.inf),
    )


def body_twist(v, kappa):
    """(v, 0, vκ)."""
    return v, jnp.zeros_like(v), v * kappa


def body_twist_dot(command, command_dot):
    """(v̇, 0, v̇κ + vκ̇)."""
    (v, kappa), (v_dot, kappa_dot) = command, command_dot
    return v_dot, jnp.zeros_like(v), v_dot * kappa + v * kappa_dot


def command_of(robot: RobotConfig, vx, vy, omega):
    """(v, κ) with κ = vω/(v² + v₀²): at rest, where κ cannot be told, straight ahead."""
    del vy
    kappa = vx * omega / (vx**2 + STANDING**2)
    return vx, jnp.clip(kappa, -robot.curvature, robot.curvature)


def turned(
    basis: SplineBasis, controls: Float[Array, "N 2 *K"]
) -> tuple[Float[Array, "T *K"], Float[Array, "t *K"]]:
    """∫vκ dt to the plan times and to the quadrature's nodes, by the same Gauss points."""
    v, kappa = (apply(basis.node_value, controls[:, k]) for k in range(2))
    return apply(basis.node_sum, v * kappa), apply(basis.node_partial_sum, v * kappa)


def steady(robot: RobotConfig) -> list[tuple[float, ...]]:
    """Rest with the wheels straight; straights and arcs; backing out, also in arcs."""
    speeds = np.array([0.25, 0.5, 0.75, 1.0]) * robot.speed
    curvatures = np.array([-1.0, -0.5, -0.2, 0.0, 0.2, 0.5, 1.0]) * robot.curvature
    forward = [(v, kappa) for v in speeds for kappa in curvatures]
    back = [(-robot.reverse_speed, kappa) for kappa in curvatures[[0, 1, 3, 5, 6]]]
    return [(0.0, 0.0), *forward, *back]
