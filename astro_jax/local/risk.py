"""Risk as a hazard rate: the walls of the local map, and survival from all hazards.

All hazards are boundary-entry rates (Altendorfer & Wilkmann, A new approach to estimate
the collision probability for automotive applications, arXiv 1711.07060, 2017): the
probability flux into the region of contact,

    λ = p(boundary) · E[(u + qξ)⁺],   E[(u + qξ)⁺] = u Φ(u/q) + q φ(u/q),  ξ ~ N(0, 1),

with the density p of being at the boundary, mean closing speed u and its spread q given
that place.  It does not depend on the time step, and its integral bounds the probability
of ever entering.  Moving bodies are in ``encounter``.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from astro_jax.config import PlannerParams
from astro_jax.geometry import safe_norm, sample
from astro_jax.local.normal import flux, pdf
from astro_jax.types import Clearance, Motion

WAY_OUT = 0.3
"""Metres of clearance that a robot in contact must gain per metre of way."""


def wall_hazard(
    params: PlannerParams,
    motion: Motion,
    clearance: Clearance,
    centres: Float[np.ndarray, "n 2"],
    radii: Float[np.ndarray, "n"],
    dt: float,
) -> tuple[Float[Array, "T"], Float[Array, "T"]]:
    """Hazard (1/s) and clearance (m) of the footprint against the local map.

    With clearance m, map error σ that is correlated over a length l along the way, z = m/σ:

        λ = φ(z) · [w Φ(w/r) + r φ(w/r)],   w = −dz/dt,  r = |v|/l

    (Rice's rate of a Gaussian process σG(way) crossing the level m).  At constant z this is
    |v|/(2πl)·exp(−z²/2), the bell of Park & Kuipers (2011) with a reason.  An error that grows
    brings the wall nearer: w = (−dm/dt + m/σ·dσ/dt)/σ.  Each step between two samples is
    taken as a whole, z being linear within, and counts half at either end.
    ``centres`` and ``radii`` are discs that cover the footprint (base frame, m).
    """
    c, s = jnp.cos(motion.pose_map[:, 2])[:, None], jnp.sin(motion.pose_map[:, 2])[:, None]
    ahead, aside = jnp.asarray(centres[:, 0])[None], jnp.asarray(centres[:, 1])[None]
    places = jnp.stack([c * ahead - s * aside, s * ahead + c * aside], axis=-1)
    places = motion.pose_map[:, None, :2] + places
    margin = jnp.min(sample(clearance, places) - jnp.asarray(radii)[None], axis=-1)
    reach = float(np.max(np.hypot(centres[:, 0], centres[:, 1])))
    speed = safe_norm(motion.twist[:, :2]) + 0.5 * reach * jnp.abs(motion.twist[:, 2])
    time = dt * jnp.arange(margin.shape[0], dtype=jnp.float32)
    sigma = params.wall_noise + params.wall_noise_speed * speed + params.wall_noise_time * time
    z = margin / sigma
    pace = (speed + 1e-3) / params.wall_correlation
    nearing = flux((z[:-1] - z[1:]) / dt, 0.5 * (pace[:-1] + pace[1:]))
    at_wall = pdf(z)
    density = (at_wall[:-1] + 4.0 * pdf(0.5 * (z[:-1] + z[1:])) + at_wall[1:]) / 6.0
    step = jnp.pad(density * nearing, 1, mode="edge")
    entry = 0.5 * (step[:-1] + step[1:])
    # the flux fades deep inside, where nothing is entered any more.  A robot that starts in
    # contact may leave, and only that: every metre of way must gain WAY_OUT of clearance
    travelled = jnp.asarray(dt * np.tri(margin.shape[0], k=-1, dtype=np.float32)) @ speed
    at_first = jnp.minimum(margin[0] + WAY_OUT * travelled, 0.0)
    deeper = jnp.maximum(at_first - margin, 0.0) ** 2
    overlap = params.overlap_rate * deeper / (deeper + sigma**2)
    return entry + overlap, margin


def unharmed(hazard: Float[Array, "T n"], dt: float) -> Float[Array, "T n"]:
    """Probability of not having touched each body up to each time.

    S_i = f(E_i) with E_i = ∫λ_i dt (trapezoid) and a soft floor
    f(E) = (1 − E + √((1 − E)² + κ²E))/2, κ = .05: 1 − E until E nears one, never below zero,
    always with a slope.  (exp(−E) would under-report high risk: .51 against .71 in Monte
    Carlo.)  The product over all bodies is the survival S(t).
    """
    count = hazard.shape[0]
    trapezoid = np.tri(count, dtype=np.float32) - 0.5 * np.eye(count, dtype=np.float32)
    trapezoid[:, 0] -= 0.5
    entries = jnp.asarray(dt * trapezoid) @ hazard
    left = 1.0 - entries
    return 0.5 * (left + jnp.sqrt(left * left + 0.05**2 * entries + 1e-9))
