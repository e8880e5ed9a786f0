"""The reactive gate: the last word before the wheels.

In, at 50 Hz: the plan, where the robot is, the freshest short-range scan, people's tracks
and the ages of all of them.  Out: s · planned twist with one factor s ∈ [0, 1] for v and
ω alike, so that the robot stays on the planned path while it slows or stops.
Small, not learned, and fail-closed: conditions are positive, so NaN stops the robot.
"""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from astro_jax.config import PlannerConfig, RobotConfig
from astro_jax.reactive.gaps import allowed_by_things, gaps_to_things
from astro_jax.reactive.kept import keep, stayed
from astro_jax.reactive.modes import next_mode
from astro_jax.reactive.movers import (
    RELEASE,
    appeared,
    fastest,
    passed_in_time,
    stops,
    tracked,
)
from astro_jax.reactive.path import path_ahead, path_speed, planned_twist
from astro_jax.reactive.senses import GateState, Mode, Senses, Verdict
from astro_jax.reactive.sight import BLIND_SPEED, claims, nearby, new_points, remember, seen_way
from astro_jax.reactive.stopping import reaction_time, stopping_speed
from astro_jax.reactive.tracking import steer
from astro_jax.reactive.watch import fault, usable
from astro_jax.types import Plan, Reason, Scalar
from astro_jax.world.sight import Glance, glance

UNLIMITED = 100.0
"""m/s."""
SURPRISE = 0.1
"""Too fast by more than this (m/s), the robot brakes without easing into it."""


def react(
    robot: RobotConfig, config: PlannerConfig, state: GateState, plan: Plan, senses: Senses
) -> tuple[GateState, Verdict]:
    """One tick: what to send to the wheels, and why."""
    tick = config.gate_period
    kept = stayed(state.kept, state.memory.pose_map, senses.odometry.pose_map)
    state = dataclasses.replace(state, kept=kept)
    steered, flow = steer(robot, config, plan, state.phase, senses.pose_map, state.steer)
    planned = _steered(robot, planned_twist(config, plan, state.phase), steered)
    wanted, last = path_speed(robot, planned), path_speed(robot, state.twist)
    drivable = usable(robot, plan) & _joins(robot, state.twist, planned, tick)

    trouble = fault(robot, config, state.memory, plan, senses)
    well = trouble == int(Reason.CLEAR)
    mode, well_for = next_mode(state, well, senses.orders, last, tick)
    runs = mode == int(Mode.RUNNING)
    now = glance(robot, senses.scan)
    view = _view(robot, senses)
    allowed, why = _allowed(robot, config, state, plan, senses, now, view, planned, steered)
    ceiling = _released(state.ceiling, allowed, tick)

    # a plan that has no successor ends in its own stop; maps are of the same host
    late = (trouble == int(Reason.BAD_PLAN)) | (trouble == int(Reason.BAD_MAP))
    late = late & (state.phase >= config.tail_after)
    follows = drivable & (runs | (late & (mode == int(Mode.STOPPED))))
    ceiling_now = jnp.where(follows, jnp.minimum(ceiling, wanted), 0.0)
    # in a stop, also in one that was planned, it never gets faster again, nor rolls on as it is
    slower = last - robot.wheel_acceleration * tick
    ceiling_now = jnp.where(runs, ceiling_now, jnp.minimum(ceiling_now, slower))
    speed = _towards(robot, ceiling_now, last, state.rate, follows, tick)

    # without a usable plan the robot brakes along the curvature it is already driving
    moves = drivable & (wanted > 1e-4)
    base = jnp.where(moves, planned, state.twist)
    base_speed = path_speed(robot, base)
    scale = jnp.clip(speed / jnp.maximum(base_speed, 1e-4), 0.0, 1.0)
    # a plan to rest is let through whole
    scale = jnp.where((base_speed <= 1e-4) & follows & runs, 1.0, scale)
    twist = scale * base
    fine = jnp.all(jnp.isfinite(twist))
    twist, scale = jnp.where(fine, twist, 0.0), jnp.where(fine, scale, 0.0)

    slowed = runs & (ceiling < wanted - 1e-3)
    reason = jnp.where(slowed, why, jnp.int32(Reason.CLEAR))
    reason = jnp.where(drivable, reason, jnp.int32(Reason.BAD_PLAN))
    reason = jnp.where(runs, reason, jnp.int32(Reason.WAITING))
    reason = jnp.where(mode == int(Mode.E_STOPPED), jnp.int32(Reason.E_STOP), reason)
    reason = jnp.where(well, reason, trouble)
    reason = jnp.where(fine, reason, jnp.int32(Reason.BAD_STATE))
    mode = jnp.where(slowed, jnp.int32(Mode.SLOWED), mode)
    # a plan that pauses (wanted ~ 0) must not hold its own clock
    advance = jnp.where(wanted > 1e-4, scale * flow, jnp.where(follows, 1.0, 0.0))
    after = GateState(
        phase=state.phase + advance * tick,
        twist=twist,
        rate=(path_speed(robot, twist) - last) / tick,
        ceiling=ceiling,
        steer=jnp.where(moves & fine, steered, 0.0),
        mode=mode,
        well_for=well_for,
        rearm=jnp.asarray(senses.orders.rearm),
        memory=remember(state.memory, senses, now, tick),
        kept=keep(
            robot,
            state.kept,
            now,
            senses.odometry.pose_map,
            view.points,
            view.returned & ~jnp.any(view.mine, axis=0),
            senses.scan.age,
            tick,
        ),
    )
    return after, Verdict(twist=twist, scale=scale, mode=mode, reason=reason)


