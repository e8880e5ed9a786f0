"""Frames against 3x3 matrices, and the C1 sampling against its own promises."""

import chex
import jax
import jax.numpy as jnp
import numpy as np

from astro_jax import geometry
from astro_jax.types import Clearance, Grid, SmoothGrid

RESOLUTION = 0.05
ORIGIN = np.array([-0.7, 1.3])
SHAPE = (9, 13)


def random_poses(count, seed):
    rng = np.random.default_rng(seed)
    return jnp.asarray(rng.uniform([-20, -20, -9], [20, 20, 9], (count, 3)), jnp.float32)


def matrix(pose):
    """T_map_pose in float64."""
    x, y, yaw = np.asarray(pose, np.float64)
    c, s = np.cos(yaw), np.sin(yaw)
    return np.array([[c, -s, x], [s, c, y], [0, 0, 1]])


def turn_between(a, b):
    """Least turn from one angle to another, whatever the multiples of a full turn."""
    return np.abs(np.angle(np.exp(1j * (np.asarray(a, float) - np.asarray(b, float)))))


# ---- frames --------------------------------------------------------------------------


def test_compose_is_the_product_of_matrices():
    a, b, c = (random_poses(200, seed) for seed in range(3))
    compose = jax.jit(jax.vmap(geometry.compose))
    ab = compose(a, b)
    slow = np.array([matrix(p) @ matrix(q) for p, q in zip(a, b, strict=True)])
    np.testing.assert_allclose(ab[:, :2], slow[:, :2, 2], atol=1e-5)
    assert turn_between(ab[:, 2], np.arctan2(slow[:, 1, 0], slow[:, 0, 0])).max() < 2e-6

    left, right = compose(ab, c), compose(a, compose(b, c))  # the group law
    np.testing.assert_allclose(left[:, :2], right[:, :2], atol=5e-5)
    assert turn_between(left[:, 2], right[:, 2]).max() < 5e-6
    still = jnp.zeros_like(a)
    np.testing.assert_allclose(compose(a, still)[:, :2], a[:, :2])
    np.testing.assert_allclose(compose(still, a)[:, :2], a[:, :2])


def test_frames_are_inverse_to_each_other_and_agree_with_matrices():
    poses = random_poses(100, 3)
    points = jnp.asarray(np.random.default_rng(4).uniform(-20, 20, (100, 7, 2)), jnp.float32)
    seen = jax.vmap(geometry.to_frame)(poses, points)
    back = jax.vmap(geometry.from_frame)(poses, seen)
    np.testing.assert_allclose(back, points, atol=2e-5)
    for pose, xy_map, xy_base in zip(poses, points, np.asarray(seen), strict=True):
        slow = np.linalg.solve(matrix(pose), np.column_stack([xy_map, np.ones(7)]).T)
        np.testing.assert_allclose(xy_base, slow[:2].T, atol=2e-5)


def test_a_point_of_the_child_frame_goes_through_both_frames():
    a, b = random_poses(100, 5), random_poses(100, 6)
    points = jnp.asarray(np.random.default_rng(7).uniform(-3, 3, (100, 4, 2)), jnp.float32)
    through = jax.vmap(geometry.from_frame)
    np.testing.assert_allclose(
        through(jax.vmap(geometry.compose)(a, b), points),
        through(a, through(b, points)),
        atol=5e-5,
    )


def test_wrap_angle_keeps_the_direction_within_one_turn():
    rng = np.random.default_rng(8)
    corners = np.pi * np.arange(-9, 10)
    angles = np.concatenate([rng.uniform(-60, 60, 5000), corners, corners + 1e-6, [-1e-9, 0.0]])
    angles = angles.astype(np.float32)
    wrapped = np.asarray(geometry.wrap_angle(jnp.asarray(angles)))
    pi = np.float32(np.pi)
    assert np.all((wrapped >= -pi) & (wrapped <= pi))
    assert turn_between(wrapped, angles).max() < 1e-5
    inside = np.abs(angles) < 3.1
    np.testing.assert_allclose(wrapped[inside], angles[inside], atol=1e-6)


