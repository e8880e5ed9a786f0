"""The three layers at their own rates, as one robot runs them.

Route: on demand, on the host, whole map → ``RouteField`` (route/).
Local: 10 Hz → ``think``.   Reactive: 50 Hz → ``act``.
Both are pure; the simulator and a robot's control loop call the same two functions.
"""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from astro_jax.body.screen import ScreenState, initial_screen, intent, move_screen
from astro_jax.config import Latency, PlannerConfig, PlannerParams, RobotConfig
from astro_jax.geometry import to_frame
from astro_jax.local.planner import basis_of, initial_state, plan
from astro_jax.reactive.gate import GateState, initial_gate, react, upcoming_twists
from astro_jax.robot.drive import limit_acceleration
from astro_jax.types import (
    Clearance,
    Diagnostics,
    Grid,
    Motion,
    Odometry,
    Plan,
    PlannerState,
    RouteField,
    Scan,
    Snapshot,
    Status,
    Tracks,
    WorldAtEffect,
    pytree,
)
from astro_jax.world.distance import clearance_field
from astro_jax.world.forecast import forecast
from astro_jax.world.grid import blank_map, occupied, scan_points, update_map
from astro_jax.world.latency import fast_forward
from astro_jax.world.people import follow

HISTORY_TICKS = 64
"""Commands remembered: 1.28 s at 50 Hz, more than any latency we accept."""


@pytree
class NavigatorState:
    """Everything the robot carries between cycles."""

    planner: PlannerState
    gate: GateState
    screen: ScreenState
    local_map: Grid
    clearance: Clearance
    """Distances in ``local_map``."""
    plan: Plan
    next_plan: Plan
    """Computed this cycle; takes over ``allowance_ticks`` after the cycle began."""
    plan_age: Float[Array, "*batch"]
    sent: Float[Array, "*batch C 2"]
    """Twists sent to the wheels, oldest first."""
    tracks: Tracks


def start(
    robot: RobotConfig,
    config: PlannerConfig,
    house: Grid,
    pose_map: Float[Array, "3"],
    key: Array,
    tracks: Tracks,
) -> NavigatorState:
    """At rest at ``pose_map``, knowing nothing but the house map."""
    planner = initial_state(config, key)
    rest = _resting_plan(config, planner, pose_map)
    local_map = blank_map(config, house, pose_map[:2])
    return NavigatorState(
        planner=planner,
        gate=initial_gate(),
        screen=initial_screen(),
        local_map=local_map,
        clearance=_clearance(config, local_map),
        plan=rest,
        next_plan=rest,
        plan_age=jnp.float32(0.0),
        sent=jnp.zeros((HISTORY_TICKS, 2)),
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
) -> tuple[NavigatorState, WorldAtEffect, Diagnostics]:
    """One local cycle: remember what was seen, look ahead to t_effect, plan from there."""
    state = _remember(robot, config, state, house, snapshot)
    world = predict(robot, config, params, latency, state, snapshot.odometry)
    planner, next_plan, diagnostics = plan(robot, config, params, state.planner, world, field)
    return dataclasses.replace(state, planner=planner, next_plan=next_plan), world, diagnostics


def act(
    robot: RobotConfig,
    config: PlannerConfig,
    latency: Latency,
    state: NavigatorState,
    tick: Int[Array, ""],
    scan: Scan,
    odometry: Odometry,
) -> tuple[NavigatorState, Float[Array, "2"], Float[Array, ""], Int[Array, ""]]:
    """One reactive tick, the ``tick``-th since the cycle began: (…, twist, scale, reason)."""
    state = _take_over(config, state, tick)
    delay = latency.command + robot.actuator_lag
    pose = fast_forward(
        odometry.pose_map, state.sent, state.sent[:0], odometry.age, delay, config.gate_period
    )
    # like the pose, people are wanted for the moment at which this command acts
    since_cycle = tick.astype(jnp.float32) * config.gate_period
    tracks = dataclasses.replace(state.tracks, age=state.tracks.age + since_cycle + delay)
    points, returned = scan_points(robot.sensor, scan)
    gate, twist, scale, reason = react(
        robot,
        config,
        latency,
        state.gate,
        state.plan,
        state.plan_age,
        pose,
        points,
        returned & _in_view(odometry.pose_map, points),
        jnp.mean((scan.valid & ~jnp.isnan(scan.ranges)).astype(jnp.float32)),
        scan.age,
        tracks,
        state.clearance,
    )
    target = intent(robot, state.plan.motion, config.dt)
    return (
        dataclasses.replace(
            state,
            gate=gate,
            screen=move_screen(robot, state.screen, target, config.gate_period),
            plan_age=state.plan_age + config.gate_period,
            sent=jnp.concatenate([state.sent[1:], twist[None]]),
        ),
        twist,
        scale,
        reason,
    )


