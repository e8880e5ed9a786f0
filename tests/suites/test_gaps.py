"""Gaps of a rectangle to discs: the same as the referee's own."""

import jax
import jax.numpy as jnp
import numpy as np

from astro_jax.config import DEFAULT_ROBOT
from astro_jax.sim.gaps import person_gap
from astro_jax.suites.gaps import nearest_gap, rectangle_gaps
from tests.suites.made_up import TICK, trace_of


def test_they_are_the_referees():
    random = np.random.default_rng(3)
    poses = random.uniform(-1.0, 1.0, (40, 3)) * [1.0, 1.0, np.pi]
    xy, radius = random.uniform(-1.0, 1.0, (40, 5, 2)), random.uniform(0.05, 0.3, 5)
    length, width = DEFAULT_ROBOT.length, DEFAULT_ROBOT.width
    referee = jax.vmap(person_gap, (0, None, None, 0, None, None))(
        jnp.asarray(poses), length, width, jnp.asarray(xy), jnp.asarray(radius), jnp.ones(5, bool)
    )
    found = rectangle_gaps(poses, xy, radius, DEFAULT_ROBOT)
    assert found.min() < -0.05
    np.testing.assert_allclose(found, referee, atol=1e-5)


def test_nothing_counts_after_the_arrival():
    xy = np.zeros((10, 2))
    people = np.linspace(2.0, 0.0, 10)[:, None, None] * np.array([1.0, 0.0])
    trace = trace_of(xy, people, arrived_at=4 * TICK)
    gaps = nearest_gap(trace, np.array([0.2]), DEFAULT_ROBOT)
    np.testing.assert_allclose(gaps, people[:4, 0, 0] - 0.2 - DEFAULT_ROBOT.length / 2)
