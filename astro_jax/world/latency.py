"""From the moment the data was true to the moment the plan takes effect.

The wheels will, until then, carry out commands that have already been sent: integrate
them.  A first-order actuator lag τ is treated as τ more dead time: for a command that
changes at a m/s² the difference is a·τ² (8 mm at 1.2 m/s² and .08 s), with no state to
estimate.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from astro_jax.types import Scalar

SUBSTEPS = 40


def fast_forward(
    pose_map: Float[Array, "3"],
    sent: Float[Array, "C 2"],
    upcoming: Float[Array, "U 2"],
    age: Scalar,
    actuation_delay: Scalar,
    tick: float,
) -> Float[Array, "3"]:
    """Pose when the first command after ``upcoming`` reaches the wheels.

    ``sent`` holds the twists sent so far, oldest first, one per ``tick`` seconds, the last
    one sent just before now; ``upcoming`` those that will be sent while planning.  The pose
    was true ``age`` seconds ago; the wheels run ``actuation_delay`` seconds behind.
    Ages beyond the buffer integrate its oldest command: the caller limits the age.
    """
    twists = jnp.concatenate([sent, upcoming])
    span = age + upcoming.shape[0] * tick + actuation_delay
    step = span / SUBSTEPS

    def advance(pose, k):
        # time of sending (relative to now) of the command that acts in this substep
        sent_at = (k + 0.5) * step - age - actuation_delay
        index = jnp.floor(sent_at / tick).astype(jnp.int32) + sent.shape[0]
        v, omega = twists[jnp.clip(index, 0, twists.shape[0] - 1)]
        yaw = pose[2] + 0.5 * step * omega
        return pose + step * jnp.stack([v * jnp.cos(yaw), v * jnp.sin(yaw), omega]), None

    pose, _ = jax.lax.scan(advance, pose_map, jnp.arange(SUBSTEPS, dtype=jnp.float32))
    return pose
