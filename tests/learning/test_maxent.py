"""Planted weights come back, within what the number of demonstrations allows."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from astro_jax.errors import InputError
from astro_jax.learning.maxent import effective_counts, fit, log_likelihood
from tests.learning.planted import NAMES, PLANTED, PRIOR, SHARPNESS, WIDE, WORLDS


def found(fitted):
    return np.log([fitted.sharpness, *(getattr(fitted.params, name) for name in NAMES)])


def planted_logs():
    return np.log([SHARPNESS, *(getattr(PLANTED, name) for name in NAMES)])


def test_planted_weights_come_back_within_what_the_demonstrations_tell(planted):
    choices, _, information = planted
    sd = np.sqrt(np.diag(np.linalg.inv(information)))
    fitted = fit(choices, PRIOR, NAMES, WIDE, jax.random.key(0))
    assert np.all(np.abs(found(fitted) - planted_logs()) < 4.0 * sd)
    # the planted ones lie farther than that from where the search began: it has moved
    assert np.all(np.abs(planted_logs() - np.log([2.0, 0.25, 0.25])) > 4.0 * sd)
    assert np.allclose(fitted.log_sd, sd, rtol=0.3)
    assert int(fitted.skipped) == 0
    # without the correction for where candidates were drawn they do not come back
    naive = dataclasses.replace(choices, log_weight=jnp.zeros_like(choices.log_weight))
    wrong = fit(naive, PRIOR, NAMES, WIDE, jax.random.key(0))
    assert np.any(np.abs(found(wrong) - planted_logs()) > 4.0 * sd)


def test_the_likelihood_is_that_of_the_grid(planted):
    choices, exact, _ = planted
    params = jax.tree.map(jnp.float32, PLANTED)
    logs = np.array(log_likelihood(choices, params, SHARPNESS))
    # of so many candidates count: each of the two sums has an error of 1/√n
    whole, matching = (np.array(n) for n in effective_counts(choices, params, SHARPNESS))
    error = np.sqrt(np.mean(1.0 / whole + 1.0 / matching))
    assert error < 0.3
    assert np.sqrt(np.mean((logs - exact) ** 2)) < 1.5 * error
    assert abs(np.mean(logs - exact)) < 4.0 * error / np.sqrt(WORLDS) + 0.5 * error**2


def test_a_strong_prior_keeps_hand_tuned_weights(planted):
    strong = dataclasses.replace(WIDE, spread=1e-3)
    fitted = fit(planted[0], PRIOR, NAMES, strong, jax.random.key(0))
    assert np.allclose(found(fitted)[1:], np.log([0.25, 0.25]), atol=0.01)


def test_no_weight_is_moved_farther_than_it_may(planted):
    near = dataclasses.replace(WIDE, farthest=1.5)
    fitted = fit(planted[0], PRIOR, NAMES, near, jax.random.key(0))
    # .6 and .1 are what the demonstrations ask for
    assert np.allclose(found(fitted)[1:], np.log([0.25 * 1.5, 0.25 / 1.5]), atol=1e-4)


def test_steps_that_are_not_finite_move_nothing_and_are_counted(planted):
    choices, _, _ = planted
    poisoned = dataclasses.replace(choices, features=choices.features.at[7].set(jnp.nan))
    recipe = dataclasses.replace(WIDE, batch=40)
    fitted = fit(poisoned, PRIOR, NAMES, recipe, jax.random.key(2))
    assert 0 < int(fitted.skipped) < recipe.steps
    assert np.array_equal(np.isfinite(fitted.objective).sum(), recipe.steps - fitted.skipped)
    assert np.all(np.isfinite(found(fitted)))
    clean = fit(choices, PRIOR, NAMES, recipe, jax.random.key(2))
    assert np.allclose(found(fitted), found(clean), atol=0.3)
    # every step poisoned: nothing has moved
    whole = fit(poisoned, PRIOR, NAMES, WIDE, jax.random.key(2))
    assert int(whole.skipped) == WIDE.steps
    assert np.allclose(found(whole), np.log([2.0, 0.25, 0.25]))


def test_without_demonstrations_nothing_is_fitted(planted):
    nobody = np.zeros(WORLDS, bool)
    with pytest.raises(InputError, match="at least one"):
        fit(planted[0], PRIOR, NAMES, WIDE, jax.random.key(0), among=nobody)
