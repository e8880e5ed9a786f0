"""One recorded moment as a search problem: minimise the planner's own objective over z.

All methods of this study see the same black box, costs(z) with z ∈ ℝᵈ, the coordinates of
the realizable motions, and cost what the planner's search minimises.  This is the only file
that knows the planner's inside.
"""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from astro_jax.config import DEFAULT_PLANNER, DEFAULT_ROBOT, PlannerParams
from astro_jax.local import candidates
from astro_jax.local.judge import Judge, judge_of, looks
from astro_jax.local.nearest import nearest
from astro_jax.local.planner import basis_of
from astro_jax.robot import drive
from astro_jax.types import RouteField, WorldAtEffect, pytree

ROBOT, CONFIG = DEFAULT_ROBOT, DEFAULT_PLANNER
PARAMS = jax.tree.map(jnp.float32, PlannerParams())
BASIS = basis_of(CONFIG)
FREE, COORDINATES = drive.free_shape(ROBOT, BASIS)
"""Free control points (the first two join the plan to the committed motion) and their size."""
DIMENSION = FREE * COORDINATES

Costs = Callable[[Float[Array, "K d"]], Float[Array, "K"]]
"""The black box, for many z at once."""


@pytree
class Moment:
    """What one cycle of a closed loop gave to the planner."""

    world: WorldAtEffect
    field: RouteField
    """Cut to the neighbourhood that a plan can reach."""
    previous: Float[Array, "*batch N D"]
    """Control points of the plan before."""


def judge_at(moment: Moment) -> Judge:
    """z ↦ (J(z), the candidates), as the planner's search judges them."""
    near = nearest(ROBOT, CONFIG, moment.world)
    quick, _ = looks(ROBOT, CONFIG, PARAMS)
    return judge_of(ROBOT, CONFIG, PARAMS, BASIS, near, moment.field, quick)


def costs_of(moment: Moment) -> Costs:
    """Flat z ↦ J, +inf where J is not finite (``argmin`` would pick a NaN)."""
    judge = judge_at(moment)

    def costs(z: Float[Array, "K d"]) -> Float[Array, "K"]:
        value = judge(folded(z))[0]
        return jnp.where(jnp.isfinite(value), value, jnp.inf)

    return costs


def folded(z: Float[Array, "K d"]) -> Float[Array, "n D K"]:
    """The planner's own layout: candidates last."""
    return jnp.moveaxis(z.reshape(-1, FREE, COORDINATES), 0, -1)


def flat(z: Float[Array, "n D K"]) -> Float[Array, "K d"]:
    """Inverse of ``folded``."""
    return jnp.moveaxis(z, -1, 0).reshape(z.shape[-1], DIMENSION)


def warm_start(moment: Moment) -> Float[Array, "d"]:
    """The previous plan, seen one period later, as z."""
    wanted = (jnp.asarray(BASIS.fit_ahead) @ moment.previous)[2:]
    world = moment.world
    return drive.encode(ROBOT, BASIS, world.command, world.command_dot, wanted).reshape(-1)


def seeds_of(moment: Moment, key, count: int) -> Float[Array, "K d"]:
    """The package's own seeds: the stop, anchors, the shifted previous plan, guided ones …"""
    config = dataclasses.replace(CONFIG, candidates=count)
    seeds = candidates.seeds(
        ROBOT, config, PARAMS, BASIS, moment.world, moment.field, moment.previous, key
    )
    return flat(seeds)
