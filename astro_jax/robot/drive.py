"""Every z ∈ ℝⁿ is a motion that the drive can execute, whatever the drive.

A motion is a cubic spline of the drive's own command coordinates: (v, ω) for differential
drives, (vx, vy, ω) for omnidirectional ones, (v, κ) for Ackermann steering.  Its control
points are chosen one after the other, each within the set that speed, acceleration and jerk
limits let the drive reach from the last one (robot/reach.py).  The set is convex, so by the
convex-hull property of the spline and of its derivatives the limits hold at all times, not
only at samples; and it never becomes empty, so any z will do.

The first two control points are value and rate of the command at the start, so that one plan
continues another without a step in speed or acceleration: a plan leaves the room for that to
one that begins a period later.  Another rate that would leave the speed limits gives way, as
far as the drive can.  A start beyond the speed limits is kept as it is (the robot *is* that
fast) and braked straight to the nearest admissible command, as hard as the acceleration limits
allow (not the jerk limits), before z has a say; from there on all limits hold.

With jerk limits a command must also be able to ease off in time: if all rates decay in
proportion, as fast as jerk allows from the largest, the command creeps on from P by D·E and
stops at Q = P + D·E.  Instead of P it is Q that is chosen within the limits.  What decays
stays within the acceleration limits and ends at the same Q: easing off is always possible.
"""

import functools
from types import ModuleType

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float
from numpy.typing import NDArray

from astro_jax.config import RobotConfig
from astro_jax.geometry import cos_sin
from astro_jax.products import apply
from astro_jax.robot import ackermann, differential, omni
from astro_jax.robot.reach import Bounds, Limits, bounds, effort, interval, nearest
from astro_jax.robot.splines import SplineBasis, first_controls
from astro_jax.types import Motion

EDGE = 8.0
"""|z| beyond this is the interval's edge for all practical purposes (σ(8) = .9997)."""
AT_ONCE = 1e6
"""Stands for no jerk limit: a time, s, or a change of acceleration, m/s² or rad/s²."""
EASING_SWEEPS = 200
"""Fixed-point sweeps: each closes a share of at least g_0/τ of what is missing."""
DRIVES = {"differential": differential, "omni": omni, "ackermann": ackermann}


# ---- commands ------------------------------------------------------------------------


