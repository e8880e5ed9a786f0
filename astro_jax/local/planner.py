"""The local planner: one cycle, from the world at effect to a plan.

Inside, K candidates travel together as the *last* axis of every array.  On a CPU the compiler
vectorises along the last axis; functions of one candidate under ``vmap`` had the batch moved
to the front and took 4 to 10 times as long.
"""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from astro_jax.config import DEFAULT_ROBOT, PlannerConfig, PlannerParams, RobotConfig
from astro_jax.errors import InputError
from astro_jax.local import candidates
from astro_jax.local.judge import Judged, judge_of, looks
from astro_jax.local.metric import inverse_metric
from astro_jax.local.nearest import nearest
from astro_jax.local.proposal import Proposal, propose
from astro_jax.local.refine import refine
from astro_jax.local.search import best_first, distinct, search
from astro_jax.local.tail import StoppingTail, stopping_tail
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

UNKNOWN_CLEARANCE = -1e3
"""Reported when clearances are not numbers: worse than any that are, m."""


def plan(
    robot: RobotConfig,
    config: PlannerConfig,
    params: PlannerParams,
    state: PlannerState,
    world: WorldAtEffect,
    field: RouteField,
    proposal: Proposal | None = None,
) -> tuple[PlannerState, Plan, Diagnostics]:
    """One planning cycle; ``robot`` and ``config`` are static, all else is data.

    With a ``proposal`` the last of the seeds are what a network says (``local/proposal.py``).

    Always returns finite arrays: with nothing finite to choose from, the full stop and a
    status that the gate treats as a stop.

    Raises:
      InputError: while it is traced, if fields of ``config`` contradict each other.
    """
    for name, value, expected in config.problems(robot):
        raise InputError(name, value, expected)
    basis = basis_of(config)
    key, key_seeds, key_local = jax.random.split(state.key, 3)
    world, healthy = _trusted(world)
    params = _in_doubt(params, world)
    near = nearest(robot, config, world)
    rough, exact = looks(robot, config, params)
    judge_roughly = judge_of(robot, config, params, basis, near, field, rough)
    judge_exactly = judge_of(robot, config, params, basis, world, field, exact)

    seeds = candidates.seeds(robot, config, params, basis, world, field, state.controls, key_seeds)
    if proposal is not None:
        own = propose(robot, basis, proposal, world, field, state.controls)
        seeds = jnp.concatenate([seeds[..., : -own.shape[-1]], own], axis=-1)
    z, cost, xy = search(config, judge_roughly, seeds, key_local)
    finalists = best_first(z, cost, config.finalists)
    starts, start_cost = distinct(z, cost, xy, config.descents)
    metric = inverse_metric(robot, config, params, basis, world, starts)
    refined, bad_gradients = refine(
        judge_roughly, starts, start_cost, metric, config.gradient_steps, config.step_lengths
    )

    # the last word is exact and counts every body; the full stop, the first seed, is heard too
    heard = jnp.concatenate([seeds[..., :1], finalists, refined], axis=-1)
    last_cost, judged = judge_exactly(heard)
    last_cost = jnp.where(jnp.isfinite(last_cost), last_cost, jnp.inf)
    some = jnp.any(jnp.isfinite(last_cost))
    chosen = jnp.where(some & healthy, jnp.argmin(last_cost), 0)
    best = jax.tree.map(lambda leaf: leaf[..., chosen], judged)
    tail = stopping_tail(robot, config, params, basis, world, best, exact)

    stride = config.recorded_stride
    return (
        PlannerState(controls=best.controls, key=key),
        _release(basis, best, tail, some, healthy),
        Diagnostics(
            cost=cost[::stride],
            candidate_xy_map=jnp.moveaxis(xy[..., ::stride], -1, 0),
            terms=best.terms,
            best_cost=last_cost[chosen],
            sampled_cost=jnp.min(last_cost[: 1 + config.finalists]),
            nonfinite_gradients=bad_gradients,
            finite_candidates=jnp.sum(jnp.isfinite(cost)),
        ),
    )


def initial_state(
    config: PlannerConfig, key: Array, robot: RobotConfig = DEFAULT_ROBOT
) -> PlannerState:
    """No plan yet: at rest. ``key`` is a ``jax.random.key``."""
    free, dimensions = drive.free_shape(robot, basis_of(config))
    return PlannerState(controls=jnp.zeros((free + 2, dimensions)), key=key)


def basis_of(config: PlannerConfig) -> SplineBasis:
    """The spline matrices of a configuration (made once on the host)."""
    return spline_basis(config.intervals, config.dt, config.gate_period, config.period)


def _trusted(world: WorldAtEffect) -> tuple[WorldAtEffect, Bool[Array, ""]]:
    """Replace a non-finite robot state by rest at the origin, and say so."""
    finite = jnp.all(jnp.isfinite(world.pose_map)) & jnp.all(jnp.isfinite(world.command))
    finite = finite & jnp.all(jnp.isfinite(world.command_dot))

    def clean(x: Float[Array, "n"]) -> Float[Array, "n"]:
        return jnp.where(finite, x, 0.0)

    trusted = dataclasses.replace(
        world,
        pose_map=clean(world.pose_map),
        command=clean(world.command),
        command_dot=clean(world.command_dot),
    )
    return trusted, finite


def _in_doubt(params: PlannerParams, world: WorldAtEffect) -> PlannerParams:
    """Where the robot is unsure of its place, so it is of every wall's: σ² adds up."""
    wall_noise = jnp.sqrt(params.wall_noise**2 + world.position_var)
    return dataclasses.replace(params, wall_noise=wall_noise)


def _release(
    basis: SplineBasis,
    best: Judged,
    tail: StoppingTail,
    some: Bool[Array, ""],
    healthy: Bool[Array, ""],
) -> Plan:
    status = jnp.where(tail.safe, jnp.int32(Status.OK), jnp.int32(Status.NO_SAFE_TAIL))
    status = jnp.where(some, status, jnp.int32(Status.NO_FINITE_CANDIDATE))
    return Plan(
        motion=best.motion,
        survival=jnp.where(jnp.isfinite(best.survival), best.survival, 0.0),
        commands=jnp.asarray(basis.tick_value) @ best.controls,
        tail=tail.commands,
        tail_clearance=jnp.where(jnp.isfinite(tail.clearance), tail.clearance, UNKNOWN_CLEARANCE),
        controls=best.controls,
        status=jnp.where(healthy, status, jnp.int32(Status.BAD_STATE)),
    )
