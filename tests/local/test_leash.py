"""A goal that walks: the potential on a leash against its own formula."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from astro_jax.geometry import compose
from astro_jax.local.objective import SLACK, remaining
from astro_jax.route.crop import crop_field
from astro_jax.types import Grid, Leash


@pytest.fixture(scope="module")
def potential(lab):
    """(V, time, length, receding) → P at that time of places with this V, far from the goal."""
    plane = dataclasses.replace(lab.field((50.0, 0.0, 0.0)), cost_to_go=lab.plane(9.0, -1.0, 0.0))

    @jax.jit
    def of(value, time, length, receding):
        field = dataclasses.replace(plane, leash=Leash(length=length, receding=receding))
        pose = jnp.stack([9.0 - value, jnp.zeros_like(value), jnp.zeros_like(value)])[None]
        return remaining(lab.robot, lab.params, field, pose, jnp.reshape(time, (1, 1)))[0]

    def run(*numbers):
        return np.asarray(of(*(np.asarray(number, np.float32) for number in numbers)))

    return run


def beyond(x):
    """e(x), piece by piece."""
    return np.where(x <= 0, 0.0, np.where(x >= SLACK, x - SLACK / 2, x**2 / (2 * SLACK)))


@pytest.mark.parametrize(("time", "receding"), [(0.0, 0.0), (2.0, 0.7), (3.0, -0.4)])
def test_nothing_is_left_to_gain_on_the_leash(potential, time, receding):
    value = np.linspace(0.05, 6.0, 60)
    found = potential(value, time, 2.0, receding)
    np.testing.assert_allclose(found, beyond(value + receding * time - 2.0), atol=2e-4)


def test_a_tight_leash_changes_nothing_but_a_constant(potential):
    value = np.linspace(0.05, 6.0, 60)
    found = potential(value, 0.0, -10.0, 0.0)
    np.testing.assert_allclose(np.diff(found), np.diff(value), atol=2e-4)


def test_the_leash_goes_with_the_field_into_the_robots_frame(lab):
    field = dataclasses.replace(
        lab.field((1.0, 0.5, 0.3)),
        leash=Leash(length=jnp.float32(1.5), receding=jnp.float32(0.2)),
    )
    place = jnp.array([0.4, -0.2, 0.3])
    local = Grid(values=jnp.zeros((20, 20)), origin=jnp.zeros(2), resolution=jnp.float32(0.05))
    cropped = jax.jit(crop_field)(field, place, local)
    assert cropped.leash is not None
    assert float(cropped.leash.length) == 1.5
    assert float(cropped.leash.receding) == pytest.approx(0.2)
    np.testing.assert_allclose(compose(place, cropped.goal_map), field.goal_map, atol=1e-6)
