"""Where people will be: a velocity that is kept and diffuses, on two scales.

Two components per body.  Most people keep what they do: whoever walks, walks on with a velocity
that hardly diffuses (``walker_noise``); whoever stands, stands.  Some turn, stop or set out: the
measured velocity with a wide diffusion (``walker_noise_wide``, ``walker_wide_share``).  Diffusion
is a random walk of the velocity of intensity q (m²/s³); what the tracker does not know of
position and velocity (a, b, c) is carried along on top, so q is the person's own and not the
sensor's.

Standing has no threshold.  With the measured speed s and its variance c per axis, the first
component keeps the share

  h = 1 − 1/(1 + (s²/2c)²) · 1/(1 + (c/c₁)²)

of velocity, velocity error and diffusion: nothing of a velocity that is no larger than its own
noise, all of one that is clearly larger, and all of one that is not known at all (c ≫ c₁:
somebody just seen may walk any way).

The defaults of ``walker_noise``, ``walker_noise_wide``, ``walker_wide_share`` and
``walker_slowing`` (the mean walks ever slower) are the maximum likelihood over ETH, hotel and
zara01 together: ``astro-jax bench forecast``, which scores each scene with the parameters of
the others.  Nats per step up to 2.8 s, held out, mean of the scenes, from the same tracks:

  one Gaussian, σ linear in time                                 −.30
  two scales                                                     −.63
  … that keep the share h                                        −.86
  … and get slower                                     (this)    −.87
  h that also decides the share of the wide component     .01 less than without
  slow velocities that fade at a fitted rate, not by h          −.84
  without h: diffusion apart along and across             .01 more than without
  without h: a third scale                                .005 less than without

So there are two components, as wide along as across.  Bending the mean by walls or goals was
not tried: homes have other walls and goals than streets.  ``walker_noise_of_kind`` multiplies
both diffusions; its factors of children, pets and robots are assumptions without data.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from astro_jax.config import PlannerParams
from astro_jax.products import once
from astro_jax.types import Forecast, Scalar, Tracks

MAX_SPEED = 3.0
"""Faster tracks are capped (m/s) and their excess becomes uncertainty."""
COMPONENTS = 2
UNKNOWN_VAR = 0.3**2
"""c₁: a velocity known no better than this (m²/s²) says nothing about standing."""


def forecast(
    tracks: Tracks,
    params: PlannerParams,
    ahead: Scalar,
    times: Float[Array, "T"],
) -> Forecast:
    """Gaussian mixtures at ``times`` after the moment ``ahead`` seconds from now.

    The uncertainty's clock starts when the tracks were true (``age`` ago), not now.
    With lead time t, per axis, for b₀, c₀ and q of the component:
    a = a₀ + 2 b₀ t + c₀ t² + q t³/3,  b = b₀ + c₀ t + q t²/2,  c = c₀ + q t
    (Bar-Shalom et al., Estimation with Applications, 2001, §6.2.2).  The mean's velocity decays
    with e^(−t·``walker_slowing``), which the variances leave out: 2 % of σ at 3 s.
    """
    t = (times + ahead + tracks.age)[:, None, None]
    squared = jnp.sum(tracks.velocity_map**2, axis=-1)
    speed = jnp.sqrt(squared + 1e-12)
    capped = tracks.velocity_map * jnp.minimum(1.0, MAX_SPEED / speed)[:, None]
    excess = jnp.maximum(speed - MAX_SPEED, 0.0) ** 2
    kept = kept_share(jnp.minimum(squared, MAX_SPEED**2), tracks.velocity_var)
    share = jnp.stack([kept, jnp.ones_like(kept)], axis=-1)  # M C

    a = tracks.xy_var[None, :, None]
    b = share * tracks.xy_velocity_cov[:, None]
    c = share**2 * (tracks.velocity_var + excess)[:, None]
    noise = jnp.stack([jnp.asarray(params.walker_noise), jnp.asarray(params.walker_noise_wide)])
    q = share * noise[None] * jnp.asarray(params.walker_noise_of_kind)[tracks.kind][:, None]
    b, c, q = b[None], c[None], q[None]
    wide = jnp.asarray(params.walker_wide_share)

    count = (times.shape[0], *tracks.valid.shape, COMPONENTS)
    # somebody who stands has no direction; the variances are the same along any
    along = jnp.where((speed > 0.05)[:, None], capped / (speed + 1e-6)[:, None], 0.0)
    along = jnp.where((speed > 0.05)[:, None], along, jnp.array([1.0, 0.0])[None])
    velocity = share[:, :, None] * capped[:, None, :]
    slowing = jnp.asarray(params.walker_slowing) * t[..., None]

    def whole(value: Float[Array, "#T #M #C #2"]) -> Float[Array, "T M C 2"]:
        # or the evaluation of hundreds of candidates would compute it anew for each of them
        rows = jnp.broadcast_to(value, (*count, 2)).reshape(count[0], -1)
        return once(rows).reshape(*count, 2)

    def both_axes(value: Float[Array, "T M C"]) -> Float[Array, "T M C 2"]:
        return whole(value[..., None])

    return Forecast(
        xy_map=whole(
            tracks.xy_map[None, :, None] + t[..., None] * _average_decay(slowing) * velocity[None]
        ),
        velocity_map=whole(jnp.exp(-slowing) * velocity[None]),
        axis_map=whole(along[None, :, None, :]),
        xy_var=both_axes(a + 2.0 * b * t + c * t**2 + q * t**3 / 3.0),
        xy_velocity_cov=both_axes(b + c * t + q * t**2 / 2.0),
        velocity_var=both_axes(c + q * t),
        weight=jnp.broadcast_to(jnp.stack([1.0 - wide, wide])[None, :], count[1:]),
        radius=tracks.radius,
        kind=tracks.kind,
        valid=tracks.valid,
    )


def kept_share(
    squared_speed: Float[Array, "M"], velocity_var: Float[Array, "M"]
) -> Float[Array, "M"]:
    """h: how much of the measured velocity those keep who go on as they do."""
    doubt = (2.0 * velocity_var) ** 2
    stands = (doubt + 1e-16) / (squared_speed**2 + doubt + 1e-12)
    return 1.0 - stands / (1.0 + (velocity_var / UNKNOWN_VAR) ** 2)


def _average_decay(x: Float[Array, "*any"]) -> Float[Array, "*any"]:
    """(1 − e⁻ˣ)/x: the mean of e⁻ˣ from 0 to x."""
    small = x < 1e-3
    safe = jnp.where(small, 1.0, x)
    return jnp.where(small, 1.0 - 0.5 * x, -jnp.expm1(-safe) / safe)


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
