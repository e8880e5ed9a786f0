"""The normal distribution at the price of one exponential.

erf is what makes a hazard expensive on a CPU.  Here Φ and φ of one argument come from one
exp: φ(x) = exp(−x²/2)/√(2π) and Φ(−x) = φ(x)·M(x) for x ≥ 0, with a rational approximation
of Mills' ratio M(x).  Unlike a logistic curve it keeps its relative accuracy in the tail,
where risks of one in a thousand live.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

_INV_SQRT_2PI = 0.3989422804


def pdf(x: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """Standard normal density φ."""
    return _INV_SQRT_2PI * jnp.exp(-0.5 * x * x)


def cdf(x: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """Standard normal distribution Φ; see ``cdf_pdf``."""
    return cdf_pdf(x)[0]


@jax.custom_jvp
def cdf_pdf(x: Float[Array, "*n"]) -> tuple[Float[Array, "*n"], Float[Array, "*n"]]:
    """Φ and φ from one exponential.

    M(x) ≈ c₁t + c₂t² + c₃t³ with t = 1/(1 + .33267 x): absolute error of Φ below 1.2e-5,
    relative error below 2.5 % down to Φ(−5).  (Hastings, Approximations for Digital Computers,
    1955; Abramowitz & Stegun, Handbook of Mathematical Functions, 1964, 26.2.16.)
    """
    density = pdf(x)
    tail = density * _mills(jnp.abs(x))
    return jnp.where(x > 0.0, 1.0 - tail, tail), density


@cdf_pdf.defjvp
def _cdf_pdf_slope(primals, tangents):
    (x,), (dx,) = primals, tangents
    below, density = cdf_pdf(x)
    return (below, density), (density * dx, -x * density * dx)


@jax.custom_jvp
def flux(u: Float[Array, "*n"], q: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """E[(u + qξ)⁺] = u Φ(u/q) + q φ(u/q), ξ ~ N(0, 1): mean closing speed, never negative.

    Written as max(u, 0) + q·(φ(x) − x Φ(−x)), x = |u|/q, so that nothing cancels.
    """
    x = jnp.abs(u) / q
    return jnp.maximum(u, 0.0) + q * pdf(x) * jnp.maximum(1.0 - x * _mills(x), 0.0)


@flux.defjvp
def _flux_slope(primals, tangents):
    (u, q), (du, dq) = primals, tangents
    below, density = cdf_pdf(u / q)
    return flux(u, q), below * du + density * dq


def _mills(x: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """Φ(−x)/φ(x) for x ≥ 0."""
    t = 1.0 / (1.0 + 0.33267 * x)
    return t * (0.4361836 + t * (-0.1201676 + t * 0.9372980))
