"""How the screen's plans are played beside the base's: when they count, and by whose clock."""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int

from astro_jax.body.gaze import Gaze, Intent
from astro_jax.body.screen import ScreenPlan
from astro_jax.body.servo import ScreenState, move_screen
from astro_jax.config import PlannerConfig, RobotConfig
from astro_jax.reactive.senses import GateState, Mode
from astro_jax.reactive.watch import MAX_PLAN_AGE
from astro_jax.types import Motion, Plan, Scalar, Status


def way_to_go(gate: GateState, plan: Plan) -> Motion:
    """What the base will do: the plan's motion, or nothing while the gate holds it for a fault.

    Once all is well again the plan is as good as under way.
    """
    held = (gate.mode >= int(Mode.STOPPED)) & ~(gate.well_for > 0.0)
    held = held | (gate.mode == int(Mode.E_STOPPED)) | (plan.status != int(Status.OK))
    here, motion = plan.motion.pose_map[:1], plan.motion
    return dataclasses.replace(motion, pose_map=jnp.where(held, here, motion.pose_map))


def told(screen: ScreenState, gaze: Gaze) -> ScreenState:
    """The time that a search has taken begins just above 0, and ends with it."""
    search = gaze.intent == int(Intent.SCAN)
    return dataclasses.replace(
        screen, sweep=jnp.where(search, jnp.maximum(screen.sweep, 1e-6), 0.0)
    )


def void(screen_plan: ScreenPlan, plan: Plan, plan_age: Scalar) -> Bool[Array, ""]:
    """Whether the screen has nothing to go by any more.

    The way of a base that is stopped is none; and if no plan comes nobody looks any more.
    """
    stopped = ~screen_plan.by_time & (plan.status != int(Status.OK))
    return stopped | ~(jnp.asarray(plan_age) <= MAX_PLAN_AGE)


def after_tick(
    robot: RobotConfig,
    config: PlannerConfig,
    screen: ScreenState,
    screen_plan: ScreenPlan,
    nothing: Bool[Array, ""],
    passed: Scalar,
) -> ScreenState:
    """One tick later, in which the base's plan got on by ``passed`` ticks."""
    flow = jnp.where(screen_plan.by_time, 1.0, passed)
    return move_screen(robot, screen, screen_plan.angles, flow, nothing, config.gate_period)


def at_effect(
    robot: RobotConfig,
    config: PlannerConfig,
    screen: ScreenState,
    screen_plan: ScreenPlan,
    nothing: Bool[Array, ""],
    allowance: Int[Array, ""],
) -> ScreenState:
    """How the screen will stand in ``allowance`` ticks, if its clock keeps its pace."""
    then = screen
    for tick in range(1, round(config.period / config.gate_period)):
        screen = after_tick(robot, config, screen, screen_plan, nothing, screen.pace)
        reached = allowance >= tick
        then = jax.tree.map(lambda new, old, r=reached: jnp.where(r, new, old), screen, then)
    return then
