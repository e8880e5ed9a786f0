"""Weights from demonstrations: maximum entropy over trajectories, importance-corrected.

The demonstrator is taken to choose motions u (shares of what is reachable, uniform in [0, 1]ⁿ
a priori: see ``proposals.py``) with the density

    p(u | θ, β) = exp(−β θ·f(u)) / Z,   Z = ∫ exp(−β θ·f(u)) du

θ the slopes of the objective (``features.py``), β (1/s) how sharply they choose.  Nobody shows a
motion exactly: places are recorded, and meant, up to a tolerance, with the density m(u) of what
was recorded if it was u.  A demonstration has the likelihood ∫ p m du.  (With motions taken for
exact, the fit ran away: what was recorded of walkers is smoothed, and smoother in twenty
dimensions than any candidate; only the places to a tenth of a metre mean something.)

Both integrals are sums over candidates drawn with a density q:

    log p̂ = log Σ_k m_k exp(−β θ·f_k) / q_k  −  log Σ_k exp(−β θ·f_k) / q_k

p and q are both densities of u, so the plain importance sums are unbiased; q is a mixture
that contains the uniform density, which bounds every 1/q.  (Path-integral IRL takes all
candidates for equally likely, which is right only around the demonstration;
relative-entropy IRL divides by q, as is done here.)

What is maximised over log β and log w is

    Σ_d log p̂_d  −  Σ_i (log w_i − log w_i⁰)² / 2s²

with w⁰ the hand-tuned weights.  In logarithms weights stay positive and s is a factor.

Sources: Ziebart et al., Maximum entropy inverse reinforcement learning, 2008; Boularias, Kober,
Peters, Relative entropy inverse reinforcement learning, 2011, eq. 9; Kalakrishnan et al., Learning
objective functions for manipulation, 2013; Owen, Zhou, Safe and effective importance sampling,
2000 (mixtures).
"""

import dataclasses
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Bool, Float, Int

from astro_jax.config import PlannerParams
from astro_jax.errors import InputError
from astro_jax.learning.features import check_weights, slopes, with_weights
from astro_jax.types import Scalar, pytree

SHARPEST_SPREAD = 3.0
"""s of log β around its first guess: next to nothing is known of it."""


@pytree
class Choices:
    """What could have been done in a situation, and how well each of it agrees with what was."""

    features: Float[Array, "*batch K F"]
    log_weight: Float[Array, "*batch K"]
    """−log (K q) of each candidate; −∞ for those that do not count."""
    log_match: Float[Array, "*batch K"]
    """Logarithm of m: of what was recorded, had it been this candidate."""


@pytree
class Recipe:
    """How weights are fitted."""

    spread: Scalar = 1.0
    """s: that a weight is off by a factor e from the hand-tuned one is one standard deviation."""
    farthest: Scalar = 4.0
    """No weight is moved by more than this factor.  Demonstrations show what their maker was about
    at the time, mostly to go on as before: a fit to recorded walkers that may go as far as it
    likes ends with weights of acceleration with which a robot would never set out."""
    sharpness: Scalar = 3.0
    """First guess of β, 1/s."""
    steps: int = dataclasses.field(default=400, metadata={"static": True})
    rate: Scalar = 0.05
    """Of Adam, in log w; falls along a cosine."""
    batch: int = dataclasses.field(default=0, metadata={"static": True})
    """Demonstrations per step, drawn anew each time; 0 takes all."""


@pytree
class Fitted:
    """Weights that were learned, and how sure they are."""

    params: PlannerParams
    sharpness: Float[Array, ""]
    """β, 1/s"""
    log_sd: Float[Array, "W+1"]
    """Standard deviation of log β and of each log w: √diag of the inverse Hessian (Laplace); it
    says nothing of weights that have gone as far as they may."""
    objective: Float[Array, "steps"]
    """Mean over demonstrations of what is minimised, nats."""
    skipped: Int[Array, ""]
    """Steps whose value or gradient was not finite: they moved nothing."""


def log_likelihood(
    choices: Choices, params: PlannerParams, sharpness: Scalar
) -> Float[Array, "*batch"]:
    """Of each demonstration: log p̂, in nats."""
    each = _log_share(choices, params, sharpness)
    matching = jax.nn.logsumexp(each + choices.log_match, axis=-1)
    return matching - jax.nn.logsumexp(each, axis=-1)


