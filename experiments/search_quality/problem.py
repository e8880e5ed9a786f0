"""One recorded moment as a search problem: minimise the planner's own objective over z.

All methods of this study see the same black box, cost(z) with z ∈ ℝ^(N−2)×2, the
coordinates of the realizable motions.  This is the only file that knows the planner's
inside; whoever changes the objective changes ``judge_of`` and records again.
"""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from astro_jax.config import DEFAULT_PLANNER, DEFAULT_ROBOT, PlannerParams
from astro_jax.local import candidates
from astro_jax.local.objective import evaluate, total
from astro_jax.local.planner import basis_of
from astro_jax.local.refine import Judged
from astro_jax.robot import drive
from astro_jax.types import RouteField, WorldAtEffect, pytree

ROBOT, CONFIG = DEFAULT_ROBOT, DEFAULT_PLANNER
PARAMS = jax.tree.map(jnp.float32, PlannerParams())
BASIS = basis_of(CONFIG)
FREE = BASIS.value.shape[1] - 2
"""Free control points; the first two join the plan to the committed motion."""
DIMENSION = 2 * FREE

Z = Float[Array, "N-2 2"]


@pytree
class Moment:
    """What one cycle of a closed loop gave to the planner."""

    world: WorldAtEffect
    field: RouteField
    """Cut to the neighbourhood that a plan can reach."""
    previous: Float[Array, "*batch N 2"]
    """Control points of the plan before."""


def judge_of(moment: Moment) -> Callable[[Z], tuple[Float[Array, ""], Judged]]:
    """z ↦ (J(z), the candidate), exactly as the planner judges it."""
    world = moment.world

    def judge(z: Z) -> tuple[Float[Array, ""], Judged]:
        controls = drive.decode(ROBOT, BASIS, world.twist, world.twist_dot, z)
        motion = drive.motion(BASIS, CONFIG.dt, world.pose_map, controls)
        terms, alive = evaluate(ROBOT, CONFIG, PARAMS, world, moment.field, motion)
        return total(PARAMS, terms), Judged(
            controls=controls, motion=motion, terms=terms, survival=alive
        )

    return judge


def cost_of(moment: Moment) -> Callable[[Float[Array, "d"]], Float[Array, ""]]:
    """Flat z ↦ J, +inf where J is not finite (``argmin`` would pick a NaN)."""
    judge = judge_of(moment)

    def cost(z: Float[Array, "d"]) -> Float[Array, ""]:
        value = judge(z.reshape(FREE, 2))[0]
        return jnp.where(jnp.isfinite(value), value, jnp.inf)

    return cost


def warm_start(moment: Moment) -> Float[Array, "d"]:
    """The previous plan, seen one period later, as z."""
    wanted = (jnp.asarray(BASIS.fit_ahead) @ moment.previous)[2:]
    world = moment.world
    return drive.encode(ROBOT, BASIS, world.twist, world.twist_dot, wanted).reshape(-1)


def seeds_of(moment: Moment, key, count: int) -> Float[Array, "K d"]:
    """The package's own seeds: the stop, anchors, the shifted previous plan, guided ones …"""
    shift = jax.random.uniform(key, (DIMENSION,))
    config = dataclasses.replace(CONFIG, candidates=count)
    seeds = candidates.seeds(
        ROBOT, config, PARAMS, BASIS, moment.world, moment.field, moment.previous, shift
    )
    return seeds.reshape(count, DIMENSION)
