"""The three layers at their own rates, as one robot runs them.

Route: on demand, on the host, whole map → ``RouteField`` (route/).
Local: 10 Hz → ``think``.   Reactive: 50 Hz → ``act``.
Both are pure; the simulator and a robot's control loop call the same two functions.
"""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from astro_jax.body.announce import announced, anything
from astro_jax.body.gaze import Gaze, ahead
from astro_jax.body.play import after_tick, at_effect, told, void, way_to_go
from astro_jax.body.screen import ScreenPlan, plan_screen, resting_screen
from astro_jax.body.servo import ScreenState, initial_screen
from astro_jax.config import Latency, PlannerConfig, PlannerParams, RobotConfig
from astro_jax.local.planner import basis_of, initial_state, plan
from astro_jax.local.proposal import Proposal
from astro_jax.reactive.briefing import resting_plan
from astro_jax.reactive.gate import react
from astro_jax.reactive.path import upcoming_twists
from astro_jax.reactive.senses import GateState, Orders, Senses, Verdict, initial_gate
from astro_jax.reactive.sight import backing
from astro_jax.robot.drive import body_twist, limit_acceleration
from astro_jax.route.crop import crop_field
from astro_jax.types import (
    Clearance,
    Diagnostics,
    Grid,
    LocalMap,
    Odometry,
    Plan,
    PlannerState,
    RouteField,
    Scalar,
    Scan,
    Snapshot,
    Status,
    Tracks,
    WorldAtEffect,
    pytree,
)
from astro_jax.world.actuation import Actuation, configured, identify, obeys
from astro_jax.world.distance import clearance_field
from astro_jax.world.doubt import carried
from astro_jax.world.forecast import forecast
from astro_jax.world.grid import blank_map, occupied, update_map
from astro_jax.world.health import EASE, Health, examine, pace_within, unknown_health
from astro_jax.world.latency import allowance, fast_forward
from astro_jax.world.people import follow
from astro_jax.world.sight import looked_at

HISTORY_TICKS = 64
"""Commands remembered: 1.28 s at 50 Hz, more than any latency we accept."""
REMEMBERED = 1.0
"""Tracks older than this (s) say nothing about where anybody is by now: the gate then goes by
what it sees itself, at the pace of a robot that nobody tells of people."""


@pytree
class NavigatorState:
    """Everything the robot carries between cycles."""

    planner: PlannerState
    gate: GateState
    screen: ScreenState
    screen_plan: ScreenPlan
    next_screen_plan: ScreenPlan
    """Made and taken over with the base's."""
    health: Health
    local_map: LocalMap
    clearance: Clearance
    """Distances in ``local_map``."""
    plan: Plan
    next_plan: Plan
    """Computed this cycle; takes over ``allowance`` ticks after the cycle began."""
    allowance: Int[Array, "*batch"]
    plan_age: Float[Array, "*batch"]
    sent: Float[Array, "*batch C 2"]
    """Twists sent to the wheels, oldest first."""
    actuation: Actuation
    tracks: Tracks


def start(
    robot: RobotConfig,
    config: PlannerConfig,
    latency: Latency,
    house: Grid,
    pose_map: Float[Array, "3"],
    key: Array,
    tracks: Tracks,
) -> NavigatorState:
    """At rest at ``pose_map``, knowing nothing but the house map."""
    planner = initial_state(config, key)
    rest = resting_plan(robot, config, pose_map, Status.OK)
    still = resting_screen(basis_of(config), tracks.valid.shape[0])
    local_map = blank_map(config, house, pose_map[:2])
    return NavigatorState(
        planner=planner,
        gate=initial_gate(robot.sensor.beams),
        screen=initial_screen(),
        screen_plan=still,
        next_screen_plan=still,
        health=unknown_health(config, robot.sensor.beams, pose_map),
        local_map=local_map,
        clearance=_clearance(config, local_map),
        plan=rest,
        next_plan=rest,
        allowance=allowance(latency, config),
        plan_age=jnp.float32(0.0),
        sent=jnp.zeros((HISTORY_TICKS, 2)),
        actuation=configured(robot, latency),
        tracks=tracks,
    )