def predict(
    robot: RobotConfig,
    config: PlannerConfig,
    params: PlannerParams,
    latency: Latency,
    state: NavigatorState,
    odometry: Odometry,
) -> WorldAtEffect:
    """Robot, map and people at the moment the next plan takes effect."""
    upcoming = upcoming_twists(robot, config, state.gate, state.plan)
    delay = latency.command + robot.actuator_lag
    pose = fast_forward(
        odometry.pose_map, state.sent, upcoming[:-1], odometry.age, delay, config.gate_period
    )
    command_dot = (upcoming[-1] - upcoming[-2]) / config.gate_period
    command_dot = limit_acceleration(robot, command_dot)
    times = config.dt * jnp.arange(0, config.times, config.people_stride, dtype=jnp.float32)
    effect = config.allowance_ticks * config.gate_period + delay
    return WorldAtEffect(
        pose_map=pose,
        command=upcoming[-1],
        command_dot=command_dot,
        clearance=state.clearance,
        forecast=forecast(state.tracks, params, effect, times),
    )


def _remember(
    robot: RobotConfig,
    config: PlannerConfig,
    state: NavigatorState,
    house: Grid,
    snapshot: Snapshot,
) -> NavigatorState:
    here = snapshot.odometry.pose_map[:2]
    tracks = follow(state.tracks, snapshot.detections, here, config.period)
    local_map = update_map(
        config,
        robot.sensor,
        state.local_map,
        house,
        snapshot.scan,
        tracks,
        here,
    )
    return dataclasses.replace(
        state, tracks=tracks, local_map=local_map, clearance=_clearance(config, local_map)
    )


def _clearance(config: PlannerConfig, local_map: Grid) -> Clearance:
    return clearance_field(occupied(local_map), local_map, config.clearance_cells)


def _take_over(
    config: PlannerConfig, state: NavigatorState, tick: Int[Array, ""]
) -> NavigatorState:
    """Switch to the plan computed in this cycle at the tick for which it was made."""
    now = tick == config.allowance_ticks

    def switch(new, old):
        return jax.tree.map(lambda n, o: jnp.where(now, n, o), new, old)

    return dataclasses.replace(
        state,
        plan=switch(state.next_plan, state.plan),
        plan_age=jnp.where(now, 0.0, state.plan_age),
        gate=dataclasses.replace(state.gate, phase=jnp.where(now, 0.0, state.gate.phase)),
    )


def _in_view(pose_map: Float[Array, "3"], points_map: Float[Array, "R 2"]) -> Bool[Array, "R"]:
    """The reactive layer's 2 x 2 m window around the robot; NaN might be anywhere: in."""
    return ~jnp.any(jnp.abs(to_frame(pose_map, points_map)) > 1.0, axis=-1)


def _resting_plan(
    config: PlannerConfig, planner: PlannerState, pose_map: Float[Array, "3"]
) -> Plan:
    count = config.times
    ticks = basis_of(config).tick_value.shape[0]
    still = jnp.zeros((count, 3))
    return Plan(
        motion=Motion(
            pose_map=jnp.broadcast_to(pose_map[None], (count, 3)), twist=still, twist_dot=still
        ),
        survival=jnp.ones(count),
        commands=jnp.zeros((ticks, 2)),
        tail=jnp.zeros((ticks, 2)),
        tail_clearance=jnp.float32(0.0),
        controls=planner.controls,
        status=jnp.int32(int(Status.OK)),
    )
