"""A search that goes on against one from scratch, any-angle lengths, several goals, regions."""

import dataclasses
import itertools
import math
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage
from scipy.sparse import csgraph

from astro_jax.bench.floor_plan import floor_plan
from astro_jax.config import DEFAULT_ROBOT
from astro_jax.errors import InputError, UnreachableError
from astro_jax.route.field import (
    Body,
    body_of,
    disc_field,
    guide_path,
    path_length,
    search,
    search_again,
    solve_field,
)
from astro_jax.route.maps import HouseMap
from astro_jax.route.planner import plan_route, revise
from astro_jax.types import Grid

BODY = body_of(DEFAULT_ROBOT)
POINT = Body(radius=0.0, approach=0.0, speed=1.0, slowest=1.0)
"""Open cells are all that are not blocked, seconds are metres."""
SHORTEST = dataclasses.replace(BODY, slowest=1.0)
RESOLUTION = 0.05


def house_of(blocked):
    occupancy = np.where(blocked, 100, 0).astype(np.int8)
    return HouseMap(occupancy=occupancy, resolution=RESOLUTION, origin=np.zeros(2), name="test")


# ---- any-angle lengths ---------------------------------------------------------------


def octagons(boxes):
    """What the wave cannot enter around boxes (rows, columns; inclusive), as convex corners.

    A corner is cut from centre to centre of the open cells at its sides.
    """
    found = []
    for top, bottom, left, right in boxes:
        low, high = (top - 1, bottom + 1), (left - 1, right + 1)
        found.append(
            np.array(
                [
                    *[(low[0], left), (low[0], right), (top, high[1]), (bottom, high[1])],
                    *[(low[1], right), (low[1], left), (bottom, high[0]), (top, high[0])],
                ],
                float,
            )
        )
    return found


def crosses(p, q, corners):
    """Whether a segment passes through the inside of a convex polygon (Cyrus and Beck)."""
    enter, leave = 0.0, 1.0
    for a, b in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        inward = np.array([b[1] - a[1], a[0] - b[0]])
        inward *= np.sign(inward @ (corners.mean(axis=0) - a))
        inside, ahead = inward @ (p - a) - 1e-6, inward @ (q - p)
        if abs(ahead) < 1e-12:
            if inside <= 0.0:
                return False
        elif ahead > 0.0:
            enter = max(enter, -inside / ahead)
        else:
            leave = min(leave, -inside / ahead)
    return enter < leave


def shortest(starts, goal, polygons):
    """From each start, by the visibility graph of all corners."""
    points = np.array([goal, *starts, *np.concatenate(polygons)], float)
    graph = np.zeros((len(points), len(points)))
    for i, j in itertools.combinations(range(len(points)), 2):
        if not any(crosses(points[i], points[j], corners) for corners in polygons):
            graph[i, j] = math.dist(points[i], points[j])
    return csgraph.dijkstra(graph, directed=False, indices=0)[1 : 1 + len(starts)]


@pytest.mark.parametrize("seed", range(6))
def test_ways_around_boxes_are_at_most_a_hundredth_too_long(seed):
    random = np.random.default_rng(seed)
    blocked = np.zeros((130, 160), bool)
    boxes = []
    while len(boxes) < 4:
        top, left = random.integers(4, 90), random.integers(4, 120)
        box = (top, top + random.integers(3, 34), left, left + random.integers(3, 34))
        grown = np.zeros_like(blocked)
        grown[box[0] - 4 : box[1] + 5, box[2] - 4 : box[3] + 5] = True
        if not (grown & blocked).any():
            blocked[box[0] : box[1] + 1, box[2] : box[3] + 1] = True
            boxes.append(box)
    polygons = octagons(boxes)
    house = house_of(blocked)
    open_cells = np.argwhere(np.asarray(ndimage.distance_transform_edt(~blocked)) > 3)
    goal = open_cells[random.integers(len(open_cells))]
    field = search(house, blocked, (*house.xy_of(goal), 0.0), POINT).field
    starts = open_cells[random.integers(len(open_cells), size=6)]
    for start, cells in zip(starts, shortest(starts, goal, polygons), strict=True):
        best = RESOLUTION * cells
        way = path_length(guide_path(field, house.xy_of(start)))
        assert 0.995 * best - 1e-3 <= way <= 1.01 * best + 1e-3
        height = float(field.cost_to_go.table[(*start, 0)])
        assert best - 1e-4 < height < 1.01 * best + 0.02


