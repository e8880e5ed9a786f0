"""Meeting a moving body: how fast the probability of touching it grows along a motion.

The hazard is a boundary-entry rate (Altendorfer & Wilkmann, A new approach to estimate the
collision probability for automotive applications, arXiv 1711.07060, 2017): the flux of the
body's probability into the footprint grown by the body's radius,

    λ(t) = ∮ p(x) · E[(closing speed at x)⁺ | x] ds.

Its integral is the expected number of entries, a bound on the probability of ever entering.
``exact_hazard`` integrates around the whole rim: for the few motions that are compared in
earnest and for gradients.  Motions are sampled at the forecast's times, ``dt`` apart; the
hazard is meant to be integrated by the trapezoidal rule.

Time is continuous although it is sampled: somebody known to 5 cm who passes at 1.5 m/s is
at the rim for 30 ms.  So the forecast is blurred along the relative course, by as much as
is missing for the samples to see it; a pass then counts the same wherever it falls between
two samples.  Near both ends of the horizon only the part of the blur that lies within the
horizon counts: whoever comes just after its end, or was met just before its start, does not.

What is linear in the sides (places, speeds, variances seen along their normals) is one matrix
product for all of them, so that a gradient takes few steps; the last axis is K candidates.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from astro_jax.config import PlannerParams
from astro_jax.geometry import cos_sin
from astro_jax.local.normal import cdf, cdf_pdf, flux, pdf
from astro_jax.products import apart, combined, once, total
from astro_jax.robot.footprint import Rim, rim
from astro_jax.types import Forecast, Motion

BLUR, LEAST_BLUR = 0.3, 0.03
"""Variance in time, in squared sample spacings, that samples can see: the sum of Gaussians so
wide, one spacing apart, is constant within .6 %.  And the blur that there always is, so that
the ends of the horizon are soft enough for the trapezoidal rule."""
OUTSIDE = 0.1
"""How much more the first and the last sample count at full blur, for the samples that there
would be beyond the horizon, whose blur would reach into it."""
FAR = 1e3
"""Where bodies that are not valid are put, and the gap that is reported of them, m."""
STRIPS = 8
"""Of the footprint, where the probability of being inside it is summed."""
LEAST_VARIANCE, LEAST_SPREAD = 1e-6, 1e-4
"""Floors of the variances of position (m²) and of velocity given position (m²/s²)."""


def exact_hazard(
    outline: Float[np.ndarray, "E 2"],
    params: PlannerParams,
    motion: Motion,
    bodies: Forecast,
    dt: float,
) -> tuple[Float[Array, "M T K"], Float[Array, "M T K"], Float[Array, "M T K"]]:
    """Hazard (1/s), the robot's own closing speed where it is met (m/s), and mean gap (m).

    For each side of the rim at normal coordinate e, with the tangential interval [l, r], and
    for each component of the mixture:

        λ = φ((e − μ_n)/s)/s · [Φ((r − m)/s_τ) − Φ((l − m)/s_τ)] · E[(u + qξ)⁺]

    m, s_τ: tangential position given x_n = e; u, q: closing speed given the place, with the
    rotation of the side taken at the mean of x_τ within [l, r] and its variation over the
    side added to q.

    The chance of an overlap at the first sample counts as given: it has no gradient.
    """
    sides = rim(outline)
    course = _course(motion, bodies)
    shape = course.x.shape  # M·C T K
    blur, steep = _blur(course, dt)
    blurred = _blurred(course, blur)._replace(twist_dot=())
    cut, weight = _cut(course, blur, steep, dt)
    # computed once, or the compiler would work all of it out anew for each side of the rim
    flat = jax.tree.map(
        lambda part: once(jnp.broadcast_to(part, shape)).reshape(-1), (blurred, cut)
    )
    entry, own = (weight * once(part.reshape(shape)) for part in _through(sides, *flat))

    gap = _gap(outline, course)
    start = jax.tree.map(lambda part: jax.lax.stop_gradient(part[:, :1]), course)
    within = cdf(-gap * jax.lax.rsqrt(course.position[0]))
    at_first = jax.lax.stop_gradient(within[:, :1]) + 1e-6
    still = apart(_inside(sides, start)) * jnp.minimum(within / at_first, 1.0)
    overlap = overlap_rate(params, shape[1], dt)[None, :, None] * still

    weight = known_weight(bodies)
    valid = bodies.valid[:, None, None]
    rate = _mixed(weight, entry)
    return (
        jnp.where(valid, rate + _mixed(weight, overlap), 0.0),
        jnp.where(valid, _mixed(weight, own) / (rate + 1e-6), 0.0),
        jnp.where(valid, _mixed(weight, gap), FAR),
    )


def overlap_rate(params: PlannerParams, count: int, dt: float) -> Float[Array, "T"]:
    """Hazard (1/s) of whoever was within reach at first and still is, at each sample.

    The flux is blind to them.  They are touched at the rate r while they stay: r·exp(−rt),
    in the end by their share at most; scaled so that the trapezoidal rule finds just that.
    """
    time = jnp.asarray(dt * np.arange(count, dtype=np.float32))
    rate = jnp.tanh(0.5 * dt * params.overlap_rate) / (0.5 * dt)
    return rate * jnp.exp(-params.overlap_rate * time)


def known_weight(bodies: Forecast) -> Float[Array, "M C"]:
    """Weights of the components; none for bodies that are not valid, whatever they hold."""
    return jnp.where(bodies.valid[:, None], bodies.weight, 0.0)


def _mixed(weight: Float[Array, "M C"], value: Float[Array, "MC T K"]) -> Float[Array, "M T K"]:
    """Weighted sum over the components, slice by slice."""
    components = weight.shape[1]
    weighted = weight.reshape(-1)[:, None, None] * value
    return sum((weighted[i::components] for i in range(1, components)), weighted[::components])


# ---- bodies as the robot sees them ---------------------------------------------------

Tensor = tuple[Array, Array, Array]
"""A symmetric 2 x 2 tensor (m, c, s): along the direction θ it is m + c·cos 2θ + s·sin 2θ."""


class _Course(NamedTuple):
    """Components of all bodies in the robot's turning frame, each (M·C T K) or flat (N)."""

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
    twist_dot: tuple[Array, ...]


