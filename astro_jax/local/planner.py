"""The local planner: one cycle, from the world at effect to a plan."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from astro_jax.config import PlannerConfig, PlannerParams, RobotConfig
from astro_jax.local import candidates
from astro_jax.local.objective import evaluate, total
from astro_jax.local.refine import refine
from astro_jax.robot import drive
from astro_jax.robot.splines import SplineBasis, spline_basis
from astro_jax.types import (
    CostTerms,
    Diagnostics,
    Motion,
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

    def judge(z: Float[Array, "N-2 2"]) -> tuple[Float[Array, ""], tuple[CostTerms, Motion, Array]]:
        controls = drive.decode(robot, basis, world.twist, world.twist_dot, z)
        motion = drive.motion(basis, config.dt, world.pose_map, controls)
        terms, alive = evaluate(robot, config, params, world, field, motion)
        return total(params, terms), (terms, motion, alive)

    def judge_all(z: Float[Array, "K N-2 2"]) -> tuple[Float[Array, "K"], Float[Array, "K T 2"]]:
        cost, (_, motion, _) = jax.vmap(judge)(z)
        return jnp.where(jnp.isfinite(cost), cost, jnp.inf), motion.pose_map[..., :2]

    shift = jax.random.uniform(key_shift, (2 * (basis.value.shape[1] - 2),))
    seeds = candidates.first_stage(robot, config, basis, world, field, state.controls, shift)
    seed_cost, seed_xy = judge_all(seeds)
    _, elite = jax.lax.top_k(-seed_cost, config.elites)
    locals_ = candidates.local_stage(key_local, seeds[elite], config.local_candidates)
    local_cost, local_xy = judge_all(locals_)

    z_all = jnp.concatenate([seeds, locals_])
    cost_all = jnp.concatenate([seed_cost, local_cost])
    sampled = jnp.argmin(cost_all)
    refined, refined_cost, bad_gradients = refine(
        lambda z: judge(z)[0], z_all[sampled], config.gradient_steps
    )
    z = jnp.where(refined_cost < cost_all[sampled], refined, z_all[sampled])
    some = jnp.any(jnp.isfinite(cost_all)) & jnp.all(jnp.isfinite(z))
    # the full stop is the first seed: what is left when nothing can be trusted
    z = jnp.where(some & healthy, z, seeds[0])

    best_cost, (terms, motion, alive) = judge(z)
    controls = drive.decode(robot, basis, world.twist, world.twist_dot, z)
    chosen = _release(basis, controls, motion, alive, some, healthy)
    stride = config.recorded_stride
    return (
        PlannerState(controls=controls, key=key),
        chosen,
        Diagnostics(
            cost=cost_all[::stride],
            candidate_xy_map=jnp.concatenate([seed_xy, local_xy])[::stride],
            terms=terms,
            best_cost=best_cost,
            sampled_cost=cost_all[sampled],
            nonfinite_gradients=bad_gradients,
            finite_candidates=jnp.sum(jnp.isfinite(cost_all)),
        ),
    )


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


def _release(basis: SplineBasis, controls, motion: Motion, alive, some, healthy) -> Plan:
    status = jnp.where(some, int(Status.OK), int(Status.NO_FINITE_CANDIDATE))
    status = jnp.where(healthy, status, int(Status.BAD_STATE))
    return Plan(
        motion=motion,
        survival=jnp.where(jnp.isfinite(alive), alive, 0.0),
        commands=jnp.asarray(basis.tick_value) @ controls,
        controls=controls,
        status=status,
    )
