"""The wave against a slow fixed point of the same scheme, and its repair against a new one."""

import numpy as np
import pytest
from scipy import ndimage

from astro_jax.route.distance import nearest_again, nearest_marked, squared_wall_distance
from astro_jax.route.march import NOBODY, SEED, march, repair

BOUNDS = (1.0, 20.0)


def costs(shape, seed, shut=0.25, dearest=5.0):
    """Random costs with a rim of shut cells; the middle one is open."""
    random = np.random.default_rng(seed)
    grid = np.full((shape[0] + 2, shape[1] + 2), np.inf, np.float32)
    grid[1:-1, 1:-1] = random.uniform(1.0, dearest, shape)
    grid[1:-1, 1:-1][random.uniform(size=shape) < shut] = np.inf
    grid[middle(grid)] = 1.0
    return grid


def middle(grid):
    return grid.shape[0] // 2, grid.shape[1] // 2


def solved(grid):
    values, owed = np.full(grid.shape, np.inf), np.full(grid.shape, NOBODY, np.uint8)
    values[middle(grid)], owed[middle(grid)] = 0.0, SEED
    seeds = np.flatnonzero(owed == SEED)
    march(values.reshape(-1), owed.reshape(-1), grid.reshape(-1), seeds, grid.shape[1], BOUNDS)
    return values, owed


def fixed_point(grid):
    """The scheme of the docstring, cell by cell until nothing changes."""
    shut = np.isinf(grid)
    values = np.full(grid.shape, np.inf)
    values[middle(grid)] = 0.0
    while True:
        before = values.copy()
        for i, j in np.argwhere(~shut):
            s = float(grid[i, j])
            for di, dj in ((1, 0), (-1, 0), (0, 1), (0, -1)):
                a = values[i + di, j + dj]
                for ci, cj in ((di + dj, dj + di), (di - dj, dj - di)):
                    d = values[i + ci, j + cj]
                    if np.isinf(a):
                        continue
                    δ = a - d
                    if δ <= 0.0:
                        via = a + s
                    elif δ < s / np.sqrt(2.0):
                        via = a + np.sqrt(s * s - δ * δ)
                    else:
                        via = max(a, d + s * np.sqrt(2.0))
                    values[i, j] = min(values[i, j], via)
        if np.array_equal(before, values):
            return values


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("shut", "dearest"), [(0.3, 1.0), (0.15, 1.5), (0.3, 20.0)])
def test_the_wave_is_the_fixed_point_of_the_scheme(seed, shut, dearest):
    grid = costs((11, 13), seed, shut, dearest)
    np.testing.assert_allclose(solved(grid)[0], fixed_point(grid), rtol=1e-12)


def test_open_floor_is_distance():
    grid = costs((121, 161), 0, shut=0.0, dearest=1.0)
    values = solved(grid)[0]
    rows, columns = np.indices(grid.shape)
    r = np.hypot(rows - middle(grid)[0], columns - middle(grid)[1])
    off = (values - r)[1:-1, 1:-1]
    assert -1e-9 < off.min() and off.max() < 0.7


def test_no_way_leads_between_cells_that_touch_at_a_corner():
    grid = costs((21, 21), 0, shut=0.0, dearest=1.0)
    rows, columns = np.indices(grid.shape)
    grid[rows + columns == 19] = np.inf  # a wall whose cells share corners only
    values = solved(grid)[0]
    inner = (rows > 0) & (rows < 22) & (columns > 0) & (columns < 22)
    assert np.isinf(values[rows + columns < 19]).all()
    assert np.isfinite(values[inner & (rows + columns > 19)]).all()


