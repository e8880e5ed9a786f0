"""Moments of a drive as the planner would have met them.                              [host]

At each moment: the map around the robot, the cost-to-go to the drive's goal, tracks of people with
velocities from their past alone, and what was done next as a point z of the planner's own space.
A moment is left out, and counted, if the robot could not have done it, or if it tells nothing:

  too fast    a command of it lies beyond the robot's limits
  too brisk   the nearest motion that the robot can execute strays from it
  standing    next to nothing was done
  touching    it runs through somebody, or into a wall
  walled in   the goal cannot be driven to

Nothing is late here: what was seen and what is true are one.
"""

import dataclasses
from collections import Counter
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from astro_jax.body.announce import anything
from astro_jax.config import PlannerConfig, PlannerParams, RobotConfig
from astro_jax.errors import InputError
from astro_jax.known import VELOCITY_VAR
from astro_jax.learning.demonstrations import Recorded
from astro_jax.learning.proposals import Situation
from astro_jax.local.planner import basis_of
from astro_jax.robot import drive as drives
from astro_jax.route.crop import crop_field
from astro_jax.route.field import solve_field
from astro_jax.suites.gaps import rectangle_gaps
from astro_jax.types import Grid, RouteField, Tracks, WorldAtEffect
from astro_jax.world.distance import clearance_field
from astro_jax.world.forecast import forecast
from astro_jax.world.grid import blank_map, occupied
from astro_jax.world.people import DETECTION_VAR, no_tracks
from astro_jax.world.prior import prior_from_occupancy

PAST = 0.8
"""Over which the velocity of somebody is taken, s."""
SPACING = 3.0
"""Between two moments, s."""
AFTERWARDS = 1.5
"""The drive must go on for so long behind what is shown of it, s: a walker does not stop where
their recording does."""
STRAYS, TURNS = 0.1, 0.2
"""How far the executable motion may be from what was done, m and rad."""
SLACK = 0.05
"""By so much of the limits commands may be beyond them: a track is smoothed, not exact."""
LEAST = 0.3
"""Who comes less far within the horizon shows nothing, m."""

Cut = Callable[[Recorded], tuple[list[Situation], Counter[str]]]
"""A drive → its moments, and how many were left out for what reason."""


def cutter(robot: RobotConfig, config: PlannerConfig, params: PlannerParams) -> Cut:
    """A function that cuts drives into moments; it compiles once per size of the house."""
    params = jax.tree.map(jnp.float32, params)
    times = config.dt * np.arange(config.times)

    @jax.jit
    def executed(pose: Float[Array, "3"], commands: Float[Array, "T D"]):
        return _executed(robot, config, pose, commands)

    @jax.jit
    def seen(pose, command, rate, tracks, house, field) -> tuple[WorldAtEffect, RouteField]:
        return _seen(config, params, pose, command, rate, tracks, house, field)

    def cut(drive: Recorded) -> tuple[list[Situation], Counter[str]]:
        last = drive.time[-1] - config.horizon - AFTERWARDS
        moments = np.arange(drive.time[0] + PAST, last, SPACING)
        house = drive.house_map
        try:
            field = solve_field(house, house.blocked, drive.goal, robot)
        except InputError:
            return [], Counter({"walled in": len(moments)})
        grid = Grid(
            values=prior_from_occupancy(jnp.asarray(house.occupancy, jnp.float32)),
            origin=jnp.asarray(house.origin, jnp.float32),
            resolution=jnp.float32(house.resolution),
        )
        found, left_out = [], Counter()
        for moment in moments:
            at = moment + times
            poses = poses_at(drive, at)
            commands = drives.command_of(robot, jnp.asarray(_twists(drive, at), jnp.float32))
            reason = _trouble(robot, drive, at, poses, commands)
            pose = jnp.asarray(poses[0], jnp.float32)
            command, rate, z, gone = executed(pose, commands)
            if not reason and _strays(np.asarray(gone), poses):
                reason = "too brisk"
            if reason:
                left_out[reason] += 1
                continue
            tracks = tracks_at(drive, float(moment), poses[0, :2], config.people)
            world, way = seen(pose, command, rate, tracks, grid, field)
            found.append(Situation(world=world, field=way, z=z))
        return found, left_out

    return cut


def poses_at(drive: Recorded, times: Float[np.ndarray, "T"]) -> Float[np.ndarray, "T 3"]:
    """Between the samples along straight lines; the yaw the short way round."""
    x, y = (np.interp(times, drive.time, drive.pose[:, k]) for k in (0, 1))
    return np.stack([x, y, np.interp(times, drive.time, np.unwrap(drive.pose[:, 2]))], axis=-1)


def people_at(drive: Recorded, times: Float[np.ndarray, "T"]) -> Float[np.ndarray, "T M 2"]:
    """Between the samples along straight lines; NaN unless seen on both sides."""
    left = np.clip(np.searchsorted(drive.time, times, "right") - 1, 0, len(drive.time) - 2)
    share = (times - drive.time[left]) / (drive.time[left + 1] - drive.time[left])
    share = np.clip(share, 0.0, 1.0)[:, None, None]
    return drive.people[left] * (1.0 - share) + drive.people[left + 1] * share


