"""Where people will be: constant velocity with a velocity that diffuses, on two scales.

A body's velocity performs a random walk of intensity q (m²/s³), so its position variance
grows like q t³/3, on top of what the track's own velocity uncertainty contributes.  With
the tracker's ± .15 m/s, q = .02 reproduces the RMS errors of constant-velocity prediction
on ETH/UCY walkers (.10/.17/.36/.57 m at .8/1.2/2/2.8 s: the model gives .14/.21/.38/.57).
One Gaussian of that size has the wrong shape: most people keep their way far better, some
turn.  So there are two components with the same mean, a narrow one and a wide one, whose
q average to the same .02.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from astro_jax.config import PlannerParams
from astro_jax.types import Forecast, Scalar, Tracks

MAX_SPEED = 3.0
"""Faster tracks are capped (m/s) and their excess becomes uncertainty."""
COMPONENTS = 2


def forecast(
    tracks: Tracks,
    params: PlannerParams,
    ahead: Scalar,
    times: Float[Array, "T"],
) -> Forecast:
    """Gaussian mixtures at ``times`` after the moment ``ahead`` seconds from now.

    The uncertainty's clock starts when the tracks were true (``age`` ago), not now.
    With lead time t, per axis:  a = a₀ + 2 b₀ t + c₀ t² + q t³/3,  b = b₀ + c₀ t + q t²/2,
    c = c₀ + q t  (Bar-Shalom et al., Estimation with Applications, 2001, §6.2.2).
    """
    t = (times + ahead + tracks.age)[:, None, None]
    speed = jnp.sqrt(jnp.sum(tracks.velocity_map**2, axis=-1) + 1e-12)
    capped = tracks.velocity_map * jnp.minimum(1.0, MAX_SPEED / speed)[:, None]
    excess = jnp.maximum(speed - MAX_SPEED, 0.0) ** 2
    a, b = tracks.xy_var[None, :, None], tracks.xy_velocity_cov[None, :, None]
    c = (tracks.velocity_var + excess)[None, :, None]
    wide = jnp.asarray(params.walker_wide_share)
    q = jnp.stack([jnp.asarray(params.walker_noise), jnp.asarray(params.walker_noise_wide)])
    q = q[None, None, :]

    count = (times.shape[0], *tracks.valid.shape, COMPONENTS)
    # somebody who stands has no direction; the variances are the same along any
    along = jnp.where((speed > 0.05)[:, None], capped / (speed + 1e-6)[:, None], 0.0)
    along = jnp.where((speed > 0.05)[:, None], along, jnp.array([1.0, 0.0])[None])

    def each(value: Float[Array, "M 2"]) -> Float[Array, "T M C 2"]:
        return jnp.broadcast_to(value[None, :, None, :], (*count, 2))

    def both_axes(value: Float[Array, "T M C"]) -> Float[Array, "T M C 2"]:
        return jnp.broadcast_to(value[..., None], (*count, 2))

    mean = tracks.xy_map[None] + t * capped[None]
    return Forecast(
        xy_map=jnp.broadcast_to(mean[:, :, None, :], (*count, 2)),
        velocity_map=each(capped),
        axis_map=each(along),
        xy_var=both_axes(a + 2.0 * b * t + c * t**2 + q * t**3 / 3.0),
        xy_velocity_cov=both_axes(b + c * t + q * t**2 / 2.0),
        velocity_var=both_axes(c + q * t),
        weight=jnp.broadcast_to(jnp.stack([1.0 - wide, wide])[None, :], count[1:]),
        radius=tracks.radius,
        kind=tracks.kind,
        valid=tracks.valid,
    )


def moments(bodies: Forecast) -> tuple[Float[Array, "T M 2"], Float[Array, "T M 2 2"]]:
    """Mean (m) and covariance (m²) of each body's position: what an ellipse shows of it.

    Σ = Σ_c w_c (R_c diag(a) R_cᵀ + μ_c μ_cᵀ) − μ μᵀ.  Also takes NumPy arrays.
    """
    weight = bodies.weight[..., None, :, :, None]
    mean = (weight * bodies.xy_map).sum(-2)
    off = bodies.xy_map - mean[..., None, :]
    along = bodies.axis_map
    turn = np.array([-1.0, 1.0], np.float32).reshape([1] * (along.ndim - 1) + [2])
    across = along[..., ::-1] * turn
    parts = [(off, 1.0), (along, bodies.xy_var[..., :1]), (across, bodies.xy_var[..., 1:])]
    spread = [(weight * size * axis)[..., :, None] * axis[..., None, :] for axis, size in parts]
    return mean, (spread[0] + spread[1] + spread[2]).sum(-3)
