"""The reactive gate: the last word before the wheels.

In, at 50 Hz: the plan, where the robot is, the freshest short-range scan, people's tracks
and the ages of all of them.  Out: s · planned twist with one factor s ∈ [0, 1] for v and
ω alike, so that the robot stays on the planned path while it slows or stops.
Small, not learned, and fail-closed: conditions are positive, so NaN stops the robot.
"""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from astro_jax.config import Latency, PlannerConfig, RobotConfig
from astro_jax.geometry import from_frame, sample, to_frame
from astro_jax.robot.footprint import covering_discs
from astro_jax.types import Clearance, Plan, Reason, Scalar, Status, Tracks, pytree

LOOK_AHEAD_TICKS = 4
"""The path is checked at every fourth gate tick of the plan."""
CHECKS = 20
"""Number of poses checked along it: 1.6 s at 50 Hz."""
STATIC_MARGIN = 0.012
"""Gap (m) to scan points at which the path counts as blocked: range and pose noise."""
CRAWL_MARGIN, CRAWL_SPEED = 0.06, 0.12
"""A path that leads nearer than this (m) is driven no faster than this (m/s)."""
PERSON_MARGIN = 0.12
FARTHER = 0.01
"""What counts as farther from somebody than a robot that stays, m."""
MAX_PLAN_AGE = 0.35
"""Older plans are not followed (s): three cycles of the local planner have failed."""
MAX_SCAN_AGE = 0.15
MIN_VALID_BEAMS = 0.5


@pytree
class GateState:
    """What the gate carries from tick to tick."""

    phase: Float[Array, "*batch"]
    """Progress along the plan's own time, s; runs slower than the clock while s < 1."""
    twist: Float[Array, "*batch 2"]
    """Last twist sent to the wheels."""


def initial_gate() -> GateState:
    """At rest, at the start of a plan."""
    return GateState(phase=jnp.float32(0.0), twist=jnp.zeros(2))


