"""A robot that drives straight at something, its gate alone in the way, in one dimension.

The wheels answer after a dead time and a first-order lag, scans, poses and tracks are as late and
as noisy as in the simulator.  The plan wants full speed at every moment and knows of nothing.
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from astro_jax.config import Latency, PlannerConfig, RobotConfig
from astro_jax.reactive.briefing import resting_plan
from astro_jax.reactive.gate import react
from astro_jax.reactive.senses import Senses, initial_gate
from astro_jax.types import Clearance, Odometry, Plan, Scan, Status, Tracks
from astro_jax.world.actuation import configured
from astro_jax.world.grid import beam_bearings
from astro_jax.world.latency import fast_forward
from astro_jax.world.people import no_tracks

SIGHT, PHYSICS_STEP, HISTORY, SECONDS = 1.6, 0.005, 64, 14.0
RADIUS = 0.25
"""Of a person, m."""
LATENCY = Latency()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Approach:
    """Columns with a row per tick."""

    gap: Float[np.ndarray, "T"]
    """Between the robot's front and the thing, m."""
    speed: Float[np.ndarray, "T"]
    """Of the robot, m/s."""
    allowed: Float[np.ndarray, "T"]
    """What the gate allows, m/s."""
    acceleration: Float[np.ndarray, "T"]
    """Commanded, m/s²."""
    mode: np.ndarray


def approach(
    robot: RobotConfig,
    config: PlannerConfig,
    wanted: float,
    person: bool,
    walking: float = 0.0,
    start: float = 3.0,
    seed: int = 0,
) -> Approach:
    """From rest, ``start`` metres away from a wall or a person who walks towards the robot."""
    plan = _at_full_speed(robot, config, wanted)
    told = jax.tree.map(jnp.float32, (walking, start))
    columns = _run(robot, config, person, plan, *told, jax.random.key(seed))
    gap, speed, allowed, rate, mode = map(np.asarray, columns)
    # a person who walks on into a robot that rests is no longer a matter of the gate
    end = int(np.argmax(gap <= 0.0)) or len(gap)
    return Approach(
        gap=gap[:end],
        speed=speed[:end],
        allowed=np.minimum(allowed, wanted)[:end],
        acceleration=rate[:end],
        mode=mode[:end],
    )


@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def _run(
    robot: RobotConfig,
    config: PlannerConfig,
    person: bool,
    plan: Plan,
    walking: Float[Array, ""],
    start: Float[Array, ""],
    key: Array,
):
    front, known = robot.length / 2, configured(robot, LATENCY)
    back = lambda age: HISTORY - 1 - round(age / config.gate_period)
    bearing = jnp.asarray(beam_bearings(robot.sensor), jnp.float32)

    def thing_at(time):
        return start + front - walking * time

    def tick(carry, k):
        gate, sent, past, key = carry
        time = k * config.gate_period
        key, noise = jax.random.split(key)
        then, now = past[back(LATENCY.reactive_sensor)], past[-1]
        eye = then[0] + robot.sensor.mount_x
        ahead = thing_at(time - LATENCY.reactive_sensor) - eye
        ranges = _to_disc(bearing, ahead + RADIUS) if person else _to_wall(bearing, ahead)
        ranges = ranges + robot.sensor.range_noise * jax.random.normal(noise, ranges.shape)
        odometry = Odometry(
            pose_map=jnp.stack([then[0], 0.0, 0.0]),
            twist=jnp.stack([then[1], 0.0]),
            age=jnp.float32(LATENCY.reactive_sensor),
        )
        pose, _ = fast_forward(
            odometry.pose_map, sent, sent[:0], odometry.age, known, 0.0, config.gate_period
        )
        since_plan = (k % 5) * config.gate_period
        senses = Senses(
            pose_map=pose,
            delay=known.delay,
            odometry=odometry,
            scan=Scan(
                ranges=jnp.where(ranges < SIGHT, ranges, jnp.inf),
                valid=jnp.ones(ranges.shape, bool),
                pose_map=jnp.stack([eye, 0.0, 0.0]),
                age=jnp.float32(LATENCY.reactive_sensor),
                free=jnp.minimum(ranges, SIGHT),
            ),
            tracks=_track(config, person, thing_at(time - LATENCY.sensor) + RADIUS, walking),
            clearance=_open_floor(config, pose),
            map_age=since_plan,
            plan_age=since_plan,
            elapsed=config.gate_period,
        )
        gate = dataclasses.replace(gate, phase=jnp.where(k % 5 == 0, 0.0, gate.phase))
        after, verdict = react(robot, config, gate, plan, senses)
        sent = jnp.concatenate([sent[1:], verdict.twist[None]])
        moved = _wheels(robot, config, now, sent[:, 0])
        past = jnp.concatenate([past[1:], moved[None]])
        gap = thing_at(time + config.gate_period) - moved[0] - front
        rate = (verdict.twist[0] - gate.twist[0]) / config.gate_period
        return (after, sent, past, key), (gap, moved[1], after.ceiling, rate, verdict.mode)

    still = jnp.zeros((HISTORY, 2))
    first = initial_gate(robot.sensor.beams), still, still, key
    return jax.lax.scan(tick, first, jnp.arange(round(SECONDS / config.gate_period)))[1]