def _course(motion: Motion, bodies: Forecast) -> _Course:
    count, components = bodies.weight.shape
    robot = lambda array: tuple(array[None, :, k] for k in range(3))
    robot_x, robot_y, yaw = robot(motion.pose_map)
    cos, sin = (once(part) for part in cos_sin(yaw))

    def of(pair: Float[Array, "T M C 2"], otherwise: float = 0.0) -> list[Float[Array, "MC T 1"]]:
        # of bodies that are not valid, nothing at all
        known = jnp.where(bodies.valid[None, :, None, None], pair, otherwise)
        rows = known.reshape(pair.shape[0], count * components, 2)
        return [rows[..., i].T[..., None] for i in range(2)]

    def seen(x, y):
        return cos * x + sin * y, cos * y - sin * x

    def tensor(pair, otherwise: float = 0.0, floor: float = -np.inf):
        # a floor must not make a number of what is none
        along, across = (
            jnp.where(part > -jnp.inf, jnp.maximum(part, floor), jnp.nan)
            for part in of(pair, otherwise)
        )
        half = 0.5 * (along - across)
        return 0.5 * (along + across) + jnp.zeros_like(yaw), half * cos2, half * sin2

    body_x, body_y = of(bodies.xy_map, FAR)
    ahead, aside = seen(*of(bodies.axis_map))
    cos2, sin2 = ahead * ahead - aside * aside, 2.0 * ahead * aside
    x, y = seen(body_x - robot_x, body_y - robot_y)
    vx, vy = seen(*of(bodies.velocity_map))
    twist = robot(motion.twist)
    radius = jnp.repeat(jnp.where(bodies.valid, bodies.radius, 0.0), components)
    return _Course(
        x=x,
        y=y,
        radius=radius[:, None, None],
        vx=vx - twist[0],
        vy=vy - twist[1],
        position=tensor(bodies.xy_var, 1.0, LEAST_VARIANCE),
        mixed=tensor(bodies.xy_velocity_cov),
        motion=tensor(bodies.velocity_var, 1.0),
        twist=twist,
        twist_dot=robot(motion.twist_dot),
    )


