"""The search: judge seeds, sample around the best few, descend from the best."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from astro_jax.config import PlannerConfig
from astro_jax.local import candidates
from astro_jax.local.judge import Judge
from astro_jax.local.refine import refine


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


def polish(
    config: PlannerConfig, judge: Judge, finalists: Float[Array, "n D F"]
) -> tuple[Float[Array, "n D S"], Int[Array, ""]]:
    """Judge the finalists exactly and descend from the best of them."""
    cost, _ = judge(finalists)
    starts = best_first(finalists, jnp.where(jnp.isfinite(cost), cost, jnp.inf), config.descents)
    refined, _, bad_gradients = refine(judge, starts, config.gradient_steps)
    return refined, bad_gradients


def best_first(
    z: Float[Array, "n D K"], cost: Float[Array, "K"], count: int
) -> Float[Array, "n D c"]:
    """The ``count`` cheapest, the best one first; costs must not be NaN."""
    return z[..., jax.lax.top_k(-cost, count)[1]]