def test_a_speed_that_grows_along_the_floor_bends_the_way_as_in_closed_form():
    """T = arcosh(1 + g² |p − q|² / (2 v_p v_q)) / g where v = v₀ + g x."""
    house = house_of(np.zeros((100, 160), bool))
    x = house.xy_of(np.indices((100, 160)))[..., 0]
    slope = 0.08
    speed = 0.3 + slope * x
    goal = house.xy_of((20, 30))
    found = search(house, house.blocked, (*goal, 0.0), POINT, speed)
    off = np.sum((house.xy_of(np.indices((100, 160))) - goal) ** 2, axis=-1)
    expected = np.arccosh(1.0 + slope**2 * off / (2.0 * speed * speed[20, 30])) / slope
    far = off > 0.5**2
    height = np.asarray(found.field.cost_to_go.table)[..., 0]
    np.testing.assert_allclose(height[far], expected[far], rtol=0.012)


def test_it_agrees_with_another_marching_method():
    skfmm = pytest.importorskip("skfmm")
    house = floor_plan(200, seed=3)
    row, column = np.argwhere(np.asarray(ndimage.distance_transform_edt(~house.blocked)) > 20)[0]
    found = search(house, house.blocked, (*house.xy_of((row, column)), 0.0), SHORTEST)
    slowness = found.slowness[1:-1, 1:-1]
    values = found.found.values[1:-1, 1:-1]
    shut = ~np.isfinite(values)
    rows, columns = np.indices(values.shape)
    front = np.ma.MaskedArray(np.hypot(rows - row, columns - column) - 4.0, shut)
    speed = np.where(shut, 1.0, 1.0 / slowness)
    times = np.ma.filled(skfmm.travel_time(front, speed, order=2), np.inf) + 4.0
    far = ~shut & (front.data > 10.0)
    # both are within about a hundredth of the truth
    ratio = values[far] / times[far]
    assert np.abs(ratio - 1.0).max() < 0.02


# ---- going on ------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
def test_a_search_that_goes_on_is_a_search_from_scratch(seed):
    random = np.random.default_rng(seed)
    house = floor_plan(240, seed)
    blocked = house.blocked
    factor = None if seed % 2 else random.uniform(0.3, 1.0, blocked.shape)
    roomy = np.argwhere(np.asarray(ndimage.distance_transform_edt(~blocked)) > 14)
    goal = (*house.xy_of(roomy[random.integers(len(roomy))]), 0.0)
    found = search(house, blocked, goal, BODY, factor)
    for _ in range(4):
        changed = found.blocked.copy()
        row, column = random.integers(0, 225, 2)
        window = (slice(row, row + random.integers(1, 14)), slice(column, column + 10))
        changed[window] = random.uniform() < 0.5
        if changed[found.goals.cells[0]]:
            continue
        again = search_again(found, changed)
        scratch = search(house, changed, goal, BODY, factor)
        np.testing.assert_array_equal(again.found.values, scratch.found.values)
        np.testing.assert_array_equal(again.field.cost_to_go.table, scratch.field.cost_to_go.table)
        np.testing.assert_array_equal(again.slowness, scratch.slowness)
        found = again


def test_nothing_new_is_the_same_search_and_the_old_one_stays_as_it_was():
    house = floor_plan(180)
    roomy = np.argwhere(np.asarray(ndimage.distance_transform_edt(~house.blocked)) > 14)
    goal = (*house.xy_of(roomy[0]), 0.0)
    found = search(house, house.blocked, goal, BODY)
    assert search_again(found, house.blocked.copy()) is found
    table = np.array(found.field.cost_to_go.table)
    changed = house.blocked.copy()
    changed[150:158, 150:158] = True
    again = search_again(found, changed)
    assert again.renewed < found.renewed
    np.testing.assert_array_equal(found.field.cost_to_go.table, table)
    assert not np.array_equal(again.field.cost_to_go.table, table)
    # an obstacle on the goal is a refusal, and goes away again
    changed[tuple(roomy[0])] = True
    with pytest.raises(InputError, match="goal"):
        search_again(again, changed)


# ---- several goals, regions ----------------------------------------------------------


def two_rooms():
    """6 m by 4 m, a wall at x = 3 m with a door of 1 m around y = 2 m."""
    blocked = np.zeros((80, 120), bool)
    blocked[[0, -1]] = blocked[:, [0, -1]] = True
    blocked[:, 59:61] = True
    blocked[30:50, 59:61] = False
    return house_of(blocked)


CHARGERS = [(1.0, 1.0, 0.5), (5.0, 3.0, -1.0)]


def test_several_goals_are_the_least_of_their_fields():
    house = two_rooms()
    both = solve_field(house, house.blocked, CHARGERS, DEFAULT_ROBOT)
    each = [solve_field(house, house.blocked, goal, DEFAULT_ROBOT) for goal in CHARGERS]
    heights = [np.asarray(field.cost_to_go.table)[..., 0] for field in each]
    open_cells = np.asarray(ndimage.distance_transform_edt(~house.blocked)) > 8
    np.testing.assert_allclose(
        np.asarray(both.cost_to_go.table)[open_cells, 0],
        np.minimum(*heights)[open_cells],
        atol=1e-5,
    )


