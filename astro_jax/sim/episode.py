"""One closed loop: world, sensors, the whole robot, wheels and referee, on the device.

An episode is a ``lax.scan`` over planning cycles; inside each, a scan over gate ticks; in
each of those, physics steps of 5 ms.  The robot's part is ``navigator.think`` and
``navigator.act``, the same functions that a real robot calls.  Everything is per episode:
``vmap`` over scenes and states gives a batch.
"""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from astro_jax import navigator
from astro_jax.config import Latency, PlannerConfig, PlannerParams, RobotConfig
from astro_jax.geometry import compose, from_frame, inverse, safe_norm, wrap_angle
from astro_jax.navigator import NavigatorState
from astro_jax.sim.contact import ContactState, no_contacts, update_contacts
from astro_jax.sim.gaps import touches_wall, wall_gap, window_for
from astro_jax.sim.odometry import (
    Believed,
    PoseErrors,
    as_believed,
    initial_belief,
    localise,
    reckon,
)
from astro_jax.sim.scene import Scene
from astro_jax.sim.sensors import detect_people, eye_of, take_scan
from astro_jax.sim.walkers import Walkers, initial_walkers, walk
from astro_jax.types import (
    Diagnostics,
    Odometry,
    RouteField,
    Scalar,
    Snapshot,
    Tracks,
    WorldAtEffect,
    pytree,
)
from astro_jax.world.people import no_tracks

PHYSICS_STEP = 0.005
MEMORY_TICKS = 64
"""How far back the truth is kept for late sensors: 1.28 s at 50 Hz."""
SCAN_STEPS, GATE_SCAN_STEPS = 72, 40
POSE_NOISE = (0.004, 0.004, 0.003)
"""Standard deviation of a measured pose: m, m, rad."""
TWIST_NOISE = (0.01, 0.02)
"""And of a measured twist: m/s, rad/s."""
TRACKED_WITHIN = 0.5
"""A person and a track nearer than this are one, in the log, m."""
AFTER_ARRIVAL = 1.0
"""An episode ends this long after the goal was reached, s."""
ARRIVAL_DISTANCE, ARRIVAL_ANGLE, ARRIVAL_SPEED = 0.20, 0.30, 0.05


@pytree
class Circumstances:
    """How late and how wrong everything is, and what the robot is told of it."""

    latency: Latency
    """The truth."""
    told: Latency
    """What the robot is configured with; ages of messages are stamped with it."""
    errors: PoseErrors


def honest(latency: Latency, errors: PoseErrors | None = None) -> Circumstances:
    """The robot knows how late everything is."""
    return Circumstances(latency=latency, told=latency, errors=errors or PoseErrors())


@dataclasses.dataclass(frozen=True, kw_only=True)
class Past:
    """The truth a while ago."""

    pose: Float[Array, "3"]
    belief: Float[Array, "3"]
    twist: Float[Array, "2"]
    people: Float[Array, "M 2"]


@pytree
class SimState:
    """The true world and the robot in it."""

    time: Float[Array, "*batch"]
    """``tick`` gate periods, s: a sum of float32 steps would drift."""
    tick: Int[Array, "*batch"]
    pose: Float[Array, "*batch 3"]
    """In the house."""
    belief: Believed
    """The pose that the robot's odometry has come to, in the map frame."""
    twist: Float[Array, "*batch 2"]
    wheel_gain: Float[Array, "*batch 2"]
    """True over commanded twist: worn wheels, uneven floor; fixed per episode."""
    people: Walkers
    contacts: ContactState
    robot: NavigatorState
    past_pose: Float[Array, "*batch C 3"]
    """True poses at the last gate ticks, oldest first, the last one now."""
    past_belief: Float[Array, "*batch C 3"]
    past_twist: Float[Array, "*batch C 2"]
    past_people: Float[Array, "*batch C M 2"]
    sent: Float[Array, "*batch C 2"]
    """Commands on their way to the wheels, oldest first."""
    arrived_at: Float[Array, "*batch"]
    """When the goal was reached (inf: not yet), s."""
    key: Array


