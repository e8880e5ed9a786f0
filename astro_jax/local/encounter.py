"""Meeting a moving body: how fast the probability of touching it grows along a motion.

The hazard is a boundary-entry rate (Altendorfer & Wilkmann, A new approach to estimate the
collision probability for automotive applications, arXiv 1711.07060, 2017): the flux of the
body's probability into the footprint grown by the body's radius,

    λ(t) = ∮ p(x) · E[(closing speed at x)⁺ | x] ds.

Its integral is the expected number of entries, a bound on the probability of ever entering.
``exact_hazard`` integrates around the whole rim: for the few motions that are compared in
earnest and for gradients.  It describes ONE motion that is sampled at the forecast's times,
``dt`` apart, and is meant to be integrated by the trapezoidal rule.

Time is continuous although it is sampled: somebody known to 5 cm who passes at 1.5 m/s is
at the rim for 30 ms.  So the forecast is blurred along the relative course, by just as much
as the samples are apart; a pass then counts the same wherever it falls between two samples.

Many motions at once: let every array of ``motion`` end in an axis of K candidates, and the
results will.  (``vmap`` puts that axis first, wherever it was told to look for it, and then
the inner loops on a CPU run over the components of a mixture, not over the candidates.)
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from astro_jax.config import PlannerParams
from astro_jax.local.normal import cdf, cdf_pdf, flux, pdf
from astro_jax.robot.footprint import Rim, rim
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

Hazard = tuple[Float[Array, "T M *K"], Float[Array, "T M *K"], Float[Array, "T M *K"]]


def exact_hazard(
    outline: Float[np.ndarray, "E 2"],
    params: PlannerParams,
    motion: Motion,
    bodies: Forecast,
    dt: float,
) -> Hazard:
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
    shape = course.x.shape
    flat = jax.tree.map(lambda part: jnp.broadcast_to(part, shape).ravel(), course)
    lag, blur = (jnp.broadcast_to(part, shape).ravel() for part in _stretches(shape, dt))
    entry, own, depth = _through(sides, _kept(_blurred(flat, lag, blur)))

    weight, valid = of_bodies(bodies.weight[None], motion), of_bodies(bodies.valid[None], motion)
    mixed = lambda part: jnp.sum(weight * part.reshape(shape), axis=2)
    rate = mixed(entry)
    first = _inside(sides, jax.tree.map(lambda part: part[:1], course))
    still = jnp.minimum(cdf(depth).reshape(shape), first)
    overlap = of_times(overlap_rate(params, shape[0], dt), shape) * still
    return (
        jnp.where(valid, rate + mixed(overlap), 0.0),
        jnp.where(valid, mixed(own) / (rate + 1e-6), 0.0),
        jnp.where(valid, mixed(_gap(outline, flat)), FAR),
    )


def overlap_rate(params: PlannerParams, count: int, dt: float) -> Float[Array, "T"]:
    """Hazard (1/s) of whoever was within reach at first and still is, at each sample.

    The flux is blind to them.  They are touched at the rate r while they stay: r·exp(−rt),
    in the end by their share at most.
    """
    time = jnp.asarray(dt * np.arange(count, dtype=np.float32))
    return params.overlap_rate * jnp.exp(-params.overlap_rate * time)


def of_bodies(value: Float[Array, "*body"], motion: Motion) -> Float[Array, "..."]:
    """A property of bodies, ready to meet the candidates' axes (of size 1 each)."""
    return value.reshape(*value.shape, *[1] * (motion.pose_map.ndim - 2))


def of_times(value: Float[Array, "T *K"], shape: tuple[int, ...]) -> Float[Array, "T 1 1 *K"]:
    """A property of times (and candidates), ready to meet arrays (T M C *K)."""
    missing = len(shape) - 2 - value.ndim
    return value.reshape(value.shape[0], 1, 1, *value.shape[1:], *[1] * missing)


# ---- bodies as the robot sees them ---------------------------------------------------

Tensor = tuple[Array, Array, Array]
"""A symmetric 2 x 2 tensor (m, c, s): along the direction θ it is m + c·cos 2θ + s·sin 2θ."""


class _Course(NamedTuple):
    """Components (T M C *K) in the robot's turning frame."""

    x: Array
    y: Array
    radius: Array
    vx: Array
    """Velocity relative to the robot's base, leaving its rotation out."""
    vy: Array
    position: Tensor
    """Covariance; then that of position and velocity, and that of velocity."""
    mixed: Tensor
    motion: Tensor
    twist: tuple[Array, Array, Array]
    twist_dot: tuple[Array, Array, Array]