def react(
    robot: RobotConfig,
    config: PlannerConfig,
    latency: Latency,
    delay: Scalar,
    measured: Float[Array, "2"],
    state: GateState,
    plan: Plan,
    plan_age: Float[Array, ""],
    pose_map: Float[Array, "3"],
    points_map: Float[Array, "R 2"],
    returned: Bool[Array, "R"],
    valid_share: Float[Array, ""],
    scan_age: Scalar,
    tracks: Tracks,
    clearance: Clearance,
    pace: Scalar = 1.0,
) -> tuple[GateState, Float[Array, "2"], Float[Array, ""], Int[Array, ""]]:
    """One tick: (state, twist to send, scale s, reason).

    ``delay`` is the time from sending a command to the motion (s), ``measured`` the twist that
    the odometry reports.  ``pose_map`` is where the robot will be when this command acts;
    ``points_map`` are end points of the scan, ``returned`` marks those that hit something.
    ``clearance`` is the last local map's: it knows what stands where the sensor cannot look.
    ``pace`` is the share of its speeds that the robot may use (``Health.pace``).
    """
    tick = config.gate_period
    planned = _at_phase(plan.commands, state.phase, tick)
    wanted, last = path_speed(robot, planned), path_speed(robot, state.twist)
    path = _path_ahead(robot, config, plan, state.phase, pose_map)
    things = _gaps_to_things(robot, config, path, points_map, returned, clearance)
    paced = _paced(robot, pace, planned)
    allowed = jnp.minimum(paced, _allowed_speed(robot, latency, delay, tick, things, path))
    persons = _gaps_to_people(robot, path, tracks)
    # who is passed in time stays passed only if nothing else slows the robot
    passed = _slowing_is_no_help(robot, path, tracks, persons, last) & (allowed >= wanted)
    persons = jnp.where(tracks.valid[None] & ~passed[None], persons - PERSON_MARGIN, 1e3)
    allowed = jnp.minimum(allowed, _allowed_speed(robot, latency, delay, tick, persons, path))
    allowed = jnp.where(jnp.isnan(allowed), 0.0, allowed)

    plan_ok = (plan_age <= MAX_PLAN_AGE) & (plan.status == int(Status.OK))
    plan_ok = plan_ok & jnp.all(_within_limits(robot, plan.commands))
    scan_ok = (scan_age <= MAX_SCAN_AGE) & (valid_share >= MIN_VALID_BEAMS)
    # a plan that is slower already than the brakes can be does not join what the robot does
    plan_ok = plan_ok & (wanted >= last - robot.braking * tick * (1.0 + 1e-4) - 1e-6)
    state_ok = jnp.all(jnp.isfinite(pose_map)) & _believable(robot, measured)
    healthy = plan_ok & scan_ok & state_ok
    ceiling = jnp.where(healthy, jnp.minimum(allowed, wanted), 0.0)
    # never faster up than the wheels can, never harder down than the brakes can
    speed = jnp.clip(
        ceiling,
        last - robot.braking * tick,
        last + robot.wheel_acceleration * tick,
    )
    speed = jnp.maximum(speed, 0.0)
    # without a usable plan the robot brakes along the curvature it is already driving
    base = jnp.where(plan_ok & (wanted > 1e-4), planned, state.twist)
    planned_speed = path_speed(robot, base)
    scale = jnp.clip(speed / jnp.maximum(planned_speed, 1e-4), 0.0, 1.0)
    # a plan to rest is let through whole
    scale = jnp.where((planned_speed <= 1e-4) & healthy, 1.0, scale)
    twist = scale * base
    fine = jnp.all(jnp.isfinite(twist))
    twist = jnp.where(fine, twist, 0.0)
    scale = jnp.where(fine, scale, 0.0)

    reason = jnp.where(allowed < wanted - 1e-3, jnp.int32(Reason.SLOWED), jnp.int32(Reason.CLEAR))
    alone = (paced <= allowed) & (reason == int(Reason.SLOWED))
    reason = jnp.where(alone, jnp.int32(Reason.PACED), reason)
    reason = jnp.where(scan_ok, reason, jnp.int32(Reason.BAD_SCAN))
    reason = jnp.where(plan_ok, reason, jnp.int32(Reason.BAD_PLAN))
    reason = jnp.where(fine & state_ok, reason, jnp.int32(Reason.BAD_STATE))
    # a plan that pauses (wanted ~ 0) must not hold its own clock
    advance = jnp.where(wanted > 1e-4, scale, jnp.where(healthy, 1.0, 0.0))
    return (
        GateState(phase=state.phase + advance * tick, twist=twist),
        twist,
        scale,
        reason,
    )


def path_speed(robot: RobotConfig, twist: Float[Array, "*n 2"]) -> Float[Array, "*n"]:
    """Largest speed of a point of the footprint, bounded by |v| + |ω|·r (m/s)."""
    reach = (robot.length**2 + robot.width**2) ** 0.5 / 2
    return jnp.abs(twist[..., 0]) + reach * jnp.abs(twist[..., 1])


def _paced(robot: RobotConfig, pace: Scalar, twist: Float[Array, "2"]) -> Float[Array, ""]:
    """Path speed of ``twist``, slowed into ``pace`` times the limits (m/s).

    At full pace it is that of ``twist`` itself, with 1 % of rounding granted.
    """
    speed, turning = 1.01 * pace * robot.speed, 1.01 * pace * robot.yaw_rate
    over = jnp.maximum(jnp.abs(twist[0]) / speed, jnp.abs(twist[1]) / turning)
    # no pace, or none that is a number: at rest
    over = jnp.where(pace > 0.0, jnp.maximum(over, 1.0), jnp.inf)
    return path_speed(robot, twist) / over


def _believable(robot: RobotConfig, measured: Float[Array, "2"]) -> Bool[Array, ""]:
    """False for a robot that is faster than it may be: it rolls, is pushed, or misreads."""
    v, turning = measured[0], jnp.abs(measured[1])
    slack_v, slack_turning = 0.1 + 0.1 * robot.speed, 0.3 + 0.1 * robot.yaw_rate
    return (
        (v <= robot.speed + slack_v)
        & (v >= -robot.reverse_speed - slack_v)
        & (turning <= robot.yaw_rate + slack_turning)
    )


