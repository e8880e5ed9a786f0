"""How unsure the robot is of its own place: the covariance that comes with its odometry.

In: the covariance of (x, y, yaw) as it was told, which may be anything.  Out: one that can be
planned with, whether it was one before, and the variance to which it grows along the way.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

MOST = np.array([0.2, 0.2, 0.2], np.float32)
"""A pose less certain than this (standard deviations, m, m, rad) is no place to drive from."""
SLACK = 1e-3
"""Rounding granted to correlations."""


def bounded(cov: Float[Array, "3 3"]) -> tuple[Float[Array, "3 3"], Bool[Array, ""]]:
    """A covariance of at most ``MOST``; and whether the given one was one, and small enough.

    One that is too large is scaled down, correlations kept; for one that is none (not finite,
    not symmetric, or negative for some direction) the largest stands.
    """
    variance = jnp.diagonal(cov)
    std = jnp.sqrt(jnp.maximum(variance, 1e-12))
    correlation = cov / std[:, None] / std[None, :]
    a, b, c = correlation[0, 1], correlation[0, 2], correlation[1, 2]
    # positive semidefinite: no principal minor is negative
    minors = jnp.stack([1 - a**2, 1 - b**2, 1 - c**2, 1 + 2 * a * b * c - a**2 - b**2 - c**2])
    proper = jnp.all(minors >= -SLACK) & jnp.all(variance >= 0.0) & jnp.all(variance < jnp.inf)
    proper = proper & jnp.all(jnp.abs(correlation - correlation.T) < SLACK)
    most = jnp.asarray(MOST)
    scale = jnp.minimum(1.0, most / std)
    shrunk = cov * scale[:, None] * scale[None, :]
    sound = proper & jnp.all(std <= most * (1.0 + SLACK))
    return jnp.where(proper, shrunk, jnp.diag(most**2)), sound


def carried(cov: Float[Array, "3 3"], way: Float[Array, "2"]) -> Float[Array, ""]:
    """Variance of the position, along its worst axis, after driving the vector ``way`` (m²).

    An error of the heading turns the way that is driven from there:
    Σ' = F Σ Fᵀ with F = [1 0 −w_y; 0 1 w_x], and of Σ' the larger eigenvalue.
    """
    x, y, spread = way[0], way[1], cov[2, 2]
    p = cov[0, 0] - 2.0 * y * cov[0, 2] + y**2 * spread
    r = cov[1, 1] + 2.0 * x * cov[1, 2] + x**2 * spread
    q = cov[0, 1] + x * cov[0, 2] - y * cov[1, 2] - x * y * spread
    return jnp.maximum(0.5 * (p + r) + jnp.sqrt(0.25 * (p - r) ** 2 + q**2), 0.0)