def _course(motion: Motion, bodies: Forecast) -> _Course:
    valid = of_bodies(bodies.valid[None, :, None], motion)
    shape = (*bodies.xy_map.shape[:3], *motion.pose_map.shape[2:])
    robot = lambda array: [of_times(array[:, k], shape) for k in range(3)]
    split = lambda array: (
        of_bodies(array[..., 0], motion),
        of_bodies(array[..., 1], motion),
    )
    robot_x, robot_y, yaw = robot(motion.pose_map)
    cos, sin = jnp.cos(yaw), jnp.sin(yaw)

    def seen(x, y):  # of bodies that are not valid, nothing at all
        x, y = jnp.where(valid, x, 0.0), jnp.where(valid, y, 0.0)
        return cos * x + sin * y, cos * y - sin * x

    body_x, body_y = split(bodies.xy_map)
    x, y = seen(body_x - robot_x, body_y - robot_y)
    ahead, aside = seen(*split(bodies.axis_map))
    cos2, sin2 = ahead * ahead - aside * aside, 2.0 * ahead * aside

    def tensor(pair, floor: float = -np.inf):
        along, across = (jnp.where(valid, jnp.maximum(v, floor), 1.0) for v in split(pair))
        half = 0.5 * (along - across)
        return 0.5 * (along + across), half * cos2, half * sin2

    vx, vy = seen(*split(bodies.velocity_map))
    twist = robot(motion.twist)
    return _Course(
        x=jnp.where(valid, x, FAR),
        y=y,
        radius=of_bodies(jnp.where(bodies.valid, bodies.radius, 0.0)[None, :, None], motion),
        vx=vx - twist[0],
        vy=vy - twist[1],
        position=tensor(bodies.xy_var, LEAST_VARIANCE),
        mixed=tensor(bodies.xy_velocity_cov),
        motion=tensor(bodies.velocity_var),
        twist=tuple(twist),
        twist_dot=tuple(robot(motion.twist_dot)),
    )


def _stretches(shape: tuple[int, ...], dt: float):
    """Mean delay (s) and variance (s²) of the stretch of time each sample stands for."""
    lag, blur = np.zeros(shape[0], np.float32), np.full(shape[0], BLUR, np.float32)
    lag[0], lag[-1] = LAST_LAG, -LAST_LAG
    blur[0] = blur[-1] = LAST_BLUR
    return of_times(jnp.asarray(dt * lag), shape), of_times(jnp.asarray(dt * dt * blur), shape)


def _blurred(course: _Course, lag: Float[Array, "N"], blur: Float[Array, "N"]) -> _Course:
    """Positions over the stretch of time that each sample stands for.

    A sample stands for times δ ± √b around its own.  The mean moves by ẋδ + ẍ(δ² + b)/2, the
    position's covariance becomes A + 2Bδ + C(δ² + b) + ẋẋᵀb.
    """
    vx, vy, omega = course.vx, course.vy, course.twist[2]
    rate_x, rate_y = vx + omega * course.y, vy - omega * course.x
    # the body's velocity over ground turns backwards in the robot's frame, and so does ẋ
    ground_x, ground_y = vx + course.twist[0], vy + course.twist[1]
    ax, ay, alpha = course.twist_dot
    bend_x = omega * (ground_y + rate_y) - ax + alpha * course.y
    bend_y = -omega * (ground_x + rate_x) - ay - alpha * course.x
    square = lag * lag + blur
    drift = (
        0.5 * blur * (rate_x * rate_x + rate_y * rate_y),
        0.5 * blur * (rate_x * rate_x - rate_y * rate_y),
        blur * rate_x * rate_y,
    )
    parts = zip(course.position, course.mixed, course.motion, drift, strict=True)
    return course._replace(
        x=course.x + lag * rate_x + 0.5 * square * bend_x,
        y=course.y + lag * rate_y + 0.5 * square * bend_y,
        position=tuple(a + 2.0 * lag * b + square * c + d for a, b, c, d in parts),
        mixed=tuple(b + lag * c for b, c in zip(course.mixed, course.motion, strict=True)),
    )


def _kept(course: _Course) -> _Course:
    """The same, but computed once: XLA would work it out anew for each side of the rim.

    A product with the identity is never fused into what comes next.
    """
    leaves, structure = jax.tree.flatten(course._replace(twist_dot=()))
    kept = jnp.eye(len(leaves), dtype=jnp.float32) @ jnp.stack(leaves)
    return jax.tree.unflatten(structure, list(kept))


# ---- the rim -------------------------------------------------------------------------


