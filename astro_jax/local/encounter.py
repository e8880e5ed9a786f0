"""Meeting a moving body: how fast the probability of touching it grows along a motion.

The hazard is a boundary-entry rate (Altendorfer & Wilkmann, A new approach to estimate the
collision probability for automotive applications, arXiv 1711.07060, 2017): the flux of the
body's probability into the footprint grown by the body's radius,

    λ(t) = ∮ p(x) · E[(closing speed at x)⁺ | x] ds.

Its integral is the expected number of entries, a bound on the probability of ever entering.
``exact_hazard`` integrates around the whole rim: for the few motions that are compared in
earnest and for gradients.  ``screening_hazard`` looks along the line of centres only: for
ranking hundreds of candidates.  Both describe ONE motion that is sampled at the forecast's
times, ``dt`` apart, and are meant to be integrated by the trapezoidal rule.

Time is continuous although it is sampled: somebody known to 5 cm who passes at 1.5 m/s is
at the rim for 30 ms.  So the forecast is blurred along the relative course, by just as much
as the samples are apart; a pass then counts the same wherever it falls between two samples.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from astro_jax.config import PlannerParams
from astro_jax.local.normal import cdf, cdf_pdf, flux, pdf
from astro_jax.robot.footprint import rim
from astro_jax.types import Forecast, Motion

BLUR = 0.3
"""Variance of the blur in time, in squared sample spacings: the sum of Gaussians so wide is
constant within .6 %."""
LAST_LAG, LAST_BLUR = 0.44, 0.11
"""Mean (in spacings) and variance of the blur at both ends, where half of it is folded back
into the horizon."""
FAR = 1e3
"""Where bodies that are not valid are put, and the gap that is reported of them, m."""
STRIPS = 8
"""Of the footprint, where the probability of being inside it is summed."""
LEAST_VARIANCE, LEAST_SPREAD = 1e-6, 1e-4
"""Floors of the variances of position (m²) and of velocity given position (m²/s²)."""


class _Course(NamedTuple):
    """Components as they move in the robot's frame, each (T M C); J turns a quarter left."""

    x: Array
    y: Array
    velocity: tuple[Array, Array]
    """Relative to the robot's base, without the rotation of its frame."""
    position: tuple[Array, Array, Array]
    """Covariance of the position: half its trace, and its deviator's two parts, such that
    along a normal at angle θ it is mean + cos·cos 2θ + sin·sin 2θ."""
    mixed: tuple[Array, Array, Array]
    """Covariance of position and velocity, likewise; then the velocity's."""
    motion: tuple[Array, Array, Array]


def exact_hazard(
    outline: Float[np.ndarray, "E 2"],
    params: PlannerParams,
    motion: Motion,
    bodies: Forecast,
    dt: float,
) -> tuple[Float[Array, "T M"], Float[Array, "T M"], Float[Array, "T M"]]:
    """Hazard (1/s), the robot's own closing speed where it is met (m/s), and mean gap (m).

    For each side of the rim at normal coordinate e, with the tangential interval [l, r], and
    for each component of the mixture:

        λ = φ((e − μ_n)/s)/s · [Φ((r − m)/s_τ) − Φ((l − m)/s_τ)] · E[(u + qξ)⁺]

    m, s_τ: tangential position given x_n = e; u, q: closing speed given the place, with the
    rotation of the side taken at the mean of x_τ within [l, r] and its variation over the
    side added to q.
    """
    sides = rim(outline)
    course = _course(motion, bodies)
    lag, blur = _samples(motion.pose_map.shape[0], dt)
    blurred = _blur(course, motion, lag, blur)

    e, left, right = (
        _at(part, _radius(bodies))[:, None, :, None]
        for part in (sides.reach, sides.left, sides.right)
    )
    entry, own, depth = _through(sides.normal, e, left, right, blurred, motion)

    weight = bodies.weight[None]
    valid = bodies.valid[None]
    each = jnp.sum(weight * jnp.sum(entry, axis=0), axis=-1)
    mine = jnp.sum(weight * jnp.sum(entry * own, axis=0), axis=-1) / (each + 1e-6)
    gap = _gap(outline, course) - _radius(bodies)[None, :, None]
    first = _inside(sides, _radius(bodies), course)
    overlap = jnp.sum(weight * _still_inside(params, first[None], cdf(depth), dt), axis=-1)
    return (
        jnp.where(valid, each + overlap, 0.0),
        jnp.where(valid, mine, 0.0),
        jnp.where(valid, jnp.sum(weight * gap, axis=-1), FAR),
    )