@pytree
class CycleLog:
    """What happened in one planning cycle; a leading axis of cycles is added by the scan."""

    time: Float[Array, "*batch"]
    pose_map: Float[Array, "*batch 3"]
    """The truth.  What the robot plans in its own frame is logged where it lies in the house."""
    house_from_map: Float[Array, "*batch 3"]
    """Where that is in truth: the local map and its clearance stay in the map frame."""
    pan: Float[Array, "*batch"]
    people_xy: Float[Array, "*batch M 2"]
    tracked: Bool[Array, "*batch M"]
    """Whom the robot knows of: a track was near them when they were last looked for."""
    world: WorldAtEffect
    plan_pose: Float[Array, "*batch T 3"]
    plan_twist: Float[Array, "*batch T 3"]
    survival: Float[Array, "*batch T"]
    status: Int[Array, "*batch"]
    diagnostics: Diagnostics


@pytree
class TickLog:
    """The true motion at the gate's rate."""

    time: Float[Array, "*batch"]
    pose_map: Float[Array, "*batch 3"]
    twist: Float[Array, "*batch 2"]
    command: Float[Array, "*batch 2"]
    scale: Float[Array, "*batch"]
    reason: Int[Array, "*batch"]
    pan: Float[Array, "*batch"]
    contacts: Int[Array, "*batch"]


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
        belief=initial_belief(scene.start_map),
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
        past_pose=jnp.broadcast_to(scene.start_map[None], (MEMORY_TICKS, 3)),
        past_belief=jnp.broadcast_to(scene.start_map[None], (MEMORY_TICKS, 3)),
        past_twist=jnp.zeros((MEMORY_TICKS, 2)),
        past_people=jnp.broadcast_to(people.xy_map[None], (MEMORY_TICKS, capacity, 2)),
        sent=jnp.zeros((MEMORY_TICKS, 2)),
        arrived_at=jnp.float32(jnp.inf),
        key=key,
    )


def run_cycles(
    robot: RobotConfig,
    config: PlannerConfig,
    params: PlannerParams,
    world: Circumstances,
    scene: Scene,
    field: RouteField,
    state: SimState,
    cycles: int,
) -> tuple[SimState, CycleLog, TickLog]:
    """``cycles`` planning cycles of closed loop; logs carry a leading axis of cycles."""

    def cycle(state: SimState, _):
        snapshot, state = observe(robot, config, world, scene, state)
        state, log = think(robot, config, params, world, scene, field, state, snapshot)
        state, ticks = act(robot, config, world, scene, state)
        return state, (log, ticks)

    state, (log, ticks) = jax.lax.scan(cycle, state, length=cycles)
    return state, log, ticks


def observe(
    robot: RobotConfig, config: PlannerConfig, world: Circumstances, scene: Scene, state: SimState
) -> tuple[Snapshot, SimState]:
    """What the robot's sensors deliver now, late and noisy."""
    key, key_scan, key_pose, key_people = jax.random.split(state.key, 4)
    past = _recall(config, state, world.latency.sensor)
    age = world.told.sensor
    scan = take_scan(robot.sensor, scene, past.pose, past.people, age, key_scan, SCAN_STEPS)
    seen = detect_people(robot.sensor, scene, past.pose, past.people, age, key_people)
    snapshot = Snapshot(
        scan=dataclasses.replace(scan, pose_map=eye_of(robot.sensor, past.belief)),
        odometry=_measured(past, age, key_pose),
        detections=dataclasses.replace(
            seen, xy_map=as_believed(past.pose, past.belief, seen.xy_map)
        ),
        house_from_map=localise(state.belief, state.pose),
    )
    return snapshot, dataclasses.replace(state, key=key)


