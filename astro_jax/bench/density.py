"""How dense a Gaussian-mixture forecast is somewhere, and which share of it is denser.

In: a ``Forecast`` and positions at its times.  Out: log densities and ranks.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from astro_jax.types import Forecast

DRAWS = 100
"""Samples per body and time that stand for the forecast's mass: ± .05 in one rank."""


def log_density(
    bodies: Forecast, xy_map: Float[Array, "T M 2"], noise: float
) -> Float[Array, "T M"]:
    """Of a position seen with ``noise`` (m per axis) on top of the forecast, log 1/m²."""
    off = xy_map[:, :, None] - bodies.xy_map
    along = bodies.axis_map
    across = jnp.stack([-along[..., 1], along[..., 0]], axis=-1)
    parts = jnp.stack([jnp.sum(off * along, -1), jnp.sum(off * across, -1)], axis=-1)
    var = bodies.xy_var + noise**2
    log = -0.5 * jnp.sum(parts**2 / var + jnp.log(2.0 * jnp.pi * var), axis=-1)
    return jax.scipy.special.logsumexp(log, axis=-1, b=bodies.weight[None])


def rank(
    key: Array, bodies: Forecast, xy_map: Float[Array, "T M 2"], noise: float
) -> Float[Array, "T M"]:
    """Share of the forecast's mass that is denser than the position, by Monte Carlo.

    The position's place among ``DRAWS`` samples, uniform within it: uniform on [0, 1] if the
    position is drawn from the forecast, however few the samples.
    A position is in the highest-density region of level p if its rank is at most p (Hyndman,
    Computing and graphing highest density regions, 1996).
    """
    here = log_density(bodies, xy_map, noise)
    along = bodies.axis_map
    across = jnp.stack([-along[..., 1], along[..., 0]], axis=-1)
    sigma = jnp.sqrt(bodies.xy_var + noise**2)

    def draw(denser, key):
        pick, spread = jax.random.split(key)
        chosen = jax.random.categorical(pick, jnp.log(bodies.weight)[None], shape=here.shape)
        z = sigma * jax.random.normal(spread, (*here.shape, 1, 2))
        places = bodies.xy_map + z[..., :1] * along + z[..., 1:] * across
        place = jnp.take_along_axis(places, chosen[..., None, None], axis=2)[:, :, 0]
        return denser + (log_density(bodies, place, noise) > here), None

    within, *keys = jax.random.split(key, DRAWS + 1)
    denser, _ = jax.lax.scan(draw, jnp.zeros(here.shape, jnp.int32), jnp.stack(keys))
    return (denser + jax.random.uniform(within, here.shape)) / (DRAWS + 1)
