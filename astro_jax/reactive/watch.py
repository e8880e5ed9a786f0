"""Whether the gate may let anything through at all: one typed fault, or none.

Every condition is positive, so that what is not a number is a fault.
"""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from astro_jax.config import PlannerConfig, RobotConfig
from astro_jax.geometry import wrap_angle
from astro_jax.reactive.senses import Memory, Senses
from astro_jax.reactive.sight import rolled_on_the_spot, same_content, sighted
from astro_jax.types import Plan, Reason, Status

MAX_PLAN_AGE = 0.35
"""Older plans are not followed (s): three cycles of the local planner have failed."""
MAX_SCAN_AGE = 0.15
MAX_STATE_AGE = 0.3
MAX_MAP_AGE = 0.35
"""Since the local map was last brought up to date, s."""
AHEAD_OF_TIME = 0.05
"""No message is from the future, but for so much of disagreement between clocks, s."""
MIN_VALID_BEAMS = 0.5
LONGEST_GAP = 0.1
"""Between two ticks, s: whoever slept for longer knows nothing."""
JUMP, JUMP_YAW = 0.3, 0.6
"""Dead reckoning does not jump by more than this between two ticks, m and rad."""
ROLLED = 0.05
"""No pose stays the same to the last bit while its own wheels roll so far, m and rad."""
STILL, STILL_YAW = 0.02, 0.02
"""Moved by more than this (m, rad) the robot cannot see the very same ranges again."""


def fault(
    robot: RobotConfig, config: PlannerConfig, memory: Memory, plan: Plan, senses: Senses
) -> Int[Array, ""]:
    """The gravest ``Reason`` to stop, CLEAR if there is none."""
    checks = (
        (_clock_runs(senses), Reason.BAD_CLOCK),
        (_knows_itself(robot, memory, senses), Reason.BAD_STATE),
        (_sees(robot, memory, senses), Reason.BAD_SCAN),
        (_timely(senses.map_age, MAX_MAP_AGE), Reason.BAD_MAP),
        (usable(robot, plan) & _timely(senses.plan_age, MAX_PLAN_AGE), Reason.BAD_PLAN),
    )
    reason = jnp.int32(Reason.CLEAR)
    for well, otherwise in reversed(checks):
        reason = jnp.where(well, reason, jnp.int32(otherwise))
    return reason


def usable(robot: RobotConfig, plan: Plan) -> Bool[Array, ""]:
    """Whether the plan may be driven: released by its planner, and within every limit."""
    return (
        (plan.status == int(Status.OK))
        & jnp.all(within_limits(robot, plan.commands))
        & jnp.all(within_limits(robot, plan.tail))
    )


def within_limits(robot: RobotConfig, twist: Float[Array, "*n 2"]) -> Bool[Array, "*n"]:
    """Whether every speed limit is kept (1 % of rounding granted); false for NaN."""
    v, turning = twist[..., 0], jnp.abs(twist[..., 1])
    wheel = jnp.abs(v) + robot.wheel_base / 2 * turning
    return (
        (v <= 1.01 * robot.speed)
        & (v >= -1.01 * robot.reverse_speed - 1e-4)
        & (turning <= 1.01 * robot.yaw_rate)
        & (wheel <= 1.01 * robot.wheel_speed)
    )


def goes_on(last_map: Float[Array, "3"], pose_map: Float[Array, "3"]) -> Bool[Array, ""]:
    """Whether dead reckoning may have got from one pose to the other in a tick: no jump."""
    moved = pose_map - last_map
    return (jnp.linalg.norm(moved[:2]) <= JUMP) & (jnp.abs(wrap_angle(moved[2])) <= JUMP_YAW)


def _clock_runs(senses: Senses) -> Bool[Array, ""]:
    elapsed = jnp.asarray(senses.elapsed)
    return (elapsed > 0.0) & (elapsed <= LONGEST_GAP)


def _knows_itself(robot: RobotConfig, memory: Memory, senses: Senses) -> Bool[Array, ""]:
    odometry = senses.odometry
    first = jnp.all(jnp.isnan(memory.pose_map))
    near = goes_on(memory.pose_map, odometry.pose_map)
    return (
        jnp.all(jnp.isfinite(senses.pose_map))
        & jnp.all(jnp.isfinite(odometry.pose_map))
        & _timely(odometry.age, MAX_STATE_AGE)
        & (first | near)
        & (rolled_on_the_spot(memory, odometry, senses.elapsed) <= ROLLED)
        & _believable(robot, odometry.twist)
        & _certain(odometry.cov)
        & _timely(senses.delay, jnp.inf)
    )


def _believable(robot: RobotConfig, measured: Float[Array, "2"]) -> Bool[Array, ""]:
    """False for a robot that is faster than it may be: it rolls, is pushed, or misreads."""
    v, turning = measured[0], jnp.abs(measured[1])
    slack_v, slack_turning = 0.1 + 0.1 * robot.speed, 0.3 + 0.1 * robot.yaw_rate
    return (
        (v <= robot.speed + slack_v)
        & (v >= -robot.reverse_speed - slack_v)
        & (turning <= robot.yaw_rate + slack_turning)
    )


def _certain(cov: Float[Array, "3 3"] | None) -> Bool[Array, ""]:
    """Whether a covariance of the pose is one, and leaves less doubt than a jump (1 σ)."""
    if cov is None:
        return jnp.asarray(True)
    var = jnp.diagonal(cov)
    most = jnp.asarray([JUMP, JUMP, JUMP_YAW]) ** 2
    # |correlation| ≤ 1, with a little of rounding
    bound = 1.01 * var[:, None] * var[None, :] + 1e-12
    return jnp.all((var >= 0.0) & (var <= most)) & jnp.all(cov**2 <= bound)


def _sees(robot: RobotConfig, memory: Memory, senses: Senses) -> Bool[Array, ""]:
    scan = senses.scan
    moved = scan.pose_map - memory.eye_map
    apart = (jnp.linalg.norm(moved[:2]) > STILL) | (jnp.abs(wrap_angle(moved[2])) > STILL_YAW)
    # the same message once more is older than it was; new stamps on old content are a lie
    restamped = jnp.asarray(scan.age) < memory.scan_age + 1e-3
    frozen = same_content(memory, scan) & restamped & apart
    return (
        _timely(scan.age, MAX_SCAN_AGE)
        & (sighted(robot, scan) >= MIN_VALID_BEAMS)
        & jnp.all(jnp.isfinite(scan.pose_map))
        & ~frozen
    )


def _timely(age, most: float) -> Bool[Array, ""]:
    age = jnp.asarray(age)
    return (age >= -AHEAD_OF_TIME) & (age <= most)
