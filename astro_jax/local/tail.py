"""The stop that is always in hand: how a plan ends if no newer one comes."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from astro_jax.config import PlannerConfig, PlannerParams, RobotConfig
from astro_jax.local.judge import Judged
from astro_jax.local.objective import Look
from astro_jax.local.risk import wall_hazard
from astro_jax.robot import drive
from astro_jax.robot.splines import SplineBasis
from astro_jax.types import Motion, WorldAtEffect, pytree

TOLERANCE = 0.005
"""Metres by which a robot in contact may deepen it while it stops: rounding of the map."""


@pytree
class StoppingTail:
    """A full stop that begins ``config.tail_after`` seconds into a plan."""

    commands: Float[Array, "S D"]
    """At the gate's rate, from the beginning of the stop."""
    clearance: Float[Array, ""]
    """Smallest clearance from walls on the plan up to the stop and on it, m."""
    safe: Bool[Array, ""]


def stopping_tail(
    robot: RobotConfig,
    config: PlannerConfig,
    params: PlannerParams,
    basis: SplineBasis,
    world: WorldAtEffect,
    best: Judged,
    look: Look,
) -> StoppingTail:
    """Stop from the plan's own state as hard as the wheels can, and see where that ends.

    The stop is a motion of the same realizable space, so it joins the plan smoothly and can
    be driven.  It is safe if the footprint stays clear of the map's obstacles, from the
    plan's beginning to rest; a robot that starts in contact must not get deeper.
    """
    index = round(config.tail_after / config.dt)
    command = jnp.asarray(basis.value[index]) @ best.controls
    command_dot = jnp.asarray(basis.slope[index]) @ best.controls
    wanted = jnp.zeros((best.controls.shape[0] - 2, *command.shape))
    z = drive.encode(robot, basis, command, command_dot, wanted)
    controls = drive.decode(robot, basis, command, command_dot, z)[..., None]
    stop = drive.motion(robot, basis, best.motion.pose_map[index], controls)
    way = _joined(best.motion, stop, index)
    _, margin, _ = wall_hazard(params, way, world.clearance, look.discs, config.dt)
    deepest = jnp.min(margin)
    return StoppingTail(
        commands=jnp.asarray(basis.tick_value) @ controls[..., 0],
        clearance=deepest,
        safe=deepest >= jnp.minimum(margin[0, 0], 0.0) - TOLERANCE,
    )


def _joined(before: Motion, stop: Motion, index: int) -> Motion:
    def join(first: Float[Array, "T 3"], then: Float[Array, "T 3 1"]) -> Float[Array, "t 3 1"]:
        return jnp.concatenate([first[:index, :, None], then])

    return Motion(
        pose_map=join(before.pose_map, stop.pose_map),
        twist=join(before.twist, stop.twist),
        twist_dot=join(before.twist_dot, stop.twist_dot),
    )
