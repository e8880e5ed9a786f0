"""From z to a cost: decode, drive, look at the risks, add up.  K candidates at once."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Array, Float

from astro_jax.config import PlannerConfig, PlannerParams, RobotConfig
from astro_jax.local.objective import Look, evaluate, total
from astro_jax.local.risk import Discs, screening_hazard
from astro_jax.robot import drive
from astro_jax.robot.splines import SplineBasis
from astro_jax.types import CostTerms, Motion, RouteField, WorldAtEffect, pytree


@pytree
class Judged:
    """Candidates with everything that their cost was computed from; K is the last axis."""

    controls: Float[Array, "N D *K"]
    motion: Motion
    terms: CostTerms
    survival: Float[Array, "T *K"]


Judge = Callable[[Float[Array, "n D K"]], tuple[Float[Array, "K"], Judged]]
"""Costs of the motions named by z, and all that they were computed from."""


def judge_of(
    robot: RobotConfig,
    config: PlannerConfig,
    params: PlannerParams,
    basis: SplineBasis,
    world: WorldAtEffect,
    field: RouteField,
    look: Look,
) -> Judge:
    """The black box that the search looks into, for one world and one precision."""

    def judge(z: Float[Array, "n D K"]) -> tuple[Float[Array, "K"], Judged]:
        controls = drive.decode(robot, basis, world.command, world.command_dot, z)
        motion = drive.motion(robot, basis, world.pose_map, controls)
        terms, alive = evaluate(config, params, world, field, look, motion)
        return total(params, terms), Judged(
            controls=controls, motion=motion, terms=terms, survival=alive
        )

    return judge


def looks(
    robot: RobotConfig, config: PlannerConfig, params: PlannerParams
) -> tuple[Look, Look]:
    """The quick look that ranks all candidates, and the exact one that decides."""
    disc_x, radius = drive.footprint_discs(robot, config.footprint_discs)
    rough = Look(
        discs=Discs(
            centres=np.stack([disc_x, np.zeros_like(disc_x)], axis=1),
            radii=np.full_like(disc_x, radius),
        ),
        encounters=lambda motion, bodies: screening_hazard(robot, params, motion, bodies),
    )
    return rough, rough
