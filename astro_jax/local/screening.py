"""A quick look at the risk of meeting moving bodies: for ranking hundreds of candidates.

Same flux of probability as in ``encounter``, but along the line of centres n only: the
footprint is replaced by its supporting half-plane n·p < max_v n·v + r, cut to the width that
the two show each other across n.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from astro_jax.config import PlannerParams
from astro_jax.geometry import cos_sin
from astro_jax.local.encounter import (
    BLUR,
    FAR,
    LEAST_SPREAD,
    LEAST_VARIANCE,
    known_weight,
    overlap_rate,
)
from astro_jax.local.normal import cdf, cdf_pdf, flux
from astro_jax.products import once, spread
from astro_jax.types import Forecast, Motion


def screening_hazard(
    outline: Float[np.ndarray, "E 2"],
    params: PlannerParams,
    motion: Motion,
    bodies: Forecast,
    dt: float,
) -> tuple[Float[Array, "M T K"], Float[Array, "M T K"], Float[Array, "M T K"]]:
    """Hazard (1/s), the robot's own closing speed (m/s) and mean gap (m); see ``exact_hazard``.

        λ = φ(gap/s)/s · [2Φ(width/s) − 1] · E[(u + qξ)⁺]

    Components of all bodies stand in one axis: they are added up at the end, slice by slice.
    """
    count, components = bodies.weight.shape

    def of(pair: Float[Array, "T M C 2"], otherwise: float = 0.0) -> list[Float[Array, "CM T 1"]]:
        known = jnp.where(bodies.valid[None, :, None, None], pair, otherwise)
        rows = known.reshape(pair.shape[0], count * components, 2)
        return [rows[..., i].T[..., None] for i in range(2)]

    def mixed(value: Float[Array, "CM T K"]) -> Float[Array, "M T K"]:
        weighted = known_weight(bodies).reshape(-1)[:, None, None] * value
        return sum((weighted[i::components] for i in range(1, components)), weighted[::components])

    x, y, yaw = (motion.pose_map[:, i] for i in range(3))
    twist = (motion.twist[:, i] for i in range(3))
    x, y, c, s, vx, vy, omega = (
        spread(value, count * components) for value in (x, y, *cos_sin(yaw), *twist)
    )
    body_x, body_y = of(bodies.xy_map, FAR)
    dx, dy = body_x - x, body_y - y
    square = dx * dx + dy * dy + 1e-6
    inverse = jax.lax.rsqrt(square)
    nx, ny = dx * inverse, dy * inverse
    ahead, aside = c * nx + s * ny, c * ny - s * nx
    reach, corner, breadth = _support(outline, ahead, aside)
    radius = jnp.repeat(jnp.where(bodies.valid, bodies.radius, 0.0), components)[:, None, None]
    gap = square * inverse - reach - radius

    # turning swings the supporting corner towards the body
    own = vx * ahead + vy * aside + omega * corner
    velocity_x, velocity_y = of(bodies.velocity_map)
    closing = own - velocity_x * nx - velocity_y * ny

    axis_x, axis_y = of(bodies.axis_map)
    share = (nx * axis_x + ny * axis_y) ** 2

    def along_line(pair: Float[Array, "T M C 2"], otherwise: float = 0.0):
        along, across = of(pair, otherwise)
        return across + share * (along - across)

    var = jnp.maximum(along_line(bodies.xy_var, 1.0), LEAST_VARIANCE)
    scale = jax.lax.rsqrt(jnp.maximum(var, (BLUR * dt * dt) * closing * closing))
    cov = along_line(bodies.xy_velocity_cov)
    gain = cov * scale * scale
    given = along_line(bodies.velocity_var, 1.0) - gain * cov
    inside, density = cdf_pdf(-gap * scale)
    within = 2.0 * cdf((0.5 * breadth + radius) * scale) - 1.0
    entry = (
        density
        * scale
        * within
        * flux(closing + gain * gap, jnp.sqrt(jnp.maximum(given, LEAST_SPREAD)))
    )
    inside = inside * within
    overlap = overlap_rate(params, x.shape[1], dt)[None, :, None] * jnp.minimum(
        inside, inside[:, :1]
    )
    valid = bodies.valid[:, None, None]
    return (
        jnp.where(valid, mixed(entry + overlap), 0.0),
        jnp.where(valid, jnp.maximum(mixed(own), 0.0), 0.0),
        jnp.where(valid, mixed(gap), FAR),
    )


def _support(outline: Float[np.ndarray, "E 2"], ahead: Array, aside: Array):
    """max_v n·v, how fast turning moves that vertex along n, and the width across n."""
    reach = jnp.full_like(ahead, -np.inf)
    corner = breadth = jnp.zeros_like(ahead)
    # a handful of static vertices: unrolled, so that the whole is one pass over the arrays
    edges = np.roll(outline, -1, axis=0) - outline
    for (vx, vy), (ex, ey) in zip(outline.tolist(), edges.tolist(), strict=True):
        along = ahead * vx + aside * vy
        corner = jnp.where(along > reach, aside * vx - ahead * vy, corner)
        reach = jnp.maximum(along, reach)
        breadth = breadth + 0.5 * jnp.abs(ahead * ey - aside * ex)
    # without this the compiler makes one loop of everything, and vectorises none of it
    return once(reach), once(corner), once(breadth)