def _wheels(robot: RobotConfig, config: PlannerConfig, now: Array, sent: Array) -> Array:
    """(Place, speed) one gate period later."""
    follow = 1.0 - np.exp(-PHYSICS_STEP / robot.actuator_lag)
    x, v = now
    for step in range(round(config.gate_period / PHYSICS_STEP)):
        late = (step * PHYSICS_STEP - LATENCY.command) / config.gate_period
        v = v + follow * (sent[HISTORY - 1 + int(np.floor(late + 1e-3))] - v)
        x = x + PHYSICS_STEP * v
    return jnp.stack([x, v])


def _to_wall(bearing: Array, ahead: Array) -> Array:
    cosine = jnp.cos(bearing)
    return jnp.where(cosine > 1e-3, ahead / jnp.maximum(cosine, 1e-3), 1e3)


def _to_disc(bearing: Array, centre: Array) -> Array:
    along, aside = centre * jnp.cos(bearing), centre * jnp.sin(bearing)
    chord = RADIUS**2 - aside**2
    hits = (chord > 0.0) & (along > 0.0)
    return jnp.where(hits, along - jnp.sqrt(jnp.where(hits, chord, 1.0)), 1e3)


def _track(config: PlannerConfig, person: bool, x: Array, walking: Array) -> Tracks:
    xy = jnp.zeros((config.people, 2)).at[0, 0].set(x)
    velocity = jnp.zeros((config.people, 2)).at[0, 0].set(-walking)
    return dataclasses.replace(
        no_tracks(config.people),
        xy_map=xy,
        velocity_map=velocity,
        radius=jnp.full(config.people, RADIUS),
        valid=(jnp.arange(config.people) == 0) & person,
        age=jnp.float32(LATENCY.sensor),
    )


def _open_floor(config: PlannerConfig, pose: Array) -> Clearance:
    cells, edge = config.map_cells, config.map_resolution
    return Clearance(
        table=jnp.zeros((cells, cells, 4)).at[..., 0].set(1.0),
        origin=pose[:2] - 0.5 * cells * edge,
        resolution=jnp.float32(edge),
    )


def _at_full_speed(robot: RobotConfig, config: PlannerConfig, speed: float) -> Plan:
    plan = resting_plan(robot, config, jnp.zeros(3), Status.OK)
    time = config.gate_period * np.arange(plan.commands.shape[0])
    stop = np.maximum(speed - robot.wheel_acceleration * time, 0.0)
    still = np.zeros_like(time)
    return dataclasses.replace(
        plan,
        commands=jnp.asarray(np.stack([np.full_like(time, speed), still], 1), jnp.float32),
        tail=jnp.asarray(np.stack([stop, still], 1), jnp.float32),
    )
