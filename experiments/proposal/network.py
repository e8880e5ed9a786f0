"""A small network that says where to look: from what the planner sees to a few z.

It sees, in the robot's frame at ``t_effect``: distances to obstacles and the cost-to-go on a grid
of points, the people nearest by, what the wheels do, the goal, and the last plan.  It says
``WAYS`` points of the realizable space, which join the planner's own seeds.
"""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from problem import COORDINATES, DIMENSION, FREE, Moment, warm_start

from astro_jax.geometry import from_frame, sample, to_frame, wrap_angle
from astro_jax.types import pytree

WAYS = 8
"""Proposals per moment."""
REACH, POINTS = 2.25, 16
"""Half the side of the grid that is looked at, m, and points per side."""
BODIES, MOMENTS = 4, (0, 15, 30)
"""People looked at, and at which plan times."""
HIDDEN = (256, 256)
FARTHEST = 4.0
"""No coordinate is proposed beyond, as no descent begins beyond it."""


@pytree
class Layer:
    weight: Float[Array, "i o"]
    bias: Float[Array, "o"]


def features(moment: Moment) -> Float[Array, "f"]:
    """All of order 1."""
    world, pose = moment.world, moment.world.pose_map
    axis = np.linspace(-REACH, REACH, POINTS, dtype=np.float32)
    around = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    points = from_frame(pose, jnp.asarray(around))
    free = jnp.clip(sample(world.clearance, points), -0.3, 1.2)
    here = sample(moment.field.cost_to_go, pose[:2])
    gain = jnp.clip(here - sample(moment.field.cost_to_go, points), -4.0, 4.0) / 2.0
    goal = to_frame(pose, moment.field.goal_map[:2])
    far = jnp.sqrt(jnp.sum(goal**2) + 1e-6)
    turn = wrap_angle(moment.field.goal_map[2] - pose[2])
    near = jnp.exp(-far)
    aims = jnp.stack(
        [*(goal / jnp.maximum(far, 2.0)), near, near * jnp.cos(turn), near * jnp.sin(turn)]
    )
    return jnp.concatenate(
        [
            free,
            gain,
            aims,
            world.command / jnp.array([0.75, 1.5]),
            world.command_dot / jnp.array([1.0, 4.0]),
            jnp.clip(warm_start(moment), -FARTHEST, FARTHEST) / 2.0,
            _people(moment),
        ]
    )


def _people(moment: Moment) -> Float[Array, "p"]:
    """Of those nearest by: where they most likely are at some times, and whether they are there."""
    forecast, pose = moment.world.forecast, moment.world.pose_map
    likely = jnp.argmax(forecast.weight, axis=-1)
    mean = jnp.take_along_axis(forecast.xy_map, likely[None, :, None, None], axis=2)[:, :, 0]
    gaps = jnp.sqrt(jnp.sum((mean - pose[:2]) ** 2, axis=-1)) - forecast.radius
    nearest = jnp.where(forecast.valid, jnp.min(gaps, axis=0), jnp.inf)
    chosen = jnp.argsort(nearest)[:BODIES]
    there = forecast.valid[chosen] & (nearest[chosen] < 3.0)
    places = to_frame(pose, mean[np.array(MOMENTS)][:, chosen].reshape(-1, 2))
    places = places.reshape(len(MOMENTS), BODIES, 2)
    shown = jnp.where(there[None, :, None], jnp.clip(places, -4.0, 4.0) / 2.0, 0.0)
    return jnp.concatenate([shown.ravel(), there.astype(jnp.float32)])


def initial(key: Array, inputs: int) -> list[Layer]:
    """He's initialisation; the last layer begins small, with proposals spread by its biases."""
    sizes = [inputs, *HIDDEN, WAYS * DIMENSION]
    layers = []
    for number, (fan_in, fan_out) in enumerate(itertools.pairwise(sizes)):
        key, draw, spread = jax.random.split(key, 3)
        last = number == len(sizes) - 2
        scale = (0.1 if last else 1.0) * np.sqrt(2.0 / fan_in)
        bias = 0.5 * jax.random.normal(spread, (fan_out,)) if last else jnp.zeros(fan_out)
        layers.append(Layer(weight=scale * jax.random.normal(draw, (fan_in, fan_out)), bias=bias))
    return layers


def propose(layers: list[Layer], seen: Float[Array, "f"]) -> Float[Array, "n D W"]:
    """``WAYS`` points of the realizable space, in the planner's layout."""
    for layer in layers[:-1]:
        seen = jax.nn.silu(seen @ layer.weight + layer.bias)
    out = seen @ layers[-1].weight + layers[-1].bias
    z = FARTHEST * jnp.tanh(out / FARTHEST)
    return jnp.moveaxis(z.reshape(WAYS, FREE, COORDINATES), 0, -1)
