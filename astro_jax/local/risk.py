"""Risk as a hazard rate: how fast the probability of touching something grows.

All hazards are boundary-entry rates (Altendorfer & Wilkmann, A new approach to estimate
the collision probability for automotive applications, arXiv 1711.07060, 2017): the
probability flux into the region of contact,

    λ = p(boundary) · E[(u + qξ)⁺],   E[(u + qξ)⁺] = u Φ(u/q) + q φ(u/q),  ξ ~ N(0, 1),

with the density p of being at the boundary, mean closing speed u and its spread q given
that place.  It does not depend on the time step, and its integral bounds the probability
of ever entering.  The flux is blind to being inside already: ``overlap_rate`` adds that.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from astro_jax.config import PlannerParams, RobotConfig
from astro_jax.geometry import safe_norm, sample
from astro_jax.types import Forecast, Motion, SmoothGrid

_INV_SQRT_2PI = 0.3989422804
WAY_OUT = 0.3
"""Metres of clearance that a robot in contact must gain per metre of way."""


def cdf(x: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """Standard normal Φ by a logistic of a cubic, absolute error below 2e-4.

    erf is what makes a hazard expensive on a CPU; this needs one exp.  Coefficients:
    Page, Approximations to the Cumulative Normal Function, 1977.
    """
    return jax.nn.sigmoid(x * (1.5976 + 0.070565992 * x * x))


def pdf(x: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """Standard normal φ."""
    return _INV_SQRT_2PI * jnp.exp(-0.5 * x * x)


def _flux(u, q):
    """E[(u + qξ)⁺] = u Φ(u/q) + q φ(u/q), never negative."""
    ratio = jnp.clip(u / q, -8.0, 8.0)
    return jnp.maximum(u * cdf(ratio) + q * pdf(ratio), 0.0)


def body_hazard(
    robot: RobotConfig, params: PlannerParams, motion: Motion, bodies: Forecast
) -> tuple[Float[Array, "T M"], Float[Array, "T M"], Float[Array, "T M"]]:
    """Hazard (1/s), the robot's own closing speed (m/s) and mean gap (m), per body over time.

    The bodies' discs meet the robot's rectangle; along the line n between the centres the
    rectangle is replaced by its supporting half-plane at distance
    R = L/2·|n·x̂| + W/2·|n·ŷ| + r, cut to the width that the two bodies show each other
    across n.  Where the discs could slip past a corner this over-estimates a little.
    ``motion`` must be sampled at the forecast's times.
    """
    relative = bodies.xy_map - motion.pose_map[:, None, :2]
    distance = safe_norm(relative)
    towards = relative / distance[..., None]
    c, s = jnp.cos(motion.pose_map[:, 2])[:, None], jnp.sin(motion.pose_map[:, 2])[:, None]
    along = c * towards[..., 0] + s * towards[..., 1]
    across = c * towards[..., 1] - s * towards[..., 0]
    half_length, half_width = robot.length / 2, robot.width / 2
    # |x| rounded off at zero, or the rectangle's support would have kinks in its gradient
    abs_along, abs_across = jnp.sqrt(along**2 + 1e-4), jnp.sqrt(across**2 + 1e-4)
    extent = half_length * abs_along + half_width * abs_across + bodies.radius[None]
    half_span = half_length * abs_across + half_width * abs_along + bodies.radius[None]
    gap = distance - extent

    v, omega = motion.twist[:, 0][:, None], motion.twist[:, 1][:, None]
    robot_velocity = jnp.stack([v * c, v * s], axis=-1)
    relative_velocity = bodies.velocity_map - robot_velocity
    # turning swings the supporting corner towards the body: d(extent)/dt at fixed n
    swing = omega * (
        half_length * across * along / abs_along - half_width * along * across / abs_across
    )
    closing = swing - jnp.sum(relative_velocity * towards, axis=-1)

    sigma = jnp.sqrt(bodies.xy_var)
    slope = bodies.xy_velocity_cov / bodies.xy_var
    spread = jnp.sqrt(jnp.maximum(bodies.velocity_var - slope * bodies.xy_velocity_cov, 1e-4))
    at_edge = closing + slope * gap
    across_line = 2.0 * cdf(half_span / sigma) - 1.0
    entry = pdf(gap / sigma) / sigma * across_line * _flux(at_edge, spread)
    # whoever was within reach at first and still is; all others have to come in, and count there
    inside = cdf(-gap / sigma) * across_line
    overlap = params.overlap_rate * jnp.minimum(inside, inside[:1])
    hazard = jnp.where(bodies.valid[None], entry + overlap, 0.0)
    own = swing + jnp.sum(robot_velocity * towards, axis=-1)
    return hazard, jnp.maximum(own, 0.0), jnp.where(bodies.valid[None], gap, 1e3)


def wall_hazard(
    params: PlannerParams,
    motion: Motion,
    clearance: SmoothGrid,
    disc_x: Float[Array, "D"],
    disc_radius: float,
    dt: float,
) -> tuple[Float[Array, "T"], Float[Array, "T"]]:
    """Hazard (1/s) and clearance (m) of the footprint against the local map.

    With clearance m, map error σ that is correlated over a length l along the way:
    λ = φ(m/σ)/σ · [u Φ(u/q) + q φ(u/q)], u = −dm/dt, q = σ|v|/l.  At constant clearance
    this is |v|/(2πl)·exp(−m²/2σ²), the bell of Park & Kuipers (2011) with a reason.
    """
    c, s = jnp.cos(motion.pose_map[:, 2]), jnp.sin(motion.pose_map[:, 2])
    facing = jnp.stack([c, s], axis=-1)
    centres = motion.pose_map[:, None, :2] + disc_x[None, :, None] * facing[:, None, :]
    margin = jnp.min(sample(clearance, centres), axis=-1) - disc_radius
    speed = jnp.abs(motion.twist[:, 0]) + 0.5 * jnp.max(jnp.abs(disc_x)) * jnp.abs(
        motion.twist[:, 1]
    )
    time = dt * jnp.arange(margin.shape[0], dtype=jnp.float32)
    sigma = params.wall_noise + params.wall_noise_speed * speed + params.wall_noise_time * time
    closing = -jnp.asarray(jnp.gradient(margin)) / dt
    spread = sigma * (speed + 1e-3) / params.wall_correlation
    entry = pdf(margin / sigma) / sigma * _flux(closing, spread)
    # the flux fades deep inside, where nothing is entered any more.  A robot that starts in
    # contact may leave, and only that: every metre of way must gain WAY_OUT of clearance
    travelled = jnp.asarray(dt * np.tri(margin.shape[0], k=-1, dtype=np.float32)) @ speed
    at_first = jnp.minimum(margin[0] + WAY_OUT * travelled, 0.0)
    deeper = jnp.maximum(at_first - margin, 0.0) ** 2
    overlap = params.overlap_rate * deeper / (deeper + sigma**2)
    return entry + overlap, margin


def unharmed(hazard: Float[Array, "T n"], dt: float) -> Float[Array, "T n"]:
    """Probability of not having touched each body up to each time.

    S_i = f(1 − E_i) with E_i = ∫λ_i dt (trapezoid) and a soft floor
    f(x) = (x + √(x² + κ²))/2, κ = .05: 1 − E until E nears one, never below zero, always
    with a slope.  (exp(−E) would under-report high risk: .51 against .71 in Monte Carlo.)
    The product over all bodies is the survival S(t).
    """
    count = hazard.shape[0]
    trapezoid = np.tri(count, dtype=np.float32) - 0.5 * np.eye(count, dtype=np.float32)
    trapezoid[:, 0] -= 0.5
    left = 1.0 - jnp.asarray(dt * trapezoid) @ hazard
    return jnp.minimum(0.5 * (left + jnp.sqrt(left**2 + 0.05**2)), 1.0)
