"""From z to a cost: decode, drive, look at the risks, add up.  K candidates at once."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Array, Float

from astro_jax.config import PlannerConfig, PlannerParams, RobotConfig
from astro_jax.local.encounter import exact_hazard
from astro_jax.local.objective import Encounter, Look, evaluate, run_into_at_rest, total
from astro_jax.local.risk import Discs
from astro_jax.local.screening import screening_hazard
from astro_jax.robot import drive
from astro_jax.robot.footprint import covering_discs, outline, overhang
from astro_jax.robot.splines import SplineBasis
from astro_jax.types import CostTerms, Forecast, Motion, RouteField, WorldAtEffect, pytree


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
    anyway = run_into_at_rest(config, world, look)

    def judge(z: Float[Array, "n D K"]) -> tuple[Float[Array, "K"], Judged]:
        controls = drive.decode(robot, basis, world.command, world.command_dot, z)
        motion = drive.motion(robot, basis, world.pose_map, controls)
        terms, alive = evaluate(robot, config, params, world, field, look, anyway, motion)
        return total(params, terms), Judged(
            controls=controls, motion=motion, terms=terms, survival=alive
        )

    return judge


def looks(robot: RobotConfig, config: PlannerConfig, params: PlannerParams) -> tuple[Look, Look]:
    """The quick look that ranks all candidates, and the exact one that has the last word."""
    shape, dt = outline(robot), config.dt * config.people_stride

    def encounters(hazard: Callable[..., Encounter]) -> Callable[[Motion, Forecast], Encounter]:
        return lambda motion, bodies: hazard(shape, params, motion, bodies, dt)

    quickly = encounters(screening_hazard)

    def look(hazard: Callable[..., Encounter], discs: Discs) -> Look:
        return Look(discs=discs, encounters=encounters(hazard), quickly=quickly)

    quick, exact = (
        Discs(centres=centres, radii=radii)
        for centres, radii in (
            covering_discs(robot, count) for count in (config.footprint_discs, config.exact_discs)
        )
    )
    return look(screening_hazard, quick), look(exact_hazard, _with_centre(exact, shape))


def _with_centre(discs: Discs, shape: Float[np.ndarray, "E 2"]) -> Discs:
    """One more disc, inside the footprint around the base: no hole of the map is stood in.

    It sticks out nowhere, so where the map is whole it changes nothing.
    """
    inside = -overhang(shape, np.zeros(2), 0.0)
    return Discs(
        centres=np.concatenate([discs.centres, np.zeros((1, 2), np.float32)]),
        radii=np.append(discs.radii, np.float32(inside)),
    )
