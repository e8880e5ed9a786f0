"""What a cycle of the local planner hands to the gate, and how old it is.           [host]

The gate and the planner may live in different threads or processes.  What passes from one to
the other is this one noun, at the planner's rate, with stamps of the host's monotonic clock
(``world/messages.py``): a planner that is late, hung or dead needs not say so, its last briefing
grows old.
"""

import dataclasses
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from astro_jax.config import PlannerConfig, RobotConfig
from astro_jax.robot.drive import free_shape
from astro_jax.robot.splines import spline_basis
from astro_jax.types import Clearance, Motion, Plan, Status, Tracks, pytree
from astro_jax.world.actuation import HYPOTHESES, Actuation
from astro_jax.world.inbox import SECOND
from astro_jax.world.people import no_tracks

NEVER = -(10**18)
"""A stamp (ns) in the times of nobody: thirty years before the clock began."""


@pytree
class Contents:
    """The arrays of a briefing."""

    plan: Plan
    tracks: Tracks
    """Aged as they were when the cycle began."""
    clearance: Clearance
    actuation: Actuation
    pace: Float[Array, "*batch 2"]
    """``Health.pace``: at the start of the cycle and at its end."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Briefing:
    """What one planning cycle found out and wants done."""

    began: int
    """When the cycle began, with what the sensors said until then (monotonic, ns)."""
    starts: int
    """When the plan's first command is due; until then the plan before it goes on (ns)."""
    contents: Contents


def resting_plan(
    robot: RobotConfig, config: PlannerConfig, pose_map: Float[Array, "3"], status: Status
) -> Plan:
    """To stay at ``pose_map`` for a whole horizon."""
    basis = spline_basis(config.intervals, config.dt, config.gate_period, config.period)
    ticks, still = basis.tick_value.shape[0], jnp.zeros((config.times, 3))
    free, dimensions = free_shape(robot, basis)
    return Plan(
        motion=Motion(
            pose_map=jnp.broadcast_to(pose_map[None], (config.times, 3)),
            twist=still,
            twist_dot=still,
        ),
        survival=jnp.ones(config.times),
        commands=jnp.zeros((ticks, dimensions)),
        tail=jnp.zeros((ticks, dimensions)),
        tail_clearance=jnp.float32(0.0),
        controls=jnp.zeros((free + 2, dimensions)),
        status=jnp.int32(int(status)),
    )


def no_briefing(robot: RobotConfig, config: PlannerConfig) -> Briefing:
    """Before the first one: infinitely old, and it says to rest where nothing is known."""
    cells = config.map_cells
    contents = Contents(
        plan=resting_plan(robot, config, jnp.zeros(3), Status.NO_GOAL),
        tracks=no_tracks(config.people),
        clearance=Clearance(
            table=jnp.zeros((cells, cells, 4)),
            origin=jnp.zeros(2),
            resolution=jnp.float32(config.map_resolution),
        ),
        actuation=Actuation(
            misfit=jnp.zeros(HYPOTHESES),
            told=jnp.zeros(2),
            answered=jnp.zeros(2),
            delay=jnp.float32(0.0),
            gain=jnp.ones(2),
            mismatch=jnp.float32(0.0),
        ),
        pace=jnp.zeros(2),
    )
    return Briefing(began=NEVER, starts=NEVER, contents=contents)


def seconds(since: int, now: int) -> Any:
    """From one stamp to another, float32: the difference is exact wherever the clock began."""
    return np.float32((now - since) / SECOND)
