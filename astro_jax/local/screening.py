"""A quick look at the risk of meeting moving bodies: for ranking hundreds of candidates.

Same flux of probability as in ``encounter``, but along the line of centres n only: the
footprint is replaced by its supporting half-plane n·p < max_v n·v + r, cut to the width that
the two show each other across n.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from astro_jax.config import PlannerParams
from astro_jax.local.encounter import (
    BLUR,
    FAR,
    LEAST_SPREAD,
    LEAST_VARIANCE,
    Hazard,
    known_weight,
    of_bodies,
    overlap_rate,
)
from astro_jax.local.normal import cdf, cdf_pdf, flux
from astro_jax.types import Forecast, Motion


def screening_hazard(
    outline: Float[np.ndarray, "E 2"],
    params: PlannerParams,
    motion: Motion,
    bodies: Forecast,
    dt: float,
) -> Hazard:
    """Hazard (1/s), the robot's own closing speed (m/s) and mean gap (m); see ``exact_hazard``.

        λ = φ(gap/s)/s · [2Φ(width/s) − 1] · E[(u + qξ)⁺]

    ``motion`` may carry trailing axes of candidates (see ``encounter``).
    """
    robot = _robot(motion)
    fade = of_bodies(overlap_rate(params, robot.x.shape[0], dt)[:, None], motion)
    valid = of_bodies(bodies.valid[None], motion)
    hazard, mine, gap = 0.0, 0.0, 0.0
    # one component after the other: a sum over an axis of two would be the slowest step
    for c in range(bodies.weight.shape[1]):
        look = _along_line(outline, robot, _component(motion, bodies, c), dt)
        first = jax.tree.map(lambda part: part[:1], (robot, _component(motion, bodies, c)))
        inside = _kept(_along_line(outline, *first, dt).inside[0])
        weight = of_bodies(known_weight(bodies)[None, :, c], motion)
        hazard += weight * (look.entry + fade * jnp.minimum(look.inside, inside[None]))
        mine += weight * look.own
        gap += weight * look.gap
    return (
        jnp.where(valid, hazard, 0.0),
        jnp.where(valid, mine, 0.0),
        jnp.where(valid, gap, FAR),
    )


class _Robot(NamedTuple):
    """Where it is and how it moves, each (T 1 *K)."""

    x: Array
    y: Array
    cos: Array
    sin: Array
    vx: Array
    vy: Array
    omega: Array


class _Body(NamedTuple):
    """One component of each body: pairs are (x, y) or (along, across), each (T M *1)."""

    xy: tuple[Array, Array]
    velocity: tuple[Array, Array]
    axis: tuple[Array, Array]
    xy_var: tuple[Array, Array]
    mixed: tuple[Array, Array]
    velocity_var: tuple[Array, Array]
    radius: Array


class _Look(NamedTuple):
    entry: Array
    inside: Array
    own: Array
    gap: Array


def _robot(motion: Motion) -> _Robot:
    yaw = motion.pose_map[:, 2]
    parts = [
        *(motion.pose_map[:, 0], motion.pose_map[:, 1]),
        *(_kept(jnp.cos(yaw)), _kept(jnp.sin(yaw))),
        *(motion.twist[:, k] for k in range(3)),
    ]
    return _Robot(*(part[:, None] for part in parts))


def _kept(value: Float[Array, "n *K"]) -> Float[Array, "n *K"]:
    """The same, but computed once: XLA would work it out anew for each body and time.

    A product with the identity is never fused into what comes next.
    """
    return jnp.tensordot(jnp.eye(value.shape[0], dtype=value.dtype), value, 1)


def _component(motion: Motion, bodies: Forecast, c: int) -> _Body:
    valid: Bool[Array, "1 M *1"] = of_bodies(bodies.valid[None], motion)

    def pair(array, otherwise=0.0):
        parts = (of_bodies(array[:, :, c, k], motion) for k in range(2))
        first, second = (jnp.where(valid, part, otherwise) for part in parts)
        return first, second

    return _Body(
        xy=pair(bodies.xy_map, FAR),
        velocity=pair(bodies.velocity_map),
        axis=pair(bodies.axis_map),
        xy_var=pair(bodies.xy_var, 1.0),
        mixed=pair(bodies.xy_velocity_cov),
        velocity_var=pair(bodies.velocity_var, 1.0),
        radius=jnp.where(valid, of_bodies(bodies.radius[None], motion), 0.0),
    )


def _along_line(outline, robot: _Robot, body: _Body, dt: float) -> _Look:
    x, y = body.xy[0] - robot.x, body.xy[1] - robot.y
    square = x * x + y * y + 1e-6
    inverse = jax.lax.rsqrt(square)
    nx, ny = x * inverse, y * inverse
    ahead, aside = robot.cos * nx + robot.sin * ny, robot.cos * ny - robot.sin * nx
    reach, corner, breadth = _support(outline, ahead, aside)
    gap = square * inverse - reach - body.radius
    # turning swings the supporting corner towards the body
    own = robot.vx * ahead + robot.vy * aside + robot.omega * corner
    closing = own - nx * body.velocity[0] - ny * body.velocity[1]

    share = (nx * body.axis[0] + ny * body.axis[1]) ** 2
    along_n = lambda pair: pair[1] + share * (pair[0] - pair[1])
    var = jnp.maximum(along_n(body.xy_var), LEAST_VARIANCE)
    scale = jax.lax.rsqrt(var + (BLUR * dt * dt) * closing * closing)
    mixed = along_n(body.mixed)
    gain = mixed * scale * scale
    q = jnp.sqrt(jnp.maximum(along_n(body.velocity_var) - gain * mixed, LEAST_SPREAD))
    inside, density = cdf_pdf(-gap * scale)
    within = 2.0 * cdf((0.5 * breadth + body.radius) * scale) - 1.0
    return _Look(
        entry=density * scale * within * flux(closing + gain * gap, q),
        inside=inside * within,
        own=jnp.maximum(own, 0.0),
        gap=gap,
    )


def _support(outline: Float[np.ndarray, "E 2"], ahead: Array, aside: Array):
    """max_v n·v, how fast turning moves that vertex along n, and the width across n."""
    reach, corner, breadth = -np.inf, 0.0, 0.0
    # a handful of static vertices: unrolled, so that the whole is one pass over the arrays
    for (vx, vy), (ex, ey) in zip(
        outline.astype(np.float32), (np.roll(outline, -1, axis=0) - outline).astype(np.float32),
        strict=True,
    ):
        along, swing = ahead * vx + aside * vy, aside * vx - ahead * vy
        corner = jnp.where(along > reach, swing, corner)
        reach = jnp.maximum(along, reach)
        breadth += 0.5 * jnp.abs(ahead * ey - aside * ex)
    return reach, corner, breadth