def _course(motion: Motion, bodies: Forecast) -> _Course:
    valid = bodies.valid[None, :, None]
    c, s = (f(motion.pose_map[:, 2])[:, None, None] for f in (jnp.cos, jnp.sin))

    def seen(vector):  # by the robot; of bodies that are not valid, nothing at all
        x, y = jnp.where(valid, vector[0], 0.0), jnp.where(valid, vector[1], 0.0)
        return c * x + s * y, c * y - s * x

    split = lambda array: (array[..., 0], array[..., 1])
    offset = [
        p - r[:, None, None]
        for p, r in zip(split(bodies.xy_map), split(motion.pose_map[:, :2]), strict=True)
    ]
    x, y = seen(offset)
    axis = seen(split(bodies.axis_map))
    cos2, sin2 = axis[0] * axis[0] - axis[1] * axis[1], 2.0 * axis[0] * axis[1]

    def tensor(pair, floor=None):
        along, across = (jnp.where(valid, value, 1.0) for value in split(pair))
        if floor is not None:
            along, across = jnp.maximum(along, floor), jnp.maximum(across, floor)
        half = 0.5 * (along - across)
        return 0.5 * (along + across), half * cos2, half * sin2

    vx, vy = seen(split(bodies.velocity_map))
    twist = motion.twist[:, :, None, None]
    return _Course(
        x=jnp.where(valid, x, FAR),
        y=y,
        velocity=(vx - twist[:, 0], vy - twist[:, 1]),
        position=tensor(bodies.xy_var, LEAST_VARIANCE),
        mixed=tensor(bodies.xy_velocity_cov),
        motion=tensor(bodies.velocity_var),
    )


def _samples(count: int, dt: float) -> tuple[Float[np.ndarray, "T 1 1"], ...]:
    """Mean delay (s) and variance (s²) of the stretch of time each sample stands for."""
    lag, blur = np.zeros(count, np.float32), np.full(count, BLUR, np.float32)
    lag[0], lag[-1] = LAST_LAG, -LAST_LAG
    blur[0] = blur[-1] = LAST_BLUR
    return (dt * lag)[:, None, None], (dt * dt * blur)[:, None, None]


def _blur(course: _Course, motion: Motion, lag, blur) -> _Course:
    """Positions over the stretch of time that each sample stands for.

    A sample stands for times δ ± √b around its own.  The mean moves by ẋδ + ẍ(δ² + b)/2, the
    position's covariance becomes A + 2Bδ + C(δ² + b) + ẋẋᵀb.
    """
    (vx, vy), (ax, ay) = course.velocity, motion.twist_dot[:, :2, None, None].swapaxes(0, 1)
    omega, alpha = motion.twist[:, 2, None, None], motion.twist_dot[:, 2, None, None]
    rate_x, rate_y = vx + omega * course.y, vy - omega * course.x
    # the body's velocity over ground turns backwards in the robot's frame, and so does ẋ
    ground_x, ground_y = vx + motion.twist[:, 0, None, None], vy + motion.twist[:, 1, None, None]
    bend_x = omega * (ground_y + rate_y) - ax + alpha * course.y
    bend_y = -omega * (ground_x + rate_x) - ay - alpha * course.x
    square = lag * lag + blur
    drift = (
        0.5 * blur * (rate_x * rate_x + rate_y * rate_y),
        0.5 * blur * (rate_x * rate_x - rate_y * rate_y),
        blur * rate_x * rate_y,
    )
    parts = zip(course.position, course.mixed, course.motion, drift, strict=True)
    mixed = zip(course.mixed, course.motion, strict=True)
    return course._replace(
        x=course.x + lag * rate_x + 0.5 * square * bend_x,
        y=course.y + lag * rate_y + 0.5 * square * bend_y,
        position=tuple(a + 2.0 * lag * b + square * c + d for a, b, c, d in parts),
        mixed=tuple(b + lag * c for b, c in mixed),
    )


