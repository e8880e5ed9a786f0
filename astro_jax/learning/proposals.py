"""Candidates for a situation, with the density that each was drawn with.

A motion is named by shares u = σ(z) ∈ [0, 1]ⁿ of what is reachable (robot/drive.py).  Uniform u
is what the demonstrator is taken to choose among.  Candidates come from the mixture

    q(u) = ½ + ½ · 1/(E·S) Σ_e Σ_s N(z; c_e, s² Σ_e) / |du/dz|

half of them uniform, so that no importance weight 1/q exceeds 2; half of them around centres
c_e: the demonstrated motion and those that the planner's own search ends at.  Σ_e is the inverse
of the objective's rough curvature there (local/metric.py): along what hardly matters candidates
lie far apart.  Samples are stratified: each component draws the same number.

The centres are found with another random key than the samples, so q is fixed before these are
drawn and the sum over them is unbiased.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from astro_jax.config import PlannerConfig, PlannerParams, RobotConfig
from astro_jax.learning.features import vector
from astro_jax.learning.maxent import Choices
from astro_jax.local import candidates
from astro_jax.local.judge import judge_of, looks
from astro_jax.local.metric import inverse_metric
from astro_jax.local.nearest import nearest
from astro_jax.local.planner import basis_of
from astro_jax.local.refine import refine
from astro_jax.local.search import distinct, search
from astro_jax.types import RouteField, WorldAtEffect, pytree

SCALES = np.geomspace(0.06, 1.7, 16).astype(np.float32)
"""s of the mixture: Σ_e fits a demonstrator who is as sharp as β = 1/s².  In twenty dimensions
a scale that is off by half wastes most samples, so they lie close together."""
STEEP = 4.0
"""Centres are brought within it: further out σ(z) is flat."""


@pytree
class Situation:
    """What the planner would see, and what was done."""

    world: WorldAtEffect
    field: RouteField
    """Around the robot, in the map frame."""
    z: Float[Array, "*batch n D"]
    """Of the demonstrated motion."""


def choices_of(
    robot: RobotConfig,
    config: PlannerConfig,
    params: PlannerParams,
    situation: Situation,
    key: Array,
    each: int,
) -> Choices:
    """Features of what was done and of candidates, ``each`` per component of their mixture.

    Robot, config and ``each`` are static.
    """
    world, field, done = situation.world, situation.field, situation.z[..., None]
    basis = basis_of(config)
    find, draw = jax.random.split(key)
    centres = jnp.concatenate([done, _found(robot, config, params, situation, find)], axis=-1)
    centres = jnp.clip(centres, -STEEP, STEEP)
    spread = jnp.linalg.cholesky(
        jnp.moveaxis(inverse_metric(robot, config, params, basis, world, centres), -1, 0)
    )
    z, log_q = drawn(draw, centres.reshape(-1, centres.shape[-1]).T, spread, each)
    judge = judge_of(robot, config, params, basis, world, field, looks(robot, config, params)[1])
    heard = jnp.concatenate([done, z.T.reshape(*done.shape[:-1], -1)], axis=-1)
    _, judged = judge(heard)
    features = vector(judged.terms)
    counts = jnp.all(jnp.isfinite(features[1:]), axis=-1)
    return Choices(
        demonstrated=features[0],
        candidates=jnp.where(counts[:, None], features[1:], 0.0),
        log_weight=jnp.where(counts, -log_q, -jnp.inf),
    )


def drawn(
    key: Array, centres: Float[Array, "E d"], spread: Float[Array, "E d d"], each: int
) -> tuple[Float[Array, "K d"], Float[Array, "K"]]:
    """Samples of the mixture: (z, log q(u) of each); K = 2·E·S·``each``.

    ``spread`` holds the lower Cholesky factor of each Σ_e.
    """
    uniform, normal = jax.random.split(key)
    count, size = centres.shape
    noise = jax.random.normal(normal, (each, len(SCALES), count, size))
    off = jnp.einsum("eij,msej->msei", spread, noise, precision="highest")
    near = centres[None, None] + SCALES[None, :, None, None] * off
    near = near.reshape(-1, size)
    z = jnp.concatenate([jax.random.logistic(uniform, near.shape), near])
    return z, log_density(z, centres, spread)


def log_density(
    z: Float[Array, "K d"], centres: Float[Array, "E d"], spread: Float[Array, "E d d"]
) -> Float[Array, "K"]:
    """Logarithm of the mixture's density of the shares u = σ(z), not of z."""
    size = z.shape[1]
    away = z[None] - centres[:, None]
    white = jax.vmap(lambda l, x: jax.scipy.linalg.solve_triangular(l, x.T, lower=True).T)(
        spread, away
    )
    square = jnp.sum(white**2, axis=-1)[None]  # 1 E K
    log_det = jnp.sum(jnp.log(jnp.diagonal(spread, axis1=1, axis2=2)), axis=-1)
    scale = SCALES[:, None, None]
    gauss = -0.5 * square / scale**2 - size * (np.log(scale) + 0.5 * np.log(2.0 * np.pi))
    gauss = gauss - log_det[None, :, None]
    mean = jax.nn.logsumexp(gauss, axis=(0, 1)) - np.log(len(SCALES) * len(centres))
    # du/dz = σ(z) σ(−z)
    log_slope = jnp.sum(jax.nn.log_sigmoid(z) + jax.nn.log_sigmoid(-z), axis=-1)
    return jnp.logaddexp(0.0, mean - log_slope) - np.log(2.0)


def _found(
    robot: RobotConfig,
    config: PlannerConfig,
    params: PlannerParams,
    situation: Situation,
    key: Array,
) -> Float[Array, "n D E"]:
    """Where the planner's own search ends, by gradients, on each of its ways."""
    world, field = situation.world, situation.field
    basis = basis_of(config)
    key_seeds, key_local = jax.random.split(key)
    rough, _ = looks(robot, config, params)
    judge = judge_of(robot, config, params, basis, nearest(robot, config, world), field, rough)
    rest = jnp.zeros((situation.z.shape[0] + 2, situation.z.shape[1]))
    seeds = candidates.seeds(robot, config, params, basis, world, field, rest, key_seeds)
    z, cost, xy = search(config, judge, seeds, key_local)
    starts, start_cost = distinct(z, cost, xy, config.descents)
    metric = inverse_metric(robot, config, params, basis, world, starts)
    found, _ = refine(judge, starts, start_cost, metric, config.gradient_steps, config.step_lengths)
    return found
