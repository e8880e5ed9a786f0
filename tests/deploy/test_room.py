"""The planner finds the same in a house with room around it as in the house alone."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from astro_jax.config import PlannerConfig
from astro_jax.deploy.room import no_way, roomy_field, roomy_house
from astro_jax.errors import InputError
from astro_jax.route.crop import crop_field
from astro_jax.types import Grid, Leash, RouteField, SmoothGrid
from astro_jax.world.grid import blank_map
from tests.deploy.made_up import array

CONFIG = PlannerConfig(map_cells=16)
ROOM = (40, 50)


@pytest.fixture(scope="module")
def seen():
    """(house, field) → what the local planner gets at a place, compiled per size."""
    return jax.jit(
        lambda house, field, xy, frame: (
            (local := blank_map(CONFIG, house, xy)).grid.values,
            crop_field(field, frame, local.grid),
        )
    )


def house_and_way(seed):
    random = np.random.default_rng(seed)
    rows, columns = 24, 30
    grid = {"origin": array(random.uniform(-1, 1, 2)), "resolution": array(0.05)}
    house = Grid(values=array(random.choice([-1.9, 3.0], (rows, columns))), **grid)
    table = array(random.uniform(-2, 9, (rows, columns, 3)))
    leash = Leash(length=array(2.0), receding=array(0.5))
    goal = array(random.uniform(-1, 1, 3))
    field = RouteField(cost_to_go=SmoothGrid(table=table, **grid), goal_map=goal, leash=leash)
    return house, field


@given(st.integers(0, 2**31), st.floats(-1.5, 3), st.floats(-1.5, 3), st.floats(-3, 3))
def test_room_changes_nothing(seen, seed, x, y, yaw):
    house, field = house_and_way(seed)
    place = jnp.float32([x, y]), jnp.float32([0.1, -0.2, yaw])
    alone = seen(house, field, *place)
    roomy = seen(roomy_house(house, ROOM), roomy_field(field, ROOM), *place)
    np.testing.assert_array_equal(alone[0], roomy[0])
    for one, other in zip(jax.tree.leaves(alone[1]), jax.tree.leaves(roomy[1]), strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-4, atol=1e-3)


def test_without_a_leash_it_is_one_that_does_not_count():
    _, field = house_and_way(0)
    alone = RouteField(cost_to_go=field.cost_to_go, goal_map=field.goal_map)
    for leash in (roomy_field(alone, ROOM).leash, no_way(ROOM).leash):
        assert leash is not None and leash.length < 0.0
    assert np.isfinite(no_way(ROOM).cost_to_go.table).all()


def test_walls_of_infinite_cost_stay_so():
    _, field = house_and_way(0)
    table = np.array(field.cost_to_go.table)
    table[-1] = table[:, -1] = [np.inf, 0.0, 0.0]
    grid = SmoothGrid(table=array(table), origin=array(0, 0), resolution=array(0.05))
    roomy = roomy_field(RouteField(cost_to_go=grid, goal_map=array(0, 0, 0)), ROOM).cost_to_go.table
    assert np.isposinf(roomy[24:, :30, 0]).all() and not np.isnan(roomy).any()


def test_a_house_that_is_too_large_is_refused():
    house, field = house_and_way(0)
    for room in ((23, 50), (40, 29)):
        with pytest.raises(InputError, match="larger --house"):
            roomy_house(house, room)
        with pytest.raises(InputError, match="larger --house"):
            roomy_field(field, room)
