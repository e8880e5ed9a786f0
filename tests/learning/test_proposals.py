"""Candidates know the density that they were drawn with."""

import jax
import jax.numpy as jnp
import numpy as np
import scipy.stats

from astro_jax.learning.proposals import SCALES, drawn, log_density


def mixture(size=3, count=2, seed=0):
    random = np.random.default_rng(seed)
    factors = np.tril(0.3 * random.normal(size=(count, size, size)))
    factors[:, range(size), range(size)] = random.uniform(0.3, 1.2, (count, size))
    return random.normal(size=(count, size)).astype(np.float32), factors.astype(np.float32)


def test_density_is_that_of_scipy():
    centres, factors = mixture()
    z = np.random.default_rng(1).logistic(size=(40, 3)).astype(np.float32)
    near = np.mean(
        [
            scipy.stats.multivariate_normal(c, s**2 * l @ l.T).pdf(z)
            for c, l in zip(centres, factors.astype(np.float64), strict=True)
            for s in SCALES
        ],
        axis=0,
    )
    uniform = np.prod(scipy.stats.logistic.pdf(z), axis=1)
    expected = np.log((0.5 * uniform + 0.5 * near) / uniform)
    got = log_density(jnp.asarray(z), jnp.asarray(centres), jnp.asarray(factors))
    assert np.allclose(got, expected, atol=2e-3)


def test_weighted_sums_are_integrals_over_the_shares():
    centres, factors = mixture()
    z, log_q = drawn(jax.random.key(0), jnp.asarray(centres), jnp.asarray(factors), 200)
    assert z.shape == (2 * 2 * len(SCALES) * 200, 3)
    u, weight = np.array(jax.nn.sigmoid(z), np.float64), np.exp(-np.array(log_q, np.float64))
    assert weight.max() <= 2.0 + 1e-5
    # ∫ du = 1, ∫ u = ½, ∫ u₀² u₁ = 1/6, each with its own standard error
    for value, exact in ((1.0, 1.0), (u[:, 2], 0.5), (u[:, 0] ** 2 * u[:, 1], 1 / 6)):
        terms = weight * value
        assert abs(terms.mean() - exact) < 4.0 * terms.std() / np.sqrt(len(terms))
