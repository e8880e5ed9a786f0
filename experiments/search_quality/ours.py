"""The planner's own search within a budget: its seeds, its metric, its descents."""

import dataclasses

import jax
import jax.numpy as jnp
import methods
from jaxtyping import Array, Float
from problem import (
    BASIS,
    CONFIG,
    DIMENSION,
    PARAMS,
    ROBOT,
    Moment,
    flat,
    folded,
    judge_at,
    seeds_of,
    warm_start,
)

from astro_jax.config import PlannerConfig
from astro_jax.local.metric import inverse_metric
from astro_jax.local.refine import refine
from astro_jax.local.search import distinct
from astro_jax.local.search import search as sample

METRIC_COST = 6
"""What the metric of a start is charged (a Jacobian of the kinematics alone), evaluations."""
LONG = 120
"""Steps of a descent of the reference."""
ONE = (1.0,)
"""A single length per step needs the fewest evaluations."""


def split(seeds: int, descents: int, steps: int) -> PlannerConfig:
    """The planner's configuration for one stage of seeds and some descents."""
    return dataclasses.replace(
        CONFIG,
        candidates=seeds,
        stages=1,
        descents=descents,
        gradient_steps=steps,
        step_lengths=ONE,
    )


SPLITS = {
    64: split(64, 1, 0),
    128: split(64, 1, 18),
    256: split(64, 2, 28),
    600: split(128, 4, 35),
    1024: split(160, 6, 44),
    2048: split(256, 8, 71),
}


def price(config: PlannerConfig) -> int:
    """Evaluations of a search with this configuration."""
    sampled = config.candidates * config.stages
    if config.gradient_steps == 0:
        return sampled
    # the starts are looked at first, the ends are judged once more
    gradients = methods.GRADIENT_COST * (1 + config.gradient_steps)
    return sampled + config.descents * (METRIC_COST + gradients + 1)


def search(moment: Moment, key, config: PlannerConfig, *, sobol: bool = False) -> methods.Trace:
    """As ``local.planner.plan`` does it; ``sobol``: from Sobol points instead of its seeds."""
    key_seeds, key_local = jax.random.split(key)
    if sobol:
        points = methods.around(jnp.zeros(DIMENSION), key_seeds, 2.0, config.candidates)
        # it may know the previous plan, like everybody
        seeds = folded(points.at[1].set(warm_start(moment)))
    else:
        seeds = folded(seeds_of(moment, key_seeds, config.candidates))
    return search_from(moment, seeds, key_local, config)


def search_from(
    moment: Moment, seeds: Float[Array, "n D K"], key_local, config: PlannerConfig
) -> methods.Trace:
    """The search from given seeds on."""
    z, cost, xy = sample(config, judge_at(moment), seeds, key_local)
    sampled = methods.Trace(
        spent=1 + jnp.arange(cost.shape[0]), cost=cost, z=flat(z)[jnp.argmin(cost)]
    )
    if config.gradient_steps == 0:
        return sampled
    ends, values = _descend(moment, *distinct(z, cost, xy, config.descents), config.gradient_steps)
    spent = jnp.full(config.descents, price(config) - config.candidates * config.stages)
    best = ends[jnp.argmin(values)]
    return methods.joined(sampled, methods.Trace(spent=spent, cost=values, z=best))


def long_descents(
    moment: Moment, key, count: int, extra: Float[Array, "e d"]
) -> tuple[Float[Array, "S"], Float[Array, "S d"]]:
    """For the reference: (costs, ends) of long descents from ``count`` + 1 + e starts.

    Half of the ``count`` are the best of 600 seeds with different paths, half are random ones
    of them; the previous plan and ``extra`` join them.
    """
    seeds = seeds_of(moment, key, 600)
    cost, judged = judge_at(moment)(folded(seeds))
    cost = jnp.where(jnp.isfinite(cost), cost, jnp.inf)
    best, _ = distinct(folded(seeds), cost, judged.motion.pose_map[:, :2], count // 2)
    rest = jax.random.choice(key, seeds.shape[0], (count - count // 2,), replace=False)
    starts = folded(jnp.concatenate([flat(best), seeds[rest], warm_start(moment)[None], extra]))
    ends, values = _descend(moment, starts, judge_at(moment)(starts)[0], LONG)
    return values, ends


def _descend(
    moment: Moment, starts: Float[Array, "n D S"], start_cost: Float[Array, "S"], steps: int
) -> tuple[Float[Array, "S d"], Float[Array, "S"]]:
    judge = judge_at(moment)
    metric = inverse_metric(ROBOT, CONFIG, PARAMS, BASIS, moment.world, starts)
    ends, _ = refine(judge, starts, start_cost, metric, steps, ONE)
    values = judge(ends)[0]
    return flat(ends), jnp.where(jnp.isfinite(values), values, jnp.inf)
