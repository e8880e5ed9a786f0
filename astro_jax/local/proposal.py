"""An optional network that says where to look: from what the planner sees to a few z.

It sees, in the robot's frame at ``t_effect``: distances to obstacles and the cost-to-go on a grid
of points, the people nearest by, what the wheels do, the goal, and the last plan.  It says
``WAYS`` points of the realizable space, which take the place of as many of the planner's own
seeds; they are judged, and can be driven, like any others.  Whatever it says, the plan cannot be
worse than without those points than by what the seeds that they replace were worth.

Off unless it is handed to ``planner.plan``.  How it is taught, and what it is worth:
``experiments/proposal``.
"""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from astro_jax.config import RobotConfig
from astro_jax.errors import InputError
from astro_jax.geometry import from_frame, sample, to_frame, wrap_angle
from astro_jax.robot import drive
from astro_jax.robot.splines import SplineBasis
from astro_jax.types import RouteField, WorldAtEffect, pytree

WAYS = 8
"""Proposals per cycle."""
REACH, POINTS = 2.25, 16
"""Half the side of the grid that is looked at, m, and points per side."""
BODIES, MOMENTS = 4, 3
"""People looked at, and at how many plan times."""
HIDDEN = (256, 256)
FARTHEST = 4.0
"""No coordinate is proposed beyond, as no descent begins beyond it."""


@pytree
class Layer:
    """out = in · weight + bias."""

    weight: Float[Array, "i o"]
    bias: Float[Array, "o"]


@pytree
class Proposal:
    """The network, for one robot and one spline basis."""

    layers: tuple[Layer, ...]


def propose(
    robot: RobotConfig,
    basis: SplineBasis,
    proposal: Proposal,
    world: WorldAtEffect,
    field: RouteField,
    previous: Float[Array, "N D"],
) -> Float[Array, "n D W"]:
    """``WAYS`` points z; what is not a number proposes the middle of the space.

    Raises:
      InputError: while it is traced, if the network is of another robot or basis.
    """
    free, dimensions = drive.free_shape(robot, basis)
    seen = features(robot, basis, world, field, previous)
    sizes = proposal.layers[0].weight.shape[0], proposal.layers[-1].weight.shape[1]
    wanted = len(seen), WAYS * free * dimensions
    if sizes != wanted:
        raise InputError("proposal", sizes, f"a network from {wanted[0]} to {wanted[1]} numbers")
    *hidden, last = proposal.layers
    for layer in hidden:
        seen = jax.nn.silu(seen @ layer.weight + layer.bias)
    out = seen @ last.weight + last.bias
    z = FARTHEST * jnp.tanh(out / FARTHEST)
    z = jnp.where(jnp.isfinite(z), z, 0.0)
    return jnp.moveaxis(z.reshape(WAYS, free, dimensions), 0, -1)


def features(
    robot: RobotConfig,
    basis: SplineBasis,
    world: WorldAtEffect,
    field: RouteField,
    previous: Float[Array, "N D"],
) -> Float[Array, "f"]:
    """What the network sees; all of order 1."""
    pose = world.pose_map
    axis = np.linspace(-REACH, REACH, POINTS, dtype=np.float32)
    around = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    points = from_frame(pose, jnp.asarray(around))
    free = jnp.clip(sample(world.clearance, points), -0.3, 1.2)
    here = sample(field.cost_to_go, pose[:2])
    gain = jnp.clip(here - sample(field.cost_to_go, points), -4.0, 4.0) / 2.0
    goal = to_frame(pose, field.goal_map[:2])
    far = jnp.sqrt(jnp.sum(goal**2) + 1e-6)
    turn = wrap_angle(field.goal_map[2] - pose[2])
    near = jnp.exp(-far)
    ahead = goal / jnp.maximum(far, 2.0)
    aims = jnp.stack([*ahead, near, near * jnp.cos(turn), near * jnp.sin(turn)])
    wanted = (jnp.asarray(basis.fit_ahead) @ previous)[2:]
    last = drive.encode(robot, basis, world.command, world.command_dot, wanted)
    low, high = drive.command_limits(robot)
    told = world.command / jnp.asarray(np.maximum(np.abs(low), np.abs(high)))
    change = world.command_dot / jnp.asarray([robot.wheel_acceleration] * len(low))
    last = jnp.clip(last.ravel(), -FARTHEST, FARTHEST) / 2.0
    return jnp.concatenate([free, gain, aims, told, change, last, _people(world)])


def _people(world: WorldAtEffect) -> Float[Array, "p"]:
    """Of those nearest by: where they most likely are at some times, and whether they are there."""
    forecast, pose = world.forecast, world.pose_map
    likely = jnp.argmax(forecast.weight, axis=-1)
    mean = jnp.take_along_axis(forecast.xy_map, likely[None, :, None, None], axis=2)[:, :, 0]
    apart = mean - pose[None, None, :2]
    gaps = jnp.sqrt(jnp.sum(apart**2, axis=-1)) - forecast.radius[None]
    nearest = jnp.where(forecast.valid, jnp.min(gaps, axis=0), jnp.inf)
    bodies = min(BODIES, len(nearest))
    chosen = jnp.argsort(nearest)[:bodies]
    there = forecast.valid[chosen] & (nearest[chosen] < 3.0)
    times = np.linspace(0, mean.shape[0] - 1, MOMENTS).round().astype(int)
    places = to_frame(pose, mean[times][:, chosen].reshape(-1, 2))
    places = jnp.clip(places.reshape(MOMENTS, bodies, 2), -4.0, 4.0) / 2.0
    shown = jnp.where(there[None, :, None], places, 0.0)
    missing = BODIES - bodies
    shown = jnp.pad(shown, ((0, 0), (0, missing), (0, 0)))
    return jnp.concatenate([shown.ravel(), jnp.pad(there.astype(jnp.float32), (0, missing))])


def untaught(key: Array, inputs: int, coordinates: int) -> Proposal:
    """He's initialisation; the last layer begins small, with ways spread by its biases.

    ``coordinates``: of one z.
    """
    sizes = [inputs, *HIDDEN, WAYS * coordinates]
    layers = []
    for number, (fan_in, fan_out) in enumerate(itertools.pairwise(sizes)):
        key, draw, spread = jax.random.split(key, 3)
        last = number == len(sizes) - 2
        scale = (0.1 if last else 1.0) * np.sqrt(2.0 / fan_in)
        bias = 0.5 * jax.random.normal(spread, (fan_out,)) if last else jnp.zeros(fan_out)
        layers.append(Layer(weight=scale * jax.random.normal(draw, (fan_in, fan_out)), bias=bias))
    return Proposal(layers=tuple(layers))
