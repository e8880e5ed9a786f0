"""The way the plan leads from where the robot is, and where on it the robot has got to."""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from astro_jax.config import PlannerConfig, RobotConfig
from astro_jax.reactive.senses import GateState
from astro_jax.types import Plan

SPACING = 0.08
"""Between two poses of the path that are checked, s: whatever the gate's own rate is."""
CHECKS = 20
"""Number of poses checked along it: 1.6 s."""
SETTLING = 0.35
"""Way over which a robot beside its path comes back to it, m (reactive/tracking.py)."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Path:
    """The planned twists ahead, driven from where the robot is."""

    poses: Float[Array, "C 3"]
    times: Float[Array, "C"]
    """When it would be there, s from the moment at which the command acts."""
    lengths: Float[Array, "C"]
    """Metres of ``path_speed`` travelled before each pose."""


def path_speed(robot: RobotConfig, twist: Float[Array, "*n 2"]) -> Float[Array, "*n"]:
    """Largest speed of a point of the footprint, bounded by |v| + |ω|·r (m/s)."""
    return jnp.abs(twist[..., 0]) + path_reach(robot) * jnp.abs(twist[..., 1])


def path_reach(robot: RobotConfig) -> float:
    """How far the footprint's outermost point is from the base, m: r."""
    return (robot.length**2 + robot.width**2) ** 0.5 / 2


def planned_twist(config: PlannerConfig, plan: Plan, phase: Float[Array, ""]) -> Float[Array, "2"]:
    """The plan's command at its own time ``phase``, or its stop's if no newer plan has come."""
    return _at(*_programme(config, plan, phase), config.gate_period)


def path_ahead(
    robot: RobotConfig,
    config: PlannerConfig,
    plan: Plan,
    phase: Float[Array, ""],
    pose_map: Float[Array, "3"],
    steer: Float[Array, ""],
) -> Path:
    """Where the plan leads from ``pose_map``, at first turned by the curvature ``steer`` (1/m).

    That fades as (1 − s/ℓ)·exp(−s/ℓ) with the way s, as it does for a robot that comes back
    from beside its path by the law of ``tracking.steer``.
    """
    step = SPACING
    times = step * jnp.arange(CHECKS, dtype=jnp.float32)
    commands, since = _programme(config, plan, phase)
    # as they are half way to the next pose: each tick holds what it is told at its start
    half = 0.5 * (step - config.gate_period)
    twists = jax.vmap(lambda t: _at(commands, since + t + half, config.gate_period))(times)
    way = step * jnp.abs(twists[:, 0])
    back = (jnp.cumsum(way) - 0.5 * way) / SETTLING
    added = steer * (1.0 - back) * jnp.exp(-back) * twists[:, 0]
    twists = twists + jnp.stack([jnp.zeros_like(added), added], axis=-1)
    lengths = jnp.cumsum(path_speed(robot, twists)) * step
    lengths = jnp.concatenate([jnp.zeros(1), lengths[:-1]])
    return Path(poses=_driven(pose_map, twists, step)[:-1], times=times, lengths=lengths)


def pose_of_plan(
    config: PlannerConfig, plan: Plan, phase: Float[Array, ""], time: Float[Array, ""]
) -> Float[Array, "3"]:
    """Where the plan has the robot at its own ``time``, s; near ``phase``, where it has got to.

    From ``tail_after`` on, once the stop is being driven, that is on the way of the stop.
    """
    index = round(config.tail_after / config.dt)
    twists = 0.5 * (plan.tail[:-1] + plan.tail[1:])
    stop = _driven(plan.motion.pose_map[index], twists, config.gate_period)
    stopping = (phase >= config.tail_after) & (time >= config.tail_after)
    since = time - config.tail_after
    return jnp.where(
        stopping, _at(stop, since, config.gate_period), _at(plan.motion.pose_map, time, config.dt)
    )


def along(path: Path, lengths: Float[Array, "*n"]) -> Float[Array, "*n 3"]:
    """Poses after so many metres of ``path_speed``; beyond its end, the end.

    Of poses at the same length, where the path rests, it is the last.
    """
    # among so few a look at each takes a tenth of the time of a search by halves
    passed = jnp.searchsorted(path.lengths, lengths, side="right", method="compare_all")
    after = jnp.clip(passed, 1, path.lengths.shape[0] - 1)
    start, step = path.lengths[after - 1], path.lengths[after] - path.lengths[after - 1]
    share = jnp.clip((lengths - start) / jnp.where(step > 0.0, step, 1.0), 0.0, 1.0)
    return path.poses[after - 1] + share[..., None] * (path.poses[after] - path.poses[after - 1])


def upcoming_twists(
    robot: RobotConfig, config: PlannerConfig, state: GateState, plan: Plan
) -> Float[Array, "U+1 2"]:
    """What the gate will send, undisturbed, in the next planning cycle: a row per tick."""
    tick = config.gate_period
    planned = planned_twist(config, plan, state.phase)
    planned_now = path_speed(robot, planned.at[1].add(state.steer * planned[0]))
    ratio = path_speed(robot, state.twist) / jnp.maximum(planned_now, 1e-3)
    scale = jnp.where(planned_now > 1e-3, jnp.clip(ratio, 0.0, 1.0), 1.0)
    ticks = round(config.period / tick)
    ahead = state.phase + scale * tick * jnp.arange(ticks + 1, dtype=jnp.float32)
    return scale * jax.vmap(lambda phase: planned_twist(config, plan, phase))(ahead)


def _programme(config: PlannerConfig, plan: Plan, phase: Float[Array, ""]):
    """Commands in force, and the time in them: from ``tail_after`` on those of the stop."""
    stopping = phase >= config.tail_after
    commands = jnp.where(stopping, plan.tail, plan.commands)
    return commands, jnp.where(stopping, phase - config.tail_after, phase)


def _driven(
    pose_map: Float[Array, "3"], twists: Float[Array, "S 2"], step: float
) -> Float[Array, "S+1 3"]:
    """Poses before and after each of ``twists``, which are driven for ``step`` s each."""
    # midpoint headings, exact for constant twists to the third order
    turned = jnp.cumsum(step * twists[:, 1])
    yaw = pose_map[2] + turned - 0.5 * step * twists[:, 1]
    moves = step * twists[:, :1] * jnp.stack([jnp.cos(yaw), jnp.sin(yaw)], axis=-1)
    moved = jnp.concatenate([jnp.cumsum(moves, axis=0), turned[:, None]], axis=1)
    return pose_map[None] + jnp.concatenate([jnp.zeros((1, 3)), moved])


def _at(rows: Float[Array, "S D"], phase: Float[Array, ""], tick: float) -> Float[Array, "D"]:
    position = jnp.clip(phase / tick, 0.0, rows.shape[0] - 1.001)
    lower = jnp.floor(position)
    share = position - lower
    index = lower.astype(jnp.int32)
    return (1.0 - share) * rows[index] + share * rows[index + 1]
