"""Which bodies can matter within the horizon: the search looks at those only."""

import dataclasses

import jax
import jax.numpy as jnp

from astro_jax.config import PlannerConfig, RobotConfig
from astro_jax.geometry import safe_norm
from astro_jax.types import WorldAtEffect

DEVIATIONS = 3.0
"""Standard deviations by which a body may be nearer than expected."""


def nearest(robot: RobotConfig, config: PlannerConfig, world: WorldAtEffect) -> WorldAtEffect:
    """The world with the ``config.near_bodies`` that come nearest to where the robot can be.

    Bodies are ordered by min over time and components of |μ − p| − v_max t − 3σ − r: the gap
    that even a robot driving straight at them would leave.  The final decision counts all.
    """
    bodies = world.forecast
    if bodies.valid.shape[0] <= config.near_bodies:
        return world
    time = config.dt * config.people_stride * jnp.arange(bodies.xy_map.shape[0])
    reach = max(robot.speed, robot.reverse_speed) * time.astype(jnp.float32)
    distance = safe_norm(bodies.xy_map - world.pose_map[None, None, None, :2])
    sigma = jnp.sqrt(jnp.max(bodies.xy_var, axis=-1))
    gap = jnp.min(distance - DEVIATIONS * sigma - reach[:, None, None], axis=(0, 2))
    gap = jnp.where(bodies.valid, gap - bodies.radius, jnp.inf)
    # a NaN must be looked at, not sorted away
    gap = jnp.where(bodies.valid & jnp.isnan(gap), -jnp.inf, gap)
    kept = jax.lax.top_k(-gap, config.near_bodies)[1]
    per_body = {name: getattr(bodies, name)[kept] for name in ("weight", "radius", "kind", "valid")}
    over_time = {
        name: getattr(bodies, name)[:, kept]
        for name in (
            *("xy_map", "velocity_map", "axis_map"),
            *("xy_var", "xy_velocity_cov", "velocity_var"),
        )
    }
    return dataclasses.replace(world, forecast=dataclasses.replace(bodies, **per_body, **over_time))
