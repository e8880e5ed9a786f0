"""A few quasi-Newton steps from the best sample; the result is never worse than it.

L-BFGS (Nocedal & Wright, Numerical Optimization, 2006, algorithm 7.4) with a line search
that tries all step lengths at once: on 51 states of closed loops twelve such steps left a
median regret of .006 s in 1.6 ms, 24 steps of Adam .007 in 1.8 ms, 12 of ``optax.lbfgs``
(zoom line search) .006 in 2.4 ms.  Fixed-size Adam steps moreover overshoot small
corrections: the robot would not turn the last .4 rad to its goal's heading.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from astro_jax.types import CostTerms, Motion, pytree

MEMORY = 6
"""Pairs of steps and gradient changes that approximate the curvature."""
LENGTHS = np.array([2.0, 1.0, 0.5, 0.2, 0.07, 0.02, 0.005], np.float32)
"""Tried along each search direction, in units of the quasi-Newton step."""
REACH = 5.0
"""Steps stay where σ(z) still has a slope."""


@pytree
class Judged:
    """A candidate with everything that its cost was computed from."""

    controls: Float[Array, "*batch N 2"]
    motion: Motion
    terms: CostTerms
    survival: Float[Array, "*batch T"]


@pytree
class Curvature:
    """The last steps s, gradient changes y and 1/(sᵀy); zero where there is none yet."""

    steps: Float[Array, "m d"]
    changes: Float[Array, "m d"]
    inverse: Float[Array, "m"]


def refine(
    judge: Callable[[Float[Array, "N-2 2"]], tuple[Float[Array, ""], Judged]],
    start: Float[Array, "N-2 2"],
    steps: int,
) -> tuple[Float[Array, ""], Judged, Int[Array, ""]]:
    """Descend from ``start``: (best cost, best candidate, number of non-finite gradients).

    A non-finite gradient is counted and ends the descent, it never steers: it would switch
    refinement off silently.
    """
    size = start.size
    gradient_of = jax.grad(lambda x: judge(x.reshape(start.shape))[0])

    def step(carry, index):
        x, _, _, last_x, last_gradient, curvature, bad = carry
        gradient = gradient_of(x)
        finite = jnp.all(jnp.isfinite(gradient))
        gradient = jnp.where(finite, gradient, 0.0)
        moved = (index > 0) & finite
        curvature = _remember(curvature, x - last_x, gradient - last_gradient, moved)
        direction = _quasi_newton(curvature, gradient)

        # the first row is x itself, so that the best of the rows is never worse
        lengths = jnp.concatenate([jnp.zeros(1), jnp.asarray(LENGTHS)])
        rows = jnp.clip(x[None] - lengths[:, None] * direction[None], -REACH, REACH)
        rows = jnp.where(lengths[:, None] > 0.0, rows, x[None])
        costs, judged = jax.vmap(judge)(rows.reshape(-1, *start.shape))
        costs = jnp.where(jnp.isfinite(costs), costs, jnp.inf)
        pick = jnp.argmin(costs)
        best = jax.tree.map(lambda leaf: leaf[pick], judged)
        # stuck: the remembered curvature misleads, start again from the plain gradient
        curvature = jax.tree.map(lambda leaf: jnp.where(pick > 0, leaf, 0.0), curvature)
        carry = (rows[pick], costs[pick], best, x, gradient, curvature, bad + ~finite)
        return carry, None

    x = start.reshape(-1)
    blank = jax.tree.map(jnp.zeros_like, jax.eval_shape(judge, start)[1])
    memory = Curvature(
        steps=jnp.zeros((MEMORY, size)),
        changes=jnp.zeros((MEMORY, size)),
        inverse=jnp.zeros(MEMORY),
    )
    first = (x, jnp.float32(jnp.inf), blank, x, jnp.zeros(size), memory, jnp.int32(0))
    # one pass at least: it judges the start
    (_, cost, best, _, _, _, bad), _ = jax.lax.scan(step, first, jnp.arange(max(steps, 1)))
    return cost, best, bad


def _remember(curvature: Curvature, step, change, moved: Bool[Array, ""]) -> Curvature:
    product = jnp.dot(step, change)
    # only pairs of positive curvature keep the approximation positive definite
    kept = moved & (product > 1e-8)

    def push(old, new):
        return jnp.where(kept, jnp.concatenate([old[1:], new[None]]), old)

    return Curvature(
        steps=push(curvature.steps, step),
        changes=push(curvature.changes, change),
        inverse=push(curvature.inverse, 1.0 / jnp.maximum(product, 1e-8)),
    )


def _quasi_newton(curvature: Curvature, gradient: Float[Array, "d"]) -> Float[Array, "d"]:
    """H·∇J by the two-loop recursion; a step of .5 in z where nothing is known yet."""

    def backward(q, pair):
        s, y, inverse = pair
        alpha = inverse * jnp.dot(s, q)
        return q - alpha * y, alpha

    pairs = (curvature.steps, curvature.changes, curvature.inverse)
    q, alphas = jax.lax.scan(backward, gradient, pairs, reverse=True)
    newest = curvature.changes[-1]
    known = curvature.inverse[-1] > 0.0
    scale = 1.0 / (curvature.inverse[-1] * jnp.dot(newest, newest) + 1e-9)
    plain = 0.5 / (jnp.sqrt(jnp.dot(gradient, gradient)) + 1e-9)
    q = jnp.where(known, scale, plain) * q

    def forward(q, pair):
        (s, y, inverse), alpha = pair
        return q + s * (alpha - inverse * jnp.dot(y, q)), None

    q, _ = jax.lax.scan(forward, q, (pairs, alphas))
    return q
