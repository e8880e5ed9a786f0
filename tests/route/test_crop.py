"""The field around the robot, in its own frame, against the whole one in the house."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from astro_jax.geometry import compose, from_frame, inverse, sample, smooth
from astro_jax.route.crop import crop_field
from astro_jax.types import Grid, RouteField

RESOLUTION = 0.05
crop = jax.jit(crop_field)


def whole(shape=(200, 160), origin=(-1.0, 0.5)):
    """A smooth hilly field in the house."""
    rows, columns = np.indices(shape)
    x, y = origin[0] + RESOLUTION * columns, origin[1] + RESOLUTION * rows
    values = 2.0 * x - y + 0.8 * np.sin(1.3 * x) * np.cos(0.9 * y)
    grid = Grid(
        values=jnp.asarray(values, jnp.float32),
        origin=jnp.asarray(origin, jnp.float32),
        resolution=jnp.float32(RESOLUTION),
    )
    return RouteField(cost_to_go=smooth(grid), goal_map=jnp.array([3.0, 4.0, 0.7]))


def cells(origin, side=60):
    return Grid(
        values=jnp.zeros((side, side)),
        origin=jnp.asarray(origin, jnp.float32),
        resolution=jnp.float32(RESOLUTION),
    )


def test_with_both_frames_alike_it_is_a_copy():
    field = whole()
    part = crop(field, jnp.zeros(3), cells(field.cost_to_go.origin + RESOLUTION * 40))
    copied = field.cost_to_go.table[40:100, 40:100]
    np.testing.assert_allclose(part.cost_to_go.table, copied, atol=3e-6)
    np.testing.assert_allclose(part.goal_map, field.goal_map)


@pytest.mark.parametrize("shift", [[0.0, 0.0, 0.0], [0.02, -0.013, 0.0], [1.2, 3.4, 2.4]])
def test_points_have_the_same_cost_and_slope_in_either_frame(shift):
    field, house_from_map = whole(), jnp.asarray(shift, jnp.float32)
    centre = from_frame(inverse(house_from_map), jnp.array([[3.0, 5.0]]))[0]
    part = crop(field, house_from_map, cells(centre - 1.5))
    around = np.random.default_rng(0).uniform(-1.2, 1.2, (400, 2))
    xy = jnp.asarray(np.asarray(centre) + around, jnp.float32)
    in_house = lambda xy: sample(field.cost_to_go, from_frame(house_from_map, xy))
    in_map = lambda xy: sample(part.cost_to_go, xy)
    np.testing.assert_allclose(in_map(xy), in_house(xy), atol=3e-3)
    slope = jax.vmap(jax.grad(lambda p: in_map(p[None])[0]))(xy)
    other = jax.vmap(jax.grad(lambda p: in_house(p[None])[0]))(xy)
    np.testing.assert_allclose(slope, other, atol=0.12)
    np.testing.assert_allclose(compose(house_from_map, part.goal_map), field.goal_map, atol=1e-5)


def test_beyond_the_house_the_border_goes_on_and_nothing_is_nan():
    field = whole()
    part = crop(field, jnp.zeros(3), cells([-2.5, -1.0]))
    assert np.all(np.isfinite(part.cost_to_go.table))
    lost = crop(field, jnp.full(3, jnp.nan), cells([0.0, 1.0]))
    assert not np.any(np.isfinite(np.asarray(lost.goal_map)))
