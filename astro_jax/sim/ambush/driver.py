"""A driver who sees nothing: smooth plans to random speeds, as if the world were empty.

His plans have all that the gate is promised: within every limit, joined to what is being
driven, with a stop in hand.  Whatever keeps the robot from touching anything is the gate.
When he gets nowhere for a while he turns or backs off, so that he is soon on his way again.
"""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from astro_jax.config import PlannerConfig, RobotConfig
from astro_jax.local.planner import basis_of
from astro_jax.reactive.path import path_speed
from astro_jax.robot.drive import limit_acceleration
from astro_jax.types import Motion, Plan, Status, pytree

EASE = 0.9
"""Share of the accelerations that he uses."""
BLOCKED = 0.6
"""After so long without getting on he looks for another way, s."""
GETTING_ON, WANTING = 0.04, 0.08
"""Path speeds below which the robot does not get on, and above which it should, m/s."""


@pytree
class Driver:
    """What he is up to."""

    target: Float[Array, "*batch 2"]
    """(v, ω) that he is after."""
    left: Float[Array, "*batch"]
    """For how much longer, s."""
    blocked: Float[Array, "*batch"]
    """For how long he has not got on, s."""


def drive_blindly(
    robot: RobotConfig,
    driver: Driver,
    driven: Float[Array, "2"],
    wished: Float[Array, "2"],
    period: float,
    key: Array,
) -> Driver:
    """His mind one planning cycle later: ``driven`` is what the gate made of ``wished``."""
    stuck = (path_speed(robot, driven) < GETTING_ON) & (path_speed(robot, wished) > WANTING)
    blocked = jnp.where(stuck, driver.blocked + period, 0.0)
    gives_up = blocked > BLOCKED
    over = (driver.left <= 0.0) | gives_up
    target, lasts = _whim(robot, gives_up, key)
    return Driver(
        target=jnp.where(over, target, driver.target),
        left=jnp.where(over, lasts, driver.left - period),
        blocked=jnp.where(over, 0.0, blocked),
    )


def _whim(
    robot: RobotConfig, blocked: Bool[Array, ""], key: Array
) -> tuple[Float[Array, "2"], Float[Array, ""]]:
    """A new target, and for how long."""
    u = jax.random.uniform(key, (5,))
    side = jnp.where(u[1] < 0.5, -1.0, 1.0)
    forward = jnp.stack([robot.speed * (0.4 + 0.6 * u[2]), 0.8 * (2.0 * u[3] - 1.0)])
    flat_out = jnp.stack([jnp.float32(robot.speed), 0.1 * (2.0 * u[3] - 1.0)])
    curve = jnp.stack([robot.speed * (0.3 + 0.7 * u[2]), side * robot.yaw_rate * u[3]])
    spin = jnp.stack([jnp.float32(0.0), side * robot.yaw_rate * (0.4 + 0.6 * u[2])])
    back = jnp.stack([-robot.reverse_speed * (0.4 + 0.6 * u[2]), 0.8 * (2.0 * u[3] - 1.0)])
    rest = jnp.zeros(2)
    choices = jnp.stack([forward, flat_out, curve, spin, back, rest])
    usual = jnp.searchsorted(jnp.array([0.35, 0.6, 0.78, 0.88, 0.96]), u[0])
    # out of a dead end he mostly turns
    index = jnp.where(blocked, jnp.where(u[0] < 0.75, 3, 4), usual)
    return _within(robot, choices[index]), 1.0 + 2.0 * u[4]


def _within(robot: RobotConfig, twist: Float[Array, "2"]) -> Float[Array, "2"]:
    """Slowed until the wheels can do it and it does not tip."""
    wheel = jnp.abs(twist[0]) + robot.wheel_base / 2 * jnp.abs(twist[1])
    lateral = jnp.sqrt(jnp.abs(twist[0] * twist[1]) / robot.lateral_acceleration)
    return twist / jnp.maximum(jnp.maximum(wheel / robot.wheel_speed, lateral), 1.0)


def blind_plan(
    robot: RobotConfig,
    config: PlannerConfig,
    target: Float[Array, "2"],
    command: Float[Array, "2"],
    pose_map: Float[Array, "3"],
) -> Plan:
    """From ``command`` at ``pose_map`` straight to ``target``, and a stop after ``tail_after``.

    v and ω change in proportion, so that a line between two permitted twists stays permitted.
    """
    basis = basis_of(config)
    tick, count = config.gate_period, basis.tick_value.shape[0]
    times = tick * jnp.arange(count, dtype=jnp.float32)
    commands = _ramp(robot, command, target, times)
    turning_point = round(config.tail_after / tick)
    tail = _ramp(robot, commands[turning_point], jnp.zeros(2), times)
    return Plan(
        motion=_motion(config, commands, pose_map),
        survival=jnp.ones(config.times),
        commands=commands,
        tail=tail,
        tail_clearance=jnp.float32(0.0),
        controls=jnp.zeros((len(config.intervals), 2)),
        status=jnp.int32(int(Status.OK)),
    )


def _ramp(
    robot: RobotConfig,
    start: Float[Array, "2"],
    end: Float[Array, "2"],
    times: Float[Array, "S"],
) -> Float[Array, "S 2"]:
    change = end - start
    size = jnp.max(jnp.abs(change))
    # as fast as the drive can, in this direction: a step of 100 units is far beyond it
    rate = EASE * limit_acceleration(robot, 100.0 * change / jnp.maximum(size, 1e-6))
    lasts = size / jnp.maximum(jnp.max(jnp.abs(rate)), 1e-6)
    share = jnp.clip(times / jnp.maximum(lasts, 1e-6), 0.0, 1.0)
    return start[None] + share[:, None] * change[None]


def _motion(config: PlannerConfig, commands: Float[Array, "S 2"], pose_map) -> Motion:
    """Where the commands lead from ``pose_map``, every ``config.dt``."""
    tick = config.gate_period
    mean = 0.5 * (commands[1:] + commands[:-1])
    turned = jnp.concatenate([jnp.zeros(1), jnp.cumsum(mean[:, 1]) * tick])
    yaw = pose_map[2] + 0.5 * (turned[1:] + turned[:-1])
    step = tick * mean[:, :1] * jnp.stack([jnp.cos(yaw), jnp.sin(yaw)], axis=-1)
    xy = pose_map[None, :2] + jnp.concatenate([jnp.zeros((1, 2)), jnp.cumsum(step, axis=0)])
    every = round(config.dt / tick)
    poses = jnp.concatenate([xy, (pose_map[2] + turned)[:, None]], axis=1)[::every]
    rates = jnp.concatenate([jnp.diff(commands, axis=0) / tick, jnp.zeros((1, 2))])

    def body(pairs):
        v, omega = pairs[::every, 0], pairs[::every, 1]
        return jnp.stack([v, jnp.zeros_like(v), omega], axis=-1)

    return Motion(pose_map=poses, twist=body(commands), twist_dot=body(rates))


def waiting_driver(first_target: Float[Array, "3"]) -> Driver:
    """At the start of an episode: (v, ω, for how long)."""
    return Driver(target=first_target[:2], left=first_target[2], blocked=jnp.float32(0.0))


def spoiled(plan: Plan, bad: Bool[Array, ""], nan: Bool[Array, ""]) -> Plan:
    """The plan as a planner in trouble sends it."""
    status = jnp.where(bad, jnp.int32(int(Status.NO_SAFE_TAIL)), plan.status)
    commands = jnp.where(nan, jnp.nan, plan.commands)
    return dataclasses.replace(plan, status=status, commands=commands)
