"""A few quasi-Newton steps from the best samples; a result is never worse than its start.

BFGS (Nocedal & Wright, Numerical Optimization, 2006, eq. 6.17) with a line search that tries
all step lengths at once.  The search space has about twenty dimensions, so the whole inverse
Hessian is carried: two small products, where a limited memory needs a loop within the loop.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from astro_jax.local.judge import Judge

LENGTHS = np.array([2.0, 1.0, 0.5, 0.2, 0.07, 0.02, 0.005], np.float32)
"""Tried along each search direction, in units of the quasi-Newton step."""
REACH = 5.0
"""Steps stay where σ(z) still has a slope."""


def refine(
    judge: Judge, starts: Float[Array, "n D K"], steps: int
) -> tuple[Float[Array, "n D K"], Float[Array, "K"], Int[Array, ""]]:
    """Descend from every start: (z, cost, number of non-finite gradients).

    A non-finite gradient is counted and ends that descent, it never steers: it would switch
    refinement off silently.
    """
    shape = starts.shape
    count, size = shape[-1], shape[0] * shape[1]

    def costs(x: Float[Array, "d L"]) -> Float[Array, "L"]:
        return judge(x.reshape(*shape[:2], -1))[0]

    gradient_of = jax.grad(lambda x: jnp.sum(costs(x)))

    def step(carry, index):
        x, _, last_x, last_gradient, inverse, bad = carry
        gradient = gradient_of(x)
        finite = jnp.all(jnp.isfinite(gradient), axis=0)
        gradient = jnp.where(finite, gradient, 0.0)
        moved = (index > 0) & finite
        inverse = _updated(inverse, x - last_x, gradient - last_gradient, moved, index == 1)
        direction = jnp.einsum("ijk,jk->ik", inverse, gradient)
        plain = 0.5 * gradient / (jnp.sqrt(jnp.sum(gradient**2, axis=0)) + 1e-9)
        direction = jnp.where(index == 0, plain, direction)

        # the first of the columns is x itself, so that the best of them is never worse
        tried = jnp.clip(x[:, None] - LENGTHS[None, :, None] * direction[:, None], -REACH, REACH)
        tried = jnp.concatenate([x[:, None], tried], axis=1)
        cost = costs(tried.reshape(size, -1)).reshape(-1, count)
        cost = jnp.where(jnp.isfinite(cost), cost, jnp.inf)
        pick = jnp.argmin(cost, axis=0)
        column = jnp.arange(count)
        # stuck: the remembered curvature misleads, start again from the plain gradient
        inverse = jnp.where(pick > 0, inverse, _steepest(gradient))
        carry = (tried[:, pick, column], cost[pick, column], x, gradient, inverse)
        return (*carry, bad + jnp.sum(~finite)), None

    x = starts.reshape(size, count)
    first = (
        x,
        jnp.full(count, jnp.inf),
        x,
        jnp.zeros_like(x),
        jnp.broadcast_to(jnp.eye(size)[..., None], (size, size, count)),
        jnp.int32(0),
    )
    # one pass at least: it judges the start
    (x, cost, *_, bad), _ = jax.lax.scan(step, first, jnp.arange(max(steps, 1)))
    return x.reshape(shape), cost, bad


def _steepest(gradient: Float[Array, "d K"]) -> Float[Array, "d d K"]:
    """An inverse Hessian that makes the next step .5 long in z, straight downhill."""
    scale = 0.5 / (jnp.sqrt(jnp.sum(gradient**2, axis=0)) + 1e-9)
    return jnp.eye(gradient.shape[0])[..., None] * scale


def _updated(
    inverse: Float[Array, "d d K"],
    s: Float[Array, "d K"],
    y: Float[Array, "d K"],
    moved: Bool[Array, "K"],
    first: Bool[Array, ""],
) -> Float[Array, "d d K"]:
    """H ← (I − ρ s yᵀ) H (I − ρ y sᵀ) + ρ s sᵀ, ρ = 1/(sᵀy), where the curvature is positive."""
    product = jnp.sum(s * y, axis=0)
    kept = moved & (product > 1e-8)
    rho = 1.0 / jnp.maximum(product, 1e-8)
    # before the first update H is scaled like the Hessian along s (eq. 6.20)
    scale = product / jnp.maximum(jnp.sum(y * y, axis=0), 1e-9)
    start = jnp.eye(s.shape[0])[..., None] * scale
    inverse = jnp.where(first & kept, start, inverse)
    toward = jnp.einsum("ijk,jk->ik", inverse, y)
    gain = rho * (1.0 + rho * jnp.sum(y * toward, axis=0))
    mixed = rho * (toward[:, None] * s[None] + s[:, None] * toward[None])
    return jnp.where(kept, inverse - mixed + gain * s[:, None] * s[None], inverse)
