"""Recorded samples as the tracks that the planner would start from.                [host]

In: the observed half of windows.  Out: ``Tracks``, all of them true now.

Recordings are not the robot's sensors: their positions come every .4 s, with an error of their
own (ETH and hotel are clicked by hand, zara is a spline through clicks).  As the planner's
tracker knows the noise of its detector, this one is told the recording's, which is estimated
from observed samples alone.  What diffuses after that is the person.
"""

import dataclasses

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from astro_jax.suites.eth_ucy import STEP
from astro_jax.types import Tracks
from astro_jax.world.people import no_tracks

DIFFUSION = 0.02
"""Of the filter, m²/s³: about the mean of the mixture, (1 − w) q + w q_wide.  Among .002–.03,
.01 and .02 predict best; .02 is the better calibrated."""
FIRST_VELOCITY_VAR = 1.0
"""m²/s²"""
LEAST_NOISE = 0.001
"""m: splines show no noise at all."""


def annotation_noise(observed: Float[np.ndarray, "N S 2"]) -> float:
    """Standard deviation of a recorded position per axis, m, from second differences.

    White noise of variance r² on a velocity that diffuses by q has second differences with the
    autocovariances γ₀ = 6r² + ⅔qT³ and γ₁ = −4r² + ⅙qT³, so that r² = (γ₀/4 − γ₁)/5.5.
    """
    second = np.diff(observed, 2, axis=1)
    variance = np.mean(second**2)
    neighbours = np.mean(second[:, 1:] * second[:, :-1])
    return float(np.sqrt(max((variance / 4.0 - neighbours) / 5.5, LEAST_NOISE**2)))


def tracks_of(observed: Float[np.ndarray, "N S 2"], noise: float) -> Tracks:
    """Constant-velocity Kalman filter over the samples, one body per window.

    Source: Bar-Shalom et al., Estimation with Applications, 2001, §6.2.2.
    """
    dt, q = STEP, DIFFUSION
    xy, velocity = observed[:, 0], np.zeros_like(observed[:, 0])
    a, b, c = noise**2, 0.0, FIRST_VELOCITY_VAR
    for seen in np.moveaxis(observed[:, 1:], 1, 0):
        xy = xy + dt * velocity
        a, b, c = (
            a + 2 * dt * b + dt**2 * c + q * dt**3 / 3,
            b + dt * c + q * dt**2 / 2,
            c + q * dt,
        )
        gain = 1.0 / (a + noise**2)
        off = seen - xy
        xy, velocity = xy + gain * a * off, velocity + gain * b * off
        a, b, c = a - gain * a * a, b - gain * a * b, c - gain * b * b
    count = len(observed)
    every = lambda value: jnp.asarray(np.full(count, value, np.float32))
    return dataclasses.replace(
        no_tracks(count),
        xy_map=jnp.asarray(np.float32(xy)),
        velocity_map=jnp.asarray(np.float32(velocity)),
        xy_var=every(a),
        xy_velocity_cov=every(b),
        velocity_var=every(c),
        radius=every(0.25),
        valid=jnp.asarray(np.ones(count, bool)),
    )
