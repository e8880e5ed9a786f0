"""Candidates know the density that they were drawn with."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import scipy.stats

from astro_jax.learning.proposals import UNIFORM, Mixture, drawn, log_density


def mixture(size=3, ways=2, scales=3, seed=0):
    random = np.random.default_rng(seed)
    factors = np.tril(0.3 * random.normal(size=(ways, scales, size, size)))
    factors[..., range(size), range(size)] = random.uniform(0.3, 1.2, (ways, scales, size))
    centre = random.normal(size=(ways, size)).astype(np.float32)
    return Mixture(centre=jnp.asarray(centre), spread=jnp.asarray(factors, jnp.float32))


def test_density_is_that_of_scipy():
    q = mixture()
    z = np.random.default_rng(1).logistic(size=(40, 3)).astype(np.float32)
    pdf: Any = scipy.stats.multivariate_normal.pdf
    pairs = [(c, l) for c, factors in zip(q.centre, q.spread, strict=True) for l in factors]
    near = np.mean([pdf(z, np.array(c), np.array(l @ l.T)) for c, l in pairs], axis=0)
    uniform = np.prod(scipy.stats.logistic.pdf(z), axis=1)
    expected = np.log((UNIFORM * uniform + (1.0 - UNIFORM) * near) / uniform)
    assert np.allclose(log_density(jnp.asarray(z), q), expected, atol=2e-3)


def test_weighted_sums_are_integrals_over_the_shares():
    z, log_q = drawn(jax.random.key(0), mixture(), 1000)
    assert z.shape == (8000, 3)
    u, weight = np.array(jax.nn.sigmoid(z), np.float64), np.exp(-np.array(log_q, np.float64))
    assert weight.max() <= 1.0 / UNIFORM + 1e-5
    # ∫ du = 1, ∫ u = ½, ∫ u₀² u₁ = 1/6, each with its own standard error
    for value, exact in ((1.0, 1.0), (u[:, 2], 0.5), (u[:, 0] ** 2 * u[:, 1], 1 / 6)):
        terms = weight * value
        assert abs(terms.mean() - exact) < 4.0 * terms.std() / np.sqrt(len(terms))