@pytest.mark.parametrize("seed", range(24))
def test_a_repaired_field_is_a_new_one_to_the_last_bit(seed):
    random = np.random.default_rng(seed)
    before = costs(
        (50, 60), seed, shut=(0.02, 0.2, 0.35)[seed % 3], dearest=(1.0, 1.5, 8.0)[seed % 3]
    )
    after = costs((50, 60), seed, shut=0.3, dearest=8.0)
    row, column = random.integers(1, 35, 2)
    window = np.zeros(before.shape, bool)
    window[row : row + random.integers(2, 15), column : column + random.integers(2, 15)] = True
    kind = seed % 4
    if kind == 1:  # a block
        after[:] = np.inf
    elif kind == 2:  # a clearing
        after[:] = 1.0
    elif kind == 3:  # everything beyond a wall
        window[:] = False
        window[1:-1, 20] = True
        after[:] = np.inf
    after = np.where(window, after, before).astype(np.float32)
    after[[0, -1]] = after[:, [0, -1]] = np.inf
    after[middle(after)] = before[middle(after)]
    values, owed = solved(before)
    changed = np.flatnonzero(before != after)
    old = values.copy()
    settled, spans = repair(
        values.reshape(-1), owed.reshape(-1), after.reshape(-1), changed, after.shape[1], BOUNDS
    )
    expected = solved(after)[0]
    np.testing.assert_array_equal(values, expected)
    differs = expected != old
    rows, columns = np.nonzero(differs)
    assert np.all((spans[rows, 0] <= columns) & (columns <= spans[rows, 1]))
    assert settled <= 3 * differs.sum() + 200  # not far more than what truly changed


def test_a_door_that_opens_again_leaves_no_trace():
    grid = costs((40, 40), 1, shut=0.05)
    values, owed = solved(grid)
    first = values.copy()
    door = np.flatnonzero(np.isfinite(grid[15, :]))[:9] + 15 * grid.shape[1]
    shut = grid.copy()
    shut.reshape(-1)[door] = np.inf
    flat = (values.reshape(-1), owed.reshape(-1))
    repair(*flat, shut.reshape(-1), door, grid.shape[1], BOUNDS)
    assert not np.array_equal(values, first)
    repair(*flat, grid.reshape(-1), door, grid.shape[1], BOUNDS)
    np.testing.assert_array_equal(values, first)


# ---- distances -----------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(20))
def test_distances_are_scipys(seed):
    random = np.random.default_rng(seed)
    shape = tuple(random.integers(1, 50, 2))
    marked = random.uniform(size=shape) < random.choice([0.0, 0.002, 0.05, 0.5, 0.98])
    walled = np.pad(marked, 1, constant_values=True)
    expected = np.asarray(ndimage.distance_transform_edt(~walled))[1:-1, 1:-1]
    np.testing.assert_allclose(np.sqrt(squared_wall_distance(marked)), expected)
    capped = np.sqrt(squared_wall_distance(marked, 6))
    np.testing.assert_allclose(capped, np.minimum(expected, 6.0))
    if marked.any():
        nearest, distance = nearest_marked(marked)
        np.testing.assert_allclose(
            distance, np.asarray(ndimage.distance_transform_edt(~marked)), rtol=1e-6
        )
        row, column = np.divmod(nearest, shape[1] + 2)
        assert marked[row - 1, column - 1].all()
        rows, columns = np.indices(shape)
        np.testing.assert_allclose(
            np.hypot(rows + 1 - row, columns + 1 - column), distance, rtol=1e-6
        )


@pytest.mark.parametrize("seed", range(20))
def test_a_window_of_new_marks_tells_the_rest(seed):
    random = np.random.default_rng(seed)
    before = random.uniform(size=(60, 70)) < random.choice([0.005, 0.1, 0.8])
    before[:, 40:] &= bool(seed % 2)  # with and without a deep part
    before[5, 5] = True
    after = before.copy()
    row, column = random.integers(0, 50, 2)
    window = (slice(row, row + 8), slice(column, column + 6))
    after[window] = random.uniform(size=(8, 6)) < random.choice([0.0, 0.5])
    after[5, 5] = True
    again = nearest_again(after, nearest_marked(before), window, margin=9)
    for found, expected in zip(again, nearest_marked(after), strict=True):
        np.testing.assert_array_equal(found, expected)
