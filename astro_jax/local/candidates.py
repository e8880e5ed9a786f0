"""Where the search looks: whole-space points, maneuvers, and followers of the route.

Everything is handed over as z, the coordinates of the realizable space (robot/drive.py),
so that every candidate can be driven.  Global seeds are always present: a search that
only refines its last plan never finds the other way around.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.stats import qmc

from astro_jax.config import PlannerConfig, PlannerParams, RobotConfig
from astro_jax.geometry import heading, safe_norm, sample, to_frame
from astro_jax.robot import drive
from astro_jax.robot.splines import SplineBasis
from astro_jax.types import RouteField, WorldAtEffect


def seeds(
    robot: RobotConfig,
    config: PlannerConfig,
    params: PlannerParams,
    basis: SplineBasis,
    world: WorldAtEffect,
    field: RouteField,
    previous: Float[Array, "N D"],
    key: Array,
) -> Float[Array, "n D K"]:
    """The first ``config.candidates``; the full stop is the very first.

    ``previous`` holds the last plan's control points; ``key`` moves the low-discrepancy
    points anew every cycle (Cranley–Patterson rotation).
    """
    free = basis.value.shape[1] - 2
    shift = jax.random.uniform(key, (2 * free,))
    fixed = anchors(robot, free)
    count = config.candidates - fixed.shape[0] - config.guided_candidates - 1
    wanted = jnp.concatenate(
        [
            fixed,
            (jnp.asarray(basis.fit_ahead) @ previous)[None, 2:],
            guided(robot, config, params, basis, world, field)[:, 2:],
            maneuvers(robot, count // 2, free, shift),
        ]
    )

    wanted = jnp.moveaxis(wanted, 0, -1)
    projected = drive.encode(robot, basis, world.command, world.command_dot, wanted)
    whole = jnp.moveaxis(whole_space(count - count // 2, free, shift), 0, -1)
    return jnp.concatenate([projected, whole], axis=-1)


def around(
    key: Array, elites: Float[Array, "N-2 D E"], count: int, stage: Float[Array, ""]
) -> Float[Array, "N-2 D K"]:
    """Gaussian samples around the best few, σ from 1 down to .05 in z, halved per stage."""
    noise = jax.random.normal(key, (*elites.shape[:-1], count))
    width = np.logspace(0.0, -1.3, count).astype(np.float32)[None, None] * 0.5**stage
    # an edge-saturated coordinate must be able to come back
    centre = jnp.clip(elites, -3.5, 3.5)
    return centre[..., np.arange(count) % elites.shape[-1]] + width * noise


def anchors(robot: RobotConfig, free: int) -> Float[Array, "A N-2 2"]:
    """Full stop first; then constant twists: hard turns, straights, arcs, backing out."""
    speeds = np.array([0.0, 0.25, 0.5, 0.75, 1.0]) * robot.speed
    rates = np.array([-1.0, -0.5, -0.2, 0.0, 0.2, 0.5, 1.0]) * robot.yaw_rate
    forward = [(v, w) for v in speeds for w in rates if (v, w) != (0.0, 0.0)]
    back = [(-robot.reverse_speed, w) for w in rates[[1, 3, 5]]]
    twists = np.array([(0.0, 0.0), *forward, *back], np.float32)
    return jnp.asarray(np.repeat(twists[:, None, :], free, axis=1))


def maneuvers(
    robot: RobotConfig, count: int, free: int, shift: Float[Array, "d"]
) -> Float[Array, "K N-2 2"]:
    """Two twists in sequence, with a smooth change-over, from a low-discrepancy set."""
    u = jnp.mod(jnp.asarray(_sobol(count, 5)) + shift[None, :5], 1.0)
    low = jnp.array([-robot.reverse_speed, -robot.yaw_rate])
    high = jnp.array([robot.speed, robot.yaw_rate])
    first = low[None] + (high - low)[None] * u[:, 0:2]
    second = low[None] + (high - low)[None] * u[:, 2:4]
    knot = jnp.arange(free, dtype=jnp.float32)[None, :]
    blend = jax.nn.sigmoid(2.0 * (knot - free * u[:, 4:5]))[..., None]
    return first[:, None] * (1.0 - blend) + second[:, None] * blend


def whole_space(count: int, free: int, shift: Float[Array, "d"]) -> Float[Array, "K N-2 2"]:
    """Normal-distributed z (σ 2) from a rotated Sobol set: any corner can be drawn."""
    u = jnp.mod(jnp.asarray(_sobol(count, 2 * free)) + shift[None, : 2 * free], 1.0)
    z = jax.scipy.special.ndtri(jnp.clip(u, 1e-3, 1.0 - 1e-3))
    return 2.0 * z.reshape(count, free, 2)


def guided(
    robot: RobotConfig,
    config: PlannerConfig,
    params: PlannerParams,
    basis: SplineBasis,
    world: WorldAtEffect,
    field: RouteField,
) -> Float[Array, "G N 2"]:
    """Control points of rollouts that steer down the cost-to-go at several speeds.

    A unicycle turns towards the direction in which it should go and slows while it points
    elsewhere, the usual guidance by a vector field; near the goal that direction swings to
    the goal's heading, so that the rollouts park.  Gains and speeds differ between them; all
    accelerate gently, as the objective wants it.
    """
    count = config.guided_candidates
    speed = robot.speed * jnp.linspace(1.0, 0.2, count)
    gain = jnp.asarray(np.resize([1.5, 3.0, 0.8, 5.0], count).astype(np.float32))
    slope = jax.grad(lambda xy: sample(field.cost_to_go, xy))

    def wanted_direction(pose, distance):
        downhill = -slope(pose[:2])
        near = distance / params.heading_radius
        final = jnp.exp(-0.5 * near**2) * heading(field.goal_map[2])
        # the cube keeps the change-over at the radius itself
        return jnp.minimum(near, 10.0) ** 3 * downhill / safe_norm(downhill, 1e-3) + final

    def rollout(speed, gain):
        def step(carry, _):
            pose, v, omega = carry
            distance = safe_norm(pose[:2] - field.goal_map[:2])
            wanted = to_frame(
                jnp.array([0.0, 0.0, 1.0]) * pose[2], wanted_direction(pose, distance)
            )
            error = jnp.arctan2(wanted[1], wanted[0] + 1e-9)
            wanted_v = jnp.minimum(speed, 1.2 * distance) * jnp.maximum(jnp.cos(error), 0.0)
            wanted_omega = jnp.clip(gain * error, -robot.yaw_rate, robot.yaw_rate)
            limit = 0.5 * robot.wheel_acceleration * config.dt
            v = v + jnp.clip(wanted_v - v, -limit, limit)
            limit = 0.3 * robot.yaw_acceleration * config.dt
            omega = omega + jnp.clip(wanted_omega - omega, -limit, limit)
            turn = pose[2] + 0.5 * config.dt * omega
            pose = pose + config.dt * jnp.stack([v * jnp.cos(turn), v * jnp.sin(turn), omega])
            return (pose, v, omega), jnp.stack([v, omega])

        start = (world.pose_map, world.command[0], world.command[1])
        _, twists = jax.lax.scan(step, start, length=config.times - 1)
        twists = jnp.concatenate([world.command[None], twists])
        return jnp.asarray(basis.fit_samples) @ twists

    return jax.vmap(rollout)(speed, gain)


@functools.lru_cache(maxsize=16)
def _sobol(count: int, dimension: int) -> np.ndarray:
    power = int(np.ceil(np.log2(count)))
    points = qmc.Sobol(dimension, scramble=True, rng=np.random.default_rng(1)).random_base2(power)
    return points[:count].astype(np.float32)