class _View(NamedTuple):
    """What the scan shows nearby, and whose it is."""

    points: Float[Array, "R 2"]
    returned: Bool[Array, "R"]
    points_base: Float[Array, "R 2"]
    shown: Float[Array, "M 2"]
    """Where the tracks were when the scan looked."""
    mine: Bool[Array, "M R"]


def _view(robot: RobotConfig, senses: Senses) -> _View:
    points, returned, points_base = nearby(robot, senses)
    return _View(
        points, returned, points_base, *claims(senses.tracks, points, returned, senses.scan.age)
    )


def _allowed(
    robot: RobotConfig,
    config: PlannerConfig,
    state: GateState,
    plan: Plan,
    senses: Senses,
    now: Glance,
    view: _View,
    planned: Float[Array, "2"],
    steered: Float[Array, ""],
) -> tuple[Float[Array, ""], Int[Array, ""]]:
    """(Fastest path speed that everything near the way allows, m/s, the ``Reason`` for it)."""
    tick, age, delay = config.gate_period, senses.scan.age, senses.delay
    path = path_ahead(robot, config, plan, state.phase, senses.pose_map, steered)
    wanted = path_speed(robot, planned)
    reaction = reaction_time(robot, age, delay, tick)
    points, returned, points_base, shown, mine = view
    kept = state.kept
    standing = jnp.concatenate([points, kept.xy_map]), jnp.concatenate([returned, kept.there])
    gaps = gaps_to_things(robot, config, path, *standing, senses.clearance)
    things = allowed_by_things(robot, reaction, path, gaps)

    new = new_points(robot, state.memory, points, returned & ~jnp.any(mine, axis=0))
    strangers = appeared(points, points_base, new, age, delay)
    people = tracked(senses.tracks, shown, mine, points, senses.scan.pose_map, age, delay)
    # all at once: two rounds of small arrays take nearly twice as long
    movers = jax.tree.map(lambda *parts: jnp.concatenate(parts), strangers, people)
    # pose and tracks are of the moment at which this command acts: what is left is the look
    alert = reaction_time(robot, age, 0.0, tick)
    tried = stops(robot, alert, path, movers, wanted)
    nobody = jnp.zeros_like(people.there)
    strange = fastest(tried, jnp.concatenate([strangers.there, nobody]))

    seen = stopping_speed(robot, reaction, seen_way(robot, now, path))
    sight = jnp.maximum(seen, BLIND_SPEED)
    paced = _paced(robot, senses.pace, planned)

    known = jnp.minimum(jnp.minimum(things, strange), jnp.minimum(sight, paced))
    # who is passed in time stays passed only if nothing else slows the robot
    passed = passed_in_time(robot, path, people, path_speed(robot, state.twist), state.ceiling)
    counted = people.there & ~(passed & (known >= wanted))
    persons = fastest(tried, jnp.concatenate([jnp.zeros_like(strangers.there), counted]))

    limits = jnp.stack([things, strange, persons, sight, paced])
    reasons = (Reason.SLOWED, Reason.SLOWED, Reason.SLOWED, Reason.BLIND, Reason.PACED)
    least = jnp.min(limits)
    why = jnp.asarray([int(reason) for reason in reasons], jnp.int32)[jnp.argmin(limits)]
    return jnp.where(jnp.isnan(least), 0.0, least), why


