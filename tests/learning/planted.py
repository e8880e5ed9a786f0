"""Worlds of two shares, in which everything can be summed on a grid.

Demonstrations are drawn from the very density with planted weights, and what they tell of these
(the Fisher information) is a covariance.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from astro_jax.config import PlannerParams
from astro_jax.learning.features import TERMS, slopes
from astro_jax.learning.maxent import Choices, Recipe
from astro_jax.learning.proposals import Mixture, drawn

NAMES = ("acceleration", "lateral")
PLANTED = dataclasses.replace(PlannerParams(), acceleration=0.6, lateral=0.1)
PRIOR = PlannerParams()  # .25 and .25
SHARPNESS = 4.0
WORLDS, GRID, EACH = 400, 60, 96
TOLERANCE = 0.08
"""Of a recorded place, in shares."""
WIDE = Recipe(spread=10.0, farthest=30.0, sharpness=2.0, steps=250)


def features(u, shape):
    """(…, F): the way gained, and two costs that differ from world to world."""
    values = dict.fromkeys(TERMS, np.zeros(np.shape(u)[:-1]))
    aside, turn = u[..., 0] - shape[..., 0], u[..., 1] - shape[..., 1]
    values["progress"] = 2.0 * u[..., 0] + u[..., 1]
    values["acceleration"] = 4.0 * aside**2
    values["lateral"] = 4.0 * turn**2 + 2.0 * aside * turn + 1.0
    return np.stack([values[name] for name in TERMS], axis=-1).astype(np.float32)


def made():
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