def _velocity(course: _Course) -> tuple[Array, Array]:
    """How a body's mean moves in the robot's turning frame, ẋ."""
    omega = course.twist[2]
    return course.vx + omega * course.y, course.vy - omega * course.x


def _blur(course: _Course, dt: float) -> tuple[Float[Array, "MC T K"], Float[Array, "MC T K"]]:
    """Variance b (s²) of the blur in time, and ẋᵀA⁻¹ẋ (1/s²).

    The density at a place that the body's mean passes at ẋ is Gaussian in time, with the
    variance 1/(ẋᵀA⁻¹ẋ).  The blur is what that lacks for samples dt apart to see the pass.
    """
    x, y = _velocity(course)
    mean, cos2, sin2 = course.position
    square = (mean - cos2) * x * x + (mean + cos2) * y * y - 2.0 * sin2 * x * y
    square = jnp.maximum(square, 0.0) + 1e-9
    determinant = jnp.maximum(mean * mean - cos2 * cos2 - sin2 * sin2, 1e-6 * mean * mean)
    enough, least = BLUR * dt * dt, LEAST_BLUR * dt * dt
    missing = enough - least - determinant / square
    # the positive part, without a kink
    more = 0.5 * (missing + jnp.sqrt(missing * missing + (0.1 * enough) ** 2))
    return least + more, square / determinant


def _blurred(course: _Course, blur: Float[Array, "MC T K"]) -> _Course:
    """Positions over the stretch of time ± √b that each sample stands for.

    The mean moves by ẍb/2, the position's covariance becomes A + Cb + ẋẋᵀb.
    """
    vx, vy, omega = course.vx, course.vy, course.twist[2]
    rate_x, rate_y = _velocity(course)
    # the body's velocity over ground turns backwards in the robot's frame, and so does ẋ
    ground_x, ground_y = vx + course.twist[0], vy + course.twist[1]
    ax, ay, alpha = course.twist_dot
    bend_x = omega * (ground_y + rate_y) - ax + alpha * course.y
    bend_y = -omega * (ground_x + rate_x) - ay - alpha * course.x
    half = 0.5 * blur
    drift = (
        half * (rate_x * rate_x + rate_y * rate_y),
        half * (rate_x * rate_x - rate_y * rate_y),
        blur * rate_x * rate_y,
    )
    parts = zip(course.position, course.motion, drift, strict=True)
    return course._replace(
        x=course.x + half * bend_x,
        y=course.y + half * bend_y,
        position=tuple(a + blur * c + d for a, c, d in parts),
    )


class _Cut(NamedTuple):
    """What part of a sample's blur lies within the horizon, seen at a place p of the rim.

    Of δ ~ N(0, b), the time off the sample, the place tells more: given p it has the variance
    v = b/(1 + b ẋᵀA⁻¹ẋ) and the mean b ẋᵀÃ⁻¹(p − x), Ã = A + bẋẋᵀ.  The sample k·dt after the
    horizon's start counts with P(δ > −k·dt | p) = Φ(k·dt/√v + κẋᵀÃ⁻¹(p − x)), κ = b/√v.
    """

    x: Array
    """κẋ, backwards at the horizon's end."""
    y: Array
    lead: Array
    """k·dt/√v"""


def _cut(
    course: _Course, blur: Array, steep: Array, dt: float
) -> tuple[_Cut, Float[Array, "MC T K"]]:
    """And the weight of each sample: 2 at the ends, where the trapezoidal rule halves it."""
    count = course.x.shape[1]
    column = lambda values: jnp.asarray(values, jnp.float32)[None, :, None]
    index = np.arange(count)
    late = index >= count / 2
    apart = np.minimum(index, count - 1 - index)
    narrow = 1.0 + blur * steep
    towards = column(np.where(late, -1.0, 1.0)) * jnp.sqrt(blur * narrow)
    x, y = _velocity(course)
    more = 1.0 + (OUTSIDE / (BLUR * dt * dt)) * blur
    cut = _Cut(x=towards * x, y=towards * y, lead=column(dt * apart) * jnp.sqrt(narrow / blur))
    return cut, jnp.where(column(apart) > 0, 1.0, 2.0 * more)