def _through(sides: Rim, course: _Course) -> tuple[Array, Array, Array]:
    """Entry rate, its product with the robot's own speed, and depth/s behind the rim (N)."""
    nx, ny = (jnp.asarray(n)[:, None] for n in sides.normal.T)
    cos2, sin2 = nx * nx - ny * ny, 2.0 * nx * ny
    course = jax.tree.map(lambda part: part[None], course)
    along_n = lambda t: t[0] + cos2 * t[1] + sin2 * t[2]
    shear = lambda t: cos2 * t[2] - sin2 * t[1]
    e, left, right = (
        jnp.asarray(pair[:, :1]) + jnp.asarray(pair[:, 1:]) * course.radius
        for pair in (sides.reach, sides.left, sides.right)
    )

    var = along_n(course.position)
    scale = jax.lax.rsqrt(var)
    gap = e - (nx * course.x + ny * course.y)
    z = gap * scale
    slant = shear(course.position) * scale * scale
    middle = nx * course.y - ny * course.x + slant * gap
    var_along = 2.0 * course.position[0] - var - slant * shear(course.position)
    along = jax.lax.rsqrt(jnp.maximum(var_along, LEAST_VARIANCE))
    to_right, right_density = cdf_pdf((right - middle) * along)
    to_left, left_density = cdf_pdf((left - middle) * along)
    within = jnp.maximum(to_right - to_left, 0.0)
    met = middle - (right_density - left_density) / (along * (within + 1e-6))
    met = jnp.clip(met, left, right)
    length = right - left
    var_met = length * length / (length * length * along * along + 12.0)

    omega = course.twist[2]
    mixed = along_n(course.mixed)
    gain = mixed * scale * scale
    tilt = (shear(course.mixed) - slant * mixed) * along * along
    own = nx * course.twist[0] + ny * course.twist[1] - omega * met
    u = -(nx * course.vx + ny * course.vy) - gain * gap - tilt * (met - middle) - omega * met
    square = along_n(course.motion) - gain * mixed - tilt * tilt / (along * along)
    q = jnp.sqrt(jnp.maximum(square, LEAST_SPREAD) + (tilt + omega) ** 2 * var_met)
    entry = pdf(z) * scale * within * flux(u, q)
    return (
        jnp.sum(entry, axis=0),
        jnp.sum(entry * jnp.maximum(own, 0.0), axis=0),
        jnp.min(z, axis=0),
    )


def _gap(outline: Float[np.ndarray, "E 2"], course: _Course) -> Float[Array, "N"]:
    """Distance of the mean to the footprint less the radius; negative inside."""
    edge = np.roll(outline, -1, axis=0) - outline
    length = np.hypot(edge[:, 0], edge[:, 1])
    ux, uy = (jnp.asarray(u[:, None], jnp.float32) for u in (edge / length[:, None]).T)
    corner_x, corner_y = (jnp.asarray(c[:, None], jnp.float32) for c in outline.T)
    x, y = course.x[None] - corner_x, course.y[None] - corner_y
    along, out = ux * x + uy * y, uy * x - ux * y
    past = along - jnp.clip(along, 0.0, jnp.asarray(length[:, None], jnp.float32))
    distance = jnp.sqrt(jnp.min(past * past + out * out, axis=0) + 1e-10)
    return jnp.where(jnp.max(out, axis=0) > 0.0, distance, -distance) - course.radius


def _inside(sides: Rim, course: _Course) -> Float[Array, "1 M C *K"]:
    """Probability of being within reach, by Gauss–Legendre strips across the footprint."""
    mean, cos2, sin2 = course.position
    # strips along x; across them y is sliced, and x given y is Gaussian
    var_y = mean - cos2
    slant, scale_y = sin2 / var_y, jax.lax.rsqrt(var_y)
    scale_x = jax.lax.rsqrt(jnp.maximum(mean + cos2 - slant * sin2, LEAST_VARIANCE))
    expand = lambda array: jnp.asarray(array).reshape(-1, *[1] * course.x.ndim)
    at = lambda pair: expand(pair[:, 0]) + expand(pair[:, 1]) * course.radius[None]  # F 1 M 1 *1
    nx, ny = (expand(n) for n in sides.normal.T)
    corner_y = ny * at(sides.reach) + nx * at(sides.left)
    high = jnp.minimum(jnp.max(corner_y, axis=0), course.y + 4.0 / scale_y)
    low = jnp.maximum(jnp.min(corner_y, axis=0), course.y - 4.0 / scale_y)
    node, share = (expand(a.astype(np.float32)) for a in np.polynomial.legendre.leggauss(STRIPS))
    half = 0.5 * jnp.maximum(high - low, 0.0)
    y = (0.5 * (high + low))[None] + half[None] * node
    # sides that face ahead bound each strip in front, the others behind
    steep = jnp.where(jnp.abs(nx) < 1e-4, 1e-4, nx)
    cut = (at(sides.reach)[:, None] - ny[:, None] * y[None]) / steep[:, None]
    front = jnp.min(jnp.where(steep[:, None] > 0.0, cut, FAR), axis=0)
    back = jnp.max(jnp.where(steep[:, None] < 0.0, cut, -FAR), axis=0)
    off = y - course.y[None]
    middle = course.x[None] + slant[None] * off
    strip = cdf((front - middle) * scale_x[None]) - cdf((back - middle) * scale_x[None])
    density = (half * scale_y)[None] * pdf(off * scale_y[None])
    return jnp.sum(share * density * jnp.maximum(strip, 0.0), axis=0)
