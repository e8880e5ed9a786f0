"""Omnidirectional drive: the command is the body twist (vx, vy, ω) itself, m/s and rad/s.

On mecanum wheels |vx| + |vy| + (b/2)|ω| is the fastest wheel's speed, b the distance between
the axles plus the distance between the wheels of an axle; accelerations add up the same way.
``mecanum: false`` is a body that no wheels couple: |(vx, vy)| and |(v̇x, v̇y)| are limited
alike in all directions.  In both cases |(vx, vy)| ≤ speed, |vy| ≤ lateral_speed,
vx ≥ −reverse_speed, and the lateral acceleration |(vx, vy)|·|ω| ≤ A by lines below it.

Discs are regular polygons here (``SIDES`` to a quadrant): straight ahead, sideways and along
two directions between nothing is lost, half-way between corners 3.4 %.

vx is chosen first, then ω, then vy: chosen last, ω was left so little of the wheels' power
that 3 % of random motions of the mecanum preset turned hard; now 20 % do.
"""

import numpy as np
from jaxtyping import Array, Float

from astro_jax.config import RobotConfig
from astro_jax.products import apply
from astro_jax.robot.reach import Limits, capped, under_hyperbola
from astro_jax.robot.splines import SplineBasis

SIDES = 3
"""Sides of the inscribed polygon per quadrant; two lose 7.6 %, four 1.9 %."""

MOVES = (True, True, True)
"""Coordinates that are zero at rest."""


def limits(robot: RobotConfig) -> Limits:
    """Speed, acceleration and jerk limits on (vx, vy, ω)."""
    half, top = robot.wheel_base / 2, robot.speed
    slope, _, offset = under_hyperbola(1, robot.lateral_acceleration, top, robot.yaw_rate)
    wheels = (1.0, 1.0, half)
    speed = [(x, y, 0.0, top) for x, y in _norm()]
    speed += [(slope * x, slope * y, 1.0, offset) for x, y in _norm()]
    rate: list[tuple[float, ...]] = [(0.0, 0.0, 1.0, robot.yaw_acceleration)]
    if robot.mecanum:
        speed.append((*wheels, robot.wheel_speed))
        rate.append((*wheels, robot.wheel_acceleration))
    else:
        rate += [(x, y, 0.0, robot.wheel_acceleration) for x, y in _norm()]
    return capped(
        low=(-robot.reverse_speed, -robot.lateral_speed, -robot.yaw_rate),
        high=(robot.speed, robot.lateral_speed, robot.yaw_rate),
        speed=speed,
        rate=rate,
        jerk=(robot.jerk or np.inf, robot.jerk or np.inf, robot.yaw_jerk or np.inf),
        order=(0, 2, 1),
    )


def _norm() -> list[tuple[float, float]]:
    """Rows whose maximum over |x|, |y| is never below √(x² + y²), and equal at the corners."""
    angles = (np.arange(SIDES) + 0.5) * np.pi / 2 / SIDES
    sides = np.stack([np.cos(angles), np.sin(angles)], axis=1) / np.cos(np.pi / 4 / SIDES)
    return [(float(x), float(y)) for x, y in sides]


def body_twist(vx, vy, omega):
    """The command itself."""
    return vx, vy, omega


def body_twist_dot(command, command_dot):
    """The rate of the command itself."""
    del command
    return command_dot


def command_of(robot: RobotConfig, vx, vy, omega):
    """The twist itself."""
    del robot
    return vx, vy, omega


def turned(
    basis: SplineBasis, controls: Float[Array, "N 3 *K"]
) -> tuple[Float[Array, "T *K"], Float[Array, "t *K"]]:
    """∫ω dt to the plan times and to the quadrature's nodes, exact."""
    return apply(basis.integral, controls[:, 2]), apply(basis.node_integral, controls[:, 2])


def steady(robot: RobotConfig) -> list[tuple[float, ...]]:
    """Rest; straights, arcs and turns on the spot; sideways and slantwise; backing out."""
    speeds = np.array([0.0, 0.25, 0.5, 0.75, 1.0]) * robot.speed
    rates = np.array([-1.0, -0.5, -0.2, 0.0, 0.2, 0.5, 1.0]) * robot.yaw_rate
    forward = [(v, 0.0, w) for v in speeds for w in rates if (v, w) != (0.0, 0.0)]
    sides = [(0.0, s * robot.lateral_speed, 0.0) for s in (-1.0, -0.5, 0.5, 1.0)]
    slant = [(0.7 * robot.speed, s * 0.7 * robot.lateral_speed, 0.0) for s in (-1.0, 1.0)]
    back = [(-robot.reverse_speed, s * robot.lateral_speed, 0.0) for s in (-0.5, 0.0, 0.5)]
    return [(0.0, 0.0, 0.0), *forward, *sides, *slant, *back]
