"""Cost-to-go against distances known in closed form, and the questions it refuses."""

import itertools
import math

import jax
import numpy as np
import pytest
from scipy import ndimage

from astro_jax.config import DEFAULT_ROBOT, RobotConfig
from astro_jax.errors import InputError, UnreachableError
from astro_jax.route.field import (
    CRUISE,
    check_query,
    guide_path,
    passing_radius,
    path_length,
    reachable,
    solve_field,
    traversal_speed,
    wall_distance,
)
from astro_jax.route.house import HouseMap

SPEED = CRUISE * DEFAULT_ROBOT.speed
RESOLUTION = 0.05


def open_map(height=120, width=160, origin=(-1.0, 2.0)):
    occupancy = np.zeros((height, width), np.int8)
    return HouseMap(
        occupancy=occupancy, resolution=RESOLUTION, origin=np.asarray(origin), name="test"
    )


def centres(house_map):
    return house_map.xy_of(np.indices(house_map.occupancy.shape))


def two_rooms(door=True):
    """A wall along x = 3 m with a door of 0.9 m around y = 4.5 m."""
    house_map = open_map()
    x, y = np.moveaxis(centres(house_map), -1, 0)
    wall = np.abs(x - 3.0) < 0.08
    house_map.occupancy[wall & ~((np.abs(y - 4.5) < 0.45) & door)] = 100
    return house_map


@pytest.mark.parametrize("goal", [(3.013, 5.0, 0.0), (-0.5, 2.6, 1.0), (5.04, 7.17, 0.0)])
def test_open_floor_is_distance_over_speed(goal):
    house_map = open_map()
    field = solve_field(house_map, house_map.blocked, goal, DEFAULT_ROBOT, slowest=1.0)
    r = np.linalg.norm(centres(house_map) - np.asarray(goal[:2]), axis=-1)
    metres = SPEED * np.asarray(field.cost_to_go.table)[..., 0]
    inner = (slice(4, -4), slice(4, -4))
    assert np.all(np.abs(metres - r)[inner] <= 0.005 * r[inner] + 0.35 * RESOLUTION)
    near = r < 0.05
    np.testing.assert_allclose(metres[near], r[near], atol=1e-3)

    slopes = SPEED * np.asarray(field.cost_to_go.table)[..., 1:]
    ahead = (centres(house_map) - np.asarray(goal[:2])) / np.maximum(r, 1e-9)[..., None]
    far = (r > 0.8)[inner]
    np.testing.assert_allclose(slopes[inner][far], ahead[inner][far], atol=0.05)


def test_types_frames_and_finiteness_everywhere():
    house_map = two_rooms(door=False)
    house_map.occupancy[:, :5] = -1
    field = solve_field(house_map, house_map.blocked, (1.0, 4.0, 0.3), DEFAULT_ROBOT)
    grid = field.cost_to_go
    assert grid.table.shape == (*house_map.occupancy.shape, 3)
    assert {v.dtype for v in (grid.table, grid.origin, grid.resolution, field.goal_map)} == {
        np.dtype(np.float32)
    }
    table = np.asarray(grid.table)
    assert np.isfinite(table).all()
    np.testing.assert_allclose(grid.origin, house_map.origin)
    # Slopes stay bounded, also where the two sides of a wall meet.
    assert np.hypot(table[..., 1], table[..., 2]).max() <= 4.01 / SPEED


def test_walls_push_back_to_the_reachable_side():
    house_map = two_rooms(door=False)
    field = solve_field(house_map, house_map.blocked, (1.0, 4.0, 0.0), DEFAULT_ROBOT)
    row, columns, _ = house_map.cell_of([[x, 4.0] for x in np.arange(2.7, 5.0, 0.05)])
    V = np.asarray(field.cost_to_go.table)[row, columns, 0]
    assert np.all(np.diff(V) > 1.5 * RESOLUTION / SPEED)