def test_heading_points_along_x_of_its_frame():
    poses = random_poses(50, 9)
    ahead = jax.vmap(geometry.from_frame)(poses, jnp.tile(jnp.array([1.0, 0.0]), (50, 1)))
    np.testing.assert_allclose(geometry.heading(poses[:, 2]), ahead - poses[:, :2], atol=5e-6)


def test_safe_norm_is_the_norm_with_a_gradient_everywhere():
    rng = np.random.default_rng(10)
    sizes = 10.0 ** rng.uniform(-5, 3, (100, 1))
    vectors = jnp.asarray(rng.normal(size=(100, 2)) * sizes, jnp.float32)
    lengths = np.linalg.norm(np.asarray(vectors, float), axis=1)
    both = jax.jit(jax.vmap(jax.value_and_grad(geometry.safe_norm)))
    values, slopes = both(vectors)
    np.testing.assert_allclose(values, lengths, rtol=1e-6)
    np.testing.assert_allclose(slopes, vectors / lengths[:, None], atol=1e-6)
    values, slopes = both(jnp.full((100, 2), 1e-20).at[0].set(0.0))
    assert np.all((np.asarray(values) > 0.0) & (np.asarray(values) <= 1e-6))
    np.testing.assert_array_equal(slopes, 0.0)


def test_cosine_and_sine_by_polynomial():
    angles = np.concatenate(
        [np.linspace(-100.0, 100.0, 200_001), 0.5 * np.pi * np.arange(-60, 61)]
    ).astype(np.float32)
    c, s = jax.jit(geometry.cos_sin)(jnp.asarray(angles))
    assert np.max(np.abs(c - np.cos(angles.astype(float)))) < 5e-7
    assert np.max(np.abs(s - np.sin(angles.astype(float)))) < 5e-7
    np.testing.assert_allclose(np.hypot(c, s), 1.0, atol=1e-6)
    slopes = jax.jit(jax.vmap(jax.grad(lambda a: geometry.cos_sin(a)[1])))(jnp.asarray(angles))
    np.testing.assert_allclose(slopes, np.cos(angles.astype(float)), atol=2e-5)
    assert all(np.all(np.isnan(part)) for part in geometry.cos_sin(jnp.float32([np.nan, np.inf])))


# ---- sampling ------------------------------------------------------------------------


def bumpy(seed=0):
    """A random table: neighbouring cells agree on nothing."""
    rng = np.random.default_rng(seed)
    table = rng.normal(size=(*SHAPE, 3)) * [1.0, 5.0, 5.0]
    return table


def field_of(table, dtype=jnp.float32):
    return SmoothGrid(
        table=jnp.asarray(table, dtype),
        origin=jnp.asarray(ORIGIN, dtype),
        resolution=jnp.asarray(RESOLUTION, dtype),
    )


def slow_sample(table, xy):
    """The definition, cell by cell in float64: value and gradient by central differences."""

    def value(p):
        u = (p - ORIGIN) / RESOLUTION
        column, row = np.clip(np.floor(u), 0, np.array(SHAPE[::-1]) - 2).astype(int)
        total = 0.0
        for i in (0, 1):
            for j in (0, 1):
                centre = ORIGIN + RESOLUTION * np.array([column + j, row + i])
                v, gx, gy = table[row + i, column + j]
                f = np.clip(u - (column, row), 0, 1)
                w = 3 * f**2 - 2 * f**3
                weight = (w[0] if j else 1 - w[0]) * (w[1] if i else 1 - w[1])
                total += weight * (v + gx * (p[0] - centre[0]) + gy * (p[1] - centre[1]))
        return total

    h = 1e-6
    dx, dy = np.array([h, 0]), np.array([0, h])
    slope = [(value(xy + d) - value(xy - d)) / (2 * h) for d in (dx, dy)]
    return np.array([value(xy), *slope])


