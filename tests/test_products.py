"""Matrix products over time against the plain NumPy that they stand for."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from astro_jax import products

TIMES, CANDIDATES, DT = 13, 7, 0.1


@pytest.fixture(autouse=True, params=["as on a CPU", "as on an accelerator"])
def device(request, monkeypatch):
    """Both ways to say the same thing, whatever is at hand."""
    monkeypatch.setattr(products, "merges", lambda: request.param == "as on an accelerator")


def values(*leading, times=TIMES, seed=0):
    draw = np.random.default_rng(seed).normal(size=(*leading, times, CANDIDATES))
    return draw.astype(np.float32)


def trapezoid(rate, dt):
    steps = 0.5 * dt * (rate[..., 1:, :] + rate[..., :-1, :])
    start = np.zeros_like(rate[..., :1, :])
    return np.concatenate([start, np.cumsum(steps, axis=-2)], axis=-2)


def halves(step):
    """What lies between two times counts half at either; at both ends whole."""
    ends = np.zeros((step.shape[0] + 1, step.shape[1]))
    ends[:-1] += 0.5 * step
    ends[1:] += 0.5 * step
    ends[[0, -1]] *= 2.0
    return ends


def lines(coarse, stride):
    fine = np.arange(stride * (len(coarse) - 1) + 1) / stride
    at = np.arange(len(coarse))
    return np.stack([np.interp(fine, at, column) for column in coarse.T], axis=1)


def averaged(value, memory=0.4):
    """What has been kept of the past, one step after the other."""
    found = [value[0]]
    for before, now in itertools.pairwise(value):
        share = np.exp(-DT / memory)
        found.append(share * found[-1] + (1.0 - share) * 0.5 * (before + now))
    return np.stack(found)


CASES = {
    # name: (function, plain NumPy, shape in front of the candidates)
    "total": (products.total, lambda v: v.sum(0), (TIMES,)),
    "integral": (lambda v: products.integral(v, DT), lambda v: trapezoid(v, DT)[-1], (TIMES,)),
    "running_integral": (
        lambda v: products.running_integral(v, DT),
        lambda v: trapezoid(v, DT),
        (3, TIMES),
    ),
    "middle": (products.middle, lambda v: 0.5 * (v[:, 1:] + v[:, :-1]), (3, TIMES)),
    "loss": (products.loss, lambda v: v[:, :-1] - v[:, 1:], (3, TIMES)),
    "to_ends": (products.to_ends, halves, (TIMES,)),
    "interpolated": (lambda v: products.interpolated(v, 3), lambda v: lines(v, 3), (5,)),
    "smoothed": (lambda v: products.smoothed(v, DT, 0.4), averaged, (TIMES,)),
    "once": (products.once, lambda v: v, (2, 3, TIMES)),
}


@pytest.mark.parametrize("name", CASES)
def test_it_is_what_numpy_says(name):
    function, plain, shape = CASES[name]
    value = values(*shape[:-1], times=shape[-1])
    found = jax.jit(function)(jnp.asarray(value))
    expected = plain(value.astype(float))
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("name", CASES)
def test_gradients_are_those_of_finite_differences(name):
    """All are linear: a slope along any direction is the function of that direction."""
    function, plain, shape = CASES[name]
    value = jnp.asarray(values(*shape[:-1], times=shape[-1], seed=1))
    way = values(*shape[:-1], times=shape[-1], seed=2)
    seen = values(*shape[:-1], times=shape[-1], seed=3)[..., :1, :1].item(0)
    slope = jax.jit(jax.grad(lambda v: jnp.sum(jnp.sin(seen * function(v)))))(value)
    h = 1e-6
    score = lambda v: np.sum(np.sin(seen * plain(v)))
    wide, way = np.asarray(value, float), way.astype(float)
    expected = (score(wide + h * way) - score(wide - h * way)) / (2 * h)
    assert abs(expected) > 1e-3
    assert np.sum(np.asarray(slope, float) * way) == pytest.approx(expected, rel=1e-4, abs=1e-4)


def test_few_rows_combined_are_a_product_of_matrices():
    random = np.random.default_rng(5)
    matrix, rows = random.normal(size=(6, 4)), random.normal(size=(4, 50)).astype(np.float32)
    found = jax.jit(lambda rows: products.combined(matrix, list(rows)))(jnp.asarray(rows))
    np.testing.assert_allclose(found, matrix @ rows.astype(float), rtol=1e-5, atol=1e-5)


def test_once_is_the_identity_to_the_last_bit():
    value = values(4) * np.float32(1e6)
    np.testing.assert_array_equal(jax.jit(products.once)(jnp.asarray(value)), value)


@pytest.mark.parametrize("shape", [(6, 7), (5, 3), (4,), (5,), (3, 2, 5)])
def test_settled_is_the_identity_to_the_last_bit(shape):
    table = 1e6 * np.random.default_rng(6).normal(size=shape).astype(np.float32)
    np.testing.assert_array_equal(jax.jit(products.settled)(jnp.asarray(table)), table)


def test_apply_takes_one_course_of_time_or_many():
    random = np.random.default_rng(4)
    matrix = random.normal(size=(5, TIMES)).astype(np.float32)
    many = values(2, 3)
    together = jax.jit(lambda v: products.apply(matrix, v))(jnp.asarray(many))
    np.testing.assert_allclose(together, matrix.astype(float) @ many, rtol=1e-5, atol=1e-5)
    alone = products.apply(matrix, jnp.asarray(many[0, 0, :, 0]))
    np.testing.assert_allclose(alone, together[0, 0, :, 0], rtol=1e-5, atol=1e-5)


def test_what_is_not_a_number_spoils_its_own_candidate_only():
    """The products mix times, never candidates."""
    value = values()
    value[4, 2] = np.nan
    for name in ("total", "integral", "to_ends", "once"):
        found = np.asarray(jax.jit(CASES[name][0])(jnp.asarray(value)))
        bad = np.isnan(found).reshape(-1, CANDIDATES).any(0)
        np.testing.assert_array_equal(bad, np.arange(CANDIDATES) == 2)
