"""Differential drive: every z ∈ ℝⁿ is a motion that the wheels can execute.

Control points are (v, ω) pairs.  Each next pair is squashed into the set that the wheels
can reach from the last one: both wheel speeds within their box and within one step of
acceleration, and the body's own caps on v, ω and yaw acceleration.  That set is convex,
so by the convex-hull property of the spline and of its derivative the limits hold at all
times, not only at samples.  v is chosen first within the projection of the set, then ω
within the slice: neither interval can become empty while the last pair is admissible.

A lateral-acceleration cap is not part of the set (it is not convex in (v, ω)); the
objective's lateral term keeps it small.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from astro_jax.config import RobotConfig
from astro_jax.geometry import cos_sin
from astro_jax.robot.splines import SplineBasis, first_controls
from astro_jax.types import Motion

EDGE = 6.0
"""|z| beyond this is the interval's edge for all practical purposes (σ(6) = .9975)."""


def admissible(robot: RobotConfig, twist: Float[Array, "2"]) -> Float[Array, "2"]:
    """The nearest twist (v then ω) that respects every speed limit."""
    v = jnp.clip(twist[0], -robot.reverse_speed, robot.speed)
    limit = jnp.minimum(robot.yaw_rate, 2 / robot.wheel_base * (robot.wheel_speed - jnp.abs(v)))
    return jnp.stack([v, jnp.clip(twist[1], -limit, limit)])


def limit_acceleration(robot: RobotConfig, twist_dot: Float[Array, "2"]) -> Float[Array, "2"]:
    """Scale (v̇, ω̇) down, direction kept, until wheels and body can do it."""
    wheel = jnp.abs(twist_dot[0]) + robot.wheel_base / 2 * jnp.abs(twist_dot[1])
    excess = jnp.maximum(
        wheel / robot.wheel_acceleration, jnp.abs(twist_dot[1]) / robot.yaw_acceleration
    )
    return twist_dot / jnp.maximum(excess, 1.0)


def _reachable_speed(robot: RobotConfig, v, omega, step):
    """Interval of the next v for which some next ω exists."""
    half = robot.wheel_base / 2
    gain = robot.wheel_acceleration * step
    left, right = v - half * omega, v + half * omega
    left_low, left_high = _box(robot, left, gain)
    right_low, right_high = _box(robot, right, gain)
    # the ω cap (position and rate) narrows the wheels' difference; the current difference
    # always stays within it, so the interval always contains v
    widest = half * jnp.minimum(robot.yaw_rate, omega + robot.yaw_acceleration * step)
    narrowest = half * jnp.maximum(-robot.yaw_rate, omega - robot.yaw_acceleration * step)
    low = jnp.maximum((left_low + right_low) / 2, -robot.reverse_speed)
    high = jnp.minimum((left_high + right_high) / 2, robot.speed)
    low = jnp.maximum(low, jnp.maximum(right_low - widest, left_low + narrowest))
    high = jnp.minimum(high, jnp.minimum(left_high + widest, right_high - narrowest))
    return low, high


def _reachable_yaw_rate(robot: RobotConfig, v, omega, v_next, step):
    """Interval of the next ω once the next v is chosen."""
    half = robot.wheel_base / 2
    gain = robot.wheel_acceleration * step
    left_low, left_high = _box(robot, v - half * omega, gain)
    right_low, right_high = _box(robot, v + half * omega, gain)
    low = jnp.maximum(v_next - left_high, right_low - v_next) / half
    high = jnp.minimum(v_next - left_low, right_high - v_next) / half
    turn = robot.yaw_acceleration * step
    low = jnp.maximum(low, jnp.maximum(omega - turn, -robot.yaw_rate))
    high = jnp.minimum(high, jnp.minimum(omega + turn, robot.yaw_rate))
    return low, high


def _box(robot: RobotConfig, wheel, gain):
    return (
        jnp.maximum(wheel - gain, -robot.wheel_speed),
        jnp.minimum(wheel + gain, robot.wheel_speed),
    )