def command_limits(robot: RobotConfig) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Least and greatest value of each command coordinate, (D,) each."""
    limits, _ = _rules(robot)
    return limits.low.astype(np.float32), limits.high.astype(np.float32)


def free_shape(robot: RobotConfig, basis: SplineBasis) -> tuple[int, int]:
    """(N − 2, D), the shape of z: what is left to choose behind the two control points."""
    return basis.value.shape[1] - 2, len(_rules(robot)[0].low)


def admissible(robot: RobotConfig, command: Float[Array, "D"]) -> Float[Array, "D"]:
    """The command brought within every speed limit, one coordinate after the other."""
    return jnp.stack(nearest(_rules(robot)[0], list(command)))


def limit_acceleration(robot: RobotConfig, command_dot: Float[Array, "D"]) -> Float[Array, "D"]:
    """Scale ċ down, direction kept, until the drive can do it."""
    return command_dot / jnp.maximum(effort(_rules(robot)[0], list(command_dot)), 1.0)


def within_limits(
    robot: RobotConfig, command: Float[Array, "*n D"], tolerance: float = 0.01
) -> Bool[Array, "*n"]:
    """Whether commands keep every speed limit, up to a share of it; false where not finite."""
    limits, _ = _rules(robot)
    columns = [command[..., k] for k in range(len(limits.low))]
    more = tolerance * limits.high
    kept = [c >= low for c, low in zip(columns, (limits.low - more).tolist(), strict=True)]
    kept += [c <= high for c, high in zip(columns, (limits.high + more).tolist(), strict=True)]
    for *weights, bound in limits.speed.tolist():
        used = [weight * jnp.abs(c) for weight, c in zip(weights, columns, strict=True)]
        kept.append(sum(used[1:], start=used[0]) <= bound * (1.0 + tolerance))
    return jnp.all(jnp.stack(kept), axis=0)


def slowed(
    robot: RobotConfig, command: Float[Array, "*n D"], scale: Float[Array, "*n"]
) -> Float[Array, "*n D"]:
    """The command that drives the same path at ``scale`` times its speed."""
    moves = _drive(robot).MOVES
    return jnp.stack(
        [command[..., k] * (scale if moves[k] else 1.0) for k in range(len(moves))], axis=-1
    )


def body_twist(robot: RobotConfig, command: Float[Array, "*n D"]) -> Float[Array, "*n 3"]:
    """(vx, vy, ω) in the base frame, m/s and rad/s, that a command stands for."""
    coordinates = jnp.moveaxis(command, -1, 0)
    return jnp.stack(_drive(robot).body_twist(*coordinates), axis=-1)


def command_of(robot: RobotConfig, twist: Float[Array, "*n 3"]) -> Float[Array, "*n D"]:
    """The command whose body twist is nearest in kind; limits are not applied."""
    return jnp.stack(_drive(robot).command_of(robot, *jnp.moveaxis(twist, -1, 0)), axis=-1)


def steady_commands(robot: RobotConfig) -> Float[np.ndarray, "A D"]:
    """Commands worth holding for a while: rest first, then straights, arcs, turns, reverse.

    They may lie beyond the limits: ``encode`` finds the nearest motion that does not.
    """
    commands = np.array(_drive(robot).steady(robot), np.float32)
    _, first = np.unique(commands, axis=0, return_index=True)
    return commands[np.sort(first)]


def held(basis: SplineBasis, command: Float[Array, "*n D"]) -> Float[Array, "*n N-2 D"]:
    """Control points that ask for this command from now on; for ``encode``."""
    shape = (*command.shape[:-1], basis.value.shape[1] - 2, command.shape[-1])
    return jnp.broadcast_to(command[..., None, :], shape)


def _drive(robot: RobotConfig) -> ModuleType:
    return DRIVES[robot.drive]


@functools.lru_cache(maxsize=64)
def _rules(robot: RobotConfig) -> tuple[Limits, dict[int, Bounds]]:
    limits = _drive(robot).limits(robot)
    return limits, bounds(limits)


# ---- z to motion and back ------------------------------------------------------------


def decode(
    robot: RobotConfig,
    basis: SplineBasis,
    command: Float[Array, "D"],
    command_dot: Float[Array, "D"],
    z: Float[Array, "N-2 D *K"],
) -> Float[Array, "N D *K"]:
    """Control points of the motion named by ``z``: P = lo + (hi − lo)·σ(z).

    ``z`` may carry a last axis of candidates, which rides along.
    """

    def squash(low, high, share, aim):
        return low + (high - low) * share, share

    controls, _ = _walk(robot, basis, command, command_dot, jax.nn.sigmoid(z), squash)
    return controls


def encode(
    robot: RobotConfig,
    basis: SplineBasis,
    command: Float[Array, "D"],
    command_dot: Float[Array, "D"],
    wanted: Float[Array, "N-2 D *K"],
) -> Float[Array, "N-2 D *K"]:
    """``z`` of the admissible motion that follows the wanted control points most closely.

    Inverse of ``decode`` inside the reachable set, a greedy projection outside of it.
    """

    def invert(low, high, wanted, aim):
        value = jnp.clip(aim(wanted), low, high)
        share = (value - low) / jnp.maximum(high - low, 1e-9)
        share = jnp.clip(share, jax.nn.sigmoid(-EDGE), jax.nn.sigmoid(EDGE))
        # walk on from what decode() will return, so that both see the same intervals
        return low + (high - low) * share, jnp.log(share) - jnp.log1p(-share)

    _, z = _walk(robot, basis, command, command_dot, wanted, invert)
    return z


def _walk(robot: RobotConfig, basis: SplineBasis, command, command_dot, inputs, choose):
    """Chain the reachable sets; ``choose(low, high, input, aim)`` picks within each interval.

    ``aim`` turns a wanted control point into the value to pick.  Commands are lists of
    scalars inside, or of vectors over candidates.
    """
    limits, rows = _rules(robot)
    spans = basis.steps + _easing(limits, basis)
    jerky = bool(np.any(np.isfinite(limits.jerk)))

    def reach(last, rate, step, span, change_time, inputs, choose):
        """The next control point, and the rate towards it."""
        box = _within_jerk(limits, last, rate, span, change_time) if rate is not None else None
        chosen, codes = [*last], [*last]
        for k in limits.order:
            low, high = interval(limits, rows[k], k, chosen, last, span, box)
            aim = lambda wanted, k=k: last[k] + (wanted - last[k]) * (span / step)
            value, code = choose(low, high, inputs[k], aim if jerky else lambda wanted: wanted)
            chosen[k], codes[k] = value, code
        if jerky:  # chosen is where the command would ease off to
            chosen = [c + (q - c) * (step / span) for c, q in zip(last, chosen, strict=True)]
        return chosen, codes

    def settle(last, point, step, forced, target):
        point = [jnp.where(forced, t, p) for t, p in zip(target, point, strict=True)]
        rate = [(p - c) / step for c, p in zip(last, point, strict=True)] if jerky else None
        return point, rate

    def keep(low, high, wanted, aim):
        return jnp.clip(aim(wanted), low, high), wanted

    def advance(carry, knot):
        last, rate = carry
        step, span, change_time, forced, target, inputs = knot
        point, codes = reach(last, rate, step, span, change_time, inputs, choose)
        point, rate = settle(last, point, step, forced, target)
        return (point, rate), (point, codes)

    start, wanted = (list(p) for p in first_controls(command, command_dot, basis))
    forced, target = _brake(limits, basis, start)
    step = float(basis.steps[0])
    second, _ = reach(start, None, step, float(spans[0]), None, wanted, keep)
    second, rate = settle(start, second, step, forced[0], list(target[0]))
    knots = (
        jnp.asarray(basis.steps[1:]),
        jnp.asarray(spans[1:]),
        # whoever was still braking may change the acceleration as it likes
        jnp.where(forced[:-1], AT_ONCE, jnp.asarray(basis.slope_steps)),
        forced[1:],
        list(target[1:].T),
        [inputs[:, k] for k in range(len(start))],
    )
    candidates = inputs.shape[2:]
    carried = jax.tree.map(lambda value: jnp.broadcast_to(value, candidates), (second, rate))
    _, (points, codes) = jax.lax.scan(advance, carried, knots)
    first = jnp.stack([jnp.stack(start), jnp.stack(second)])
    first = first.reshape(*first.shape, *[1] * len(candidates))
    first = jnp.broadcast_to(first, (*first.shape[:2], *candidates))
    return jnp.concatenate([first, jnp.stack(points, axis=1)]), jnp.stack(codes, axis=1)


def _within_jerk(limits: Limits, last, rate, span, change_time):
    """Per coordinate (low, high) of where easing off may end, given the last rate."""
    changes = [float(j) * change_time if np.isfinite(j) else AT_ONCE for j in limits.jerk]
    return [
        (c + span * (d - change), c + span * (d + change))
        for c, d, change in zip(last, rate, changes, strict=True)
    ]


def _easing(limits: Limits, basis: SplineBasis) -> NDArray[np.float32]:
    """E (N − 1) seconds: a rate D behind control point i + 1 eases off over D·E_i.

    To shrink a rate to a share φ from one step to the next takes (1 − φ)·τ seconds of
    ``slope_steps`` g, τ the time that the largest rate needs to vanish, and φ = E_i/(h + E_{i+1})
    keeps Q where it is.  Hence E_i ≥ (1 − g_i/τ)(h_{i+1} + E_{i+1}), and E = 0 without jerk limit.
    The next plan starts one period later with a new E_0; to leave it that room E may have to
    be longer than jerk alone asks for.
    """
    length = np.zeros(len(basis.steps))
    if limits.ease_time == 0:
        return length.astype(np.float32)
    left = np.maximum(1.0 - basis.slope_steps / limits.ease_time, 0.0)
    for _ in range(EASING_SWEEPS):
        restart = basis.steps[0] + length[0] - basis.restart_room[2:]
        length[1:] = np.maximum(length[1:], restart)
        for i in reversed(range(len(left))):
            length[i] = max(length[i], left[i] * (basis.steps[i + 1] + length[i + 1]))
    return length.astype(np.float32)


def _brake(limits: Limits, basis: SplineBasis, start):
    """Where control points 1 … N − 1 must be while the limits are out of reach, and whether."""
    allowed = nearest(limits, start)
    excess = [c - a for c, a in zip(start, allowed, strict=True)]
    needed = effort(limits, excess)
    spent = jnp.asarray(np.cumsum(basis.steps))
    left = 1.0 - spent / jnp.maximum(needed, 1e-6)
    forced = left > 0.0
    target = [a + jnp.maximum(left, 0.0) * e for a, e in zip(allowed, excess, strict=True)]
    return forced, jnp.stack(target, axis=-1)


# ---- poses ---------------------------------------------------------------------------


def motion(
    robot: RobotConfig,
    basis: SplineBasis,
    pose_map: Float[Array, "3"],
    controls: Float[Array, "N D *K"],
) -> Motion:
    """Poses along a spline of commands that starts at ``pose_map``.

    x and y are a two-point Gauss quadrature per step of the velocity turned by the yaw.
    ``controls`` may carry a last axis of candidates, which rides along.
    """
    drive = _drive(robot)
    columns = [controls[:, k] for k in range(controls.shape[1])]

    def at(matrix: NDArray[np.float32]) -> list[Float[Array, "t *K"]]:
        return [apply(matrix, column) for column in columns]

    yaw, yaw_nodes = drive.turned(basis, controls)
    vx, vy, _ = drive.body_twist(*at(basis.node_value))
    c, s = cos_sin(pose_map[2] + yaw_nodes)
    x = apply(basis.node_sum, vx * c - vy * s)
    y = apply(basis.node_sum, vx * s + vy * c)
    command, command_dot = at(basis.value), at(basis.slope)
    return Motion(
        pose_map=jnp.stack([pose_map[0] + x, pose_map[1] + y, pose_map[2] + yaw], axis=1),
        twist=jnp.stack(drive.body_twist(*command), axis=1),
        twist_dot=jnp.stack(drive.body_twist_dot(command, command_dot), axis=1),
    )