def think(
    robot: RobotConfig,
    config: PlannerConfig,
    params: PlannerParams,
    world: Circumstances,
    scene: Scene,
    field: RouteField,
    state: SimState,
    snapshot: Snapshot,
) -> tuple[SimState, CycleLog]:
    """One planning cycle of the robot."""
    brain, at_effect, diagnostics = navigator.think(
        robot, config, params, world.told, state.robot, scene.house, field, snapshot
    )
    # what the robot plans in its own frame is logged where it really leads
    home = compose(state.pose, inverse(state.belief.pose_map))
    plan = brain.next_plan
    log = CycleLog(
        time=state.time,
        pose_map=state.pose,
        house_from_map=home,
        pan=brain.screen.pan,
        people_xy=state.people.xy_map,
        tracked=_tracked(scene, brain.tracks, _recall(config, state, world.latency.sensor)),
        world=_in_house(home, at_effect),
        plan_pose=jax.vmap(compose, (None, 0))(home, plan.motion.pose_map),
        plan_twist=plan.motion.twist,
        survival=plan.survival,
        status=plan.status,
        diagnostics=dataclasses.replace(
            diagnostics, candidate_xy_map=from_frame(home, diagnostics.candidate_xy_map)
        ),
    )
    return dataclasses.replace(state, robot=brain), log


def act(robot, config, world: Circumstances, scene, state: SimState) -> tuple[SimState, TickLog]:
    """The gate's ticks until the next planning cycle, with the physics in between."""
    ticks = round(config.period / config.gate_period)

    def tick(state: SimState, index):
        key, key_scan, key_pose, key_drift = jax.random.split(state.key, 4)
        past = _recall(config, state, world.latency.reactive_sensor)
        age = world.told.reactive_sensor
        short = dataclasses.replace(robot.sensor, range_max=min(robot.sensor.range_max, 1.6))
        scan = take_scan(short, scene, past.pose, past.people, age, key_scan, GATE_SCAN_STEPS)
        scan = dataclasses.replace(scan, pose_map=eye_of(robot.sensor, past.belief))
        odometry = _measured(past, age, key_pose)
        brain, twist, scale, reason = navigator.act(
            robot, config, world.told, state.robot, index, scan, odometry
        )
        state = dataclasses.replace(
            state, robot=brain, sent=jnp.concatenate([state.sent[1:], twist[None]]), key=key
        )
        before = state.pose
        state = _physics(robot, config, world.latency, scene, state)
        belief = reckon(
            world.errors, state.belief, before, state.pose, config.gate_period, key_drift
        )
        state = dataclasses.replace(
            state,
            belief=belief,
            past_belief=jnp.concatenate([state.past_belief[1:], belief.pose_map[None]]),
        )
        log = TickLog(
            time=state.time,
            pose_map=state.pose,
            twist=state.twist,
            command=twist,
            scale=scale,
            reason=reason,
            pan=brain.screen.pan,
            contacts=state.contacts.contacts,
        )
        return state, log

    return jax.lax.scan(tick, state, jnp.arange(ticks))


