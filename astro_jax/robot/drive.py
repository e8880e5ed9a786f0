"""Every z ∈ ℝⁿ is a motion that the drive can execute, whatever the drive.

A motion is a cubic spline of the drive's own command coordinates: (v, ω) for differential
drives, (vx, vy, ω) for omnidirectional ones, (v, κ) for Ackermann steering.  Its control
points are chosen one after the other (robot/chain.py), each within the set that speed,
acceleration and jerk limits let the drive reach from the last one (robot/reach.py).  The set is
convex, so by the convex-hull property of the spline and of its derivatives the limits hold at
all times, not only at samples; and it never becomes empty, so any z will do.

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
from astro_jax.robot.chain import chain
from astro_jax.robot.reach import Bounds, Limits, bounds, effort, nearest
from astro_jax.robot.splines import SplineBasis
from astro_jax.types import Motion

EDGE = 8.0
"""|z| beyond this is the interval's edge for all practical purposes (σ(8) = .9997)."""
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

    controls, _ = chain(*_rules(robot), basis, command, command_dot, jax.nn.sigmoid(z), squash)
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

    _, z = chain(*_rules(robot), basis, command, command_dot, wanted, invert)
    return z


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
