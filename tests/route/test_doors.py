"""A shut door is tight on the grid, wherever and however its wall stands."""

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import ndimage

from astro_jax.route.doors import door_cells
from astro_jax.route.house import Door, HouseMap

RESOLUTION = 0.05
ANY_STEP = np.ones((3, 3), bool)


def walled(turn, thickness, gap, shape=(70, 80)):
    """Two places on either side of a straight wall through the middle, and its gap's ends."""
    rows, columns = np.indices(shape)
    xy = RESOLUTION * np.stack([columns, rows], axis=-1) + (-3.0, 2.0)
    middle = xy[shape[0] // 2, shape[1] // 2]
    along, across = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    u, v = (xy - middle) @ along, (xy - middle) @ across
    wall = (np.abs(v) <= thickness / 2) & (np.abs(u) >= gap / 2)
    occupancy = np.where(wall, 100, 0).astype(np.int8)
    house_map = HouseMap(
        occupancy=occupancy, resolution=RESOLUTION, origin=np.asarray(xy[0, 0], np.float64)
    )
    return house_map, np.stack([middle - along * gap / 2, middle + along * gap / 2]), u, v


def parts(cells, steps=None):
    labels = np.zeros(cells.shape, np.int32)
    ndimage.label(cells, steps, output=labels)
    return labels


@settings(max_examples=150, deadline=None)
@given(
    turn=st.floats(-3.2, 3.2),
    thickness=st.floats(0.08, 0.3),
    gap=st.floats(0.5, 1.3),
    seed=st.integers(0, 2**32 - 1),
)
def test_no_step_to_one_of_eight_neighbours_gets_through(turn, thickness, gap, seed):
    house_map, ends, _, v = walled(turn, thickness, gap)
    rng = np.random.default_rng(seed)
    # Written by hand: neither end is exactly on the wall's surface.
    jambs = ends + rng.uniform(-0.07, 0.07, (2, 2))
    rows, columns = door_cells(house_map, Door(name="door", jambs=jambs))

    assert rows.size == columns.size > 0
    assert not house_map.blocked[rows, columns].any()
    far = np.abs(v) > thickness / 2 + 0.3
    sides = [far & (v > 0), far & (v < 0)]
    for shut in (False, True):
        blocked = house_map.blocked.copy()
        blocked[rows, columns] |= shut
        labels = parts(~blocked, ANY_STEP)
        met = [set(np.unique(labels[side & ~blocked])) for side in sides]
        assert bool(met[0] & met[1]) != shut


@given(
    ends=st.lists(st.floats(-4.0, 8.0), min_size=4, max_size=4),
)
def test_the_cells_hang_together_and_lie_on_the_line(ends):
    house_map, *_ = walled(0.0, 0.0, 9.0)
    jambs = np.array(ends).reshape(2, 2)
    length = np.hypot(*(jambs[1] - jambs[0]))
    assume(length > 0.05)
    rows, columns = door_cells(house_map, Door(name="door", jambs=jambs))
    shut = np.zeros(house_map.blocked.shape, bool)
    shut[rows, columns] = True
    assert len(rows) == np.count_nonzero(shut)  # none twice
    assert parts(shut).max() <= 1
    off = house_map.xy_of((rows, columns)) - jambs[0]
    nx, ny = (jambs[1] - jambs[0]) / length
    assert np.all(np.abs(off[:, 0] * ny - off[:, 1] * nx) <= RESOLUTION / np.sqrt(2) + 1e-9)
    on_map = house_map.contains(jambs[0] + np.linspace(0, 1, 2000)[:, None] * (jambs[1] - jambs[0]))
    assert on_map.any() == (rows.size > 0)


def test_a_door_that_the_map_shows_as_wall_or_that_is_off_the_map_has_no_cells():
    house_map, ends, *_ = walled(0.0, 0.3, 0.8)
    in_wall = ends + np.array([1.0, 0.0])
    far = ends + 1e9
    for jambs in (in_wall, far):
        rows, columns = door_cells(house_map, Door(name="door", jambs=jambs))
        assert rows.size == columns.size == 0
