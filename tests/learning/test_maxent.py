"""Planted weights come back, within what the number of demonstrations allows.

The worlds are squares of two shares, so that everything can be summed on a grid: demonstrations
are drawn from the very density, and what they tell (the Fisher information) is a covariance.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from astro_jax.config import PlannerParams
from astro_jax.errors import InputError
from astro_jax.learning.features import TERMS, slopes
from astro_jax.learning.maxent import Choices, Recipe, effective_counts, fit, log_likelihood
from astro_jax.learning.proposals import Mixture, drawn

NAMES = ("acceleration", "lateral")
PLANTED = dataclasses.replace(PlannerParams(), acceleration=0.6, lateral=0.1)
PRIOR = PlannerParams()  # .25 and .25
SHARPNESS = 4.0
WORLDS, GRID, EACH = 400, 60, 96
TOLERANCE = 0.08
"""Of a recorded place, in shares."""
WIDE = Recipe(spread=10.0, farthest=30.0, sharpness=2.0)


def features(u, shape):
    """(…, F): the way gained, and two costs that differ from world to world."""
    values = dict.fromkeys(TERMS, np.zeros(np.shape(u)[:-1]))
    aside, turn = u[..., 0] - shape[..., 0], u[..., 1] - shape[..., 1]
    values["progress"] = 2.0 * u[..., 0] + u[..., 1]
    values["acceleration"] = 4.0 * aside**2
    values["lateral"] = 4.0 * turn**2 + 2.0 * aside * turn + 1.0
    return np.stack([values[name] for name in TERMS], axis=-1).astype(np.float32)


@pytest.fixture(scope="module")
def planted():
    """(Choices, exact log likelihoods, Fisher information about log β and both log w)."""
    random = np.random.default_rng(0)
    edge = (np.arange(GRID) + 0.5) / GRID
    u = np.stack(np.meshgrid(edge, edge), axis=-1).reshape(1, -1, 2)
    shape = random.random((WORLDS, 1, 2))
    every = features(np.broadcast_to(u, (WORLDS, GRID**2, 2)), shape)
    theta = np.array(slopes(jax.tree.map(jnp.float32, PLANTED)))
    cost = SHARPNESS * every @ theta
    p = shares(-cost)
    meant = u[0, [random.choice(GRID**2, p=row) for row in p]]
    recorded = meant + TOLERANCE * random.normal(size=meant.shape)

    def log_match(u):
        return -0.5 * (((u - recorded[:, None]) / TOLERANCE) ** 2).sum(-1)

    # d(β θ·f)/d(log β, log w): what a demonstration says of it is its mean over p less that
    # over p m, and the mean square of that is the information
    of = [TERMS.index(name) for name in NAMES]
    slope = np.concatenate([cost[..., None], SHARPNESS * theta[of] * every[..., of]], axis=-1)
    after = shares(-cost + log_match(u))
    score = np.einsum("bk,bki->bi", p - after, slope)
    exact = np.log((p * np.exp(log_match(u))).sum(1))
    # as in use: one centre is near what was done
    near = np.clip(recorded, 0.03, 0.97)
    near = np.log(near / (1.0 - near))
    centres = np.stack([near, near + 0.3 * random.normal(size=(WORLDS, 2))], axis=1)
    spread = jnp.tile(0.5 * jnp.eye(2), (2, 1, 1, 1))
    z, log_q = jax.vmap(lambda key, c: drawn(key, Mixture(centre=c, spread=spread), EACH))(
        jax.random.split(jax.random.key(1), WORLDS), jnp.asarray(centres, jnp.float32)
    )
    u = np.array(jax.nn.sigmoid(z))
    choices = Choices(
        features=jnp.asarray(features(u, shape)),
        log_weight=-log_q - np.log(log_q.shape[1]),
        log_match=jnp.asarray(log_match(u), jnp.float32),
    )
    return choices, exact, score.T @ score


def shares(logs):
    p = np.exp(logs - logs.max(1, keepdims=True))
    return p / p.sum(1, keepdims=True)


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
    strong = Recipe(spread=1e-3, sharpness=2.0)
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