def places(count, seed, margin=3.0):
    """Points in and around the grid, m."""
    rng = np.random.default_rng(seed)
    cells = rng.uniform(-margin, np.array(SHAPE[::-1]) - 1 + margin, (count, 2))
    return ORIGIN + RESOLUTION * cells


def value_and_slope(field, xy):
    one = jax.value_and_grad(lambda p, f: geometry.sample(f, p))
    value, slope = jax.jit(jax.vmap(one, (0, None)))(xy, field)
    return np.column_stack([value, slope])


def test_sampling_and_its_gradient_follow_the_definition():
    table, xy = bumpy(), places(400, 11)
    slow = np.array([slow_sample(table, p) for p in xy])
    with jax.enable_x64():
        exact = value_and_slope(field_of(table, jnp.float64), jnp.asarray(xy, jnp.float64))
    np.testing.assert_allclose(exact, slow, atol=2e-6)
    # Single precision costs digits, not correctness.
    single = value_and_slope(field_of(table), jnp.asarray(xy, jnp.float32))
    np.testing.assert_allclose(single[:, 0], slow[:, 0], atol=3e-4)


def test_a_plane_is_exact_also_outside_the_grid():
    xy = places(300, 12, margin=20.0)
    with jax.enable_x64():
        grid = Grid(
            values=jnp.zeros(SHAPE, jnp.float64),
            origin=jnp.asarray(ORIGIN),
            resolution=jnp.asarray(RESOLUTION, jnp.float64),
        )
        columns, rows = np.meshgrid(np.arange(SHAPE[1]), np.arange(SHAPE[0]))
        centres = ORIGIN + RESOLUTION * np.stack([columns, rows], axis=-1)
        plane = lambda p: 0.3 + 1.7 * p[..., 0] - 2.2 * p[..., 1]
        field = geometry.smooth(
            Grid(values=jnp.asarray(plane(centres)), origin=grid.origin, resolution=grid.resolution)
        )
        got = value_and_slope(field, jnp.asarray(xy))
    np.testing.assert_allclose(got[:, 0], plane(xy), atol=1e-12)
    np.testing.assert_allclose(got[:, 1:], np.broadcast_to([1.7, -2.2], xy.shape), atol=1e-10)


def test_cell_centres_hold_the_table():
    table = bumpy(1)
    field = field_of(table)
    grid = Grid(values=field.table[..., 0], origin=field.origin, resolution=field.resolution)
    centres = geometry.cell_centres(grid)
    np.testing.assert_allclose(centres[2, 5], ORIGIN + RESOLUTION * np.array([5, 2]), atol=1e-6)
    got = value_and_slope(field, centres.reshape(-1, 2)).reshape(table.shape)
    np.testing.assert_allclose(got[..., 0], table[..., 0], atol=2e-5)
    np.testing.assert_allclose(got[..., 1:], table[..., 1:], atol=2e-3)


def test_value_and_slope_are_continuous_across_cell_borders():
    """On both sides of every border, and where the grid ends, a random table joins C1."""
    table = bumpy(2)
    rng = np.random.default_rng(13)
    along = ORIGIN + RESOLUTION * rng.uniform(-1, np.array(SHAPE[::-1]), (300, 2))
    columns, rows = rng.integers(0, SHAPE[1], 300), rng.integers(0, SHAPE[0], 300)
    eps = 1e-9
    for axis, lines in ((0, columns), (1, rows)):
        below, above = along.copy(), along.copy()
        below[:, axis] = ORIGIN[axis] + RESOLUTION * lines - eps
        above[:, axis] = ORIGIN[axis] + RESOLUTION * lines + eps
        with jax.enable_x64():
            field = field_of(table, jnp.float64)
            one, other = (value_and_slope(field, jnp.asarray(p)) for p in (below, above))
        np.testing.assert_allclose(one, other, atol=2e-5)
    # The test sees a kink where there is one: half a cell on, the slope is another.
    with jax.enable_x64():
        half = value_and_slope(field_of(table, jnp.float64), jnp.asarray(above) + RESOLUTION / 2)
    assert np.abs(half - other).max() > 1.0


