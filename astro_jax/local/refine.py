"""A few quasi-Newton steps from the best samples, downhill all the way.

BFGS (Nocedal & Wright, Numerical Optimization, 2006, eq. 6.17) from a Gauss–Newton guess of
the curvature (local/metric.py), with a line search that tries all step lengths at once.  The
search space has about twenty dimensions, so the whole inverse Hessian is carried: two small
products, where a limited memory needs a loop within the loop.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from astro_jax.local.judge import Judge

LENGTHS = np.array([2.0, 1.0, 0.4, 0.1, 0.02], np.float32)
"""Tried along each search direction, in units of the quasi-Newton step."""
REACH = 8.0
"""Coordinates beyond it are at the interval's edge for all practical purposes."""
STEEP = 4.0
"""Descents begin within it: further out σ(z) is flat, and no gradient leads back."""
LONGEST = 3.0
"""Longest step of a coordinate of z."""


def refine(
    judge: Judge,
    starts: Float[Array, "n D S"],
    inverse: Float[Array, "d d S"],
    steps: int,
) -> tuple[Float[Array, "n D S"], Int[Array, ""]]:
    """Descend from every start, brought within ``STEEP``: (z, number of non-finite gradients).

    ``inverse`` is the first guess of the inverse Hessian at each start.  A non-finite
    gradient is counted and ends that descent, it never steers: it would switch refinement
    off silently.
    """
    shape = starts.shape
    size, count = shape[0] * shape[1], shape[2]
    column = np.arange(count)

    def costs(x: Float[Array, "d L"]) -> Float[Array, "L"]:
        return judge(x.reshape(*shape[:2], -1))[0]

    gradient_of = jax.grad(lambda x: jnp.sum(costs(x)))

    def step(carry, index):
        x, last_x, last_gradient, inverse, bad = carry
        gradient = gradient_of(x)
        finite = jnp.all(jnp.isfinite(gradient), axis=0)
        gradient = jnp.where(finite, gradient, 0.0)
        moved = (index > 0) & finite
        inverse = _updated(inverse, x - last_x, gradient - last_gradient, moved)
        direction = jnp.sum(inverse * gradient[None], axis=1)
        longest = jnp.max(jnp.abs(direction), axis=0)
        direction = direction * jnp.minimum(1.0, LONGEST / jnp.maximum(longest, 1e-9))[None]

        # the first of the columns is x itself, so that the best of them is never worse
        lengths = np.concatenate([[0.0], LENGTHS]).astype(np.float32)[None, :, None]
        tried = jnp.clip(x[:, None] - lengths * direction[:, None], -REACH, REACH)
        tried = jnp.where(lengths > 0.0, tried, x[:, None])
        cost = costs(tried.reshape(size, -1)).reshape(-1, count)
        pick = jnp.argmin(jnp.where(jnp.isfinite(cost), cost, jnp.inf), axis=0)
        return (tried[:, pick, column], x, gradient, inverse, bad + jnp.sum(~finite)), None

    x = jnp.clip(starts.reshape(size, count), -STEEP, STEEP)
    first = (x, x, jnp.zeros_like(x), inverse, jnp.int32(0))
    (x, *_, bad), _ = jax.lax.scan(step, first, jnp.arange(steps))
    return x.reshape(shape), bad


def _updated(
    inverse: Float[Array, "d d S"],
    s: Float[Array, "d S"],
    y: Float[Array, "d S"],
    moved: Bool[Array, "S"],
) -> Float[Array, "d d S"]:
    """H ← (I − ρ s yᵀ) H (I − ρ y sᵀ) + ρ s sᵀ, ρ = 1/(sᵀy), where the curvature is positive."""
    product = jnp.sum(s * y, axis=0)
    kept = moved & (product > 1e-8)
    rho = 1.0 / jnp.maximum(product, 1e-8)
    toward = jnp.sum(inverse * y[None], axis=1)
    gain = rho * (1.0 + rho * jnp.sum(y * toward, axis=0))
    mixed = rho[None, None] * (toward[:, None] * s[None] + s[:, None] * toward[None])
    return jnp.where(kept, inverse - mixed + gain[None, None] * s[:, None] * s[None], inverse)
