"""Gaps of a rectangle to discs: the same as the referee's own."""

import jax
import jax.numpy as jnp
import numpy as np

from astro_jax.config import DEFAULT_ROBOT
from astro_jax.sim.gaps import person_gap
from astro_jax.suites import crowd
from astro_jax.suites.gaps import nearest_gap, outline_gaps, rectangle_gaps
from astro_jax.viz.shapes import footprint, rectangle
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


def test_those_of_an_outline_are_the_same_for_a_rectangle_and_nearly_a_discs_for_a_polygon():
    random = np.random.default_rng(4)
    poses = random.uniform(-1.0, 1.0, (40, 3)) * [1.0, 1.0, np.pi]
    xy, radius = random.uniform(-1.0, 1.0, (40, 5, 2)), random.uniform(0.05, 0.3, 5)
    box = rectangle(DEFAULT_ROBOT.length, DEFAULT_ROBOT.width)
    np.testing.assert_allclose(
        outline_gaps(poses, xy, radius, box), rectangle_gaps(poses, xy, radius, DEFAULT_ROBOT)
    )
    disc = crowd.setup("differential").robot
    away = np.hypot(*np.moveaxis(xy - poses[:, None, :2], -1, 0))
    less = away - 0.3 - radius - outline_gaps(poses, xy, radius, footprint(disc))
    # around its disc, which it has inside
    assert -1e-9 < less.min() and less.max() < 0.011
