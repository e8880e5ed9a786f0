"""A few gradient steps from the best sample, returning the best point ever visited."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int

REACH = 5.0
"""Steps stay where σ(z) still has a slope."""


def refine(
    cost: Callable[[Float[Array, "N-2 2"]], Float[Array, ""]],
    start: Float[Array, "N-2 2"],
    steps: int,
    learning_rate: float = 0.15,
) -> tuple[Float[Array, "N-2 2"], Float[Array, ""], Int[Array, ""]]:
    """Adam from ``start``: (best z, its cost, number of non-finite gradients).

    A non-finite gradient or cost is skipped and counted, never followed: it would switch
    refinement off silently.
    """
    optimiser = optax.adam(learning_rate, b1=0.8, b2=0.95)
    value_and_gradient = jax.value_and_grad(cost)

    def step(carry, _):
        z, memory, best, best_cost, bad = carry
        value, gradient = value_and_gradient(z)
        better = value < best_cost
        best, best_cost = jnp.where(better, z, best), jnp.where(better, value, best_cost)
        finite = jnp.all(jnp.isfinite(gradient))
        update, memory = optimiser.update(jnp.where(finite, gradient, 0.0), memory)
        z = jnp.clip(z + update, -REACH, REACH)
        return (z, memory, best, best_cost, bad + ~finite), None

    start = jnp.clip(start, -REACH, REACH)
    first = (start, optimiser.init(start), start, jnp.float32(jnp.inf), jnp.int32(0))
    (z, _, best, best_cost, bad), _ = jax.lax.scan(step, first, length=steps)
    value = cost(z)
    better = value < best_cost
    return jnp.where(better, z, best), jnp.where(better, value, best_cost), bad