def _within_limits(robot: RobotConfig, twist: Float[Array, "*n 2"]) -> Bool[Array, "*n"]:
    """Whether every speed limit is kept (1 % of rounding granted); false for NaN."""
    v, turning = twist[..., 0], jnp.abs(twist[..., 1])
    wheel = jnp.abs(v) + robot.wheel_base / 2 * turning
    return (
        (v <= 1.01 * robot.speed)
        & (v >= -1.01 * robot.reverse_speed - 1e-4)
        & (turning <= 1.01 * robot.yaw_rate)
        & (wheel <= 1.01 * robot.wheel_speed)
    )


def stopping_speed(
    robot: RobotConfig, latency: Latency, delay: Scalar, tick: float, free: Float[Array, ""]
) -> Float[Array, ""]:
    """Fastest path speed (m/s) from which the robot still stops within ``free`` metres.

    Solves v·t_r + v²/(2b) = d for v, with reaction time t_r (photon to gate, one tick and
    ``delay``, the gate to the motion) and comfortable braking b = the wheels' acceleration
    limit; the brakes' own limit above it is held in reserve.
    """
    reaction = latency.reactive_sensor + delay + tick
    b = robot.wheel_acceleration
    return -b * reaction + jnp.sqrt((b * reaction) ** 2 + 2.0 * b * jnp.maximum(free, 0.0))


def upcoming_twists(
    robot: RobotConfig, config: PlannerConfig, state: GateState, plan: Plan
) -> Float[Array, "U+1 2"]:
    """What the gate will send, undisturbed, in the next planning cycle: a row per tick."""
    tick = config.gate_period
    planned_now = path_speed(robot, _at_phase(plan.commands, state.phase, tick))
    ratio = path_speed(robot, state.twist) / jnp.maximum(planned_now, 1e-3)
    scale = jnp.where(planned_now > 1e-3, jnp.clip(ratio, 0.0, 1.0), 1.0)
    ticks = round(config.period / tick)
    ahead = state.phase + scale * tick * jnp.arange(ticks + 1, dtype=jnp.float32)
    return scale * jax.vmap(lambda phase: _at_phase(plan.commands, phase, tick))(ahead)


def _at_phase(commands: Float[Array, "S 2"], phase: Float[Array, ""], tick: float):
    position = jnp.clip(phase / tick, 0.0, commands.shape[0] - 1.001)
    lower = jnp.floor(position)
    share = position - lower
    index = lower.astype(jnp.int32)
    return (1.0 - share) * commands[index] + share * commands[index + 1]


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Path:
    """The planned twists ahead, driven from where the robot is."""

    poses: Float[Array, "C 3"]
    times: Float[Array, "C"]
    """When it would be there, s from the moment at which the command acts."""
    lengths: Float[Array, "C"]
    """Metres of ``path_speed`` travelled before each pose."""


def _path_ahead(robot: RobotConfig, config: PlannerConfig, plan: Plan, phase, pose_map) -> _Path:
    step = LOOK_AHEAD_TICKS * config.gate_period
    times = step * jnp.arange(CHECKS, dtype=jnp.float32)
    twists = jax.vmap(lambda p: _at_phase(plan.commands, p, config.gate_period))(phase + times)

    def advance(pose, twist):
        yaw = pose[2] + 0.5 * step * twist[1]
        move = jnp.stack([twist[0] * jnp.cos(yaw), twist[0] * jnp.sin(yaw), twist[1]])
        return pose + step * move, pose

    _, poses = jax.lax.scan(advance, pose_map, twists)
    lengths = jnp.cumsum(path_speed(robot, twists)) * step
    lengths = jnp.concatenate([jnp.zeros(1), lengths[:-1]])
    return _Path(poses=poses, times=times, lengths=lengths)


def _gaps_to_things(
    robot: RobotConfig, config: PlannerConfig, path: _Path, points_map, returned, clearance
) -> Float[Array, "C P"]:
    """Gaps (m, the margin taken off) between the footprint and scan points and local map."""
    points = jax.vmap(to_frame, (0, None))(path.poses, points_map)
    wall_gap = jnp.where(returned[None], _rectangle_gap(robot, points), 1e3) - STATIC_MARGIN
    disc_centres, disc_radii = covering_discs(robot, config.footprint_discs)
    centres = jax.vmap(from_frame, (0, None))(path.poses, jnp.asarray(disc_centres))
    # half a cell is the map's own rounding; the discs reach over the hull on top of it
    map_gap = sample(clearance, centres) - disc_radii[None] + 0.5 * clearance.resolution
    return jnp.concatenate([wall_gap, map_gap], axis=1)


