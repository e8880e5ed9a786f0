"""The gate's promises that need no contact to be broken: P1, P4 and P6, checked tick by tick.

What is wrong is known from the faults that the simulator puts in, not from what the gate says.

P1  every command is finite, within the limits, and changes no faster than drive and brakes can.
P4  once something has been wrong, nothing speeds up, and the robot comes to rest in time.
P6  it speeds up again only when all has been well for a while; after an emergency stop, only
    when it has been armed again.
"""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from astro_jax.config import RobotConfig
from astro_jax.types import pytree

WELL = 0.2
"""Of health before any motion, s."""
GRACE = 0.04
"""From what is wrong to the first command that knows it: two ticks, s."""
TAIL = 1.2
"""In which a plan's own stop is over, s."""
FASTER = 1e-3
"""m/s"""


@pytree
class Oath:
    """How long what has been the case, and how often which promise was broken."""

    speed: Float[Array, "*batch"]
    """Path speed of the last command, m/s."""
    wrong_for: Float[Array, "*batch"]
    well_for: Float[Array, "*batch"]
    began: Float[Array, "*batch"]
    """Path speed when it became wrong, m/s."""
    armed: Bool[Array, "*batch"]
    rearming: Bool[Array, "*batch"]
    broken: Int[Array, "*batch 3"]
    """Ticks in which P1, P4, P6 were."""
    first: Float[Array, "*batch 3"]
    """When for the first time, s."""


def sworn() -> Oath:
    """At the start of an episode: at rest, and not well for any time yet."""
    return Oath(
        speed=jnp.float32(0.0),
        wrong_for=jnp.float32(0.0),
        well_for=jnp.float32(0.0),
        began=jnp.float32(0.0),
        armed=jnp.asarray(True),
        rearming=jnp.asarray(False),
        broken=jnp.zeros(3, jnp.int32),
        first=jnp.full(3, jnp.inf),
    )


def check(
    robot: RobotConfig,
    oath: Oath,
    time: Float[Array, ""],
    twist: Float[Array, "2"],
    *,
    wrong: Bool[Array, ""],
    plan_wrong: Bool[Array, ""],
    button: Bool[Array, ""],
    rearm: Bool[Array, ""],
    tick: float,
) -> Oath:
    """One command.  ``plan_wrong`` alone lets the last plan's own stop go on."""
    reach = 0.5 * (robot.length**2 + robot.width**2) ** 0.5
    speed = jnp.abs(twist[0]) + reach * jnp.abs(twist[1])
    faster = ~(speed <= oath.speed + FASTER)

    limit, slack = 1.02, 1e-3
    within = (
        (twist[0] <= limit * robot.speed + slack)
        & (twist[0] >= -limit * robot.reverse_speed - slack)
        & (jnp.abs(twist[1]) <= limit * robot.yaw_rate + slack)
        & (speed - oath.speed <= limit * robot.wheel_acceleration * tick + slack)
        & (oath.speed - speed <= limit * robot.braking * tick + slack)
    )

    amiss = wrong | plan_wrong
    wrong_for = jnp.where(amiss, oath.wrong_for + tick, 0.0)
    # what it cannot know of yet it need not wait for
    well_for = jnp.where(amiss & (wrong_for > GRACE), 0.0, oath.well_for + tick)
    began = jnp.where(amiss & (oath.wrong_for > 0.0), oath.began, oath.speed)
    after = jnp.maximum(wrong_for - GRACE, 0.0)
    braked = jnp.maximum(began - robot.braking * after, 0.0) + 0.02
    slow = jnp.where(wrong, (speed <= braked) | (wrong_for <= GRACE), True)
    at_rest = (wrong_for <= TAIL) | (speed <= 0.01)
    stops = slow & at_rest & ~((wrong_for > GRACE) & faster)

    edge = rearm & ~oath.rearming & ~button & (oath.speed <= 1e-3)
    armed = jnp.where(button, False, oath.armed | edge)
    waits = ~faster | ((well_for >= WELL - 0.5 * tick) & armed)
    broke = jnp.stack([~within, ~stops, ~waits])
    return Oath(
        speed=jnp.where(jnp.isfinite(speed), speed, 0.0),
        wrong_for=wrong_for,
        well_for=well_for,
        began=began,
        armed=armed,
        rearming=rearm,
        broken=oath.broken + broke.astype(jnp.int32),
        first=jnp.where(broke, jnp.minimum(oath.first, time), oath.first),
    )
