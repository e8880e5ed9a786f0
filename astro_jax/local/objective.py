"""Uncertainty-adjusted progress: one continuous objective, no modes, no thresholds.

    J = −∫ S(t) γ(t) (−Ṗ) dt + Σ_i ∫ (−Ṡ_i) harm_i dt + ∫ comfort dt

P is the route layer's cost-to-go (s) plus the final turn, S the probability of having
touched nothing, S_i that of not having touched i, γ(t) = exp(−t/τ) the time preference:
progress later is worth less, or the robot would dither near the goal for ever.  Where risk
is low the robot simply makes progress; where it is high, progress counts for nothing and
only harm matters.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from astro_jax.config import PlannerConfig, PlannerParams, RobotConfig
from astro_jax.geometry import sample
from astro_jax.local.encounter import exact_hazard
from astro_jax.local.risk import unharmed, wall_hazard
from astro_jax.robot.footprint import covering_discs, outline
from astro_jax.types import CostTerms, Motion, RouteField, WorldAtEffect


def evaluate(
    robot: RobotConfig,
    config: PlannerConfig,
    params: PlannerParams,
    world: WorldAtEffect,
    field: RouteField,
    motion: Motion,
) -> tuple[CostTerms, Float[Array, "T"]]:
    """The unweighted terms of one motion, and its survival over time."""
    centres, radii = covering_discs(robot, config.footprint_discs)
    wall, _ = wall_hazard(
        params, motion, world.clearance, centres, radii, config.dt
    )
    # people are sampled more coarsely: the entry rate does not depend on the step
    coarse = _every(motion, config.people_stride)
    body, own_speed, gap = exact_hazard(
        outline(robot), params, coarse, world.forecast, config.dt * config.people_stride
    )
    body = _refine(body, config.people_stride)

    # each contact harms by its own hazard: after one with a person a wall still hurts
    severity = _refine(person_harm(params, coarse, own_speed), config.people_stride)
    of_wall = params.harm_wall + params.harm_wall_speed * motion.twist[:, 0] ** 2
    severity = jnp.concatenate([severity, of_wall[:, None]], axis=1)
    hazard = jnp.concatenate([body, wall[:, None]], axis=1)
    each = unharmed(hazard, config.dt)
    alive = jnp.prod(each, axis=-1)
    # −∫ Ṡ_i·harm_i by the midpoint of each step
    harm = jnp.sum((each[:-1] - each[1:]) * 0.5 * (severity[:-1] + severity[1:]))

    potential = remaining(params, field, motion.pose_map)
    time = config.dt * jnp.arange(config.times, dtype=jnp.float32)
    preference = jnp.exp(-time / params.patience)
    middle = 0.5 * (alive * preference)[1:] + 0.5 * (alive * preference)[:-1]
    progress = jnp.sum(middle * (potential[:-1] - potential[1:]))

    v, omega = motion.twist[:, 0], motion.twist[:, 2]
    inside = jnp.maximum(1.0 - gap / params.personal_space, 0.0)
    terms = CostTerms(
        progress=progress,
        harm=harm,
        acceleration=_integral(motion.twist_dot[:, 0] ** 2, config.dt),
        turning=_integral(motion.twist_dot[:, 2] ** 2, config.dt),
        lateral=_integral((v * omega) ** 2, config.dt),
        reversing=_integral(jnp.maximum(-v, 0.0), config.dt),
        intrusion=_integral(jnp.sum(inside**2, axis=1), config.dt * config.people_stride),
    )
    return terms, alive


def total(params: PlannerParams, terms: CostTerms) -> Float[Array, "*batch"]:
    """J: the weighted sum of the terms (seconds of progress; harm carries its own weights)."""
    return (
        -terms.progress
        + terms.harm
        + params.acceleration * terms.acceleration
        + params.turning * terms.turning
        + params.lateral * terms.lateral
        + params.reversing * terms.reversing
        + params.intrusion * terms.intrusion
    )


def person_harm(
    params: PlannerParams, motion: Motion, own_speed: Float[Array, "T M"]
) -> Float[Array, "T M"]:
    """What touching a person costs, by the robot's own part in it (s of progress).

    A robot that is run into while it rests does little harm; one that moves is at fault; one
    that drives into somebody harms with the square of its closing speed.  Counting the
    walker's speed as well made stopping look as bad as pushing past: the robot did not brake.
    """
    speed = motion.twist[:, 0] ** 2 + (0.2 * motion.twist[:, 2]) ** 2
    moving = speed / (speed + 0.15**2)
    at_fault = params.harm_person_moving * moving[:, None]
    return params.harm_person_rest + at_fault + params.harm_person_speed * own_speed**2


def remaining(
    params: PlannerParams, field: RouteField, pose_map: Float[Array, "T 3"]
) -> Float[Array, "T"]:
    """P: seconds still to go, with the final turn.

    P = V + w·exp(−r²/2ρ²)·(1 − cos(ψ − ψ_goal)).  A robot that comes with the wrong heading
    has to climb 2w at most; the horizon sees the turn behind it.  (Asking it to face the goal
    from afar, blended into the final heading, made places where the two cancel: robots that
    had overshot stood there for ever, facing sideways.)
    """
    square = jnp.sum((pose_map[:, :2] - field.goal_map[None, :2]) ** 2, axis=-1)
    at_goal = jnp.exp(-0.5 * square / params.heading_radius**2)
    turn = 1.0 - jnp.cos(pose_map[:, 2] - field.goal_map[2])
    return sample(field.cost_to_go, pose_map[:, :2]) + params.heading_weight * at_goal * turn


def _every(motion: Motion, stride: int) -> Motion:
    return Motion(
        pose_map=motion.pose_map[::stride],
        twist=motion.twist[::stride],
        twist_dot=motion.twist_dot[::stride],
    )


def _refine(coarse: Float[Array, "t M"], stride: int) -> Float[Array, "T M"]:
    """Linear interpolation from every ``stride``-th plan time to all of them."""
    if stride == 1:
        return coarse
    share = (jnp.arange(stride, dtype=jnp.float32) / stride)[None, :, None]
    between = coarse[:-1, None] * (1.0 - share) + coarse[1:, None] * share
    return jnp.concatenate([between.reshape(-1, coarse.shape[1]), coarse[-1:]])


def _integral(rate: Float[Array, "T"], dt: float) -> Float[Array, ""]:
    return dt * (jnp.sum(rate) - 0.5 * (rate[0] + rate[-1]))