def _through(normal, e, left, right, course: _Course, motion: Motion):
    """Entry rate through each side (F T M C), and the robot's own speed there."""
    nx, ny = (jnp.asarray(n)[:, None, None, None] for n in normal.T)
    cos2, sin2 = nx * nx - ny * ny, 2.0 * nx * ny
    project = lambda t: t[0] + cos2 * t[1] + sin2 * t[2]
    shear = lambda t: cos2 * t[2] - sin2 * t[1]

    var = project(course.position)
    scale = 1.0 / jnp.sqrt(var)
    gap = e - (nx * course.x + ny * course.y)
    z = gap * scale
    slant = shear(course.position) * scale * scale
    middle = nx * course.y - ny * course.x + slant * gap
    var_along = 2.0 * course.position[0] - var - slant * shear(course.position)
    along = 1.0 / jnp.sqrt(jnp.maximum(var_along, LEAST_VARIANCE))
    to_right, right_density = cdf_pdf((right - middle) * along)
    to_left, left_density = cdf_pdf((left - middle) * along)
    within = jnp.maximum(to_right - to_left, 0.0)
    met = middle - (right_density - left_density) / (along * (within + 1e-6))
    met = jnp.clip(met, left, right)
    length = right - left
    var_met = length * length / (length * length * along * along + 12.0)

    omega = motion.twist[:, 2][:, None, None]
    mixed = project(course.mixed)
    gain = mixed * scale * scale
    tilt = (shear(course.mixed) - slant * mixed) * along * along
    vx, vy = course.velocity
    u = -(nx * vx + ny * vy) - gain * gap - tilt * (met - middle) - omega * met
    square = project(course.motion) - gain * mixed - tilt * tilt / (along * along)
    q = jnp.sqrt(jnp.maximum(square, LEAST_SPREAD) + (tilt + omega) ** 2 * var_met)
    twist = motion.twist[:, :, None, None]
    own = jnp.maximum(nx * twist[:, 0] + ny * twist[:, 1] - omega * met, 0.0)
    return pdf(z) * scale * within * flux(u, q), own, jnp.min(z, axis=0)


def _radius(bodies: Forecast) -> Float[Array, "M"]:
    return jnp.where(bodies.valid, bodies.radius, 0.0)


def _at(pair: Float[np.ndarray, "F 2"], radius: Float[Array, "M"]) -> Float[Array, "F M"]:
    """A part of the rim at each body's radius."""
    return jnp.asarray(pair[:, 0])[:, None] + jnp.asarray(pair[:, 1])[:, None] * radius[None]


def _gap(outline: Float[np.ndarray, "E 2"], course: _Course) -> Float[Array, "T M C"]:
    """Signed distance of the mean to the footprint: to its nearest edge, negative inside."""
    edge = np.roll(outline, -1, axis=0) - outline
    length = np.hypot(edge[:, 0], edge[:, 1])
    ux, uy = (edge / length[:, None]).astype(np.float32).T[:, :, None, None, None]
    corner_x, corner_y = outline.astype(np.float32).T[:, :, None, None, None]
    x, y = course.x - corner_x, course.y - corner_y
    along, out = ux * x + uy * y, uy * x - ux * y
    past = along - jnp.clip(along, 0.0, jnp.asarray(length, jnp.float32)[:, None, None, None])
    distance = jnp.sqrt(jnp.min(past * past + out * out, axis=0) + 1e-10)
    return jnp.where(jnp.max(out, axis=0) > 0.0, distance, -distance)


def _still_inside(params: PlannerParams, first, now, dt: float):
    """Hazard of those who were within reach at first and still are: the flux is blind to them.

    They are touched at the rate r while they last, r·exp(−rt)·P: in the end by P(0) at most.
    """
    time = dt * np.arange(now.shape[0], dtype=np.float32)[:, None, None]
    rate = params.overlap_rate
    return rate * jnp.exp(-rate * time) * jnp.minimum(now, first)


def _inside(sides, radius: Float[Array, "M"], course: _Course) -> Float[Array, "M C"]:
    """Probability of being inside at the first sample, by Gauss–Legendre strips."""
    mean, cos2, sin2 = (part[0] for part in course.position)
    # strips along y; across them x | y is Gaussian
    var_y = mean - cos2
    slant, scale_y = sin2 / var_y, 1.0 / jnp.sqrt(var_y)
    scale_x = 1.0 / jnp.sqrt(jnp.maximum(mean + cos2 - slant * sin2, LEAST_VARIANCE))
    x0, y0 = course.x[0], course.y[0]
    normal, tangent = sides.normal, np.stack([-sides.normal[:, 1], sides.normal[:, 0]], axis=1)
    corner = lambda k: (
        normal[:, k, None] * _at(sides.reach, radius) + tangent[:, k, None] * _at(sides.left, radius)
    )
    top, bottom = jnp.max(corner(1), axis=0)[:, None], jnp.min(corner(1), axis=0)[:, None]
    high, low = jnp.minimum(top, y0 + 4.0 / scale_y), jnp.maximum(bottom, y0 - 4.0 / scale_y)
    node, weight = (part.astype(np.float32) for part in np.polynomial.legendre.leggauss(STRIPS))
    half = 0.5 * jnp.maximum(high - low, 0.0)
    y = (0.5 * (high + low))[None] + half[None] * node[:, None, None]  # S M C
    # chord of the region at each y: sides that face right bound it above, left below
    nx = np.where(np.abs(normal[:, 0]) < 1e-4, 1e-4, normal[:, 0])[:, None, None, None]
    reach = _at(sides.reach, radius)[:, None, :, None]
    cut = (reach - normal[:, 1, None, None, None] * y[None]) / nx
    right = jnp.min(jnp.where(nx > 0, cut, FAR), axis=0)
    left = jnp.max(jnp.where(nx < 0, cut, -FAR), axis=0)
    middle = x0[None] + slant[None] * (y - y0[None])
    chord = cdf((right - middle) * scale_x[None]) - cdf((left - middle) * scale_x[None])
    share = weight[:, None, None] * half[None] * scale_y[None] * pdf((y - y0[None]) * scale_y[None])
    return jnp.sum(share * jnp.maximum(chord, 0.0), axis=0)