def effective_counts(
    choices: Choices, params: PlannerParams, sharpness: Scalar
) -> tuple[Float[Array, "*batch"], Float[Array, "*batch"]]:
    """(Σ w)²/Σ w² (Kish) of the terms of Z and of those that match: a few hang on chance."""
    each = _log_share(choices, params, sharpness)

    def count(logs: Float[Array, "*batch K"]) -> Float[Array, "*batch"]:
        return 1.0 / jnp.sum(jax.nn.softmax(logs, axis=-1) ** 2, axis=-1)

    return count(each), count(each + choices.log_match)


def _log_share(
    choices: Choices, params: PlannerParams, sharpness: Scalar
) -> Float[Array, "*batch K"]:
    cost = jnp.matmul(choices.features, sharpness * slopes(params), precision="highest")
    return choices.log_weight - cost


def fit(
    choices: Choices,
    params: PlannerParams,
    names: Sequence[str],
    recipe: Recipe,
    key: Array,
    among: Bool[np.ndarray, "B"] | None = None,
) -> Fitted:
    """The named weights (none: β alone) that make the demonstrations most likely.

    ``params`` are the prior's centre and where the search begins; ``among`` says which
    demonstrations count, by default all.

    Raises:
      InputError: a name that ``check_weights`` refuses, or no demonstration.
    """
    if names:
        check_weights(params, names)
    every = np.ones(len(choices.features), bool) if among is None else np.asarray(among)
    if not every.any():
        raise InputError("demonstrations", 0, "at least one")
    params = jax.tree.map(jnp.float32, params)
    run = jax.jit(_descend, static_argnames="names")
    counts = jnp.asarray(every, jnp.float32)
    recipe = jax.tree.map(jnp.float32, recipe)
    return run(choices, counts, params, recipe, key, names=tuple(names))


def _descend(
    choices: Choices,
    counts: Float[Array, "B"],
    params: PlannerParams,
    recipe: Recipe,
    key: Array,
    names: tuple[str, ...],
) -> Fitted:
    weights = [getattr(params, name) for name in names]
    first = jnp.log(jnp.stack([jnp.asarray(recipe.sharpness), *weights]))
    free = np.arange(len(first)) == 0  # β
    spread = jnp.where(free, SHARPEST_SPREAD, recipe.spread)
    most = jnp.where(free, jnp.inf, jnp.log(recipe.farthest))
    total = jnp.sum(counts)

    def loss(x: Float[Array, "W+1"], some: Choices, count: Float[Array, "b"]) -> Float[Array, ""]:
        weighed = with_weights(params, names, list(jnp.exp(x[1:])))
        logs = log_likelihood(some, weighed, jnp.exp(x[0]))
        fits = jnp.sum(logs * count) / jnp.sum(count)
        return -fits + jnp.sum(((x - first) / spread) ** 2) / (2.0 * total)

    optimiser = optax.adam(optax.cosine_decay_schedule(recipe.rate, recipe.steps))
    value_and_slope = jax.value_and_grad(loss)

    def step(carry, key):
        x, memory, skipped = carry
        some, count = choices, counts
        if recipe.batch:
            rows = jax.random.choice(key, len(counts), (recipe.batch,), p=counts / total)
            some = jax.tree.map(lambda leaf: leaf[rows], choices)
            count = jnp.ones(recipe.batch)
        value, slope = value_and_slope(x, some, count)
        change, next_memory = optimiser.update(slope, memory, x)
        moved = (jnp.clip(x + change, first - most, first + most), next_memory)
        sound = jnp.isfinite(value) & jnp.all(jnp.isfinite(slope))
        x, memory = jax.tree.map(lambda new, old: jnp.where(sound, new, old), moved, (x, memory))
        return (x, memory, skipped + ~sound), value

    begin = (first, optimiser.init(first), jnp.int32(0))
    (x, _, skipped), values = jax.lax.scan(step, begin, jax.random.split(key, recipe.steps))
    curvature = total * jax.hessian(loss)(x, choices, counts)
    return Fitted(
        params=with_weights(params, names, list(jnp.exp(x[1:]))),
        sharpness=jnp.exp(x[0]),
        log_sd=jnp.sqrt(jnp.diag(jnp.linalg.inv(curvature))),
        objective=values,
        skipped=skipped,
    )
