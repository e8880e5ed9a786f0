"""Which turns of the base the screen will have shown before they come.

The base's planner is told, for the next second or so of its plan, between which headings the
screen will have faced ``NOTICE`` seconds before.  A turn beyond them has a price
(``PlannerParams.unannounced``, local/objective.py): the base begins it a little later or more
gently while the screen has still to turn there, and does not wait when it must not.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from astro_jax.body.servo import ScreenState
from astro_jax.config import PlannerConfig, RobotConfig
from astro_jax.types import Scalar

NOTICE = 0.7
"""s; two tenths more than is wanted, for plans that change their mind."""
WITHIN = 0.8
"""Longer after that than this the screen can face anything, s."""
UNLIMITED = 1e3
"""rad"""
PROMPT = 0.6
"""Share of the pan joint's acceleration with which it can be counted on to turn."""


def announced(
    robot: RobotConfig,
    config: PlannerConfig,
    screen: ScreenState,
    yaw_rate: Scalar,
    delay: Scalar,
) -> Float[Array, "t 2"]:
    """Least and greatest heading that the screen will have faced, rad against the base's at τ = 0.

    A row per plan time τ.  What the base does at τ one sees τ + delay after the plan was taken
    over; so what counts is where the screen faced at t = τ + delay − ``NOTICE``, or could by
    then: with the pan angle p, its rate p′ and the base's ω

        p + (p′ + ω)·t − ω·delay ± min(½a t², p′_max t)·[t > 0].

    ``screen``: as it will be when the plan takes over.  Without a pan joint nothing is asked.
    """
    if not robot.pan_limit:
        return anything(config)
    t = config.dt * jnp.arange(_count(config), dtype=jnp.float32) + delay - NOTICE
    pan = screen.pan
    facing = pan.angle + (pan.rate + yaw_rate) * t - yaw_rate * delay
    # before it began to turn it faced ahead, not to the other side
    since = jnp.clip(facing, jnp.minimum(pan.angle, 0.0), jnp.maximum(pan.angle, 0.0))
    facing, later = jnp.where(t < 0.0, since, facing), jnp.maximum(t, 0.0)
    turned = jnp.minimum(0.5 * PROMPT * robot.pan_acceleration * later**2, robot.pan_rate * later)
    return jnp.stack([facing - turned, facing + turned], axis=-1)


def anything(config: PlannerConfig) -> Float[Array, "t 2"]:
    """No turn has to be shown."""
    return jnp.broadcast_to(jnp.array([-UNLIMITED, UNLIMITED]), (_count(config), 2))


def _count(config: PlannerConfig) -> int:
    return min(round((NOTICE + WITHIN) / config.dt) + 1, config.times)
