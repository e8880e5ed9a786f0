"""The plain weighted sum: what may happen does not change what comes after it.

    J = −∫ γ(t) (−Ṗ) dt + Σ_i harm_i ∫ λ_i dt + ∫ comfort dt

Progress counts in full however likely it is that the robot has touched somebody by then, and
every expected contact harms in full, after others too.
"""

import dataclasses

import jax.numpy as jnp
from jaxtyping import Array, Float

from astro_jax.config import PlannerConfig, PlannerParams, RobotConfig
from astro_jax.local.objective import Look, evaluate, remaining
from astro_jax.products import loss, middle, running_integral, total
from astro_jax.types import CostTerms, Motion, RouteField, WorldAtEffect


def not_expected(hazard: Float[Array, "*M T K"], dt: float) -> Float[Array, "*M T K"]:
    """In place of ``unharmed``: 1 − ∫λ dt, without a floor."""
    return 1.0 - running_integral(hazard, dt)


def weighted_sum(
    robot: RobotConfig,
    config: PlannerConfig,
    params: PlannerParams,
    world: WorldAtEffect,
    field: RouteField,
    look: Look,
    anyway: Float[Array, "M t 1"],
    motion: Motion,
) -> tuple[CostTerms, Float[Array, "T K"]]:
    """In place of ``evaluate``, beside ``not_expected``: progress with S = 1."""
    # this one stays a probability: it says whose fault a contact would be
    anyway = jnp.clip(anyway, 0.0, 1.0)
    terms, alive = evaluate(robot, config, params, world, field, look, anyway, motion)
    time = config.dt * jnp.arange(config.times, dtype=jnp.float32)[:, None]
    worth = middle(jnp.exp(-time / params.patience))
    progress = total(worth * loss(remaining(robot, params, field, motion.pose_map, time)))
    return dataclasses.replace(terms, progress=progress), jnp.clip(alive, 0.0, 1.0)
