"""The search: judge seeds, then sample around the best few, stage by stage."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from astro_jax.config import PlannerConfig
from astro_jax.local import candidates
from astro_jax.local.judge import Judge

SPACING = 0.2
"""Paths that never part by more than this (m) count as the same way to go."""
LAST_RESORT = 1e4
"""Added to the cost of candidates whose way is already taken, s."""


def search(
    config: PlannerConfig, judge: Judge, seeds: Float[Array, "n D K"], key: Array
) -> tuple[Float[Array, "n D A"], Float[Array, "A"], Float[Array, "T 2 A"]]:
    """Judge the seeds, then samples around the best few, stage by stage.

    Returns every z, cost and path of all stages.  A cost that is not finite becomes +inf
    (``argmin`` would pick a NaN).  The stages share one compiled body.
    """

    def stage(carry, index):
        z, key = carry
        key, draw = jax.random.split(key)
        cost, judged = judge(z)
        cost = jnp.where(jnp.isfinite(cost), cost, jnp.inf)
        elite = best_first(z, cost, config.elites)
        next_z = candidates.around(draw, elite, z.shape[-1], index)
        return (next_z, key), (z, cost, judged.motion.pose_map[:, :2])

    stages = jnp.arange(config.stages, dtype=jnp.float32)
    _, found = jax.lax.scan(stage, (seeds, key), stages)

    def flat(leaf):
        leaf = jnp.moveaxis(leaf, 0, -2)
        return leaf.reshape(*leaf.shape[:-2], -1)

    z, cost, xy = (flat(leaf) for leaf in found)
    return z, cost, xy


def best_first(
    z: Float[Array, "n D K"], cost: Float[Array, "K"], count: int
) -> Float[Array, "n D c"]:
    """The ``count`` cheapest, the best one first; costs must not be NaN."""
    return z[..., jax.lax.top_k(-cost, count)[1]]


def distinct(
    z: Float[Array, "n D K"], cost: Float[Array, "K"], xy: Float[Array, "T 2 K"], count: int
) -> tuple[Float[Array, "n D c"], Float[Array, "c"]]:
    """(z, cost): the cheapest, then time and again the cheapest whose path leaves all chosen.

    Once all ways are taken they are gone through again, each with its next cheapest.
    """
    path = xy[::3]

    def choose(left: Float[Array, "K"], _):
        pick = jnp.argmin(left)
        square = (path[:, 0] - path[:, 0, pick, None]) ** 2
        square = square + (path[:, 1] - path[:, 1, pick, None]) ** 2
        apart = jnp.max(square, axis=0)
        left = jnp.where(apart < SPACING**2, left + LAST_RESORT, left)
        return left.at[pick].set(jnp.inf), pick

    _, picks = jax.lax.scan(choose, jnp.minimum(cost, 1e8), length=count)
    return z[..., picks], cost[picks]
