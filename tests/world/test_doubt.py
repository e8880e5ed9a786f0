"""Covariances of the robot's pose, sound and otherwise."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from astro_jax.world.doubt import MOST, bounded, carried

bound = jax.jit(bounded)
MATRIX = arrays(np.float32, (3, 3), elements=st.floats(width=32))


@settings(max_examples=200)
@given(MATRIX)
def test_whatever_is_told_a_bounded_covariance_comes_out(told):
    """Fault 21."""
    cov, sound = map(np.asarray, bound(told))
    assert np.all(np.isfinite(cov))
    assert np.linalg.eigvalsh(cov.astype(float))[0] >= -2e-3 * MOST.max() ** 2
    assert np.all(np.diag(cov) <= 1.001 * MOST**2)
    if sound:
        np.testing.assert_allclose(cov, told, rtol=3e-3, atol=1e-12)


@settings(max_examples=200)
@given(st.integers(0, 2**32 - 1), st.integers(1, 3), st.floats(-3.0, 1.0))
def test_it_agrees_with_eigenvalues(seed, rank, size):
    """Covariances of any rank and size are taken for what they are, others are not."""
    random = np.random.default_rng(seed)
    root = random.normal(size=(3, rank))
    told = 10.0**size * root @ root.T
    cov, sound = bound(told.astype(np.float32))
    std = np.sqrt(np.diag(told))
    if np.all(std < 0.999 * MOST):
        assert bool(sound)
        np.testing.assert_allclose(cov, told, rtol=1e-5, atol=1e-9)
    elif np.any(std > 1.01 * MOST):
        assert not bool(sound)
        scale = np.minimum(1.0, MOST / std)
        np.testing.assert_allclose(cov, told * np.outer(scale, scale), rtol=1e-4, atol=1e-8)
    # take away more than there is in some direction
    values, vectors = np.linalg.eigh(told)
    least = vectors[:, 0]
    bad = told - (values[0] + 0.2 * np.max(np.diag(told))) * np.outer(least, least)
    cov, sound = bound(bad.astype(np.float32))
    assert not bool(sound)
    np.testing.assert_allclose(cov, np.diag(MOST**2))
    skew = told + np.array([[0, 0.1, 0], [-0.1, 0, 0], [0, 0, 0]]) * np.sqrt(
        told[0, 0] * told[1, 1]
    )
    assert not bool(bound(skew.astype(np.float32))[1])


def test_no_doubt_is_sound():
    cov, sound = bound(jnp.zeros((3, 3)))
    assert bool(sound) and np.all(np.asarray(cov) == 0.0)
    assert float(carried(cov, jnp.array([3.0, -2.0]))) == 0.0


@pytest.mark.parametrize("way", [(0.0, 0.0), (0.5, 0.0), (-0.3, 0.8)])
def test_an_error_of_heading_becomes_one_of_place(way):
    """Against drawn poses that drive on by the same vector of their own."""
    random = np.random.default_rng(1)
    root = 0.05 * random.normal(size=(3, 3))
    cov = root @ root.T
    off = random.multivariate_normal(np.zeros(3), cov, size=400_000)
    c, s = np.cos(off[:, 2]), np.sin(off[:, 2])
    x = off[:, 0] + c * way[0] - s * way[1]
    y = off[:, 1] + s * way[0] + c * way[1]
    worst = np.linalg.eigvalsh(np.cov(x, y))[-1]
    got = carried(jnp.asarray(cov, jnp.float32), jnp.asarray(way, jnp.float32))
    assert float(got) == pytest.approx(worst, rel=0.02)


def test_heading_alone_grows_with_the_way():
    cov = jnp.diag(jnp.array([0.0, 0.0, 0.01]))
    assert float(carried(cov, jnp.array([0.3, 0.4]))) == pytest.approx(0.01 * 0.25, rel=1e-5)