def think(
    robot: RobotConfig,
    config: PlannerConfig,
    params: PlannerParams,
    latency: Latency,
    state: NavigatorState,
    house: Grid,
    field: RouteField,
    snapshot: Snapshot,
    gaze: Gaze | None = None,
    proposal: Proposal | None = None,
) -> tuple[NavigatorState, WorldAtEffect, Diagnostics]:
    """One local cycle: remember what was seen, look ahead to t_effect, plan from there.

    ``gaze`` says what the screen is to look at, by default where the robot goes.  ``proposal``: a
    network that says where to look for plans, by default none (``local/proposal.py``).
    """
    gaze = ahead() if gaze is None else gaze
    health, snapshot = examine(robot, config, latency, state.health, state.local_map, snapshot)
    state = dataclasses.replace(state, health=health, screen=told(state.screen, gaze))
    state = remember(robot, config, latency, state, house, snapshot)
    world = predict(robot, config, params, state, snapshot.odometry)
    way = crop_field(field, snapshot.house_from_map, state.local_map.grid)
    within = backing(robot)
    planner, next_plan, diagnostics = plan(
        within, config, params, state.planner, world, way, proposal
    )
    fit = health.fit & obeys(state.actuation)
    status = jnp.where(fit, next_plan.status, jnp.int32(Status.BAD_INPUT))
    next_plan = dataclasses.replace(next_plan, status=status)
    state = dataclasses.replace(state, planner=planner, next_plan=next_plan)
    next_screen_plan = plan_screen(
        robot,
        config,
        params,
        basis_of(config),
        _screen_at_effect(robot, config, state),
        gaze,
        world,
        way_to_go(state.gate, next_plan),
        state.actuation.delay,
    )
    return dataclasses.replace(state, next_screen_plan=next_screen_plan), world, diagnostics


def keep_to(state: NavigatorState, pace: Scalar) -> NavigatorState:
    """Use no more than ``pace`` of the robot's speeds from now on, eased into.

    To be called after every ``think`` for as long as it counts.
    """
    begin, end = state.health.pace
    slowest = jnp.maximum(jnp.asarray(pace, jnp.float32), begin - EASE)
    eased = jnp.stack([begin, jnp.minimum(end, slowest)])
    return dataclasses.replace(state, health=dataclasses.replace(state.health, pace=eased))


def halt(state: NavigatorState, when: bool | Bool[Array, ""] = True) -> NavigatorState:
    """Without a goal: brake from the next tick on along the way that is being driven.

    To be called after every ``think`` until there is a goal again, from which on plans count;
    ``when`` is whether there is none.
    """

    def without_goal(plan: Plan) -> Plan:
        status = jnp.where(jnp.asarray(when), jnp.int32(Status.NO_GOAL), plan.status)
        return dataclasses.replace(plan, status=status)

    return dataclasses.replace(
        state, plan=without_goal(state.plan), next_plan=without_goal(state.next_plan)
    )


def act(
    robot: RobotConfig,
    config: PlannerConfig,
    latency: Latency,
    state: NavigatorState,
    tick: Int[Array, ""],
    scan: Scan,
    odometry: Odometry,
    orders: Orders | None = None,
    elapsed: Scalar | None = None,
) -> tuple[NavigatorState, Verdict]:
    """One reactive tick, the ``tick``-th since the cycle began.

    ``elapsed`` is the time since the last tick (s), by default just one period.
    """
    state = _take_over(state, tick)
    delay = state.actuation.delay
    pose, _ = fast_forward(
        odometry.pose_map,
        state.sent,
        state.sent[:0],
        odometry.age,
        state.actuation,
        0.0,
        config.gate_period,
    )
    since_cycle = tick.astype(jnp.float32) * config.gate_period
    senses = Senses(
        pose_map=pose,
        delay=delay,
        odometry=odometry,
        scan=scan,
        tracks=_remembered(state.tracks, since_cycle),
        clearance=state.clearance,
        map_age=since_cycle,
        plan_age=state.plan_age,
        pace=pace_within(state.health.pace, (since_cycle + config.gate_period) / config.period),
        elapsed=config.gate_period if elapsed is None else elapsed,
        orders=orders or Orders(),
    )
    gate, verdict = react(robot, config, state.gate, state.plan, senses)
    passed = (gate.phase - state.gate.phase) / config.gate_period
    nothing = void(state.screen_plan, state.plan, state.plan_age)
    after = dataclasses.replace(
        state,
        gate=gate,
        screen=after_tick(robot, config, state.screen, state.screen_plan, nothing, passed),
        plan_age=state.plan_age + config.gate_period,
        sent=jnp.concatenate([state.sent[1:], verdict.twist[None]]),
    )
    return after, verdict


