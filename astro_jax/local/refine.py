"""A few gradient steps from the best sample, returning the best point ever visited."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int

from astro_jax.types import CostTerms, Motion, pytree

LEARNING_RATE, FINAL_SHARE = 0.3, 0.1
"""Step in z of the first iteration, and the last one's share of it (cosine)."""
REACH = 5.0
"""Steps stay where σ(z) still has a slope."""


@pytree
class Judged:
    """A candidate with everything that its cost was computed from."""

    controls: Float[Array, "*batch N 2"]
    motion: Motion
    terms: CostTerms
    survival: Float[Array, "*batch T"]


def refine(
    judge: Callable[[Float[Array, "N-2 2"]], tuple[Float[Array, ""], Judged]],
    start: Float[Array, "N-2 2"],
    steps: int,
) -> tuple[Float[Array, ""], Judged, Int[Array, ""]]:
    """Adam from ``start``: (best cost, best candidate, number of non-finite gradients).

    ``start`` itself is always among the candidates, so the result is never worse.  A
    non-finite gradient or cost is skipped and counted, never followed: it would switch
    refinement off silently.
    """
    optimiser = optax.adam(
        optax.cosine_decay_schedule(LEARNING_RATE, max(steps, 1), FINAL_SHARE), b1=0.8, b2=0.95
    )
    value_and_gradient = jax.value_and_grad(judge, has_aux=True)

    def step(carry, index):
        z, memory, best_cost, best, bad = carry
        (cost, judged), gradient = value_and_gradient(z)
        better = (index == 0) | (cost < best_cost)

        def keep(new, old):
            return jnp.where(better, new, old)

        best_cost, best = keep(cost, best_cost), jax.tree.map(keep, judged, best)
        finite = jnp.all(jnp.isfinite(gradient))
        update, memory = optimiser.update(jnp.where(finite, gradient, 0.0), memory)
        z = jnp.clip(z + update, -REACH, REACH)
        return (z, memory, best_cost, best, bad + ~finite), None

    blank = jax.tree.map(jnp.zeros_like, jax.eval_shape(judge, start)[1])
    first = (start, optimiser.init(start), jnp.float32(jnp.inf), blank, jnp.int32(0))
    (_, _, best_cost, best, bad), _ = jax.lax.scan(step, first, jnp.arange(steps + 1))
    return best_cost, best, bad