def screening_hazard(
    outline: Float[np.ndarray, "E 2"],
    params: PlannerParams,
    motion: Motion,
    bodies: Forecast,
    dt: float,
) -> tuple[Float[Array, "T M"], Float[Array, "T M"], Float[Array, "T M"]]:
    """As ``exact_hazard``, at a tenth of its price: along the line of centres n only.

    The footprint is replaced by its supporting half-plane n·p < max_v n·v + r, cut to the
    width that the two show each other across n:

        λ = φ(gap/s)/s · [2Φ(width/s_τ) − 1] · E[(u + qξ)⁺]
    """
    valid = bodies.valid[None, :, None]
    part = lambda array, k: jnp.where(valid, array[..., k], 0.0)
    of_robot = lambda value: value[:, None, None]
    x = part(bodies.xy_map, 0) - of_robot(motion.pose_map[:, 0])
    y = part(bodies.xy_map, 1) - of_robot(motion.pose_map[:, 1])
    square = x * x + y * y + 1e-6
    inverse = jax.lax.rsqrt(square)
    distance, nx, ny = square * inverse, x * inverse, y * inverse

    c, s = (of_robot(f(motion.pose_map[:, 2])) for f in (jnp.cos, jnp.sin))
    ahead, aside = c * nx + s * ny, c * ny - s * nx
    reach, corner = _support(outline, ahead, aside)
    width = 0.5 * _breadth(outline, ahead, aside) + _radius(bodies)[None, :, None]
    gap = distance - reach - _radius(bodies)[None, :, None]
    v_ahead, v_aside, omega = (of_robot(motion.twist[:, k]) for k in range(3))
    # turning swings the supporting corner towards the body
    own = v_ahead * ahead + v_aside * aside + omega * corner
    closing = own - nx * part(bodies.velocity_map, 0) - ny * part(bodies.velocity_map, 1)

    share = (nx * part(bodies.axis_map, 0) + ny * part(bodies.axis_map, 1)) ** 2

    def directional(pair):
        return pair[..., 1] + share * (pair[..., 0] - pair[..., 1])

    scale = jax.lax.rsqrt(
        jnp.maximum(directional(bodies.xy_var), LEAST_VARIANCE) + BLUR * dt * dt * closing**2
    )
    cov = directional(bodies.xy_velocity_cov)
    gain = cov * scale * scale
    q = jnp.sqrt(jnp.maximum(directional(bodies.velocity_var) - gain * cov, LEAST_SPREAD))
    inside, density = cdf_pdf(-gap * scale)
    within = 2.0 * cdf(width * scale) - 1.0
    entry = density * scale * within * flux(closing + gain * gap, q)
    inside = inside * within
    weight = bodies.weight[None]
    hazard = entry + _still_inside(params, inside[:1], inside, dt)
    known = bodies.valid[None]
    return (
        jnp.where(known, jnp.sum(weight * hazard, axis=-1), 0.0),
        jnp.where(known, jnp.sum(weight * jnp.maximum(own, 0.0), axis=-1), 0.0),
        jnp.where(known, jnp.sum(weight * gap, axis=-1), FAR),
    )


def _support(outline, ahead, aside):
    """max_v n·v over the vertices, and that vertex's coordinate across n."""
    reach = corner = None
    for vx, vy in outline.astype(np.float32):
        along, across = ahead * vx + aside * vy, aside * vx - ahead * vy
        if reach is None:
            reach, corner = along, across
        else:
            corner = jnp.where(along > reach, across, corner)
            reach = jnp.maximum(reach, along)
    return reach, corner


def _breadth(outline, ahead, aside):
    """Width across n: half the sum of the edges' shadows."""
    total = 0.0
    for ex, ey in (np.roll(outline, -1, axis=0) - outline).astype(np.float32):
        total = total + jnp.abs(ahead * ey - aside * ex)
    return 0.5 * total
