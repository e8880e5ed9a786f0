"""Pure pursuit with a stop: the arc through a point ahead on the way, unless it is blocked.

Coulter, "Implementation of the pure pursuit path tracking algorithm", 1992: κ = 2 sin(α)/L for a
point at distance L and bearing α.  Slower in curves (|ω| stays within its limit), on the spot if
the point is behind, and at rest before what the arc would touch within the stopping distance.
"""

import dataclasses

import jax.numpy as jnp
from jaxtyping import Array, Float

from astro_jax.config import RobotConfig
from astro_jax.geometry import wrap_angle
from astro_jax.sim.steered import Choose, Known
from experiments.peers.dwa import free_along, guide_point


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """The better of two sets on the worlds that DWA was tuned on, at .5 m/s."""

    top_speed: float = 0.5
    ahead: float = 0.6
    """m"""
    seconds: float = 2.0
    steps: int = 20
    margin: float = 0.06
    room: float = 0.1
    """Kept before what blocks the arc, m."""
    sharp: float = 1.0
    """Of a bearing beyond this (rad) it turns on the spot."""


def pursuit(robot: RobotConfig, period: float, settings: Settings = Settings()) -> Choose:
    """The planner."""
    s = settings

    def choose(known: Known) -> Float[Array, "2"]:
        x, y = guide_point(known, s.ahead) - known.pose_map[:2]
        bearing = wrap_angle(jnp.arctan2(y, x) - known.pose_map[2])
        curvature = 2.0 * jnp.sin(bearing) / jnp.maximum(jnp.hypot(x, y), 0.1)
        top = jnp.minimum(s.top_speed, robot.speed)
        v = jnp.minimum(top, 0.5 * robot.yaw_rate / jnp.maximum(jnp.abs(curvature), 1e-3))
        metres, _ = free_along(
            robot, known, v[None], (v * curvature)[None], s.seconds, s.steps, s.margin
        )
        stop = jnp.maximum(metres[0] - s.room, 0.0)
        v = jnp.minimum(v, jnp.sqrt(2.0 * robot.wheel_acceleration * stop) / 2.0)
        on_the_spot = jnp.stack([jnp.float32(0.0), jnp.clip(2.0 * bearing, -1.0, 1.0)])
        forward = jnp.stack([v, v * curvature])
        return jnp.where(jnp.abs(bearing) > s.sharp, on_the_spot, forward)

    return choose