@pytest.mark.parametrize(("start", "nearest"), [((1.5, 3.0, 0.0), 0), ((4.0, 1.0, 0.0), 1)])
def test_the_route_leads_to_the_nearest_goal(start, nearest):
    route = plan_route(two_rooms(), DEFAULT_ROBOT, start, CHARGERS)
    np.testing.assert_allclose(route.goal_map, CHARGERS[nearest])
    np.testing.assert_allclose(route.field.goal_map, CHARGERS[nearest])
    np.testing.assert_allclose(guide_path(route.field, start)[-1], CHARGERS[nearest][:2], atol=1e-5)


def test_goals_that_are_blocked_are_left_out_until_none_is_left():
    house = two_rooms()
    in_wall, off = (3.0, 0.5, 0.0), (50.0, 1.0, 0.0)
    route = plan_route(house, DEFAULT_ROBOT, (1.5, 3.0, 0.0), [in_wall, CHARGERS[1]])
    np.testing.assert_allclose(route.goal_map, CHARGERS[1])
    for goals in ([in_wall, in_wall], [off, CHARGERS[0]], [], [(1.0, 1.0)], [(math.nan, 1, 1)] * 2):
        with pytest.raises(InputError, match="goal") as caught:
            plan_route(house, DEFAULT_ROBOT, (1.5, 3.0, 0.0), goals)
        assert not isinstance(caught.value, UnreachableError)


def test_any_point_of_a_region_will_do():
    house = two_rooms()
    region = np.zeros(house.occupancy.shape, bool)
    region[:, 61:] = True  # the other room, wall and all
    start = (1.0, 2.0, 0.0)
    route = plan_route(house, DEFAULT_ROBOT, start, region)
    x, y, yaw = route.goal_map
    # just inside, by the footprint, straight ahead
    assert 3.2 < x < 3.5 and abs(y - 2.0) < 0.1 and abs(yaw) < 0.2
    way = guide_path(route.field, start)
    np.testing.assert_allclose(way[-1], (x, y), atol=0.06)
    assert path_length(way) == pytest.approx(x - 1.0, rel=0.02)
    # within the region nothing is left to go
    there = plan_route(house, DEFAULT_ROBOT, (4.5, 3.0, 0.7), region)
    np.testing.assert_allclose(there.goal_map, (4.5, 3.0, 0.7), atol=1e-6)
    assert there.to_go((4.5, 3.0, 0.7)) == 0.0


def test_regions_that_are_no_goal_are_refused():
    house = two_rooms()
    start = (1.0, 2.0, 0.0)
    walls = house.blocked
    crack = np.zeros_like(walls)
    crack[1, 1] = True  # a corner where no robot fits
    for region in (walls, np.zeros_like(walls), np.ones((3, 3), bool), crack):
        with pytest.raises(InputError, match="goal"):
            plan_route(house, DEFAULT_ROBOT, start, region)
    shut = house_of(house.blocked | (np.indices(walls.shape)[1] == 60))
    region = np.zeros_like(walls)
    region[20:60, 80:110] = True
    with pytest.raises(UnreachableError):
        plan_route(shut, DEFAULT_ROBOT, start, region)


def test_a_shut_door_turns_the_route_to_the_other_goal():
    house = two_rooms()
    near, far = (3.6, 2.0, 0.0), (0.6, 0.6, 0.0)
    start = (2.2, 2.0, 0.0)
    route = plan_route(house, DEFAULT_ROBOT, start, [near, far])
    np.testing.assert_allclose(route.goal_map, near)
    values = np.full((40, 40), -2.0, np.float32)
    values[:, 18:22] = 2.0
    seen = Grid(
        values=jnp.asarray(values), origin=jnp.array([2.0, 1.0]), resolution=jnp.float32(0.05)
    )
    revised = revise(route, seen, start)
    assert revised.failure is None and revised.searches == 2
    np.testing.assert_allclose(revised.goal_map, far)
    blocked = house.blocked | revised.seen_blocked
    expected = solve_field(house, blocked, [near, far], DEFAULT_ROBOT)
    np.testing.assert_array_equal(revised.field.cost_to_go.table, expected.cost_to_go.table)


def test_a_disc_field_takes_slow_zones():
    house = house_of(np.zeros((60, 100), bool))
    factor = np.ones((60, 100))
    factor[:, 40:60] = 0.5
    settings: dict[str, Any] = {"radius": 0.0, "approach": 0.1, "speed": 1.0, "slowest": 1.0}
    goal = (0.5, 1.5, 0.0)
    plain = disc_field(house, house.blocked, goal, **settings)
    slow = disc_field(house, house.blocked, goal, **settings, factor=factor)
    gained = np.asarray(slow.cost_to_go.table - plain.cost_to_go.table)[30, :, 0]
    np.testing.assert_allclose(gained[:38], 0.0, atol=1e-5)
    np.testing.assert_allclose(gained[62:], 20 * RESOLUTION, rtol=0.02)
