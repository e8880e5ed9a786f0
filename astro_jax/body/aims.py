"""Where the screen would like to face, for each thing it may be asked to do.

All courses are pan angles against the base (rad) at the plan times of the screen's own clock;
what is out of the joint's range is left so: how near to it the joint gets is its own matter.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from astro_jax.config import CameraConfig, PlannerConfig, RobotConfig
from astro_jax.geometry import wrap_angle
from astro_jax.products import apply
from astro_jax.types import Scalar

LEADS = (0.7, 1.0, 1.3)
"""How far ahead of the base the screen looks along the plan, s: where it will head then."""
SWEEP = 1.2
"""A search looks so far to either side of its bearing, rad …"""
SWEEP_SHARE = 0.5
"""… at most at this share of the joint's rate."""
MARGIN = 0.12
"""A body that the screen may turn away from stays so far inside of the view, rad."""
BACK = 0.3
"""Which way round to look at what is behind: the way that the screen is turned to, up to this
share of its pan beyond straight behind."""


def way_ahead(
    config: PlannerConfig, yaw: Float[Array, "T"], now: Float[Array, "T"]
) -> Float[Array, "T"]:
    """How far the base will have turned, seen from how it stands ``now``.

    ``yaw`` is the base's heading by its own plan's time, ``now`` the one at the screen's.  The
    mean over ``LEADS``: what the base does for a moment only is not shown as if it stayed so.
    """
    count = yaw.shape[0]
    steps = np.arange(count)
    mean = np.zeros((count, count), np.float32)
    for lead in LEADS:
        mean[steps, np.minimum(steps + round(lead / config.dt), count - 1)] += 1.0 / len(LEADS)
    return apply(mean, yaw) - now


def towards(
    bearing: Float[Array, "*M T"], now: Float[Array, "T"], pan: Scalar
) -> Float[Array, "*M T"]:
    """Pan angles that face these bearings (against the map) while the base heads ``now``.

    Continuous over time, and round the side to which the screen is turned already (``pan``).
    """
    turned = now.reshape(*[1] * (bearing.ndim - 1), -1)
    first = wrap_angle(bearing[..., :1] - turned[..., :1] - BACK * pan) + BACK * pan
    change = wrap_angle(jnp.diff(bearing - turned, axis=-1))
    return jnp.concatenate([first, first + jnp.cumsum(change, axis=-1)], axis=-1)


def kept_in_view(
    camera: CameraConfig,
    ahead: Float[Array, "T"],
    body: Float[Array, "T"],
    spread: Float[Array, "T"],
    share: Scalar,
) -> Float[Array, "T"]:
    """Face where the base goes as far as the body stays in view.

    ``share`` 1: face the body.  Half: anything that keeps it in view with ``MARGIN`` and two of
    its standard deviations (``spread``, rad) to spare is as good.  0: face ahead.
    """
    room = jnp.maximum(camera.field_of_view / 2 - MARGIN - 2.0 * spread, 0.0)
    slack = room * (1.0 - share) / jnp.maximum(share, 1e-6)
    # on the way to share 0 the view alone must not hold it back
    slack = slack + jnp.pi * jnp.maximum(1.0 - 4.0 * share, 0.0)
    return jnp.clip(ahead, body - slack, body + slack)


def sweeping(
    robot: RobotConfig,
    config: PlannerConfig,
    centre: Scalar,
    now: Float[Array, "T"],
    pan: Scalar,
    since: Scalar,
) -> Float[Array, "T"]:
    """To and fro about a bearing, ``since`` seconds into the search.

    A sine as wide as ``SWEEP`` and what the joint's range leaves of it.
    """
    about = towards(jnp.full_like(now, centre), now, pan)
    about = jnp.clip(about, -robot.pan_limit, robot.pan_limit)
    width = min(SWEEP, robot.pan_limit)
    low = jnp.maximum(about - width, -robot.pan_limit)
    high = jnp.minimum(about + width, robot.pan_limit)
    half = 0.5 * (high - low)
    rate = SWEEP_SHARE * robot.pan_rate / max(width, 1e-3)
    time = since + config.dt * jnp.arange(now.shape[0], dtype=jnp.float32)
    return 0.5 * (low + high) + half * jnp.sin(rate * time)