def _walk(robot: RobotConfig, basis: SplineBasis, twist, twist_dot, inputs, choose):
    """Chain the reachable intervals; ``choose(low, high, input)`` picks within each."""

    def choose_pair(pair, step, wanted, choose):
        low, high = _reachable_speed(robot, pair[0], pair[1], step)
        v, code_v = choose(low, high, wanted[0])
        low, high = _reachable_yaw_rate(robot, pair[0], pair[1], v, step)
        omega, code_omega = choose(low, high, wanted[1])
        return jnp.stack([v, omega]), jnp.stack([code_v, code_omega])

    def advance(pair, inputs):
        step, wanted = inputs
        pair, codes = choose_pair(pair, step, wanted, choose)
        return pair, (pair, codes)

    def nearest(low, high, wanted):
        return jnp.clip(wanted, low, high), wanted

    # a slope that would leave the speed limits gives way, as far as the wheels can
    start, wanted = first_controls(admissible(robot, twist), twist_dot, basis)
    second, _ = choose_pair(start, float(basis.steps[0]), wanted, nearest)
    more = (...,) + (None,) * (inputs.ndim - 2)
    start, second = start[more], second[more]
    first = jnp.broadcast_to(second, inputs.shape[1:])
    _, (pairs, codes) = jax.lax.scan(advance, first, (jnp.asarray(basis.steps[1:]), inputs))
    head = jnp.stack(jnp.broadcast_arrays(start, second))
    return jnp.concatenate([jnp.broadcast_to(head, (2, *pairs.shape[1:])), pairs]), codes


def decode(
    robot: RobotConfig,
    basis: SplineBasis,
    twist: Float[Array, "2"],
    twist_dot: Float[Array, "2"],
    z: Float[Array, "N-2 2"],
) -> Float[Array, "N 2"]:
    """Control points (v, ω) of the motion named by ``z``: P = lo + (hi − lo)·σ(z)."""

    def squash(low, high, z):
        return low + (high - low) * jax.nn.sigmoid(z), z

    controls, _ = _walk(robot, basis, twist, twist_dot, z, squash)
    return controls


def encode(
    robot: RobotConfig,
    basis: SplineBasis,
    twist: Float[Array, "2"],
    twist_dot: Float[Array, "2"],
    wanted: Float[Array, "N-2 2"],
) -> Float[Array, "N-2 2"]:
    """``z`` of the admissible motion that follows the wanted control points most closely.

    Inverse of ``decode`` inside the reachable set, a greedy projection outside of it.
    """

    def invert(low, high, wanted):
        value = jnp.clip(wanted, low, high)
        share = (value - low) / jnp.maximum(high - low, 1e-9)
        share = jnp.clip(share, jax.nn.sigmoid(-EDGE), jax.nn.sigmoid(EDGE))
        # walk on from what decode() will return, so that both see the same intervals
        return low + (high - low) * share, jnp.log(share) - jnp.log1p(-share)

    _, z = _walk(robot, basis, twist, twist_dot, wanted, invert)
    return z


def motion(
    basis: SplineBasis, dt: float, pose_map: Float[Array, "3"], controls: Float[Array, "N 2"]
) -> Motion:
    """Poses along a spline of twists that starts at ``pose_map``.

    Yaw is the exact integral of ω; x and y are a two-point Gauss quadrature of v·cos, v·sin
    per step (error below .1 mm over 3 s at the demo robot's limits).
    """
    v, omega = controls[:, 0], controls[:, 1]
    yaw_nodes = basis.node_integral @ omega + pose_map[2]
    v_nodes = basis.node_value @ v
    c, s = cos_sin(yaw_nodes)
    x = jnp.asarray(basis.node_sum) @ (v_nodes * c)
    y = jnp.asarray(basis.node_sum) @ (v_nodes * s)
    yaw = basis.integral @ omega
    pose = jnp.stack([pose_map[0] + x, pose_map[1] + y, pose_map[2] + yaw], axis=1)

    def body(matrix):
        return jnp.stack([matrix @ v, jnp.zeros_like(x), matrix @ omega], axis=1)

    return Motion(
        pose_map=pose,
        twist=body(jnp.asarray(basis.value)),
        twist_dot=body(jnp.asarray(basis.slope)),
    )


def footprint_discs(robot: RobotConfig, count: int) -> tuple[np.ndarray, float]:
    """Centres along the base's x axis (m) and radius of discs that cover its rectangle."""
    half = robot.length / 2 / count
    centres = (np.arange(count) * 2 + 1) * half - robot.length / 2
    return centres.astype(np.float32), float(np.hypot(half, robot.width / 2))