def test_a_corner_is_rounded_nearly_optimally():
    house_map = open_map()
    x, y = np.moveaxis(centres(house_map), -1, 0)
    house_map.occupancy[(x > 3.0) & (y < 5.0)] = 100
    start, goal = (2.6, 2.7, 0.0), (6.2, 5.6, 0.0)
    field = solve_field(house_map, house_map.blocked, goal, DEFAULT_ROBOT, slowest=1.0)
    length = path_length(guide_path(field, start))

    # The optimum through open cells: a string wrapped around the inflated corner.
    shut = traversal_speed(house_map.blocked, RESOLUTION, passing_radius(DEFAULT_ROBOT)) == 0.0
    near = np.hypot(x - 3.0, y - 5.0) < 0.6
    corners = centres(house_map)[ndimage.binary_dilation(shut, np.ones((3, 3))) & near]
    optimum = taut_string(np.array(start[:2]), np.array(goal[:2]), corners)
    assert optimum > math.dist(start[:2], goal[:2]) * 1.03
    assert optimum * 0.99 <= length <= optimum * 1.015
    row, column, _ = house_map.cell_of(start[:2])
    assert SPEED * float(field.cost_to_go.table[row, column, 0]) == pytest.approx(
        optimum, rel=0.015
    )


def taut_string(start, goal, obstacle):
    """Shortest curve above a convex obstacle: the upper hull of all the points."""
    direction = (goal - start) / math.dist(start, goal)
    normal = np.array([-direction[1], direction[0]])
    points = np.concatenate([[start], obstacle, [goal]])
    along, above = (points - start) @ direction, (points - start) @ normal
    inside = (along >= 0.0) & (along <= along[-1])
    hull = []
    for u, v in sorted(zip(along[inside], above[inside], strict=True)):
        while len(hull) > 1 and (hull[-1][0] - hull[-2][0]) * (v - hull[-2][1]) >= (
            hull[-1][1] - hull[-2][1]
        ) * (u - hull[-2][0]):
            hull.pop()
        hull.append((u, v))
    return sum(math.dist(p, q) for p, q in itertools.pairwise(hull))


def test_routes_keep_to_the_middle_of_doors_without_detours():
    house_map = two_rooms()
    start, goal = (1.0, 3.0, 0.0), (5.5, 3.0, 0.0)
    blocked = house_map.blocked
    route = guide_path(solve_field(house_map, blocked, goal, DEFAULT_ROBOT), start)
    shortest = guide_path(solve_field(house_map, blocked, goal, DEFAULT_ROBOT, slowest=1.0), start)
    passing = route[np.argmin(np.abs(route[:, 0] - 3.0))]
    cutting = shortest[np.argmin(np.abs(shortest[:, 0] - 3.0))]
    assert abs(passing[1] - 4.5) < 0.15 < abs(cutting[1] - 4.5)
    assert path_length(shortest) < path_length(route) < 1.1 * path_length(shortest)
    row, column, _ = house_map.cell_of(route)
    assert wall_distance(blocked, RESOLUTION)[row, column].min() > 0.25


@pytest.mark.parametrize("seed", range(4))
def test_cost_falls_along_the_guide_path(seed):
    house_map = two_rooms()
    rng = np.random.default_rng(seed)
    house_map.occupancy[rng.uniform(size=house_map.occupancy.shape) < 0.004] = 100
    radius = passing_radius(DEFAULT_ROBOT)
    free = traversal_speed(house_map.blocked, RESOLUTION, radius) > 0.0
    open_places = centres(house_map)[free]
    goal = open_places[np.argmin(np.hypot(*(open_places - (1.0, 3.0)).T))]
    joined = reachable(house_map, house_map.blocked, (*goal, 0.0), radius)
    field = solve_field(house_map, house_map.blocked, (*goal, 0.0), DEFAULT_ROBOT)
    V = np.asarray(field.cost_to_go.table)[..., 0]
    rows, columns = np.nonzero(joined)
    for k in rng.integers(len(rows), size=5):
        path = guide_path(field, centres(house_map)[rows[k], columns[k]])
        np.testing.assert_allclose(path[-1], goal, atol=1e-5)
        seconds = bilinear(V, (path - house_map.origin) / RESOLUTION)
        assert np.all(np.diff(seconds) < 0.0)


def bilinear(values, cells):
    column, row = np.floor(cells).astype(int).T
    u, v = (cells - np.floor(cells)).T
    low = (1 - u) * values[row, column] + u * values[row, column + 1]
    high = (1 - u) * values[row + 1, column] + u * values[row + 1, column + 1]
    return (1 - v) * low + v * high


