"""The field on the device against the host's, from nothing and after a change."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage

from astro_jax.bench.floor_plan import floor_plan
from astro_jax.config import DEFAULT_ROBOT
from astro_jax.route.field import body_of, search, search_again
from astro_jax.route.march import SEED
from astro_jax.route.relax import FAR, relax, unknown

relaxed = jax.jit(relax)
SIDE = 120


@pytest.fixture(scope="module")
def house():
    return floor_plan(SIDE, seed=2)


@pytest.fixture(scope="module")
def found(house):
    roomy = np.argwhere(np.asarray(ndimage.distance_transform_edt(~house.blocked)) > 14)
    return search(house, house.blocked, (*house.xy_of(roomy[0]), 0.0), body_of(DEFAULT_ROBOT))


def on_device(found):
    """Costs, seeds and the solution."""
    values = found.found.values[1:-1, 1:-1]
    seeds = np.where(found.owed[1:-1, 1:-1] == SEED, values, np.inf)
    slowness = jnp.asarray(found.slowness[1:-1, 1:-1])
    return slowness, jnp.asarray(seeds, jnp.float32), np.minimum(values, FAR)


def test_from_nothing_it_falls_to_the_hosts_field(found):
    slowness, seeds, expected = on_device(found)
    values, before = unknown(slowness), np.inf
    for _ in range(12):
        values = relaxed(values, slowness, seeds, 1)
        assert np.all(np.asarray(values) <= before)
        assert np.all(np.asarray(values) >= expected - 1e-3)
        before = np.asarray(values)
    np.testing.assert_allclose(values, expected, atol=2e-3)
    # there it stays, and sweeps in one call are sweeps
    np.testing.assert_allclose(relaxed(values, slowness, seeds, 3), expected, atol=2e-3)
    np.testing.assert_allclose(relaxed(unknown(slowness), slowness, seeds, 12), expected, atol=2e-3)


@pytest.mark.parametrize("shut", [True, False])
def test_a_change_is_followed_from_the_last_field(house, found, shut):
    values = found.found.values[1:-1, 1:-1]
    # an obstacle of 1.2 m across the way of what lies farther than it
    row, column = np.argwhere(np.isfinite(values) & (values > 40.0))[0]
    changed = house.blocked.copy()
    changed[max(row - 12, 0) : row + 12, column : column + 4] = True
    other = search_again(found, changed)
    before, after = (found, other) if shut else (other, found)
    slowness, seeds, old = on_device(before)
    slowness, seeds, expected = on_device(after)
    known = expected < FAR
    assert np.abs(old - expected)[known].max() > 5.0
    sweeps, values = 0, jnp.asarray(old, jnp.float32)
    errors = []
    while sweeps < 80 and (not errors or errors[-1] > 0.01):
        values = relaxed(values, slowness, seeds, 4)
        sweeps += 4
        errors.append(np.abs(np.asarray(values) - expected)[known].max())
    assert errors[-1] <= 0.01
    # what got nearer is known at once; what got farther has to fill up
    assert sweeps <= (60 if shut else 8)


def test_cells_that_are_cut_off_rise_until_they_count_as_not_reached(found):
    slowness, seeds, _ = on_device(found)
    alone = jnp.where(seeds < FAR, slowness, jnp.inf)
    values = relaxed(jnp.zeros_like(slowness), alone, seeds, 1)
    assert np.all(np.asarray(values)[~np.asarray(seeds < FAR)] == FAR)


def test_no_number_does_no_harm(found):
    slowness, seeds, expected = on_device(found)
    hurt = jnp.where(jnp.arange(SIDE) % 7 == 0, jnp.nan, jnp.asarray(expected, jnp.float32))
    hurt = hurt.at[3, 4].set(-jnp.inf).at[5, 6].set(jnp.inf)
    values = relaxed(hurt, slowness, seeds, 12)
    np.testing.assert_allclose(values, expected, atol=2e-3)
    unsure = slowness.at[60, 10:100].set(jnp.nan)
    assert np.isfinite(np.asarray(relaxed(hurt, unsure, seeds, 2))).all()


def test_many_fields_at_once_are_each_their_own(found):
    slowness, seeds, _ = on_device(found)
    both = jnp.stack([slowness, jnp.where(slowness < FAR, 1.0, jnp.inf)])
    many = jax.jit(jax.vmap(relax, (0, 0, None, None)), static_argnums=3)
    together = many(jnp.full_like(both, FAR), both, seeds, 3)
    for one, cost in zip(together, both, strict=True):
        np.testing.assert_allclose(one, relaxed(unknown(cost), cost, seeds, 3), rtol=1e-6)
