"""One closed loop: world, sensors, the whole robot, wheels and referee, on the device.

An episode is a ``lax.scan`` over planning cycles; inside each, a scan over gate ticks; in
each of those, physics steps of 5 ms.  The robot's part is ``navigator.think`` and
``navigator.act``, the same functions that a real robot calls.  Everything is per episode:
``vmap`` over scenes and states gives a batch.
"""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from astro_jax import navigator
from astro_jax.body.gaze import ahead
from astro_jax.config import Latency, PlannerConfig, PlannerParams, RobotConfig
from astro_jax.geometry import compose, from_frame, inverse
from astro_jax.reactive.senses import Verdict
from astro_jax.sim.contact import no_contacts
from astro_jax.sim.observe import observe, observe_nearby, recall, tracked
from astro_jax.sim.odometry import initial_belief, reckon
from astro_jax.sim.physics import advance
from astro_jax.sim.scene import Scene
from astro_jax.sim.state import (
    MEMORY_TICKS,
    Circumstances,
    CycleLog,
    SimState,
    TickLog,
    nothing_told,
)
from astro_jax.sim.walkers import initial_walkers
from astro_jax.types import Odometry, RouteField, Scan, Snapshot, WorldAtEffect, pytree
from astro_jax.world.people import no_tracks


def start_episode(
    robot: RobotConfig, config: PlannerConfig, told: Latency, scene: Scene, key: Array
) -> SimState:
    """Everything at rest at the scene's start."""
    key, key_robot, key_gain = jax.random.split(key, 3)
    people = initial_walkers(scene)
    capacity = scene.present.shape[0]
    gain = 1.0 + 0.02 * jax.random.truncated_normal(key_gain, -2.0, 2.0, (2,))
    return SimState(
        time=jnp.float32(0.0),
        tick=jnp.int32(0),
        pose=scene.start_map,
        belief=initial_belief(scene.start_map, scene.localised),
        twist=jnp.zeros(2),
        wheel_gain=gain,
        people=people,
        contacts=no_contacts(capacity),
        robot=navigator.start(
            robot,
            config,
            told,
            scene.house,
            scene.start_map,
            key_robot,
            no_tracks(config.people),
        ),
        gaze=ahead(),
        told=nothing_told(),
        past_pose=jnp.broadcast_to(scene.start_map[None], (MEMORY_TICKS, 3)),
        past_belief=jnp.broadcast_to(scene.start_map[None], (MEMORY_TICKS, 3)),
        past_twist=jnp.zeros((MEMORY_TICKS, 2)),
        past_people=jnp.broadcast_to(people.xy_map[None], (MEMORY_TICKS, capacity, 2)),
        past_pan=jnp.zeros(MEMORY_TICKS),
        sent=jnp.zeros((MEMORY_TICKS, 2)),
        arrived_at=jnp.float32(jnp.inf),
        key=key,
    )


def run_cycles(
    robot: RobotConfig,
    config: PlannerConfig,
    params: PlannerParams,
    circumstances: Circumstances,
    scene: Scene,
    field: RouteField,
    state: SimState,
    cycles: int,
) -> tuple[SimState, CycleLog, TickLog]:
    """``cycles`` planning cycles of closed loop; logs carry a leading axis of cycles."""

    def cycle(state: SimState, _):
        snapshot, state = observe(robot, config, circumstances, scene, state)
        state, log = think(robot, config, params, circumstances, scene, field, state, snapshot)
        state, ticks = act(robot, config, circumstances, scene, state)
        return state, (log, ticks)

    state, (log, ticks) = jax.lax.scan(cycle, state, length=cycles)
    return state, log, ticks


def think(
    robot: RobotConfig,
    config: PlannerConfig,
    params: PlannerParams,
    circumstances: Circumstances,
    scene: Scene,
    field: RouteField,
    state: SimState,
    snapshot: Snapshot,
) -> tuple[SimState, CycleLog]:
    """One planning cycle of the robot."""
    brain, at_effect, diagnostics = navigator.think(
        robot,
        config,
        params,
        circumstances.told,
        state.robot,
        scene.house,
        field,
        snapshot,
        state.gaze,
    )
    brain = navigator.keep_to(navigator.halt(brain, state.told.halted), state.told.pace)
    # what the robot plans in its own frame is logged where it really leads
    home = compose(state.pose, inverse(state.belief.pose_map))
    plan = brain.next_plan
    log = CycleLog(
        time=state.time,
        pose_map=state.pose,
        house_from_map=home,
        pan=brain.screen.pan.angle,
        people_xy=state.people.xy_map,
        tracked=tracked(scene, brain.tracks, recall(config, state, circumstances.latency.sensor)),
        world=_in_house(home, at_effect),
        plan_pose=jax.vmap(compose, (None, 0))(home, plan.motion.pose_map),
        plan_twist=plan.motion.twist,
        survival=plan.survival,
        status=plan.status,
        looking=brain.next_screen_plan.looking,
        seen=brain.next_screen_plan.seen,
        diagnostics=dataclasses.replace(
            diagnostics, candidate_xy_map=from_frame(home, diagnostics.candidate_xy_map)
        ),
    )
    return dataclasses.replace(state, robot=brain), log


