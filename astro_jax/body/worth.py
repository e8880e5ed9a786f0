"""Active perception: courses of the screen on which the camera learns what matters.

Of several courses, one for what it is told and two towards each body, the screen takes the one
of least

    J = ∫ (1 − cos(θ − θ*)) dt + κ ∫ (θ̈/a)² dt − w_i Σ_m n_m ∫ p_m(θ) v_m²/(v_m + r) dt

with θ* the course it is told, a the joint's acceleration limit.  The last term is what there is to
know: n_m is how near body m will come to the base (probability of being within ``NEAR``), p_m
the probability that the camera sees it, and v − vr/(v + r) what a look with variance r takes of
its variance v (Kalman).  With ``params.information`` (w_i) 0 the screen does as it is told.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from astro_jax.body.aims import kept_in_view
from astro_jax.body.view import Bodies, in_view
from astro_jax.config import PlannerConfig, PlannerParams, RobotConfig
from astro_jax.local.normal import cdf
from astro_jax.products import apply, integral, interpolated
from astro_jax.robot.splines import SplineBasis

NEAR = 0.6
"""Who comes nearer than this to the base's centre matters to it, m."""
LOOK_VAR = 0.03**2
"""Of a position that the camera has measured, m²."""
EFFORT = 0.02
"""κ: a second at full acceleration is as bad as facing .2 rad off for a second."""


def courses(
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


def cost_of(
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
