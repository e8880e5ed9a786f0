"""From the moment the data was true to the moment the plan takes effect.

The wheels will, until then, carry out commands that have already been sent: integrate
them.  A first-order actuator lag τ is treated as τ more dead time: for a command that
changes at a m/s² the difference is a·τ² (8 mm at 1.2 m/s² and .08 s), with no state to
estimate.
"""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from astro_jax.config import Latency, PlannerConfig
from astro_jax.types import Scalar
from astro_jax.world.actuation import Actuation

SUBSTEPS = 40


def fast_forward(
    pose_map: Float[Array, "3"],
    sent: Float[Array, "C 2"],
    upcoming: Float[Array, "U 2"],
    age: Scalar,
    actuation: Actuation,
    ahead: Scalar,
    tick: float,
) -> tuple[Float[Array, "3"], Float[Array, ""]]:
    """Pose when the command sent ``ahead`` seconds from now reaches the wheels; way there (m).

    ``sent`` holds the twists sent so far, oldest first, one per ``tick`` seconds, the last
    one sent just before now; ``upcoming`` those that will be sent from now on, for at least
    ``ahead`` seconds.  The pose was true ``age`` seconds ago; the wheels run
    ``actuation.delay`` seconds behind and do ``actuation.gain`` of what they are told.
    Ages beyond the buffer integrate its oldest command: the caller limits the age.
    """
    twists = jnp.concatenate([sent, upcoming]) * actuation.gain[None]
    span = age + ahead + actuation.delay
    step = span / SUBSTEPS

    def advance(pose, k):
        # time of sending (relative to now) of the command that acts in this substep
        sent_at = (k + 0.5) * step - age - actuation.delay
        index = jnp.floor(sent_at / tick).astype(jnp.int32) + sent.shape[0]
        v, omega = twists[jnp.clip(index, 0, twists.shape[0] - 1)]
        yaw = pose[2] + 0.5 * step * omega
        moved = pose + step * jnp.stack([v * jnp.cos(yaw), v * jnp.sin(yaw), omega])
        return moved, jnp.abs(v)

    pose, speeds = jax.lax.scan(advance, pose_map, jnp.arange(SUBSTEPS, dtype=jnp.float32))
    return pose, jnp.sum(speeds) * step


def planning_time(estimate: float, measured: float) -> float:
    """What to grant to the next cycle, s, after one took ``measured`` seconds.   [host]

    Up at once, down by 2 % per cycle (a half-life of 3.4 s at 10 Hz): a plan that comes too
    late costs more than one that waits for its turn.  A measurement that is not a finite
    time leaves the estimate.
    """
    if not (math.isfinite(measured) and measured >= 0.0):
        return estimate
    return max(measured, 0.98 * estimate)


def allowance(latency: Latency, config: PlannerConfig) -> Int[Array, ""]:
    """Gate ticks after which the plan of a cycle takes over: within its own cycle."""
    most = round(config.period / config.gate_period) - 1
    ticks = jnp.ceil(latency.planning / config.gate_period - 1e-3)
    # NaN: the longest
    return jnp.where(ticks < most, jnp.maximum(ticks, 1.0), most).astype(jnp.int32)
