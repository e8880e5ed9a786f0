"""Candidates for a situation, with the density that each was drawn with.

A motion is named by shares u = σ(z) ∈ [0, 1]ⁿ of what is reachable (robot/drive.py).  Uniform u
is what the demonstrator is taken to choose among.  Candidates come from the mixture

    q(u) = ¼ + ¾ · 1/(E·S) Σ_e Σ_s N(z; c_e, Σ_es) / |du/dz|

a quarter of them uniform, so that no importance weight 1/q exceeds 4; the others around centres
c_e: modes of exp(−β J) as the planner's own search finds them, and the motion that the
demonstrator is most likely to have meant.  Σ_es are inverse Hessians there (Laplace), one for
each of several β: in twenty dimensions samples that are too wide by half are wasted.  Samples
are stratified: each component draws the same number.

The centres are found with another random key than the samples, so q is fixed before these are
drawn and the sums over them are unbiased.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from astro_jax.config import PlannerConfig, PlannerParams, RobotConfig
from astro_jax.learning.features import vector
from astro_jax.learning.maxent import Choices
from astro_jax.local import candidates
from astro_jax.local.judge import Judge, judge_of, looks
from astro_jax.local.metric import inverse_metric
from astro_jax.local.nearest import nearest
from astro_jax.local.planner import basis_of
from astro_jax.local.refine import refine
from astro_jax.local.search import distinct, search
from astro_jax.robot import drive
from astro_jax.types import Motion, RouteField, Scalar, WorldAtEffect, pytree

LADDER = np.array([0.25, 0.5, 1.0, 2.0, 4.0], np.float32)
"""Of β, around the one that is expected."""
UNIFORM = 0.25
"""Share of the samples that may be anything."""
WAYS = 2
"""Modes of the planner's own search that samples are drawn around."""
DESCENT = 16
"""Steps to each mode."""
FLATTEST = 0.25
"""Least eigenvalue of a Hessian in z: wider than uniform shares are (σ² = π²/3) nothing need be."""
NUDGE = 0.05
"""Of a coordinate of z, for a difference of slopes."""
LOOKS = 0.5
"""Between two places of a motion that are compared with the recorded ones, s."""
TOLERANCE = 0.1
"""Of a recorded place, per axis: how well it was recorded, and how exactly it was meant, m."""
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


@pytree
class Guess:
    """What the demonstrator may go by."""

    params: PlannerParams
    sharpness: Float[Array, "*G"]
    """β, 1/s"""


@pytree
class Mixture:
    """The Gaussians of q in z: E centres with S covariances each."""

    centre: Float[Array, "E d"]
    spread: Float[Array, "E S d d"]
    """Lower Cholesky factors."""


def choices_of(
    robot: RobotConfig,
    config: PlannerConfig,
    params: PlannerParams,
    guesses: Guess,
    situation: Situation,
    key: Array,
    each: int,
    tolerance: Scalar = TOLERANCE,
) -> Choices:
    """Features of candidates, ``each`` per component of their mixture, and how they match.

    Robot, config and ``each`` are static.  What is not a weight is taken from ``params``;
    ``guesses`` (a leading axis G) are what q is made for: good guesses waste fewer samples, what
    samples count does not hang on them.  ``tolerance`` is that of a recorded place, m.
    """
    world, field, shape = situation.world, situation.field, situation.z.shape
    basis = basis_of(config)
    controls = drive.decode(robot, basis, world.command, world.command_dot, situation.z)
    shown = drive.motion(robot, basis, world.pose_map, controls)

    def log_match(motion: Motion) -> Float[Array, "*K"]:
        """−Σ |x_k − x|²/2σ² of the places every ``LOOKS`` s."""
        stride = round(LOOKS / config.dt)
        there = shown.pose_map.reshape(*shown.pose_map.shape, *[1] * (motion.pose_map.ndim - 2))
        off = (motion.pose_map - there)[stride::stride, :2]
        return -0.5 * jnp.sum((off / tolerance) ** 2, axis=(0, 1))

    find, draw = jax.random.split(key)
    mixture = jax.lax.map(
        lambda guess: _around_modes(robot, config, guess, situation, log_match, find), guesses
    )
    mixture = jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), mixture)
    z, log_q = drawn(draw, mixture, each)
    judge = judge_of(robot, config, params, basis, world, field, looks(robot, config, params)[1])
    _, judged = judge(z.T.reshape(*shape, -1))
    features = vector(judged.terms)
    counts = jnp.all(jnp.isfinite(features), axis=-1) & jnp.isfinite(log_q)
    return Choices(
        features=jnp.where(counts[:, None], features, 0.0),
        log_weight=jnp.where(counts, -log_q, -jnp.inf) - np.log(len(log_q)),
        log_match=jnp.where(counts, log_match(judged.motion), -jnp.inf),
    )


def drawn(key: Array, mixture: Mixture, each: int) -> tuple[Float[Array, "K d"], Float[Array, "K"]]:
    """Samples of q: (z, log q(u) of each), ``each`` from every Gaussian and the uniform rest."""
    uniform, normal = jax.random.split(key)
    ways, scales, size = mixture.spread.shape[:3]
    noise = jax.random.normal(normal, (each, ways, scales, size))
    off = jnp.einsum("esij,mesj->mesi", mixture.spread, noise, precision="highest")
    near = (mixture.centre[None, :, None] + off).reshape(-1, size)
    rest = round(len(near) * UNIFORM / (1.0 - UNIFORM))
    z = jnp.concatenate([jax.random.logistic(uniform, (rest, size)), near])
    return z, log_density(z, mixture, rest / (rest + len(near)))