def _joins(
    robot: RobotConfig, driven: Float[Array, "2"], planned: Float[Array, "2"], tick: float
) -> Bool[Array, ""]:
    """Whether the plan goes on from what the robot does, as far as brakes and wheels can follow.

    The plan is not slower already than the brakes can be; and driven as fast as the robot is,
    it changes no wheel's speed by more than that: |Δv| + ½·wheel_base·|Δω| ≤ braking·tick.
    """
    last, wanted = path_speed(robot, driven), path_speed(robot, planned)
    most = robot.braking * tick * (1.0 + 1e-4) + 1e-6
    share = jnp.clip(last / jnp.maximum(wanted, 1e-4), 0.0, 1.0)
    change = jnp.abs(share * planned - driven)
    wheels = change[0] + robot.wheel_base / 2 * change[1]
    return (wanted >= last - most) & (wheels <= most)


def _released(last: Float[Array, ""], allowed: Float[Array, ""], tick: float) -> Float[Array, ""]:
    """The allowed speed as it is obeyed: down at once, up slowly."""
    ceiling = jnp.minimum(allowed, last + RELEASE * tick)
    return jnp.where(ceiling >= 0.0, jnp.minimum(ceiling, UNLIMITED), 0.0)


def _towards(
    robot: RobotConfig,
    ceiling: Float[Array, ""],
    last: Float[Array, ""],
    rate: Float[Array, ""],
    gently: Bool[Array, ""],
    tick: float,
) -> Float[Array, ""]:
    """The next path speed: never faster up than the wheels can, nor down than the brakes."""
    lowest = last - robot.braking * tick
    if robot.jerk:
        # the stopping distance has room for the brakes to come on; a surprise has not
        eased = last + jnp.maximum(rate - robot.jerk * tick, -robot.braking) * tick
        eased = jnp.maximum(eased, lowest)
        lowest = jnp.where(gently & (last - ceiling <= SURPRISE), eased, lowest)
    return jnp.maximum(jnp.clip(ceiling, lowest, last + robot.wheel_acceleration * tick), 0.0)


def _steered(
    robot: RobotConfig, planned: Float[Array, "2"], curvature: Float[Array, ""]
) -> Float[Array, "2"]:
    """The planned twist, turned a little more or less, within the limits."""
    most = jnp.minimum(
        robot.yaw_rate, (robot.wheel_speed - jnp.abs(planned[0])) / (robot.wheel_base / 2)
    )
    most = jnp.maximum(most, jnp.abs(planned[1]))
    return planned.at[1].set(jnp.clip(planned[1] + curvature * planned[0], -most, most))


def _paced(robot: RobotConfig, pace: Scalar, twist: Float[Array, "2"]) -> Float[Array, ""]:
    """Path speed of ``twist``, slowed into ``pace`` times the limits (m/s).

    At full pace it is that of ``twist`` itself, with 1 % of rounding granted.
    """
    speed, turning = 1.01 * pace * robot.speed, 1.01 * pace * robot.yaw_rate
    over = jnp.maximum(jnp.abs(twist[0]) / speed, jnp.abs(twist[1]) / turning)
    # no pace, or none that is a number: at rest
    over = jnp.where(pace > 0.0, over, jnp.inf)
    return jnp.where(
        over > 1.0, path_speed(robot, twist) / over, jnp.where(over >= 0.0, jnp.inf, 0.0)
    )