def _gaps_to_people(robot: RobotConfig, path: _Path, tracks: Tracks) -> Float[Array, "C M"]:
    """Gaps (m) between the footprint and everybody's disc, who walk on as they do."""
    time = (path.times + tracks.age)[:, None, None]
    people = tracks.xy_map[None] + time * tracks.velocity_map[None]
    return _rectangle_gap(robot, jax.vmap(to_frame)(path.poses, people)) - tracks.radius[None]


def _slowing_is_no_help(
    robot: RobotConfig,
    path: _Path,
    tracks: Tracks,
    going: Float[Array, "C M"],
    speed: Float[Array, ""],
) -> Bool[Array, "M"]:
    """Whom the robot passes in time, or gives way: slowing would not keep it away from them.

    In time: it does not touch them if it goes on as planned, and nears them more if it brakes,
    to a rest in their way.  Gives way: until they would have touched a robot that stayed it is
    never nearer to them than that one, and then farther.
    """
    b = robot.wheel_acceleration
    time = jnp.minimum(path.times, speed / b)
    travelled = speed * time - 0.5 * b * time**2
    braked = [jnp.interp(travelled, path.lengths, path.poses[:, k]) for k in range(3)]
    braking = _gaps_to_people(
        robot, dataclasses.replace(path, poses=jnp.stack(braked, axis=-1)), tracks
    )
    nearest = jnp.min(going, axis=0)
    passed = (nearest >= 0.0) & (nearest >= jnp.min(braking, axis=0))
    here = jnp.broadcast_to(path.poses[:1], path.poses.shape)
    staying = _gaps_to_people(robot, dataclasses.replace(path, poses=here), tracks)
    touched = staying < 0.0
    over = jnp.cumsum(touched, axis=0) > touched
    needed = jnp.where(touched, FARTHER, -1e-3)
    return passed | jnp.all(over | (going >= staying + needed), axis=0)


def _allowed_speed(
    robot: RobotConfig, latency: Latency, delay, tick: float, gap: Float[Array, "C P"], path: _Path
) -> Float[Array, ""]:
    """Fastest path speed (m/s) at which the robot still stops before a gap closes."""
    free = _free_distance(gap, path.lengths)
    # before a tight place the robot slows to a crawl instead of stopping short of it
    tight = _free_distance(gap - (CRAWL_MARGIN - STATIC_MARGIN), path.lengths)
    return jnp.minimum(
        stopping_speed(robot, latency, delay, tick, free),
        jnp.maximum(stopping_speed(robot, latency, delay, tick, tight), CRAWL_SPEED),
    )


def _free_distance(gap: Float[Array, "C P"], lengths: Float[Array, "C"]) -> Float[Array, ""]:
    """Metres of path before some gap closes, inf if none does.

    What is too near already blocks only motion that brings it nearer still.
    """
    nearer = gap < jnp.minimum(gap[:1], 0.0) - 0.004
    # NaN compares false: write it as "not clear"
    blocked = jnp.any(~(gap >= 0.0) & (nearer | ~jnp.isfinite(gap)), axis=1)
    first = jnp.argmax(blocked)
    # the last pose known to be clear lies one check before
    reach = lengths[jnp.maximum(first - 1, 0)]
    return jnp.where(jnp.any(blocked), reach, jnp.inf)


def _rectangle_gap(robot: RobotConfig, xy_base: Float[Array, "*n 2"]) -> Float[Array, "*n"]:
    """Signed distance of points to the robot's rectangle (m), negative inside."""
    dx = jnp.abs(xy_base[..., 0]) - robot.length / 2
    dy = jnp.abs(xy_base[..., 1]) - robot.width / 2
    outside = jnp.hypot(jnp.maximum(dx, 0.0), jnp.maximum(dy, 0.0))
    return outside + jnp.minimum(jnp.maximum(dx, dy), 0.0)