def act(
    robot: RobotConfig,
    config: PlannerConfig,
    circumstances: Circumstances,
    scene: Scene,
    state: SimState,
) -> tuple[SimState, TickLog]:
    """The gate's ticks until the next planning cycle, with the physics in between."""
    ticks = round(config.period / config.gate_period)

    def tick(state: SimState, index):
        state, nearby = sense_nearby(robot, config, circumstances, scene, state)
        brain, verdict = decide(robot, config, circumstances, state, index, nearby)
        return carry_out(robot, config, circumstances, scene, state, nearby, brain, verdict)

    return jax.lax.scan(tick, state, jnp.arange(ticks))


@pytree
class Nearby:
    """What one gate tick begins with."""

    scan: Scan
    odometry: Odometry
    key: Array
    """Of the noise of this tick's motion."""


def sense_nearby(
    robot: RobotConfig,
    config: PlannerConfig,
    circumstances: Circumstances,
    scene: Scene,
    state: SimState,
) -> tuple[SimState, Nearby]:
    """First part of a tick: what the gate's own short path delivers."""
    key, key_scan, key_pose, key_drift = jax.random.split(state.key, 4)
    scan, odometry = observe_nearby(robot, config, circumstances, scene, state, key_scan, key_pose)
    state = dataclasses.replace(state, key=key)
    return state, Nearby(scan=scan, odometry=odometry, key=key_drift)


def decide(
    robot: RobotConfig,
    config: PlannerConfig,
    circumstances: Circumstances,
    state: SimState,
    index: Int[Array, ""],
    nearby: Nearby,
) -> tuple[navigator.NavigatorState, Verdict]:
    """Second part: the robot's own, the ``index``-th tick since the cycle began."""
    return navigator.act(
        robot,
        config,
        circumstances.told,
        state.robot,
        index,
        nearby.scan,
        nearby.odometry,
        state.told.orders,
    )


def carry_out(
    robot: RobotConfig,
    config: PlannerConfig,
    circumstances: Circumstances,
    scene: Scene,
    state: SimState,
    nearby: Nearby,
    brain: navigator.NavigatorState,
    verdict: Verdict,
) -> tuple[SimState, TickLog]:
    """Third part: the command is on its way, the world one gate period older."""
    state = dataclasses.replace(
        state, robot=brain, sent=jnp.concatenate([state.sent[1:], verdict.twist[None]])
    )
    before = state.pose
    state = advance(robot, config, circumstances.latency, scene, state)
    belief = reckon(
        circumstances.errors, state.belief, before, state.pose, config.gate_period, nearby.key
    )
    state = dataclasses.replace(
        state,
        belief=belief,
        past_belief=jnp.concatenate([state.past_belief[1:], belief.pose_map[None]]),
        past_pan=jnp.concatenate([state.past_pan[1:], brain.screen.pan.angle[None]]),
    )
    log = TickLog(
        time=state.time,
        pose_map=state.pose,
        twist=state.twist,
        command=verdict.twist,
        scale=verdict.scale,
        mode=verdict.mode,
        reason=verdict.reason,
        pan=brain.screen.pan.angle,
        people_xy=state.people.xy_map,
        contacts=state.contacts.contacts,
    )
    return state, log


def _in_house(home: Float[Array, "3"], world: WorldAtEffect) -> WorldAtEffect:
    """Robot and people where they are in the house; the clearance stays in the map frame."""
    bodies, turned = world.forecast, home * jnp.array([0.0, 0.0, 1.0])
    return dataclasses.replace(
        world,
        pose_map=compose(home, world.pose_map),
        forecast=dataclasses.replace(
            bodies,
            xy_map=from_frame(home, bodies.xy_map),
            velocity_map=from_frame(turned, bodies.velocity_map),
            axis_map=from_frame(turned, bodies.axis_map),
        ),
    )
