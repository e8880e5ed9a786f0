"""Risk as a hazard rate: how fast the probability of touching something grows.

All hazards are boundary-entry rates (Altendorfer & Wilkmann, A new approach to estimate
the collision probability for automotive applications, arXiv 1711.07060, 2017): the
probability flux into the region of contact,

    λ = p(boundary) · E[(u + qξ)⁺],   E[(u + qξ)⁺] = u Φ(u/q) + q φ(u/q),  ξ ~ N(0, 1),

with the density p of being at the boundary, mean closing speed u and its spread q given
that place.  It does not depend on the time step, and its integral bounds the probability
of ever entering.  The flux is blind to being inside already: ``overlap_rate`` adds that.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from astro_jax.config import PlannerParams, RobotConfig
from astro_jax.geometry import cos_sin, sample_edge, sample_xy
from astro_jax.products import once, running_integral, slope
from astro_jax.types import Clearance, Forecast, Motion

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


def screening_hazard(
    robot: RobotConfig, params: PlannerParams, motion: Motion, bodies: Forecast
) -> tuple[Float[Array, "M T K"], Float[Array, "M T K"], Float[Array, "M T K"]]:
    """Hazard (1/s), the robot's own closing speed (m/s) and mean gap (m), per body over time.

    The bodies' discs meet the robot's rectangle; along the line n between the centres the
    rectangle is replaced by its supporting half-plane at distance
    R = L/2·|n·x̂| + W/2·|n·ŷ| + r, cut to the width that the two bodies show each other
    across n.  Where the discs could slip past a corner this over-estimates a little.
    ``motion`` must be sampled at the forecast's times.
    """
    count, components = bodies.weight.shape

    def of(pair: Float[Array, "T M C 2"]) -> list[Float[Array, "CM T 1"]]:
        rows = pair.reshape(pair.shape[0], count * components, 2)
        return [rows[..., i].T[..., None] for i in range(2)]

    def per_body(value: Float[Array, "M"]) -> Float[Array, "CM 1 1"]:
        return jnp.repeat(value, components)[:, None, None]

    def mixed(value: Float[Array, "CM T K"]) -> Float[Array, "M T K"]:
        weighted = bodies.weight.reshape(-1)[:, None, None] * value
        return sum(weighted[i::components] for i in range(components))

    x, y, yaw = (motion.pose_map[None, :, i] for i in range(3))
    vx, vy, omega = (motion.twist[None, :, i] for i in range(3))
    c, s = cos_sin(yaw)
    body_x, body_y = of(bodies.xy_map)
    dx, dy = body_x - x, body_y - y
    square = dx * dx + dy * dy + 1e-6
    inverse = jax.lax.rsqrt(square)
    nx, ny = dx * inverse, dy * inverse
    ahead, aside = c * nx + s * ny, c * ny - s * nx
    half_length, half_width = robot.length / 2, robot.width / 2
    # |x| rounded off at zero, or the rectangle's support would have kinks in its gradient
    abs_ahead, abs_aside = jnp.sqrt(ahead**2 + 1e-4), jnp.sqrt(aside**2 + 1e-4)
    radius = per_body(bodies.radius)
    gap = square * inverse - half_length * abs_ahead - half_width * abs_aside - radius
    half_span = half_length * abs_aside + half_width * abs_ahead + radius

    # turning swings the supporting corner towards the body: d(extent)/dt at fixed n
    swing = omega * (
        half_length * aside * ahead / abs_ahead - half_width * ahead * aside / abs_aside
    )
    own = vx * ahead + vy * aside + swing
    velocity_x, velocity_y = of(bodies.velocity_map)
    closing = own - velocity_x * nx - velocity_y * ny

    axis_x, axis_y = of(bodies.axis_map)
    share = (nx * axis_x + ny * axis_y) ** 2

    def directional(pair):
        along, across = of(pair)
        return across + share * (along - across)

    cov = directional(bodies.xy_velocity_cov)
    per_sigma = jax.lax.rsqrt(directional(bodies.xy_var))
    pull = cov * per_sigma * per_sigma
    spread = jnp.sqrt(jnp.maximum(directional(bodies.velocity_var) - pull * cov, 1e-4))
    across_line = 2.0 * cdf(half_span * per_sigma) - 1.0
    reduced = gap * per_sigma
    entry = pdf(reduced) * per_sigma * across_line * _flux(closing + pull * gap, spread)
    # whoever was within reach at first and still is; all others have to come in, and count there
    inside = cdf(-reduced) * across_line
    overlap = params.overlap_rate * jnp.minimum(inside, inside[:, :1])
    valid = bodies.valid[:, None, None]
    return (
        jnp.where(valid, mixed(entry + overlap), 0.0),
        jnp.maximum(mixed(own), 0.0),
        jnp.where(valid, mixed(gap), 1e3),
    )


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Discs:
    """Discs that together cover the footprint."""

    centres: Float[np.ndarray, "D 2"]
    """In the base frame, m."""
    radii: Float[np.ndarray, "D"]
    """m."""


def wall_hazard(
    params: PlannerParams, motion: Motion, clearance: Clearance, discs: Discs, dt: float
) -> tuple[Float[Array, "T K"], Float[Array, "T K"], Float[Array, "T K"]]:
    """Hazard (1/s) and clearance (m) of the footprint against the local map; edge share.

    With clearance m, map error σ that is correlated over a length l along the way:
    λ = φ(m/σ)/σ · [u Φ(u/q) + q φ(u/q)], u = −dm/dt, q = σ|v|/l.  At constant clearance
    this is |v|/(2πl)·exp(−m²/2σ²), the bell of Park & Kuipers (2011) with a reason.
    """
    x, y, yaw = (motion.pose_map[None, :, i] for i in range(3))
    vx, vy, omega = (motion.twist[:, i] for i in range(3))
    c, s = cos_sin(yaw)
    ahead, aside = (discs.centres[:, i, None, None] for i in range(2))
    disc_x, disc_y = x + c * ahead - s * aside, y + s * ahead + c * aside
    margins = once(sample_xy(clearance, disc_x, disc_y) - discs.radii[:, None, None])
    edges = once(sample_edge(clearance, disc_x, disc_y))
    margin, edge = margins[0], edges[0]
    for its_margin, its_edge in zip(margins[1:], edges[1:], strict=True):
        # what the nearest disc is near to is what would be touched
        edge = jnp.where(its_margin < margin, its_edge, edge)
        margin = jnp.minimum(its_margin, margin)
    reach = 0.5 * float(np.max(np.hypot(discs.centres[:, 0], discs.centres[:, 1])))
    speed = jnp.sqrt(vx**2 + vy**2 + 1e-8) + reach * jnp.abs(omega)
    time = dt * jnp.arange(margin.shape[0], dtype=jnp.float32)[:, None]
    sigma = params.wall_noise + params.wall_noise_speed * speed + params.wall_noise_time * time
    spread = sigma * (speed + 1e-3) / params.wall_correlation
    entry = pdf(margin / sigma) / sigma * _flux(-slope(margin, dt), spread)
    # the flux fades deep inside, where nothing is entered any more.  A robot that starts in
    # contact may leave, and only that: every metre of way must gain WAY_OUT of clearance
    travelled = running_integral(speed, dt)
    at_first = jnp.minimum(margin[:1] + WAY_OUT * travelled, 0.0)
    deeper = jnp.maximum(at_first - margin, 0.0) ** 2
    overlap = params.overlap_rate * deeper / (deeper + sigma**2)
    return entry + overlap, margin, edge


def unharmed(hazard: Float[Array, "*M T K"], dt: float) -> Float[Array, "*M T K"]:
    """Probability of not having touched each body up to each time.

    S_i = f(1 − E_i) with E_i = ∫λ_i dt (trapezoid) and a soft floor
    f(x) = (x + √(x² + κ²))/2, κ = .05: 1 − E until E nears one, never below zero, always
    with a slope.  (exp(−E) would under-report high risk: .51 against .71 in Monte Carlo.)
    The product over all bodies is the survival S(t).
    """
    left = 1.0 - running_integral(hazard, dt)
    return jnp.minimum(0.5 * (left + jnp.sqrt(left**2 + 0.05**2)), 1.0)
