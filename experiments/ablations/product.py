"""Risk without a rate of entry: independent chances of an overlap, one per sample.

    P = 1 − Π_k (1 − p_k),   p_k the chance that the two discs overlap at sample k

as most published planners have it.  The same meeting counts the more often the finer it is
sampled, and whoever is slow counts more than whoever is quick.  Moving bodies are sampled every
.3 s and walls every .1 s, as usual.  (Source of the form: Du Toit & Burdick, "Probabilistic
collision checking with chance constraints", IEEE T-RO 27, 2011.)
"""

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from astro_jax.config import PlannerParams
from astro_jax.geometry import cos_sin
from astro_jax.local.encounter import LEAST_VARIANCE, known_weight
from astro_jax.local.normal import cdf, pdf
from astro_jax.local.objective import Encounter
from astro_jax.local.risk import SLOW, Discs, wall_hazard
from astro_jax.local.screening import screening_hazard
from astro_jax.products import apply, running_integral
from astro_jax.types import Clearance, Forecast, Motion

CERTAIN = 1.0 - 1e-4
"""No sample is surer of an overlap: beyond it there would be no slope."""
STRIPS = 8


def independent(hazard: Float[Array, "*M T K"], dt: float) -> Float[Array, "*M T K"]:
    """In place of ``unharmed``: Π (1 − p_k) up to each sample, p_k = hazard·dt."""
    chance = jnp.clip(hazard * dt, 0.0, CERTAIN)
    return jnp.exp(apply(np.tri(hazard.shape[-2]), jnp.log1p(-chance)))


def overlaps(hazard: Callable[..., Encounter]) -> Callable[..., Encounter]:
    """In place of a hazard of moving bodies: p_k/dt; the gap is still ``hazard``'s.

    The robot's own closing speed is that along the line of centres, which is there without
    a flux too.  The footprint counts as the disc of its area around its middle.
    """

    def of(
        outline: Float[np.ndarray, "E 2"],
        params: PlannerParams,
        motion: Motion,
        bodies: Forecast,
        dt: float,
    ) -> Encounter:
        gap = hazard(outline, params, motion, bodies, dt)[2]
        own = screening_hazard(outline, params, motion, bodies, dt)[1]
        middle, radius = _disc(outline)
        x, y, yaw = (motion.pose_map[:, i] for i in range(3))
        c, s = cos_sin(yaw)
        x, y = x + c * middle[0] - s * middle[1], y + s * middle[0] + c * middle[1]

        def rows(pair: Float[Array, "T M C 2"], otherwise: float) -> list[Float[Array, "M C T 1"]]:
            known = jnp.where(bodies.valid[None, :, None, None], pair, otherwise)
            return [jnp.moveaxis(known[..., i], 0, -1)[..., None] for i in range(2)]

        (body_x, body_y), (axis_x, axis_y) = rows(bodies.xy_map, 0.0), rows(bodies.axis_map, 0.0)
        dx, dy = x[None, None] - body_x, y[None, None] - body_y
        along, across = (jnp.sqrt(jnp.maximum(v, LEAST_VARIANCE)) for v in rows(bodies.xy_var, 1.0))
        reach = radius + jnp.where(bodies.valid, bodies.radius, 0.0)[:, None, None, None]
        inside = disc_overlap(
            axis_x * dx + axis_y * dy, axis_x * dy - axis_y * dx, along, across, reach
        )
        chance = jnp.sum(known_weight(bodies)[..., None, None] * inside, axis=1)
        return jnp.where(bodies.valid[:, None, None], chance / dt, 0.0), own, gap

    return of


def disc_overlap(
    along: Float[Array, "*n"],
    across: Float[Array, "*n"],
    sigma_along: Float[Array, "*n"],
    sigma_across: Float[Array, "*n"],
    reach: Float[Array, "*n"],
) -> Float[Array, "*n"]:
    """P(‖(along, across) + noise‖ < reach): Gauss–Legendre strips across, Φ along."""
    low = jnp.maximum(-reach, across - 4.0 * sigma_across)
    high = jnp.minimum(reach, across + 4.0 * sigma_across)
    half, middle = 0.5 * jnp.maximum(high - low, 0.0), 0.5 * (high + low)
    chance = jnp.zeros_like(along * half)
    for node, share in zip(*np.polynomial.legendre.leggauss(STRIPS), strict=True):
        y = middle + half * float(node)
        edge = jnp.sqrt(jnp.maximum(reach * reach - y * y, 1e-9))
        strip = cdf((edge - along) / sigma_along) - cdf((-edge - along) / sigma_along)
        density = pdf((y - across) / sigma_across) / sigma_across
        chance = chance + float(share) * half * density * strip
    return chance


def wall_overlaps(
    params: PlannerParams, motion: Motion, clearance: Clearance, discs: Discs, dt: float
) -> Encounter:
    """In place of ``wall_hazard``: Φ(−m/σ)/dt, with the clearance m and the error σ that it has."""
    _, margin, edge = wall_hazard(params, motion, clearance, discs, dt)
    vx, vy, omega = (motion.twist[:, i] for i in range(3))
    reach = 0.5 * float(np.max(np.hypot(discs.centres[:, 0], discs.centres[:, 1])))
    speed = jnp.sqrt(vx**2 + vy**2 + 1e-8) + reach * jnp.abs(omega)
    driven = running_integral(speed / (speed + SLOW), dt)
    sigma = params.wall_noise + params.wall_noise_speed * speed + params.wall_noise_time * driven
    return cdf(-margin / sigma) / dt, margin, edge


def _disc(outline: Float[np.ndarray, "E 2"]) -> tuple[Float[np.ndarray, "2"], float]:
    (x, y), (next_x, next_y) = outline.T, np.roll(outline, -1, axis=0).T
    area = 0.5 * float(np.sum(x * next_y - next_x * y))
    return outline.mean(axis=0), float(np.sqrt(area / np.pi))
