"""What goes wrong with the messages of an episode: when it begins and ends, and how much.

Windows in time for what comes and goes, rates and factors for what lasts.
"""

import enum

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from astro_jax.types import pytree

WINDOWS = 4
"""Of each kind in an episode, at most."""


class Fault(enum.IntEnum):
    """A row of ``Trouble.windows``."""

    SCAN_LOST = 0
    """No new scan comes; the last one ages."""
    SCAN_FROZEN = 1
    """The same ranges over and over, with fresh stamps and poses."""
    HALF_BLIND = 2
    """More than half of the beams say nothing."""
    PLAN_LOST = 3
    PLAN_BAD = 4
    """Plans come with a status that is not OK."""
    PLAN_NAN = 5
    POSE_NAN = 6
    CLOCK = 7
    """Every tick says that too much time has passed."""
    STOP_BUTTON = 8
    """The emergency stop is pressed; the order to arm again follows a second after."""


@pytree
class Trouble:
    """Of one episode."""

    windows: Float[Array, "*batch F W 2"]
    """(From, until), s; inf for never."""
    lost_beams: Float[Array, "*batch"]
    """Share of the beams that say nothing, drawn anew in every scan, …"""
    ghost_beams: Float[Array, "*batch"]
    """… and of those that say something that is not there."""
    scan_every: Int[Array, "*batch"]
    """Gate ticks from scan to scan."""
    noise: Float[Array, "*batch"]
    """Factor on all measurement noise."""
    drift: Float[Array, "*batch"]
    """Standard deviation of the odometry's relative error."""
    rearm_stuck: Bool[Array, "*batch"]
    """Somebody leans on the order to arm from the beginning: it never *becomes* true."""
    command_latency: Float[Array, "*batch"]
    """From gate to wheel, s; the robot knows it."""


def active(trouble: Trouble, time: Float[Array, ""]) -> Bool[Array, "F"]:
    """Which faults there are at ``time``."""
    since, until = trouble.windows[..., 0], trouble.windows[..., 1]
    return jnp.any((time >= since) & (time < until), axis=-1)


def rearming(trouble: Trouble, time: Float[Array, ""]) -> Bool[Array, ""]:
    """Whether the order to arm is being given: for .3 s, one second after the button is let go."""
    released = trouble.windows[int(Fault.STOP_BUTTON), :, 1] + 1.0
    return jnp.any((time >= released) & (time < released + 0.3)) | trouble.rearm_stuck