def _physics(robot, config, latency, scene: Scene, state: SimState) -> SimState:
    """One gate tick of wheels, people and referee."""
    steps = round(config.gate_period / PHYSICS_STEP)
    people = walk(scene, state.people, state.pose[:2], robot.length / 2, config.gate_period)
    # people are stepped per tick and move linearly within it
    velocity = (people.xy_map - state.people.xy_map) / config.gate_period
    follow = 1.0 - jnp.exp(-PHYSICS_STEP / jnp.maximum(robot.actuator_lag, 1e-3))
    touch_cells = window_for(robot.length, robot.width, 0.05, 0.0)
    gap_cells = window_for(robot.length, robot.width, 0.05, 0.4)
    gap = wall_gap(
        state.pose,
        robot.length,
        robot.width,
        scene.blocked,
        scene.origin,
        scene.resolution,
        gap_cells,
    )

    def step(carry, index):
        pose, twist, contacts = carry
        since_sent = index.astype(jnp.float32) * PHYSICS_STEP - latency.command
        # the newest command was sent at the start of this tick
        back = jnp.floor(since_sent / config.gate_period + 1e-3).astype(jnp.int32)
        command = state.sent[jnp.clip(MEMORY_TICKS - 1 + back, 0, MEMORY_TICKS - 1)]
        twist = twist + follow * (command * state.wheel_gain - twist)
        yaw = pose[2] + 0.5 * PHYSICS_STEP * twist[1]
        move = jnp.stack([twist[0] * jnp.cos(yaw), twist[0] * jnp.sin(yaw), twist[1]])
        pose = pose + PHYSICS_STEP * move
        after = (index + 1).astype(jnp.float32) * PHYSICS_STEP
        touched = touches_wall(
            pose,
            robot.length,
            robot.width,
            scene.blocked,
            scene.origin,
            scene.resolution,
            touch_cells,
        )
        # the exact gap is measured once per tick; between, contact is what counts
        wall = jnp.where(touched, 0.0, jnp.where(index == 0, jnp.maximum(gap, 1e-3), jnp.inf))
        judged = update_contacts(
            contacts,
            state.time + after,
            pose,
            twist,
            length=robot.length,
            width=robot.width,
            xy=state.people.xy_map + after * velocity,
            velocity=velocity,
            radius=scene.radius,
            valid=scene.present,
            wall=wall,
        )
        # a batch runs on until all have arrived; an episode that is over is judged no more
        over = state.time > state.arrived_at + AFTER_ARRIVAL
        contacts = jax.tree.map(lambda new, old: jnp.where(over, old, new), judged, contacts)
        return (pose, twist, contacts), None

    first = (state.pose, state.twist, state.contacts)
    (pose, twist, contacts), _ = jax.lax.scan(step, first, jnp.arange(steps))
    count = state.tick + 1
    time = count.astype(jnp.float32) * config.gate_period
    return dataclasses.replace(
        state,
        time=time,
        tick=count,
        pose=pose,
        twist=twist,
        people=people,
        contacts=contacts,
        past_pose=jnp.concatenate([state.past_pose[1:], pose[None]]),
        past_twist=jnp.concatenate([state.past_twist[1:], twist[None]]),
        past_people=jnp.concatenate([state.past_people[1:], people.xy_map[None]]),
        arrived_at=jnp.where(
            _arrived(scene, pose, twist), jnp.minimum(state.arrived_at, time), state.arrived_at
        ),
    )


def _recall(config: PlannerConfig, state: SimState, age: Scalar) -> Past:
    """What was true ``age`` seconds ago (to the nearest gate tick)."""
    back = jnp.round(age / config.gate_period).astype(jnp.int32)
    index = jnp.clip(MEMORY_TICKS - 1 - back, 0, MEMORY_TICKS - 1)
    return Past(
        pose=state.past_pose[index],
        belief=state.past_belief[index],
        twist=state.past_twist[index],
        people=state.past_people[index],
    )


def _measured(past: Past, age: Scalar, key: Array) -> Odometry:
    key_pose, key_twist = jax.random.split(key)
    pose = past.belief + jnp.array(POSE_NOISE) * jax.random.normal(key_pose, (3,))
    twist = past.twist + jnp.array(TWIST_NOISE) * jax.random.normal(key_twist, (2,))
    return Odometry(pose_map=pose, twist=twist, age=age)


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


def _tracked(scene: Scene, tracks: Tracks, past: Past) -> Bool[Array, "M"]:
    people = as_believed(past.pose, past.belief, past.people)
    gap = safe_norm(people[:, None] - tracks.xy_map[None])
    return scene.present & jnp.any((gap < TRACKED_WITHIN) & tracks.valid[None], axis=1)


def _arrived(scene: Scene, pose, twist) -> Bool[Array, ""]:
    near = jnp.sum((pose[:2] - scene.goal_map[:2]) ** 2) <= ARRIVAL_DISTANCE**2
    facing = jnp.abs(wrap_angle(pose[2] - scene.goal_map[2])) <= ARRIVAL_ANGLE
    return near & facing & (jnp.abs(twist[0]) <= ARRIVAL_SPEED) & (jnp.abs(twist[1]) <= 0.2)
