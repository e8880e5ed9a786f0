"""Where people will be: constant velocity with a velocity that diffuses.

A body's velocity performs a random walk of intensity q (m²/s³), so its position variance
grows like q t³/3, on top of what the track's own velocity uncertainty contributes.  With
the tracker's ± .15 m/s, q = .02 reproduces the RMS errors of constant-velocity prediction
on ETH/UCY walkers (.10/.17/.36/.57 m at .8/1.2/2/2.8 s: the model gives .14/.21/.38/.57).
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from astro_jax.types import Forecast, Scalar, Tracks

MAX_SPEED = 3.0
"""Faster tracks are capped (m/s) and their excess becomes uncertainty."""


def forecast(
    tracks: Tracks,
    walker_noise: Scalar,
    ahead: Scalar,
    times: Float[Array, "T"],
) -> Forecast:
    """Gaussians at ``times`` after the moment ``ahead`` seconds from now.

    The uncertainty's clock starts when the tracks were true (``age`` ago), not now.
    With lead time t, per axis:  a = a₀ + 2 b₀ t + c₀ t² + q t³/3,  b = b₀ + c₀ t + q t²/2,
    c = c₀ + q t  (Bar-Shalom et al., Estimation with Applications, 2001, §6.2.2).
    """
    t = (times + ahead + tracks.age)[:, None]
    speed = jnp.sqrt(jnp.sum(tracks.velocity_map**2, axis=-1) + 1e-12)
    capped = tracks.velocity_map * jnp.minimum(1.0, MAX_SPEED / speed)[:, None]
    excess = jnp.maximum(speed - MAX_SPEED, 0.0) ** 2
    a, b = tracks.xy_var[None, :], tracks.xy_velocity_cov[None, :]
    c = (tracks.velocity_var + excess)[None, :]
    q = walker_noise
    return Forecast(
        xy_map=tracks.xy_map[None] + t[:, :, None] * capped[None],
        velocity_map=jnp.broadcast_to(capped[None], (times.shape[0], *capped.shape)),
        xy_var=a + 2.0 * b * t + c * t**2 + q * t**3 / 3.0,
        xy_velocity_cov=b + c * t + q * t**2 / 2.0,
        velocity_var=c + q * t,
        radius=tracks.radius,
        valid=tracks.valid,
    )
