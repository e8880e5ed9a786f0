"""Walls, and survival: the risk that the static map holds, and what all hazards add up to.

A hazard is how fast the probability of having touched something grows; like those of moving
bodies (local/encounter.py) it is a flux through the boundary of contact,
λ = p(boundary) · E[(u + qξ)⁺].  It does not depend on the time step, and its integral bounds
the probability of ever entering.  The last axis of all arrays is candidates.
"""

import dataclasses

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from astro_jax.config import PlannerParams
from astro_jax.geometry import cos_sin, sample_edge, sample_xy
from astro_jax.local.normal import flux, pdf
from astro_jax.products import loss, middle, once, running_integral, spread, to_ends
from astro_jax.types import Clearance, Motion

WAY_OUT = 0.3
"""Metres of clearance that a robot in contact must gain per metre of way."""
SLOW = 0.1
"""Speed at which the map's error grows half as fast as under way, m/s."""


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

    With clearance m, map error σ that is correlated over a length l along the way, z = m/σ:

        λ = φ(z) · [w Φ(w/r) + r φ(w/r)],   w = −dz/dt,  r = |v|/l

    (Rice's rate of a Gaussian process σG(way) crossing the level m).  At constant z this is
    |v|/(2πl)·exp(−z²/2), the bell of Park & Kuipers (2011) with a reason.  An error that grows
    brings the wall nearer: w = (−dm/dt + m/σ·dσ/dt)/σ.  Each step between two samples is
    taken as a whole, z being linear within, and counts half at either end.
    """
    x, y, yaw = (motion.pose_map[:, i] for i in range(3))
    vx, vy, omega = (motion.twist[:, i] for i in range(3))
    x, y, c, s = (spread(value, len(discs.radii)) for value in (x, y, *cos_sin(yaw)))
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
    # the error grows while it drives only: a robot at rest is not approached by walls
    driven = running_integral(speed / (speed + SLOW), dt)
    sigma = params.wall_noise + params.wall_noise_speed * speed + params.wall_noise_time * driven
    z = once(margin / sigma)
    nearing = flux(loss(z) / dt, middle((speed + 1e-3) / params.wall_correlation))
    # Simpson's rule
    density = middle(pdf(z)) / 3.0 + pdf(middle(z)) * (2.0 / 3.0)
    entry = to_ends(density * nearing)
    # the flux fades deep inside, where nothing is entered any more.  A robot that starts in
    # contact may leave, and only that: every metre of way must gain WAY_OUT of clearance
    travelled = running_integral(speed, dt)
    at_first = jnp.minimum(margin[:1] + WAY_OUT * travelled, 0.0)
    deeper = jnp.maximum(at_first - margin, 0.0) ** 2
    overlap = params.overlap_rate * deeper / (deeper + sigma**2)
    return entry + overlap, margin, edge


def unharmed(hazard: Float[Array, "*M T K"], dt: float) -> Float[Array, "*M T K"]:
    """Probability of not having touched each body up to each time.

    S_i = f(E_i) with E_i = ∫λ_i dt (trapezoid) and a soft floor
    f(E) = (1 − E + √((1 − E)² + κ²E))/2, κ = .02: 1 − E until E nears one, never below zero,
    always with a slope; 1 − f is at most κ/2 = .01 below E, which is how optimistic a certain
    hit may look.  (exp(−E) would under-report high risk: .51 against .71 in Monte
    Carlo.)  The product over all bodies is the survival S(t).
    """
    entries = running_integral(hazard, dt)
    left = 1.0 - entries
    little = 0.02**2 * entries
    root = jnp.sqrt(left * left + little + 1e-9)
    # (left + root)/2 without its cancellation where left is far below zero
    return jnp.maximum(left, 0.0) + 0.5 * little / (root + jnp.abs(left))