def log_density(
    z: Float[Array, "K d"], mixture: Mixture, uniform: float = UNIFORM
) -> Float[Array, "K"]:
    """Logarithm of the mixture's density of the shares u = σ(z), not of z."""
    ways, scales, size = mixture.spread.shape[:3]

    def gauss(centre: Float[Array, "d"], factor: Float[Array, "d d"]) -> Float[Array, "K"]:
        white = jax.scipy.linalg.solve_triangular(factor, (z - centre[None]).T, lower=True)
        log_det = jnp.sum(jnp.log(jnp.diagonal(factor)))
        return -0.5 * jnp.sum(white**2, axis=0) - log_det - 0.5 * size * np.log(2.0 * np.pi)

    each = jax.vmap(jax.vmap(gauss, (None, 0)), (0, 0))(mixture.centre, mixture.spread)
    near = jax.nn.logsumexp(each, axis=(0, 1)) - np.log(ways * scales)
    return jnp.logaddexp(np.log(uniform), np.log(1.0 - uniform) + near - _log_slope(z, 1))


def _log_slope(z: Float[Array, "..."], axes: int | tuple[int, ...]) -> Float[Array, "..."]:
    """Logarithm of |du/dz|: what a uniform u looks like in z."""
    return jnp.sum(jax.nn.log_sigmoid(z) + jax.nn.log_sigmoid(-z), axis=axes)


def _around_modes(
    robot: RobotConfig,
    config: PlannerConfig,
    guess: Guess,
    situation: Situation,
    log_match: Callable[[Motion], Float[Array, "*K"]],
    key: Array,
) -> Mixture:
    """Gaussians at modes of exp(−β J), and of exp(−β J) m, found by descent from what was done."""
    params, sharpness = guess.params, guess.sharpness
    world, field, shape = situation.world, situation.field, situation.z.shape
    basis, size = basis_of(config), situation.z.size
    rough, _ = looks(robot, config, params)
    judge = judge_of(robot, config, params, basis, nearest(robot, config, world), field, rough)

    def with_prior(matching: Float[np.ndarray, "S"]) -> Judge:
        """J − (log |du/dz| + log m)/β: its minima are modes in z; m counts where it is told."""

        def prior_judge(z):
            cost, judged = judge(z)
            # trials of several lengths come one after the other, all starts each time
            counts = np.tile(matching, z.shape[-1] // len(matching))
            log_prior = _log_slope(z, (0, 1)) + counts * log_match(judged.motion)
            return cost - log_prior / sharpness, judged

        return prior_judge

    key_seeds, key_local = jax.random.split(key)
    rest = jnp.zeros((shape[0] + 2, shape[1]))
    seeds = candidates.seeds(robot, config, params, basis, world, field, rest, key_seeds)
    z, cost, xy = search(config, with_prior(np.zeros(1, np.float32)), seeds, key_local)
    ways, _ = distinct(z, cost, xy, WAYS)
    starts = jnp.concatenate([ways, jnp.clip(situation.z, -STEEP, STEEP)[..., None]], axis=-1)
    matching = np.array([0.0] * WAYS + [1.0], np.float32)
    towards = with_prior(matching)
    metric = inverse_metric(robot, config, params, basis, world, starts)
    start_cost, _ = towards(starts)
    modes, _ = refine(towards, starts, start_cost, metric, DESCENT, config.step_lengths)
    modes = jnp.moveaxis(jnp.clip(modes, -STEEP, STEEP).reshape(size, -1), -1, 0)

    bend = _curvature(lambda z: _parts(judge, log_match, z.reshape(*shape, -1)), modes)
    own = jax.nn.sigmoid(modes) * jax.nn.sigmoid(-modes)
    base = 2.0 * own[:, None, :, None] * jnp.eye(size)[None, None]
    matched = matching[:, None, None, None]
    hessian = (LADDER * sharpness)[None, :, None, None] * bend[:, 0, None] + base
    hessian = hessian + matched * bend[:, 1, None]
    values, vectors = jnp.linalg.eigh(jnp.where(jnp.isfinite(hessian), hessian, base))
    values = jnp.maximum(values, FLATTEST)
    inverse = jnp.einsum("esij,esj,eskj->esik", vectors, 1.0 / values, vectors, precision="highest")
    return Mixture(centre=modes, spread=jnp.linalg.cholesky(inverse))


def _parts(
    judge: Judge, log_match: Callable[[Motion], Float[Array, "*K"]], z: Float[Array, "n D K"]
) -> Float[Array, "2 K"]:
    cost, judged = judge(z)
    return jnp.stack([cost, -log_match(judged.motion)])


def _curvature(
    parts: Callable[[Float[Array, "d K"]], Float[Array, "2 K"]], modes: Float[Array, "E d"]
) -> Float[Array, "E 2 d d"]:
    """Hessians of both parts, as central differences of slopes.

    They only say where samples lie, and second derivatives take three times as long to compile.
    """
    count, size = modes.shape
    nudges = NUDGE * jnp.concatenate([jnp.eye(size), -jnp.eye(size)])
    points = (modes[:, None] + nudges[None]).reshape(-1, size).T

    def slope(part: int) -> Float[Array, "d K"]:
        return jax.grad(lambda z: jnp.sum(parts(z)[part]))(points)

    slopes = jnp.stack([slope(0), slope(1)])  # 2 d K
    slopes = slopes.reshape(2, size, count, 2, size)
    bend = (slopes[:, :, :, 0] - slopes[:, :, :, 1]) / (2.0 * NUDGE)  # 2 d E d
    return jnp.moveaxis(0.5 * (bend + jnp.swapaxes(bend, 1, 3)), 2, 0)
