"""Where the search looks: whole-space points, maneuvers, and followers of the route.

Everything is handed over as z, the coordinates of the realizable space (robot/drive.py),
so that every candidate can be driven.  Global seeds are always present: a search that
only refines its last plan never finds the other way around.  The last axis is candidates.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.stats import qmc

from astro_jax.config import PlannerConfig, PlannerParams, RobotConfig
from astro_jax.geometry import cos_sin, sample_xy
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
    free, dimensions = drive.free_shape(robot, basis)
    shift = jax.random.uniform(key, (max(free, 3) * dimensions,))
    fixed = anchors(robot, basis)
    count = config.candidates - fixed.shape[-1] - config.guided_candidates - 1
    wanted = [
        fixed,
        (jnp.asarray(basis.fit_ahead) @ previous)[2:, :, None],
        guided(robot, config, params, basis, world, field)[2:],
        maneuvers(robot, count // 2, free, shift),
    ]
    projected = drive.encode(
        robot, basis, world.command, world.command_dot, jnp.concatenate(wanted, axis=-1)
    )
    whole = whole_space(count - count // 2, free, dimensions, shift)
    return jnp.concatenate([projected, whole], axis=-1)


def around(
    key: Array, elites: Float[Array, "n D E"], count: int, stage: Float[Array, ""]
) -> Float[Array, "n D K"]:
    """Gaussian samples around the best few, σ from 1 down to .05 in z, halved per stage."""
    noise = jax.random.normal(key, (*elites.shape[:-1], count))
    width = np.logspace(0.0, -1.3, count).astype(np.float32)[None, None] * 0.5**stage
    # an edge-saturated coordinate must be able to come back
    centre = jnp.clip(elites, -3.5, 3.5)
    return centre[..., np.arange(count) % elites.shape[-1]] + width * noise


def anchors(robot: RobotConfig, basis: SplineBasis) -> Float[Array, "n D A"]:
    """Constant commands: the full stop first, then hard turns, straights, arcs, backing out."""
    return jnp.moveaxis(drive.held(basis, jnp.asarray(drive.steady_commands(robot))), 0, -1)


def maneuvers(
    robot: RobotConfig, count: int, free: int, shift: Float[Array, "d"]
) -> Float[Array, "n D K"]:
    """Two commands in sequence, with a smooth change-over, from a low-discrepancy set."""
    low, high = (jnp.asarray(limit)[:, None] for limit in drive.command_limits(robot))
    dimensions = low.shape[0]
    u = _shifted(count, 2 * dimensions + 1, shift)
    first, second = (low + (high - low) * u[i * dimensions :][:dimensions] for i in range(2))
    knot = np.arange(free, dtype=np.float32)[:, None, None]
    blend = jax.nn.sigmoid(2.0 * (knot - free * u[-1][None, None]))
    return first[None] * (1.0 - blend) + second[None] * blend


def whole_space(
    count: int, free: int, dimensions: int, shift: Float[Array, "d"]
) -> Float[Array, "n D K"]:
    """Normal-distributed z (σ 2) from a rotated Sobol set: any corner can be drawn."""
    u = _shifted(count, free * dimensions, shift)
    z = jax.scipy.special.ndtri(jnp.clip(u, 1e-3, 1.0 - 1e-3))
    return 2.0 * z.reshape(free, dimensions, count)


def guided(
    robot: RobotConfig,
    config: PlannerConfig,
    params: PlannerParams,
    basis: SplineBasis,
    world: WorldAtEffect,
    field: RouteField,
) -> Float[Array, "N D G"]:
    """Control points of rollouts that steer down the cost-to-go at several speeds.

    A unicycle turns towards the direction in which it should go and slows while it points
    elsewhere, the usual guidance by a vector field; near the goal that direction swings to
    the goal's heading, so that the rollouts park.  A drive that can go sideways does, and
    turns on the way.  Gains and speeds differ between them; all accelerate gently, as the
    objective wants it.
    """
    count = config.guided_candidates
    top = robot.speed * np.linspace(1.0, 0.2, count, dtype=np.float32)
    gain = np.resize([1.5, 3.0, 0.8, 5.0], count).astype(np.float32)
    slopes = jax.grad(lambda x, y: jnp.sum(sample_xy(field.cost_to_go, x, y)), argnums=(0, 1))
    goal_x, goal_y, goal_yaw = field.goal_map
    sideways = robot.drive == "omni"

    def wanted_direction(x, y, distance):
        rise_x, rise_y = slopes(x, y)
        steepness = jnp.sqrt(rise_x**2 + rise_y**2 + 1e-6)
        near = distance / params.heading_radius
        final = jnp.exp(-0.5 * near**2)
        # the cube keeps the change-over at the radius itself
        downhill = -(jnp.minimum(near, 10.0) ** 3) / steepness
        c, s = cos_sin(goal_yaw)
        return downhill * rise_x + final * c, downhill * rise_y + final * s

    def step(carry, _):
        x, y, yaw, vx, vy, omega = carry
        distance = jnp.sqrt((x - goal_x) ** 2 + (y - goal_y) ** 2 + 1e-9)
        east, north = wanted_direction(x, y, distance)
        c, s = cos_sin(yaw)
        ahead, aside = c * east + s * north, c * north - s * east
        error = jnp.arctan2(aside, ahead + 1e-9)
        speed = jnp.minimum(top, 1.2 * distance)
        limit = 0.5 * robot.wheel_acceleration * config.dt
        share = jnp.cos(error) if sideways else jnp.maximum(jnp.cos(error), 0.0)
        vx = vx + jnp.clip(speed * share - vx, -limit, limit)
        if sideways:
            vy = vy + jnp.clip(speed * jnp.sin(error) - vy, -limit, limit)
        wanted_omega = jnp.clip(gain * error, -robot.yaw_rate, robot.yaw_rate)
        limit = 0.3 * robot.yaw_acceleration * config.dt
        omega = omega + jnp.clip(wanted_omega - omega, -limit, limit)
        c, s = cos_sin(yaw + 0.5 * config.dt * omega)
        x = x + config.dt * (vx * c - vy * s)
        y = y + config.dt * (vx * s + vy * c)
        return (x, y, yaw + config.dt * omega, vx, vy, omega), jnp.stack([vx, vy, omega])

    twist = drive.body_twist(robot, world.command)
    start = [jnp.broadcast_to(value, (count,)) for value in (*world.pose_map, *twist)]
    _, twists = jax.lax.scan(step, tuple(start), length=config.times - 1)
    commands = drive.command_of(robot, jnp.moveaxis(twists, 1, -1))  # T G D
    first = jnp.broadcast_to(world.command, (1, *commands.shape[1:]))
    commands = jnp.concatenate([first, commands])
    return jnp.einsum("nt,tgd->ndg", basis.fit_samples, commands, precision="highest")


def _shifted(count: int, dimension: int, shift: Float[Array, "d"]) -> Float[Array, "d K"]:
    """Sobol points in [0, 1), moved by ``shift``."""
    points = _sobol(count, dimension).T
    return jnp.mod(points + shift[:dimension, None], 1.0)


@functools.lru_cache(maxsize=16)
def _sobol(count: int, dimension: int) -> np.ndarray:
    power = int(np.ceil(np.log2(count)))
    points = qmc.Sobol(dimension, scramble=True, rng=np.random.default_rng(1)).random_base2(power)
    return points[:count].astype(np.float32)