def test_guide_path_ends_after_max_len_and_at_once_at_the_goal():
    house_map = open_map()
    field = solve_field(house_map, house_map.blocked, (5.0, 5.0, 0.0), DEFAULT_ROBOT)
    assert path_length(guide_path(field, (1.0, 5.0), max_len=1.0)) == pytest.approx(1.0, rel=0.05)
    assert path_length(guide_path(field, (5.0, 5.0))) < 1e-6


@pytest.mark.parametrize(
    ("start", "goal", "field"),
    [
        ((math.nan, 4.0, 0.0), (1.0, 4.0, 0.0), "start"),
        ((1.0, 4.0, 0.0), (1.0, math.inf, 0.0), "goal"),
        ((1.0, 4.0, 0.0), (99.0, 4.0, 0.0), "goal"),
        ((-1.03, 4.0, 0.0), (1.0, 4.0, 0.0), "start"),
        ((3.0, 3.0, 0.0), (1.0, 4.0, 0.0), "start"),
        ((1.0, 4.0, 0.0), (3.0, 3.0, 0.0), "goal"),
        ((1.0, 4.0, 0.0), (2.8, 3.0, 0.0), "goal"),  # the nose in the wall
        ((1.0, 4.0), (2.0, 3.0, 0.0), "start"),
        ((1.0, 4.0, 0.0), "there", "goal"),
    ],
)
def test_refuses_places(start, goal, field):
    with pytest.raises(InputError) as caught:
        check_query(two_rooms(), DEFAULT_ROBOT, start, goal)
    assert caught.value.field == field
    assert not isinstance(caught.value, UnreachableError)
    assert str(field) in str(caught.value)


def test_refuses_goals_of_fields():
    house_map = two_rooms()
    for goal in ((3.0, 3.0, 0.0), (math.nan, 0.0, 0.0), (99.0, 0.0, 0.0)):
        with pytest.raises(InputError, match="goal"):
            solve_field(house_map, house_map.blocked, goal, DEFAULT_ROBOT)


def test_unreachable_is_typed():
    start, goal = (1.0, 4.0, 0.0), (5.0, 4.0, 0.0)
    check_query(two_rooms(), DEFAULT_ROBOT, start, goal)
    with pytest.raises(UnreachableError) as caught:
        check_query(two_rooms(door=False), DEFAULT_ROBOT, start, goal)
    assert caught.value.field == "goal"
    wide = RobotConfig(width=0.95, length=1.0)
    with pytest.raises(UnreachableError):
        check_query(two_rooms(), wide, start, goal)
    # Closing the door in the truth only.
    with pytest.raises(UnreachableError):
        shut = two_rooms(door=False).blocked
        check_query(two_rooms(), DEFAULT_ROBOT, start, goal, shut)


def test_a_start_beside_the_wall_is_accepted_and_led_away():
    house_map = two_rooms()
    goal = (5.5, 3.0, 0.0)
    start = (2.83, 3.0, math.pi / 2)  # the flank against the wall, within the inflation
    radius = passing_radius(DEFAULT_ROBOT)
    row, column, _ = house_map.cell_of(start[:2])
    assert traversal_speed(house_map.blocked, RESOLUTION, radius)[row, column] == 0.0
    check_query(house_map, DEFAULT_ROBOT, start, goal)
    field = solve_field(house_map, house_map.blocked, goal, DEFAULT_ROBOT)
    path = guide_path(field, start)
    np.testing.assert_allclose(path[-1], goal[:2], atol=1e-5)
    assert path_length(path) < 6.0
    # The same pose as a goal has a field, too.
    back = solve_field(house_map, house_map.blocked, start, DEFAULT_ROBOT)
    np.testing.assert_allclose(guide_path(back, goal)[-1], start[:2], atol=1e-5)


def test_a_field_is_bound_to_no_device():
    """With an argument that is, a program's results are too, and its next call compiles again."""
    house_map = open_map()
    field = solve_field(house_map, house_map.blocked, (1.0, 4.0, 0.3), DEFAULT_ROBOT)
    assert not any(leaf.committed for leaf in jax.tree.leaves(field))