def predict(
    robot: RobotConfig,
    config: PlannerConfig,
    params: PlannerParams,
    state: NavigatorState,
    odometry: Odometry,
) -> WorldAtEffect:
    """Robot, map and people at the moment the next plan takes effect."""
    tick = config.gate_period
    upcoming = upcoming_twists(robot, config, state.gate, state.plan)
    ahead = state.allowance * tick
    pose, way = fast_forward(
        odometry.pose_map, state.sent, upcoming, odometry.age, state.actuation, ahead, tick
    )
    # the next plan joins where its own first command would have been the old plan's
    command = upcoming[state.allowance]
    command_dot = limit_acceleration(robot, (command - upcoming[state.allowance - 1]) / tick)
    position_var = (params.dead_reckoning * way) ** 2
    if odometry.cov is not None:
        moved = pose[:2] - odometry.pose_map[:2]
        position_var = position_var + carried(odometry.cov, moved)
    times = config.dt * jnp.arange(0, config.times, config.people_stride, dtype=jnp.float32)
    delay = state.actuation.delay
    bodies = forecast(state.tracks, params, ahead + delay, times)
    yaw_rate = body_twist(robot, command)[2]
    screen = _screen_at_effect(robot, config, state)
    shown = announced(robot, config, screen, yaw_rate, delay)
    return WorldAtEffect(
        pose_map=pose,
        command=command,
        command_dot=command_dot,
        clearance=state.clearance,
        forecast=dataclasses.replace(bodies, xy_var=bodies.xy_var + position_var),
        position_var=position_var,
        # a screen that looks at something shows no turns: they cannot wait for it
        announced=jnp.where(state.screen_plan.by_time, anything(config), shown),
    )


def _screen_at_effect(
    robot: RobotConfig, config: PlannerConfig, state: NavigatorState
) -> ScreenState:
    nothing = void(state.screen_plan, state.plan, state.plan_age)
    return at_effect(robot, config, state.screen, state.screen_plan, nothing, state.allowance)


def remember(
    robot: RobotConfig,
    config: PlannerConfig,
    latency: Latency,
    state: NavigatorState,
    house: Grid,
    snapshot: Snapshot,
) -> NavigatorState:
    """What was seen goes into tracks, map and distances, whoever plans with them."""
    here = snapshot.odometry.pose_map[:2]
    watched = looked_at(robot, snapshot.scan, state.tracks)
    tracks = follow(state.tracks, snapshot.detections, here, config.period, watched)
    # what was seen from a pose that was wrong is worth nothing
    evidence = jnp.where(state.health.jumped, 0.0, state.local_map.evidence)
    local_map = update_map(
        robot,
        config,
        dataclasses.replace(state.local_map, evidence=evidence),
        house,
        snapshot.house_from_map,
        snapshot.scan,
        tracks,
        here,
    )
    return dataclasses.replace(
        state,
        tracks=tracks,
        local_map=local_map,
        clearance=_clearance(config, local_map),
        allowance=allowance(latency, config),
        actuation=identify(
            robot, latency, state.actuation, state.sent, snapshot.odometry, config.gate_period
        ),
    )


def _clearance(config: PlannerConfig, local_map: LocalMap) -> Clearance:
    return clearance_field(
        occupied(local_map), local_map.grid, config.clearance_cells, local_map.edge
    )


def _remembered(tracks: Tracks, since: Scalar) -> Tracks:
    """The tracks ``since`` seconds later, but for those that are too old by then."""
    age = tracks.age + since
    # an age that is not a number forgets nobody
    return dataclasses.replace(tracks, age=age, valid=tracks.valid & ~(age > REMEMBERED))


def _take_over(state: NavigatorState, tick: Int[Array, ""]) -> NavigatorState:
    """Switch to the plan computed in this cycle at the tick for which it was made."""
    now = tick == state.allowance

    def switch(new, old):
        return jax.tree.map(lambda n, o: jnp.where(now, n, o), new, old)

    clock = jnp.where(now, 0.0, state.screen.clock)
    return dataclasses.replace(
        state,
        plan=switch(state.next_plan, state.plan),
        screen_plan=switch(state.next_screen_plan, state.screen_plan),
        screen=dataclasses.replace(state.screen, clock=clock),
        plan_age=jnp.where(now, 0.0, state.plan_age),
        gate=dataclasses.replace(state.gate, phase=jnp.where(now, 0.0, state.gate.phase)),
    )