# ---- the rim -------------------------------------------------------------------------


def _through(sides: Rim, course: _Course, cut: _Cut) -> tuple[Float[Array, "N"], Float[Array, "N"]]:
    """Entry rate, and its product with the robot's own speed where it happens."""
    nx, ny = sides.normal.T
    one, zero = np.ones_like(nx), np.zeros_like(nx)
    cos2, sin2 = nx * nx - ny * ny, 2.0 * nx * ny

    def seen(inputs, *rows):
        """Each output is one row of coefficients per input, for all sides at once."""
        # one product each: taking a common one apart again makes the gradient slow
        return tuple(combined(np.stack(row, axis=1), inputs) for row in rows)

    along_n, shear, along_t = (one, cos2, sin2), (zero, -sin2, cos2), (one, -cos2, -sin2)
    reach, left, right = sides.reach.T, sides.left.T, sides.right.T
    gap, place, left, right = seen(
        (jnp.ones_like(course.x), course.radius, course.x, course.y),
        (reach[0], reach[1], -nx, -ny),
        (zero, zero, -ny, nx),
        (left[0], left[1], zero, zero),
        (right[0], right[1], zero, zero),
    )
    var, slope, var_t = seen(course.position, along_n, shear, along_t)
    mixed, mixed_shear = seen(course.mixed, along_n, shear)
    (var_v,) = seen(course.motion, along_n)
    (v_n,) = seen((course.vx, course.vy), (nx, ny))
    own_n, omega = seen(course.twist, (nx, ny, zero), (zero, zero, one))

    scale = jax.lax.rsqrt(var)
    inverse = scale * scale
    slant, gain = slope * inverse, mixed * inverse
    middle = place + slant * gap
    var_met = jnp.maximum(var_t - slant * slope, LEAST_VARIANCE)
    along = jax.lax.rsqrt(var_met)
    to_right, right_density = cdf_pdf((right - middle) * along)
    to_left, left_density = cdf_pdf((left - middle) * along)
    within = jnp.maximum(to_right - to_left, 0.0)
    shift = (left_density - right_density) * along * var_met / (within + 1e-6)
    met = jnp.clip(middle + shift, left, right)
    square = (right - left) ** 2

    tilt = (mixed_shear - slant * mixed) * along * along
    u = -v_n - gain * gap - tilt * (met - middle) - omega * met
    given = jnp.maximum(var_v - gain * mixed - tilt * tilt * var_met, LEAST_SPREAD)
    # how much the speed differs over the side: as much as the place, uniform or Gaussian
    given = given + (tilt + omega) ** 2 * (square * var_met / (square + 12.0 * var_met))
    entry = pdf(gap * scale) * scale * within * flux(u, jnp.sqrt(given))
    rate_n, rate_t, lead = seen(cut, (nx, ny, zero), (-ny, nx, zero), (zero, zero, one))
    off = rate_n * gap * inverse + (rate_t - slant * rate_n) * (met - middle) * along * along
    entry = entry * cdf(lead + off)
    own = entry * jnp.maximum(own_n - omega * met, 0.0)
    return total(entry), total(own)


def _gap(outline: Float[np.ndarray, "E 2"], course: _Course) -> Float[Array, "MC T K"]:
    """Distance of the mean to the footprint less the radius; negative inside."""
    edges = np.roll(outline, -1, axis=0) - outline
    square, side = np.inf, -np.inf
    # a handful of edges: unrolled, so that the whole is one pass over the arrays
    for (px, py), (ex, ey) in zip(outline.tolist(), edges.tolist(), strict=True):
        length = float(np.hypot(ex, ey))
        ux, uy = ex / length, ey / length
        along = ux * (course.x - px) + uy * (course.y - py)
        out = uy * (course.x - px) - ux * (course.y - py)
        past = along - jnp.clip(along, 0.0, length)
        square = jnp.minimum(past * past + out * out, square)
        side = jnp.maximum(out, side)
    distance = jnp.sqrt(square + 1e-10)
    return jnp.where(side > 0.0, distance, -distance) - course.radius


def _inside(sides: Rim, course: _Course) -> Float[Array, "MC 1 K"]:
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
