"""Published searches on one black box, one scene each; batching is the caller's.

In: the black box, where to start (``centre``: the shifted previous plan, or zero), a key and
the method's settings.  Out: a ``Trace``, every cost in the order in which it was paid for.  An
evaluation costs 1, a cost with its gradient 3.  Every method pays for its centre first, so that
the previous plan is in everybody's race.

Settings that are numbers are data (one compilation serves a whole random search); population
sizes and numbers of starts are static.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int
from problem import COORDINATES, DIMENSION, FREE, Costs
from scipy.stats import qmc

from astro_jax.types import pytree

GRADIENT_COST = 3
MOST = 2048
"""Evaluations of the longest run."""

Settings = Mapping[str, Any]


@pytree
class Trace:
    """Costs in the order of their evaluation, and the best z of all."""

    spent: Int[Array, "*batch n"]
    """Evaluations paid for once the cost was known."""
    cost: Float[Array, "*batch n"]
    z: Float[Array, "*batch d"]


def best_within(trace: Trace, budget: int) -> Float[Array, ""]:
    """The best cost ever seen for at most ``budget`` evaluations."""
    return jnp.min(jnp.where(trace.spent <= budget, trace.cost, jnp.inf))


def joined(first: Trace, second: Trace) -> Trace:
    """Two searches one after the other; the second starts where the first has ended."""
    better = jnp.min(second.cost) < jnp.min(first.cost)
    return Trace(
        spent=jnp.concatenate([first.spent, first.spent[-1] + second.spent]),
        cost=jnp.concatenate([first.cost, second.cost]),
        z=jnp.where(better, second.z, first.z),
    )


# ---- sampling ------------------------------------------------------------------------


def sobol(costs: Costs, centre, key, settings: Settings, budget) -> Trace:
    """Best of centre + σ·N(0, 1) from a rotated Sobol set."""
    return listed(costs, around(centre, key, settings["sigma"]), budget)


def around(centre: Float[Array, "d"], key, sigma, count: int = MOST) -> Float[Array, "n d"]:
    """The centre, then centre + σ·N(0, 1) from a rotated Sobol set."""
    shift = jax.random.uniform(key, (DIMENSION,))
    u = jnp.mod(jnp.asarray(_sobol_points(count)) + shift, 1.0)
    normal = jax.scipy.special.ndtri(jnp.clip(u, 1e-3, 1.0 - 1e-3))
    return centre + sigma * normal.at[0].set(0.0)


def listed(costs: Costs, z: Float[Array, "n d"], budget, chunk: int = 32) -> Trace:
    """Evaluate the first ``budget`` of a list, a chunk at a time."""
    n = z.shape[0]
    count = -(-n // chunk)
    padded = jnp.concatenate([z, jnp.broadcast_to(z[:1], (count * chunk - n, z.shape[1]))])

    def evaluate(k, seen):
        part = jax.lax.dynamic_slice_in_dim(padded, k * chunk, chunk)
        return jax.lax.dynamic_update_slice_in_dim(seen, costs(part), k * chunk, 0)

    chunks = jnp.minimum((budget + chunk - 1) // chunk, count)
    seen = jax.lax.fori_loop(0, chunks, evaluate, jnp.full(count * chunk, jnp.inf))[:n]
    spent = 1 + jnp.arange(n)
    seen = jnp.where(spent <= budget, seen, jnp.inf)
    return Trace(spent=spent, cost=seen, z=z[jnp.argmin(seen)])


def _generations(
    costs: Costs, centre, key, population: int, budget, state, sample: Callable, update: Callable
) -> Trace:
    """The loop that all population methods share: sample, evaluate, update, remember."""
    most = -(-MOST // population)

    def generation(k, carry):
        state, seen, best, best_z = carry
        z = sample(state, jax.random.fold_in(key, k))
        values = costs(z)
        pick = jnp.argmin(values)
        better = values[pick] < best
        return (
            update(state, z, values, k),
            seen.at[k].set(values),
            jnp.where(better, values[pick], best),
            jnp.where(better, z[pick], best_z),
        )

    at_centre = costs(centre[None])[0]
    rounds = jnp.minimum((budget + population - 1) // population, most)
    seen = jnp.full((most, population), jnp.inf)
    carry = (state, seen, at_centre, centre)
    _, seen, _, best_z = jax.lax.fori_loop(0, rounds, generation, carry)
    return Trace(
        spent=1 + jnp.arange(1 + most * population),
        cost=jnp.concatenate([at_centre[None], seen.reshape(-1)]),
        z=best_z,
    )


def mppi(costs: Costs, centre, key, settings: Settings, budget, *, population: int) -> Trace:
    """Iterated MPPI: the mean moves to the softmax-weighted mean of its samples.

    w ∝ exp(−(J − min J)/λ).  Source: Williams et al., Information theoretic MPC for
    model-based reinforcement learning, 2017, without its control cost, which is not part of
    this objective; σ shrinks by a factor per iteration.
    """

    def sample(state, key):
        mean, sigma = state
        return mean + sigma * jax.random.normal(key, (population, DIMENSION))

    def update(state, z, values, k):
        _, sigma = state
        values = jnp.where(jnp.isfinite(values), values, 1e9)
        weight = jax.nn.softmax(-values / settings["temperature"])
        return weight @ z, sigma * settings["shrink"]

    state = (centre, jnp.float32(settings["sigma"]))
    return _generations(costs, centre, key, population, budget, state, sample, update)


def cem(costs: Costs, centre, key, settings: Settings, budget, *, population: int) -> Trace:
    """Cross-entropy method: refit a diagonal Gaussian to the elites.

    Source: de Boer et al., A tutorial on the cross-entropy method, 2005 (smoothed updates).
    """
    rank = jnp.arange(population)
    elites = jnp.maximum(jnp.round(settings["elites"] * population), 2.0)

    def sample(state, key):
        mean, sigma = state
        return mean + sigma * jax.random.normal(key, (population, DIMENSION))

    def update(state, z, values, k):
        return _refit(state, z[jnp.argsort(values)], rank < elites, settings["smoothing"])

    state = (centre, jnp.full(DIMENSION, settings["sigma"]))
    return _generations(costs, centre, key, population, budget, state, sample, update)


def _refit(state, ranked, elite, smoothing):
    mean, sigma = state
    weight = elite / jnp.sum(elite)
    new_mean = weight @ ranked
    new_sigma = jnp.sqrt(weight @ (ranked - new_mean) ** 2 + 1e-4)
    keep = smoothing
    return keep * mean + (1 - keep) * new_mean, keep * sigma + (1 - keep) * new_sigma


def icem(costs: Costs, centre, key, settings: Settings, budget, *, population: int) -> Trace:
    """iCEM: CEM with coloured noise, elites that live on, and shrinking populations.

    Source: Pinneri et al., Sample-efficient cross-entropy method for real-time planning,
    2020.  Noise over the knots has the power spectrum f^−β; generation i has
    max(population·γ^−i, population/4) samples, evaluated in chunks of population/4; the mean
    is a sample too.
    """
    chunk = population // 4
    most = -(-MOST // chunk)
    elites = jnp.maximum(jnp.round(settings["elites"] * population), 2.0)
    kept = jnp.round(settings["kept"] * elites)
    capacity = 2 * population
    """Samples of a generation after the kept elites of the last one."""

    def chunks_of(generation):
        size = population * settings["decay"] ** -generation.astype(jnp.float32)
        return jnp.clip(jnp.round(size / chunk), 1, 4).astype(jnp.int32)

    def step(k, carry):
        distribution, pool, pool_cost, filled, generation, seen, best, best_z = carry
        mean, sigma = distribution
        noise = coloured(jax.random.fold_in(key, k), chunk, settings["beta"])
        noise = noise.at[0].set(jnp.where(filled == 0, 0.0, noise[0]))
        z = mean + sigma * noise
        values = costs(z)
        pick = jnp.argmin(values)
        better = values[pick] < best
        best, best_z = jnp.where(better, values[pick], best), jnp.where(better, z[pick], best_z)

        at = population + filled * chunk
        pool = jax.lax.dynamic_update_slice_in_dim(pool, z, at, 0)
        pool_cost = jax.lax.dynamic_update_slice_in_dim(pool_cost, values, at, 0)
        filled = filled + 1
        full = filled >= chunks_of(generation)
        order = jnp.argsort(pool_cost)
        rank = jnp.arange(capacity)
        refitted = _refit(distribution, pool[order], rank < elites, settings["smoothing"])
        # the kept elites lead the pool of the next generation, all else is forgotten
        alive = jnp.where(rank < kept, pool_cost[order], jnp.inf)
        turn = lambda new, old: jnp.where(full, new, old)
        return (
            jax.tree.map(turn, refitted, distribution),
            turn(pool[order], pool),
            turn(alive, pool_cost),
            jnp.where(full, 0, filled),
            generation + full,
            seen.at[k].set(values),
            best,
            best_z,
        )

    at_centre = costs(centre[None])[0]
    carry = (
        (centre, jnp.full(DIMENSION, settings["sigma"])),
        jnp.broadcast_to(centre, (capacity, DIMENSION)),
        jnp.full(capacity, jnp.inf).at[0].set(at_centre),
        jnp.int32(0),
        jnp.int32(0),
        jnp.full((most, chunk), jnp.inf),
        at_centre,
        centre,
    )
    rounds = jnp.minimum((budget + chunk - 1) // chunk, most)
    *_, seen, _, best_z = jax.lax.fori_loop(0, rounds, step, carry)
    return Trace(
        spent=1 + jnp.arange(1 + most * chunk),
        cost=jnp.concatenate([at_centre[None], seen.reshape(-1)]),
        z=best_z,
    )


def coloured(key, count: int, beta) -> Float[Array, "count d"]:
    """Unit-variance noise over the knots whose power falls with frequency as f^−β.

    A sum of cosines and sines with Gaussian amplitudes (Timmer & König, 1995).
    """
    frequency = np.fft.rfftfreq(FREE)
    angle = 2 * np.pi * frequency[:, None] * np.arange(FREE)
    waves = jnp.asarray(np.stack([np.cos(angle), np.sin(angle)]), jnp.float32)
    frequency[0] = 1.0 / FREE
    scale = jnp.asarray(frequency, jnp.float32) ** (-0.5 * beta)
    scale = scale / jnp.sqrt(jnp.sum(scale**2))
    amplitude = jax.random.normal(key, (count, 2, len(frequency), COORDINATES))
    series = jnp.einsum("npfc,f,pft->ntc", amplitude, scale, waves)
    return series.reshape(count, DIMENSION)


def cma_es(costs: Costs, centre, key, settings: Settings, budget, *, population: int) -> Trace:
    """(μ/μ_w, λ)-CMA-ES with the standard constants.

    Source: Hansen, The CMA evolution strategy: a tutorial, arXiv 1604.00772, 2016 (positive
    weights only).
    """
    n, parents = DIMENSION, population // 2
    weights = np.log((population + 1) / 2) - np.log(np.arange(1, parents + 1))
    weights = weights / weights.sum()
    mu = 1.0 / np.sum(weights**2)
    c_sigma = (mu + 2) / (n + mu + 5)
    damping = 1 + 2 * max(0.0, np.sqrt((mu - 1) / (n + 1)) - 1) + c_sigma
    c_c = (4 + mu / n) / (n + 4 + 2 * mu / n)
    c_1 = 2 / ((n + 1.3) ** 2 + mu)
    c_mu = min(1 - c_1, 2 * (mu - 2 + 1 / mu) / ((n + 2) ** 2 + mu))
    expected = np.sqrt(n) * (1 - 1 / (4 * n) + 1 / (21 * n**2))
    gain_sigma, gain_c = np.sqrt(c_sigma * (2 - c_sigma) * mu), np.sqrt(c_c * (2 - c_c) * mu)
    weights = jnp.asarray(weights, jnp.float32)

    def sample(state, key):
        mean, sigma, axes, lengths, *_ = state
        noise = jax.random.normal(key, (population, n))
        return mean + sigma * (noise * lengths) @ axes.T

    def update(state, z, values, k):
        mean, sigma, axes, lengths, covariance, path_sigma, path_c = state
        y = (z[jnp.argsort(values)[:parents]] - mean) / sigma
        step = weights @ y
        whitened = axes @ ((axes.T @ step) / lengths)
        path_sigma = (1 - c_sigma) * path_sigma + gain_sigma * whitened
        length = jnp.sqrt(jnp.sum(path_sigma**2))
        grown = 1 - (1 - c_sigma) ** (2.0 * (k + 1))
        steady = jnp.where(length / jnp.sqrt(grown) < (1.4 + 2 / (n + 1)) * expected, 1.0, 0.0)
        path_c = (1 - c_c) * path_c + steady * gain_c * step
        kept = 1 - c_1 - c_mu + c_1 * (1 - steady) * c_c * (2 - c_c)
        rank_one = path_c[:, None] * path_c[None, :]
        covariance = kept * covariance + c_1 * rank_one + c_mu * (y.T * weights) @ y
        square, axes = jnp.linalg.eigh(covariance)
        lengths = jnp.sqrt(jnp.maximum(square, 1e-10))
        mean = mean + sigma * step
        sigma = sigma * jnp.exp(jnp.minimum(c_sigma / damping * (length / expected - 1), 1.0))
        return mean, sigma, axes, lengths, covariance, path_sigma, path_c

    eye, zero = jnp.eye(n), jnp.zeros(n)
    state = (centre, jnp.float32(settings["sigma"]), eye, jnp.ones(n), eye, zero, zero)
    return _generations(costs, centre, key, population, budget, state, sample, update)


# ---- samples, then gradients ---------------------------------------------------------


def with_gradient(
    costs: Costs, z: Float[Array, "K d"]
) -> tuple[Float[Array, "K"], Float[Array, "K d"]]:
    """Costs and their gradients, which are independent of each other."""
    values, pull = jax.vjp(costs, z)
    return values, pull(jnp.ones_like(values))[0]


def adam(costs: Costs, starts: Float[Array, "k d"], settings: Settings, budget) -> Trace:
    """Adam from every start at once, the best ever counts (Kingma & Ba, 2015; ``optax``)."""
    k = starts.shape[0]
    optimiser = optax.adam(settings["rate"])
    most = -(-MOST // (GRADIENT_COST * k))

    def step(i, carry):
        z, state, seen, best, best_z = carry
        values, gradient = with_gradient(costs, z)
        gradient = jnp.where(jnp.isfinite(gradient), gradient, 0.0)
        pick = jnp.argmin(values)
        better = values[pick] < best
        best, best_z = jnp.where(better, values[pick], best), jnp.where(better, z[pick], best_z)
        change, state = optimiser.update(gradient, state)
        return z + change, state, seen.at[i].set(values), best, best_z

    seen = jnp.full((most, k), jnp.inf)
    rounds = jnp.clip(budget // (GRADIENT_COST * k), 0, most)
    carry = (starts, optimiser.init(starts), seen, jnp.float32(jnp.inf), starts[0])
    *_, seen, _, best_z = jax.lax.fori_loop(0, rounds, step, carry)
    spent = GRADIENT_COST * (1 + jnp.arange(most * k))
    return Trace(spent=spent, cost=seen.reshape(-1), z=best_z)


def lbfgs(costs: Costs, starts: Float[Array, "k d"], settings: Settings, budget) -> Trace:
    """L-BFGS with a zoom line search (``optax.lbfgs``) from every start at once.

    Each trial of the line search pays for a value with gradient.  (Liu & Nocedal, On the
    limited memory BFGS method for large scale optimization, 1989.)
    """
    k = starts.shape[0]
    search = optax.scale_by_zoom_linesearch(
        max_linesearch_steps=TRIALS, initial_guess_strategy="one"
    )
    optimiser = optax.lbfgs(memory_size=8, linesearch=search)
    most = max(8, MOST // (GRADIENT_COST * k) // 2)

    def safe(z):
        return jnp.minimum(costs(z[None])[0], 1e6)

    value_and_grad = optax.value_and_grad_from_state(safe)

    def one(z, state):
        value, gradient = value_and_grad(z, state=state)
        change, state = optimiser.update(
            gradient, state, z, value=value, grad=gradient, value_fn=safe
        )
        z = jnp.where(jnp.all(jnp.isfinite(change)), z + change, z)
        found = optax.tree_utils.tree_get(state, "value")
        trials = optax.tree_utils.tree_get(state, "num_linesearch_steps")
        return z, state, found, trials

    def step(carry):
        i, z, state, spent, seen, paid, best, best_z = carry
        z, state, values, trials = jax.vmap(one)(z, state)
        # the first value with gradient at the start was not a trial of a line search
        spent = spent + GRADIENT_COST * jnp.sum(trials + (i == 0))
        values = jnp.where(jnp.isnan(values), jnp.inf, values)
        pick = jnp.argmin(values)
        better = values[pick] < best
        best, best_z = jnp.where(better, values[pick], best), jnp.where(better, z[pick], best_z)
        return (
            i + 1,
            z,
            state,
            spent,
            seen.at[i].set(jnp.min(values)),
            paid.at[i].set(spent),
            best,
            best_z,
        )

    def goes_on(carry):
        return (carry[0] < most) & (carry[3] < budget)

    carry = (
        jnp.int32(0),
        starts,
        jax.vmap(optimiser.init)(starts),
        jnp.int32(0),
        jnp.full(most, jnp.inf),
        jnp.full(most, 2 * MOST, jnp.int32),
        jnp.float32(jnp.inf),
        starts[0],
    )
    _, _, _, _, seen, paid, _, best_z = jax.lax.while_loop(goes_on, step, carry)
    return Trace(spent=paid, cost=seen, z=best_z)


TRIALS = 12
"""Most trials of one zoom line search."""


def sobol_then(
    descend: Callable, costs: Costs, centre, key, settings: Settings, budget, *, starts: int
) -> Trace:
    """A share of the budget for Sobol points, the rest for descents from the best few."""
    count = jnp.maximum(jnp.round(settings["share"] * budget).astype(jnp.int32), starts)
    z = around(centre, key, settings["sigma"])
    samples = listed(costs, z, count)
    _, best = jax.lax.top_k(-samples.cost, starts)
    descents = descend(costs, z[best], settings, budget - count)
    better = jnp.min(descents.cost) < jnp.min(samples.cost)
    return Trace(
        spent=jnp.concatenate([samples.spent, count + descents.spent]),
        cost=jnp.concatenate([samples.cost, descents.cost]),
        z=jnp.where(better, descents.z, samples.z),
    )


def _sobol_points(count: int) -> np.ndarray:
    power = int(np.ceil(np.log2(count)))
    points = qmc.Sobol(DIMENSION, scramble=True, rng=np.random.default_rng(1)).random_base2(power)
    return points[:count].astype(np.float32)


topk_adam = partial(sobol_then, adam)
topk_lbfgs = partial(sobol_then, lbfgs)