def test_slopes_of_smooth_are_central_differences():
    values = np.random.default_rng(14).normal(size=SHAPE)
    field = geometry.smooth(
        Grid(
            values=jnp.asarray(values, jnp.float32),
            origin=jnp.asarray(ORIGIN, jnp.float32),
            resolution=jnp.float32(RESOLUTION),
        )
    )
    np.testing.assert_allclose(field.table[..., 0], values, rtol=1e-6)
    inner = (values[:, 2:] - values[:, :-2]) / (2 * RESOLUTION)
    np.testing.assert_allclose(field.table[:, 1:-1, 1], inner, atol=2e-5)
    inner = (values[2:] - values[:-2]) / (2 * RESOLUTION)
    np.testing.assert_allclose(field.table[1:-1, :, 2], inner, atol=2e-5)


def test_far_away_is_finite_and_nonsense_in_gives_nonsense_out():
    field = field_of(bumpy(3))
    far = value_and_slope(
        field, np.array([[1e4, 0], [-1e4, -1e4], [0, 1e6], [ORIGIN[0], 9e5]], np.float32)
    )
    assert np.all(np.isfinite(far))
    nan = value_and_slope(
        field, np.array([[np.nan, 1.4], [-0.5, np.nan], [np.nan, np.nan]], np.float32)
    )
    assert np.all(np.isnan(nan[:, 0]))
    # One bad point spoils no other.
    mixed = value_and_slope(field, np.array([[np.nan, 1.4], [-0.5, 1.4]], np.float32))
    assert np.all(np.isfinite(mixed[1]))


def clearance_of(table, share):
    """The same table, with a share of edges in its last column."""
    field = field_of(table)
    column = jnp.asarray(share, jnp.float32)[..., None]
    return Clearance(
        table=jnp.concatenate([field.table, column], axis=-1),
        origin=field.origin,
        resolution=field.resolution,
    )


def test_coordinates_may_be_kept_apart():
    """And whatever else a table holds does not change the value."""
    xy = jnp.asarray(places(200, 15), jnp.float32)
    field = field_of(bumpy(4))
    together = jax.jit(geometry.sample)(field, xy)
    apart = jax.jit(geometry.sample_xy)(field, xy[:, 0], xy[:, 1])
    np.testing.assert_array_equal(apart, together)
    clearance = clearance_of(bumpy(4), np.ones(SHAPE))
    np.testing.assert_array_equal(jax.jit(geometry.sample)(clearance, xy), together)


def test_the_share_of_edges_is_blended_between_cells():
    """Smoothstep weights of the four cells; the definition is that of flat planes."""
    rng = np.random.default_rng(16)
    share = (rng.random(SHAPE) < 0.5).astype(float)
    xy = places(300, 17)
    flat = np.concatenate([share[..., None], np.zeros((*SHAPE, 2))], axis=-1)
    slow = np.array([slow_sample(flat, p)[0] for p in xy])
    field = clearance_of(bumpy(5), share)
    found = jax.jit(geometry.sample_edge)(field, *jnp.asarray(xy.T, jnp.float32))
    np.testing.assert_allclose(found, slow, atol=1e-4)
    assert np.min(found) >= 0.0 and np.max(found) <= 1.0 + 1e-6
    assert np.sum((found > 0.1) & (found < 0.9)) > 50
    centres = ORIGIN + RESOLUTION * np.stack(np.meshgrid(*map(np.arange, SHAPE[::-1])), axis=-1)
    there = geometry.sample_edge(field, *jnp.asarray(np.moveaxis(centres, -1, 0), jnp.float32))
    np.testing.assert_allclose(there, share, atol=1e-6)


def test_sampling_compiles_once():
    @jax.jit
    @chex.assert_max_traces(n=1)
    def sample(field, xy):
        return geometry.sample(field, xy)

    chex.clear_trace_counter()
    for seed in range(3):
        sample(field_of(bumpy(seed)), jnp.asarray(places(5, seed), jnp.float32))
