"""A few quasi-Newton steps from the best samples; a result is never worse than its start.

BFGS (Nocedal & Wright, Numerical Optimization, 2006, eq. 6.17) from a Gauss–Newton guess of
the curvature (local/metric.py).  Each step takes value and gradient at one or two trial
points per start.  A trial that is no better is not moved to, but its gradient still tells the
curvature on the way there: the next direction takes it into account.  One length needs the
fewest evaluations, two the least time: gradients of eight motions cost a tenth more than those
of four.  (Values at five lengths and then a gradient at the best of them needed twice the
evaluations of two.)  The search space has about twenty dimensions, so the whole inverse
Hessian is carried: two small products, where a limited memory needs a loop within the loop.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from astro_jax.local.judge import Judge

SHORTER = 0.4
"""Of the last length, after a trial that was no better."""
REACH = 12.0
"""Coordinates beyond it are at the interval's edge for all practical purposes."""
STEEP = 4.0
"""Descents begin within it: further out σ(z) is flat, and no gradient leads back."""
LONGEST = 3.0
"""Longest step of a coordinate of z."""


def refine(
    judge: Judge,
    starts: Float[Array, "n D S"],
    start_cost: Float[Array, "S"],
    inverse: Float[Array, "d d S"],
    steps: int,
    lengths: tuple[float, ...],
) -> tuple[Float[Array, "n D S"], Int[Array, ""]]:
    """Descend from every start, brought within ``STEEP``: (z, number of non-finite trials).

    ``inverse`` is the first guess of the inverse Hessian at each start, ``lengths`` are those
    tried per step, in units of the quasi-Newton step; a first round looks at the starts.  A
    trial whose value or gradient is not finite is counted and not moved to, it never steers:
    it would switch refinement off silently.  Starts that no trial beats, by the ``start_cost``
    that ``judge`` gave them, are returned as they are.
    """
    if steps == 0:
        return starts, jnp.int32(0)
    shape = starts.shape
    size, count = shape[0] * shape[1], shape[2]
    column = np.arange(count)
    lengths_tried = np.array(lengths, np.float32)[:, None]

    def costs(x: Float[Array, "d L*S"]) -> tuple[Float[Array, ""], Float[Array, "L*S"]]:
        cost = judge(x.reshape(*shape[:2], -1))[0]
        return jnp.sum(cost), cost

    def best_trial(x, step, length):
        """z, cost, gradient of the best trial of each start, whether finite, and how many not."""
        way = (lengths_tried * length[None])[None] * step[:, None]
        trials = jnp.clip(x[:, None] + way, -REACH, REACH)
        gradient, cost = jax.grad(costs, has_aux=True)(trials.reshape(size, -1))
        gradient, cost = gradient.reshape(trials.shape), cost.reshape(-1, count)
        finite = jnp.all(jnp.isfinite(gradient), axis=0) & jnp.isfinite(cost)
        pick = jnp.argmin(jnp.where(finite, cost, jnp.inf), axis=0)
        gradient = jnp.where(finite[None], gradient, 0.0)
        return (
            trials[:, pick, column],
            cost[pick, column],
            gradient[:, pick, column],
            finite[pick, column],
            jnp.sum(~finite, dtype=jnp.int32),
        )

    def look(carry, _):
        x, cost, gradient, inverse, step, length, bad = carry
        trial, trial_cost, trial_gradient, finite, lost = best_trial(x, step, length)
        known = finite & jnp.isfinite(cost)
        inverse = _updated(inverse, trial - x, trial_gradient - gradient, known)
        better = finite & (trial_cost < cost)
        x, cost, gradient = (
            jnp.where(better, new, old)
            for new, old in ((trial, x), (trial_cost, cost), (trial_gradient, gradient))
        )
        step = -jnp.sum(inverse * gradient[None], axis=1)
        longest = jnp.max(jnp.abs(step), axis=0)
        step = step * jnp.minimum(1.0, LONGEST / jnp.maximum(longest, 1e-9))[None]
        length = jnp.where(better, 1.0, SHORTER * length)
        return (x, cost, gradient, inverse, step, length, bad + lost), None

    x = jnp.clip(starts.reshape(size, count), -STEEP, STEEP)
    still, unknown = jnp.zeros_like(x), jnp.full(count, jnp.inf)
    first = (x, unknown, still, inverse, still, jnp.ones(count), jnp.int32(0))
    (x, cost, *_, bad), _ = jax.lax.scan(look, first, length=steps + 1)
    return jnp.where(cost < start_cost, x.reshape(shape), starts), bad


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
