"""The local planner: one cycle, from the world at effect to a plan."""

import operator
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from astro_jax.config import PlannerConfig, PlannerParams, RobotConfig
from astro_jax.local import candidates
from astro_jax.local.objective import evaluate, total
from astro_jax.local.refine import Judged, refine
from astro_jax.robot import drive
from astro_jax.robot.splines import SplineBasis, spline_basis
from astro_jax.types import (
    Diagnostics,
    Plan,
    PlannerState,
    RouteField,
    Status,
    WorldAtEffect,
)


def plan(
    robot: RobotConfig,
    config: PlannerConfig,
    params: PlannerParams,
    state: PlannerState,
    world: WorldAtEffect,
    field: RouteField,
) -> tuple[PlannerState, Plan, Diagnostics]:
    """One planning cycle; ``robot`` and ``config`` are static, all else is data.

    Always returns finite arrays: with nothing finite to choose from, the full stop and a
    status that the gate treats as a stop.
    """
    basis = basis_of(config)
    key, key_shift, key_local = jax.random.split(state.key, 3)
    world, healthy = _trusted(world)

    def judge(z: Float[Array, "N-2 2"]) -> tuple[Float[Array, ""], Judged]:
        controls = drive.decode(robot, basis, world.twist, world.twist_dot, z)
        motion = drive.motion(basis, config.dt, world.pose_map, controls)
        terms, alive = evaluate(robot, config, params, world, field, motion)
        return total(params, terms), Judged(
            controls=controls, motion=motion, terms=terms, survival=alive
        )

    shift = jax.random.uniform(key_shift, (2 * (basis.value.shape[1] - 2),))
    seeds = candidates.seeds(robot, config, params, basis, world, field, state.controls, shift)
    z, cost, xy, stop = search(config, judge, seeds, key_local)
    sampled = jnp.argmin(cost)
    best_cost, best, bad_gradients = refine(judge, z[sampled], config.gradient_steps)
    some = jnp.isfinite(best_cost)
    # the full stop is the first seed: what is left when nothing can be trusted
    best = jax.tree.map(lambda new, old: jnp.where(some & healthy, new, old), best, stop)

    stride = config.recorded_stride
    return (
        PlannerState(controls=best.controls, key=key),
        _release(basis, best, some, healthy),
        Diagnostics(
            cost=cost[::stride],
            candidate_xy_map=xy[::stride],
            terms=best.terms,
            best_cost=best_cost,
            sampled_cost=cost[sampled],
            nonfinite_gradients=bad_gradients,
            finite_candidates=jnp.sum(jnp.isfinite(cost)),
        ),
    )


def search(
    config: PlannerConfig,
    judge: Callable[[Float[Array, "N-2 2"]], tuple[Float[Array, ""], Judged]],
    seeds: Float[Array, "K N-2 2"],
    key: Array,
) -> tuple[Float[Array, "A N-2 2"], Float[Array, "A"], Float[Array, "A T 2"], Judged]:
    """Judge the seeds, then samples around the best few, stage by stage.

    Returns every z, cost and path of all stages, and what the first seed was judged to be.
    A cost that is not finite becomes +inf (``argmin`` would pick a NaN).  The stages share
    one compiled body.
    """

    def stage(carry, index):
        z, key = carry
        key, draw = jax.random.split(key)
        cost, judged = jax.vmap(judge)(z)
        cost = jnp.where(jnp.isfinite(cost), cost, jnp.inf)
        _, elite = jax.lax.top_k(-cost, config.elites)
        next_z = candidates.around(draw, z[elite], z.shape[0], index)
        first = jax.tree.map(operator.itemgetter(0), judged)
        return (next_z, key), (z, cost, judged.motion.pose_map[..., :2], first)

    stages = jnp.arange(config.stages, dtype=jnp.float32)
    _, (z, cost, xy, firsts) = jax.lax.scan(stage, (seeds, key), stages)

    def flat(leaf):
        return leaf.reshape(-1, *leaf.shape[2:])

    return flat(z), flat(cost), flat(xy), jax.tree.map(operator.itemgetter(0), firsts)


def initial_state(config: PlannerConfig, key: Array) -> PlannerState:
    """No plan yet: at rest. ``key`` is a ``jax.random.key``."""
    count = basis_of(config).value.shape[1]
    return PlannerState(controls=jnp.zeros((count, 2)), key=key)


def basis_of(config: PlannerConfig) -> SplineBasis:
    """The spline matrices of a configuration (made once on the host)."""
    return spline_basis(config.intervals, config.dt, config.gate_period, config.period)


def _trusted(world: WorldAtEffect) -> tuple[WorldAtEffect, Bool[Array, ""]]:
    """Replace a non-finite robot state by rest at the origin, and say so."""
    finite = jnp.all(jnp.isfinite(world.pose_map)) & jnp.all(jnp.isfinite(world.twist))
    finite = finite & jnp.all(jnp.isfinite(world.twist_dot))

    def clean(x):
        return jnp.where(finite, x, 0.0)

    return WorldAtEffect(
        pose_map=clean(world.pose_map),
        twist=clean(world.twist),
        twist_dot=clean(world.twist_dot),
        clearance=world.clearance,
        forecast=world.forecast,
    ), finite


def _release(basis: SplineBasis, best: Judged, some, healthy) -> Plan:
    status = jnp.where(some, jnp.int32(Status.OK), jnp.int32(Status.NO_FINITE_CANDIDATE))
    return Plan(
        motion=best.motion,
        survival=jnp.where(jnp.isfinite(best.survival), best.survival, 0.0),
        commands=jnp.asarray(basis.tick_value) @ best.controls,
        controls=best.controls,
        status=jnp.where(healthy, status, jnp.int32(Status.BAD_STATE)),
    )
