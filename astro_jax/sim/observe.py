"""What the simulated robot's sensors say, late, noisy and in the robot's own frame."""

import dataclasses
import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from astro_jax.config import PlannerConfig, RobotConfig
from astro_jax.geometry import safe_norm
from astro_jax.sim.detector import detect_people
from astro_jax.sim.odometry import as_believed, localise
from astro_jax.sim.scene import Scene
from astro_jax.sim.sensors import eye_of, take_scan
from astro_jax.sim.state import MEMORY_TICKS, Circumstances, SimState
from astro_jax.types import Odometry, Scalar, Scan, Snapshot, Tracks

SCAN_STEPS, GATE_SCAN_STEPS = 72, 40
"""Of each beam through cells of 5 cm; finer ones take more, for as many beams to come to an end."""
GATE_SIGHT = 1.6
"""How far the gate's own scan reaches, m."""
POSE_NOISE = (0.004, 0.004, 0.003)
"""Standard deviation of a measured pose: m, m, rad."""
TWIST_NOISE = (0.01, 0.02)
"""And of a measured twist: m/s, rad/s."""
TRACKED_WITHIN = 0.5
"""A person and a track nearer than this are one, in the log, m."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Past:
    """The truth a while ago."""

    pose: Float[Array, "3"]
    belief: Float[Array, "3"]
    twist: Float[Array, "2"]
    people: Float[Array, "M 2"]
    pan: Float[Array, ""]


def observe(
    robot: RobotConfig,
    config: PlannerConfig,
    circumstances: Circumstances,
    scene: Scene,
    state: SimState,
) -> tuple[Snapshot, SimState]:
    """What the robot's sensors deliver now, late and noisy."""
    key, key_scan, key_pose, key_people = jax.random.split(state.key, 4)
    past = recall(config, state, circumstances.latency.sensor)
    age = circumstances.told.sensor
    scan = take_scan(
        robot.sensor, scene, past.pose, past.people, age, key_scan, _steps(scene, SCAN_STEPS)
    )
    seen = detect_people(robot, scene, past.pose, past.pan, past.people, age, key_people)
    snapshot = Snapshot(
        scan=dataclasses.replace(scan, pose_map=eye_of(robot.sensor, past.belief)),
        odometry=_measured(past, age, key_pose),
        detections=dataclasses.replace(
            seen, xy_map=as_believed(past.pose, past.belief, seen.xy_map)
        ),
        house_from_map=localise(state.belief, state.pose),
    )
    return snapshot, dataclasses.replace(state, key=key)


def observe_nearby(
    robot: RobotConfig,
    config: PlannerConfig,
    circumstances: Circumstances,
    scene: Scene,
    state: SimState,
    key_scan: Array,
    key_pose: Array,
) -> tuple[Scan, Odometry]:
    """What the gate gets on its own short path."""
    past = recall(config, state, circumstances.latency.reactive_sensor)
    age = circumstances.told.reactive_sensor
    near = dataclasses.replace(robot.sensor, range_max=min(robot.sensor.range_max, GATE_SIGHT))
    scan = take_scan(
        near, scene, past.pose, past.people, age, key_scan, _steps(scene, GATE_SCAN_STEPS)
    )
    scan = dataclasses.replace(
        scan,
        pose_map=eye_of(robot.sensor, past.belief),
        # it looks no farther: what it does not see there is not known to be free
        free=jnp.minimum(scan.ranges, near.range_max),
    )
    return scan, _measured(past, age, key_pose)


def _steps(scene: Scene, usual: int) -> int:
    return math.ceil(usual * max(0.05 / scene.cell, 1.0))


def tracked(scene: Scene, tracks: Tracks, past: Past) -> Bool[Array, "M"]:
    """Whom of the people in the scene some track is near to."""
    people = as_believed(past.pose, past.belief, past.people)
    gap = safe_norm(people[:, None] - tracks.xy_map[None])
    return scene.present & jnp.any((gap < TRACKED_WITHIN) & tracks.valid[None], axis=1)


def recall(config: PlannerConfig, state: SimState, age: Scalar) -> Past:
    """What was true ``age`` seconds ago (to the nearest gate tick)."""
    back = jnp.round(age / config.gate_period).astype(jnp.int32)
    index = jnp.clip(MEMORY_TICKS - 1 - back, 0, MEMORY_TICKS - 1)
    return Past(
        pose=state.past_pose[index],
        belief=state.past_belief[index],
        twist=state.past_twist[index],
        people=state.past_people[index],
        pan=state.past_pan[index],
    )


def _measured(past: Past, age: Scalar, key: Array) -> Odometry:
    key_pose, key_twist = jax.random.split(key)
    pose = past.belief + jnp.array(POSE_NOISE) * jax.random.normal(key_pose, (3,))
    twist = past.twist + jnp.array(TWIST_NOISE) * jax.random.normal(key_twist, (2,))
    return Odometry(pose_map=pose, twist=twist, age=age)
