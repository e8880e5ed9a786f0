"""Clearance against SciPy's exact Euclidean distance transform."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage

from astro_jax.geometry import sample
from astro_jax.types import Grid
from astro_jax.world import distance
from astro_jax.world.distance import INSIDE_CELLS, clearance_field

RESOLUTION = 0.05
SHAPE = (41, 57)


def random_grids(seed=0):
    """Sparse, dense, lumpy; all free, all blocked, a single cell of either kind."""
    rng = np.random.default_rng(seed)
    grids = [rng.random(SHAPE) < density for density in (0.001, 0.01, 0.1, 0.5, 0.9, 0.995)]
    for spread in (1.0, 3.0, 6.0):
        noise = ndimage.gaussian_filter(rng.normal(size=SHAPE), spread)
        grids += [noise > np.quantile(noise, q) for q in (0.2, 0.5, 0.9)]
    lone = np.zeros(SHAPE, bool)
    lone[13, 44] = True
    return np.array([*grids, lone, ~lone, np.zeros(SHAPE, bool), np.ones(SHAPE, bool)])


def grid_of(shape=SHAPE):
    return Grid(
        values=jnp.zeros(shape), origin=jnp.array([-1.0, 2.0]), resolution=jnp.float32(RESOLUTION)
    )


@functools.partial(jax.jit, static_argnames="reach")
def clearance(blocked, reach=20):
    return clearance_field(blocked, grid_of(), reach)


def slow_cells(blocked, reach):
    """Signed distance in cells; what lies beyond the grid has no say."""

    def distance(source, cap):
        if not source.any():
            return np.full(source.shape, float(cap))
        return np.minimum(np.asarray(ndimage.distance_transform_edt(~source)), cap)

    return np.where(blocked, 0.5 - distance(~blocked, INSIDE_CELLS), distance(blocked, reach) - 0.5)


@pytest.mark.parametrize("reach", [5, 20])
@pytest.mark.parametrize("accelerator", [False, True])
def test_clearance_is_the_signed_euclidean_distance(reach, accelerator, monkeypatch):
    monkeypatch.setattr(distance, "merges", lambda: accelerator)
    grids = random_grids()
    field = jax.jit(jax.vmap(lambda blocked: clearance_field(blocked, grid_of(), reach)))(grids)
    slow = np.array([slow_cells(blocked, reach) for blocked in grids])
    np.testing.assert_allclose(field.table[..., 0], slow * RESOLUTION, atol=1e-5)
    free_cells = slow[~grids]
    assert free_cells.max() == reach - 0.5 and slow.min() == 0.5 - INSIDE_CELLS  # the caps
    assert np.any((free_cells > 0.6) & (free_cells < reach - 0.6))


def test_zero_lies_half_way_between_wall_and_floor():
    blocked = np.zeros(SHAPE, bool)
    blocked[:, :20] = True
    field = clearance(blocked)
    x = -1.0 + RESOLUTION * (19.5 + np.array([-2.0, 0.0, 2.0, 10.0]))
    y = np.full_like(x, 3.0)
    got = jax.jit(sample)(field, jnp.asarray(np.stack([x, y], axis=1), jnp.float32))
    np.testing.assert_allclose(got, RESOLUTION * np.array([-2.0, 0.0, 2.0, 10.0]), atol=1e-5)


def test_slopes_point_away_from_walls_at_unit_rate():
    blocked = np.zeros(SHAPE, bool)
    blocked[10, 10] = True
    table = np.asarray(clearance(blocked).table)
    rows, columns = np.indices(SHAPE)
    away = np.stack([columns - 10, rows - 10], axis=-1)
    r = np.hypot(*np.moveaxis(away, -1, 0))
    ring = (r > 4) & (r < 17)
    ring[[0, -1]] = ring[:, [0, -1]] = False  # one-sided differences there
    np.testing.assert_allclose(table[ring][:, 1:3], (away / r[..., None].clip(1))[ring], atol=0.02)
    flat = r > 22
    np.testing.assert_allclose(table[flat][:, 1:3], 0.0, atol=1e-6)


def test_more_walls_never_raise_the_clearance():
    grids = random_grids()
    more = grids | random_grids(1)
    field = jax.jit(jax.vmap(lambda blocked: clearance_field(blocked, grid_of(), 20)))
    assert np.all(field(more).table[..., 0] <= field(grids).table[..., 0] + 1e-6)


@pytest.mark.parametrize("reach", [5, 20])
def test_the_nearest_obstacle_is_an_edge_or_a_thing(reach):
    """Against the distances to either, cell by cell; edges win a tie, far cells are things."""
    grids = random_grids()
    field = jax.jit(
        jax.vmap(lambda blocked, edges: clearance_field(blocked, grid_of(), reach, edges))
    )
    edges = random_grids(7)  # also of cells that are not blocked: these do not count
    table = np.asarray(field(grids, edges).table)
    shares = []
    for blocked, edge, found in zip(grids, edges, table, strict=True):
        inf = np.full(SHAPE, np.inf)
        to = lambda source: ndimage.distance_transform_edt(~source) if source.any() else inf  # noqa: B023
        to_edge, to_thing = np.asarray(to(blocked & edge)), np.asarray(to(blocked & ~edge))
        expected = (to_edge <= to_thing) & (to_edge < reach)
        np.testing.assert_array_equal(found[..., 3], expected)
        shares.append(expected.mean())
    assert min(shares) == 0.0 and np.sum((np.array(shares) > 0.1) & (np.array(shares) < 0.9)) > 5
    # what is near does not depend on what kind of thing it is
    plain = jax.jit(jax.vmap(lambda blocked: clearance_field(blocked, grid_of(), reach)))(grids)
    np.testing.assert_array_equal(table[..., :3], plain.table[..., :3])
    np.testing.assert_array_equal(plain.table[..., 3], 0.0)


def test_clearance_compiles_once():
    @jax.jit
    @chex.assert_max_traces(n=1)
    def field(blocked, grid):
        return clearance_field(blocked, grid, 6)

    chex.clear_trace_counter()
    for blocked in random_grids()[:3]:
        field(jnp.asarray(blocked), grid_of())
