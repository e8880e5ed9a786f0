"""Moments to measure a planning cycle at: a robot under way among people.          [host]

The packaged flat; robots at places along the way from start to goal, facing along it; ``M``
people in free space within the local map, at least ``ROOM`` away, walking any way at up to
1.2 m/s as a settled tracker knows them; and a previous plan that the robot is carrying out.
"""

import dataclasses
import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from astro_jax import navigator
from astro_jax.config import Latency, PlannerConfig, PlannerParams, RobotConfig
from astro_jax.errors import InputError
from astro_jax.home import Home, packaged_home
from astro_jax.known import VELOCITY_VAR
from astro_jax.navigator import NavigatorState
from astro_jax.route.field import guide_path
from astro_jax.sim.scene import Scene
from astro_jax.sim.sensors import take_scan
from astro_jax.types import (
    Detections,
    Diagnostics,
    Grid,
    Odometry,
    Plan,
    PlannerState,
    RouteField,
    Snapshot,
    Tracks,
    pytree,
)
from astro_jax.world.people import DETECTION_VAR, PERSISTENCE, no_tracks

ROOM = 0.9
"""Metres between the robot and people, so that there is something left to decide."""
PERSON_ROOM = 0.3
"""Metres between a person's centre and walls."""
TREADMILL_CYCLES = 5
"""Cycles that get the robot under way and its plan warm."""
SCAN_STEPS = 72


@pytree
class Moment:
    """All inputs of one cycle."""

    state: NavigatorState
    house: Grid
    field: RouteField
    snapshot: Snapshot


Cycle = Callable[[PlannerParams, Latency, Moment], tuple[PlannerState, Plan, Diagnostics]]


def moments(
    robot: RobotConfig,
    config: PlannerConfig,
    params: PlannerParams,
    latency: Latency,
    people: int,
    count: int,
    seed: int,
    cycle: Cycle,
) -> list[Moment]:
    """``count`` different moments of one drive, ready on the device; ``cycle`` makes the plans.

    Raises:
      InputError: the planner has not room for so many people.
    """
    if not 0 <= people <= config.people:
        raise InputError("people", people, f"a number from 0 to {config.people}")
    home = packaged_home(robot, config, people=0, seed=seed)
    field = jax.tree.map(jnp.asarray, home.route.field)
    random = np.random.default_rng(seed)

    begin = jax.jit(functools.partial(standing, robot, config, home.scene))
    found = []
    for k, pose in enumerate(_places(home, count)):
        tracks = _people(home, config, people, pose, random)
        pose = jnp.asarray(pose, jnp.float32)
        moment = begin(latency, field, pose, tracks, jax.random.key(k))
        for _ in range(TREADMILL_CYCLES):
            moment = carried_out(config, moment, *cycle(params, latency, moment)[:2])
        found.append(moment)
    return jax.block_until_ready(found)


def standing(
    robot: RobotConfig,
    config: PlannerConfig,
    scene: Scene,
    latency: Latency,
    field: RouteField,
    pose: Float[Array, "3"],
    tracks: Tracks,
    key: Array,
) -> Moment:
    """At rest at ``pose``, knowing the house map and ``tracks``, with a fresh scan."""
    age = jnp.asarray(latency.sensor)
    state = navigator.start(robot, config, latency, scene.house, pose, key, tracks)
    people = jnp.where(tracks.valid[:, None], tracks.xy_map, 1e3)
    return Moment(
        state=state,
        house=scene.house,
        field=field,
        snapshot=Snapshot(
            scan=take_scan(robot.sensor, scene, pose, people, age, key, SCAN_STEPS),
            odometry=Odometry(pose_map=pose, twist=jnp.zeros(2), age=age),
            detections=Detections(
                xy_map=tracks.xy_map,
                xy_cov=jnp.broadcast_to(DETECTION_VAR * jnp.eye(2), (*tracks.valid.shape, 2, 2)),
                radius=tracks.radius,
                kind=tracks.kind,
                identity=tracks.identity,
                seen=tracks.valid,
                age=age,
            ),
            house_from_map=jnp.zeros(3),
        ),
    )


def shapes(robot: RobotConfig, config: PlannerConfig, latency: Latency) -> Moment:
    """A moment without its numbers: enough to compile a cycle for."""
    home = packaged_home(robot, config, people=0)
    field = jax.tree.map(jnp.asarray, home.route.field)
    build = functools.partial(standing, robot, config, home.scene)
    pose, tracks = jnp.zeros(3), no_tracks(config.people)
    return jax.eval_shape(build, latency, field, pose, tracks, jax.random.key(0))


def _places(home: Home, count: int) -> np.ndarray:
    """Poses along the way, from a tenth of it to nine tenths."""
    path = guide_path(home.route.field, np.asarray(home.scene.start_map))
    index = np.round(np.linspace(0.1, 0.9, count) * (len(path) - 1)).astype(int)
    ahead = path[np.minimum(index + 6, len(path) - 1)] - path[index]
    return np.column_stack([path[index], np.arctan2(ahead[:, 1], ahead[:, 0])])


def _people(
    home: Home, config: PlannerConfig, people: int, pose: np.ndarray, random: np.random.Generator
) -> Tracks:
    distance, house = np.asarray(home.scene.distance), home.scene.house
    rows, columns = np.nonzero(distance > PERSON_ROOM)
    xy = np.asarray(house.origin) + np.column_stack([columns, rows]) * float(house.resolution)
    off = np.abs(xy - pose[:2])
    half = config.map_cells * config.map_resolution / 2
    free = xy[(off.max(axis=1) < half) & (np.hypot(*off.T) > ROOM)]
    speed, way = random.uniform(0.2, 1.2, people), random.uniform(-np.pi, np.pi, people)
    state = np.zeros((config.people, 4), np.float32)
    state[:people, :2] = free[random.choice(len(free), people, replace=people > len(free))]
    state[:people, 2:] = np.column_stack([speed * np.cos(way), speed * np.sin(way)])
    return dataclasses.replace(
        no_tracks(config.people),
        xy_map=jnp.asarray(state[:, :2]),
        velocity_map=jnp.asarray(state[:, 2:]),
        xy_var=jnp.full(config.people, DETECTION_VAR, jnp.float32),
        velocity_var=jnp.full(config.people, VELOCITY_VAR, jnp.float32),
        credit=jnp.full(config.people, PERSISTENCE, jnp.float32),
        valid=jnp.arange(config.people) < people,
    )


def carried_out(config: PlannerConfig, moment: Moment, planner: PlannerState, plan: Plan) -> Moment:
    """One period later, on a treadmill: the plan's commands go out, the place stays."""
    state, ticks = moment.state, round(config.period / config.gate_period)
    gate = dataclasses.replace(
        state.gate, phase=jnp.float32(config.period), twist=plan.commands[ticks]
    )
    sent = jnp.concatenate([state.sent[ticks:], plan.commands[:ticks]])
    state = dataclasses.replace(
        state, planner=planner, plan=plan, next_plan=plan, gate=gate, sent=sent
    )
    return dataclasses.replace(moment, state=state)
