"""How the simulated robot believes to move: wheel odometry that drifts, localisation that jumps.

The robot keeps its local map, tracks and plans in the *map frame*, in which its pose is dead
reckoning: smooth, but it drifts.  Localisation says where that frame lies in the house
(``house_from_map``), and may change its mind: it jumps, the robot's motion does not.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from astro_jax.config import setting
from astro_jax.geometry import compose, from_frame, inverse, to_frame
from astro_jax.types import pytree

WANDER = 3.0
"""Time over which the drift's rate stays alike, s: a wheel on a carpet's edge."""


@pytree
class PoseErrors:
    """How bad the state estimate is (data: a sweep may vary it)."""

    drift: float = setting(0.01, 0.0, 0.5)
    """Standard deviation of (odometry − truth)/truth, of v and ω alike."""
    jump: float = setting(0.01, 0.0, 1.0)
    """Localisation's error is redrawn at every jump: standard deviation per axis, m, …"""
    jump_yaw: float = setting(0.005, 0.0, 1.0)
    """… and of its angle, rad."""
    jump_rate: float = setting(0.5, 0.0, 10.0)
    """Jumps per second."""


EXACT = PoseErrors(drift=0.0, jump=0.0, jump_yaw=0.0, jump_rate=0.0)


@pytree
class Believed:
    """Where the robot believes to be."""

    pose_map: Float[Array, "*batch 3"]
    """Dead reckoning since the start."""
    scale: Float[Array, "*batch 2"]
    """Present error of the odometry: measured over true twist, less 1."""
    jump: Float[Array, "*batch 3"]
    """Present error of localisation, in the house."""
    localised: Bool[Array, "*batch"]
    """Without localisation both frames are taken to agree as they did at the start."""


def initial_belief(start: Float[Array, "3"], localised: bool | Bool[Array, ""] = True) -> Believed:
    """Both frames agree at the start."""
    return Believed(
        pose_map=start,
        scale=jnp.zeros(2),
        jump=jnp.zeros(3),
        localised=jnp.asarray(localised),
    )


def reckon(
    errors: PoseErrors,
    belief: Believed,
    before: Float[Array, "3"],
    after: Float[Array, "3"],
    dt: float,
    key: Array,
) -> Believed:
    """Add one gate tick of true motion, and perhaps a jump of localisation."""
    key_drift, key_when, key_jump = jax.random.split(key, 3)
    kept = jnp.exp(-dt / WANDER)
    fresh = jnp.sqrt(1.0 - kept**2) * errors.drift * jax.random.normal(key_drift, (2,))
    scale = kept * belief.scale + fresh
    step = compose(inverse(before), after)
    step = step * (1.0 + jnp.stack([scale[0], scale[0], scale[1]]))
    spread = jnp.stack([errors.jump, errors.jump, errors.jump_yaw])
    drawn = spread * jax.random.normal(key_jump, (3,))
    jumps = jax.random.uniform(key_when) < errors.jump_rate * dt
    return Believed(
        pose_map=compose(belief.pose_map, step),
        scale=scale,
        jump=jnp.where(jumps, drawn, belief.jump),
        localised=belief.localised,
    )


def localise(belief: Believed, pose: Float[Array, "3"]) -> Float[Array, "3"]:
    """``house_from_map`` as localisation sees it: the truth, moved by its present error."""
    seen = pose + belief.jump
    return jnp.where(belief.localised, compose(seen, inverse(belief.pose_map)), 0.0)


def as_believed(
    pose: Float[Array, "3"], pose_map: Float[Array, "3"], xy: Float[Array, "*n 2"]
) -> Float[Array, "*n 2"]:
    """True points, as a robot that is at ``pose`` and believes in ``pose_map`` places them."""
    return from_frame(pose_map, to_frame(pose, xy))