def tracks_at(drive: Recorded, moment: float, xy: Float[np.ndarray, "2"], capacity: int) -> Tracks:
    """Whoever is seen now and was a while ago, the nearest first, as a settled tracker has them."""
    before, now = people_at(drive, np.array([moment - PAST, moment]))
    away = np.hypot(*(now - xy).T)
    away = np.where(np.isfinite(now - before).all(axis=-1), away, np.inf)
    near = np.argsort(away)[:capacity]
    near = near[np.isfinite(away[near])]
    count = len(near)

    def padded(values: np.ndarray, fill: float) -> Float[Array, "M *n"]:
        whole = np.full((capacity, *values.shape[1:]), fill, np.float32)
        whole[:count] = values
        return jnp.asarray(whole)

    return dataclasses.replace(
        no_tracks(capacity),
        xy_map=padded(now[near], 0.0),
        velocity_map=padded((now - before)[near] / PAST, 0.0),
        xy_var=jnp.full(capacity, DETECTION_VAR, jnp.float32),
        velocity_var=jnp.full(capacity, VELOCITY_VAR, jnp.float32),
        radius=padded(drive.radius[near], 0.22),
        kind=padded(drive.kind[near], 0.0).astype(jnp.int32),
        valid=jnp.arange(capacity) < count,
    )


def _twists(drive: Recorded, times: Float[np.ndarray, "T"]) -> Float[np.ndarray, "T 3"]:
    """(vx, vy, ω) in the base frame, from the places half a sample before and after."""
    half = 0.5 * float(np.median(np.diff(drive.time)))
    rate = (poses_at(drive, times + half) - poses_at(drive, times - half)) / (2.0 * half)
    yaw = poses_at(drive, times)[:, 2]
    c, s = np.cos(yaw), np.sin(yaw)
    ahead, aside = c * rate[:, 0] + s * rate[:, 1], c * rate[:, 1] - s * rate[:, 0]
    return np.stack([ahead, aside, rate[:, 2]], axis=-1)


def _trouble(
    robot: RobotConfig,
    drive: Recorded,
    times: Float[np.ndarray, "T"],
    poses: Float[np.ndarray, "T 3"],
    commands: Float[Array, "T D"],
) -> str:
    """Why it cannot be shown; empty if it can."""
    if np.hypot(*(poses - poses[0])[:, :2].T).max() < LEAST:
        return "standing"
    if not bool(jnp.all(drives.within_limits(robot, commands, SLACK))):
        return "too fast"
    people = people_at(drive, times)
    gaps = rectangle_gaps(poses, people, drive.radius, robot)
    if (gaps < 0.0).any() or drive.house_map.blocked_at(poses[:, :2]).any():
        return "touching"
    return ""


def _strays(gone: Float[np.ndarray, "T 3"], poses: Float[np.ndarray, "T 3"]) -> bool:
    off = gone - poses
    turned = np.abs(np.mod(off[:, 2] + np.pi, 2.0 * np.pi) - np.pi)
    return bool(np.hypot(*off[:, :2].T).max() > STRAYS or turned.max() > TURNS)


def _executed(
    robot: RobotConfig,
    config: PlannerConfig,
    pose: Float[Array, "3"],
    commands: Float[Array, "T D"],
) -> tuple[Float[Array, "D"], Float[Array, "D"], Float[Array, "n D"], Float[Array, "T 3"]]:
    """Command and rate at the start, z of what the robot can do of it, and where that leads."""
    basis = basis_of(config)
    command = drives.admissible(robot, commands[0])
    rate = drives.limit_acceleration(robot, (commands[1] - commands[0]) / config.dt)
    wanted = jnp.matmul(basis.fit_samples, commands, precision="highest")[2:, :, None]
    z = drives.encode(robot, basis, command, rate, wanted)
    controls = drives.decode(robot, basis, command, rate, z)
    return command, rate, z[..., 0], drives.motion(robot, basis, pose, controls).pose_map[..., 0]


def _seen(
    config: PlannerConfig,
    params: PlannerParams,
    pose: Float[Array, "3"],
    command: Float[Array, "D"],
    rate: Float[Array, "D"],
    tracks: Tracks,
    house: Grid,
    field: RouteField,
) -> tuple[WorldAtEffect, RouteField]:
    """The planner's world and way, with the house's frame for the robot's own."""
    local = blank_map(config, house, pose[:2])
    ahead = config.dt * jnp.arange(0, config.times, config.people_stride, dtype=jnp.float32)
    world = WorldAtEffect(
        pose_map=pose,
        command=command,
        command_dot=rate,
        clearance=clearance_field(occupied(local), local.grid, config.clearance_cells),
        forecast=forecast(tracks, params, 0.0, ahead),
        position_var=jnp.float32(0.0),
        announced=anything(config),
    )
    return world, crop_field(field, jnp.zeros(3), local.grid)
