"""Gaps to things, and the metres of path before one closes, against slow twins."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from astro_jax.reactive import gaps
from astro_jax.reactive.path import Path
from astro_jax.reactive.stopping import stopping_speed
from astro_jax.robot.footprint import covering_discs
from astro_jax.types import Grid
from astro_jax.world.distance import clearance_field

from .cases import CONFIG, OPEN, ROBOT, clearance_of, f32, mask


@jax.jit
def gaps_to_things(poses, points, returned, clearance):
    way = Path(poses=poses, times=poses[:, 0], lengths=poses[:, 0])
    return gaps.gaps_to_things(ROBOT, CONFIG, way, points, returned, clearance)


def test_the_nearest_row_is_the_first_of_the_nearest():
    distance = f32([[3, 1, np.inf, 2, np.nan], [1, 1, np.inf, 0, 1], [1, 2, np.inf, -1, 2]])
    np.testing.assert_array_equal(jax.jit(gaps.nearest_rows)(distance), [1, 0, 0, 2, 2])


def free_twin(gap, lengths):
    """By the docstring: metres before the first gap that closes."""
    for k in range(len(lengths)):
        for start, now in zip(gap[0], gap[k], strict=True):
            clear = np.isfinite(now) and now >= 0.0
            slack = gaps.NEARER if start > -gaps.LEAST else gaps.ROUNDING
            leaving = np.isfinite(now) and now >= np.float32(min(start, 0.0)) - np.float32(slack)
            if not clear and not leaving:
                return lengths[max(k - 1, 0)]
    return np.inf


def test_free_distance_is_its_twin():
    random = np.random.default_rng(0)
    free = jax.jit(gaps.free_distance)
    found = []
    for _ in range(300):
        gap = f32(random.uniform(-0.02, 1.0, (1, 6)) + 0.08 * random.normal(size=(20, 6)).cumsum(0))
        gap[random.uniform(size=gap.shape) < random.choice([0.0, 0.01])] = np.nan
        lengths = f32(np.cumsum(random.uniform(0, 0.06, 20)))
        found.append(float(free(gap, lengths)))
        assert found[-1] == pytest.approx(free_twin(gap, lengths))
    assert 50 < np.sum(np.isfinite(found)) < 290


def test_rectangle_gap_is_the_distance_to_the_outline():
    random = np.random.default_rng(1)
    xy = random.uniform(-0.6, 0.6, (400, 2))
    x, y = ROBOT.length / 2, ROBOT.width / 2
    u = np.linspace(-1, 1, 4001)
    rim = np.concatenate(
        [np.stack([s * x + 0 * u, y * u], 1) for s in (-1, 1)]
        + [np.stack([x * u, s * y + 0 * u], 1) for s in (-1, 1)]
    )
    far = np.min(np.hypot(*(xy[:, None] - rim[None]).transpose(2, 0, 1)), axis=1)
    inside = (np.abs(xy[:, 0]) < x) & (np.abs(xy[:, 1]) < y)
    np.testing.assert_allclose(
        gaps.rectangle_gap(ROBOT, f32(xy)), np.where(inside, -far, far), atol=2e-4
    )


def straight(count=20, step=0.05):
    poses = np.zeros((count, 3))
    poses[:, 0] = step * np.arange(count)
    return Path(poses=f32(poses), times=f32(0.1 * np.arange(count)), lengths=f32(poses[:, 0]))


def test_gaps_to_things_take_the_margin_off_and_leave_out_what_did_not_return():
    way, points = straight(), f32([[0.9, 0.0], [0.5, 0.3]])
    gap = gaps_to_things(way.poses, points, mask([True, False]), OPEN)
    ahead = 0.9 - ROBOT.length / 2 - way.poses[:, 0] - gaps.STATIC_MARGIN
    before = ahead > 0
    np.testing.assert_allclose(np.asarray(gap)[before, 0], ahead[before], atol=1e-5)
    assert np.all(np.asarray(gap)[:, 1] > 100.0)


def test_gaps_to_the_map_see_a_wall_where_it_is():
    """A wall at x = .9: never later than the footprint is there, nor sooner than its discs."""
    x = -2.0 + 0.2 * np.arange(20)
    wall = clearance_of(np.tile(0.9 - x, (20, 1)))
    way = straight()
    gap = gaps_to_things(way.poses, f32(np.zeros((1, 2))), mask([False]), wall)
    least = np.min(np.asarray(gap)[:, 1:], axis=1)
    true = 0.9 - (way.poses[:, 0] + ROBOT.length / 2)
    # distances of the map lead to the middle of a cell, of which half is the wall's own
    assert np.all(least - 0.5 * 0.2 <= true + 1e-5)
    centres, radii = covering_discs(ROBOT, CONFIG.exact_discs)
    over = np.max(centres[:, 0] + radii) - ROBOT.length / 2
    assert np.all(least - 0.5 * 0.2 >= true - over - 1e-5)


def test_a_robot_about_as_wide_as_long_gets_through_where_its_plan_does():
    """A passage .5 m wide for a body of .42 m: as one disc of .62 m it would stop before it."""
    robot = dataclasses.replace(ROBOT, length=0.46, width=0.42)
    cell = 0.05 * np.arange(80) - 1.975
    walls = (np.abs(cell)[:, None] > 0.25) & (cell[None] > 0.5)
    grid = Grid(values=f32(walls), origin=f32([-1.975, -1.975]), resolution=f32(0.05))
    way, nothing = straight(), (f32(np.zeros((1, 2))), mask([False]))

    def ahead(blocked):
        clearance = clearance_field(blocked, grid, CONFIG.clearance_cells)
        gap = gaps.gaps_to_things(robot, CONFIG, way, *nothing, clearance)
        return gaps.free_distance(gap, jnp.asarray(way.lengths))

    assert np.isinf(jax.jit(ahead)(mask(walls)))


def test_a_thin_wall_of_the_map_is_not_driven_through():
    """One cell thick, at every distance, also between two poses that are looked at."""
    way, nothing = straight(count=40, step=0.03), (f32(np.zeros((1, 2))), mask([False]))
    cell = 0.05 * np.arange(80) - 1.975
    grid = Grid(values=f32(np.zeros((80, 80))), origin=f32([-1.975, -1.975]), resolution=f32(0.05))

    @jax.jit
    def ahead(blocked):
        clearance = clearance_field(blocked, grid, CONFIG.clearance_cells)
        gap = gaps.gaps_to_things(ROBOT, CONFIG, way, *nothing, clearance)
        return gaps.free_distance(gap, jnp.asarray(way.lengths))

    for column in range(46, 62):
        walls = np.zeros((80, 80), bool)
        walls[:, column] = True
        surface = cell[column] - 0.025 - ROBOT.length / 2
        # half a cell is granted, a pose may be short of it, the discs stick out
        assert surface - 0.03 - 0.04 < ahead(mask(walls)) <= surface + 0.025 + 1e-5


def test_allowed_by_things_is_the_slower_of_stopping_and_crawling():
    reaction, way = 0.25, straight()
    for beside, crawls in ((0.5, False), (0.03, True)):
        # something ``beside`` the path from its third pose on, and a wall at the tenth
        aside = np.where(np.arange(20) >= 3, beside, 0.5) - gaps.STATIC_MARGIN
        wall = np.where(np.arange(20) >= 10, -0.1, 0.5)
        gap = f32(np.stack([aside, wall], 1))
        speed = float(gaps.allowed_by_things(ROBOT, reaction, way, gap))
        stops = stopping_speed(ROBOT, reaction, f32(way.lengths[[2, 9]]))
        expected = max(stops[0], gaps.CRAWL_SPEED) if crawls else stops[1]
        assert speed == pytest.approx(float(expected), abs=1e-5)
    nothing = gaps.allowed_by_things(ROBOT, reaction, way, f32(np.full((20, 1), 5.0)))
    assert np.isinf(nothing)


def test_a_gap_that_is_not_a_number_is_closed():
    way = straight()
    gap = f32(np.full((20, 2), 0.5))
    gap[:, 1] = np.nan
    assert float(gaps.allowed_by_things(ROBOT, 0.2, way, gap)) == 0.0
    gap[:, 1] = 0.5
    gap[8, 1] = np.nan
    assert float(gaps.free_distance(gap, way.lengths)) == pytest.approx(way.lengths[7])


def test_margins_in_metres():
    """12 mm to anything; the numbers are written out, so that nobody moves them unnoticed."""
    way, nose = straight(), ROBOT.length / 2
    gap = gaps_to_things(way.poses, f32([[nose + 0.05, 0.0]]), mask([True]), OPEN)
    assert float(gap[0, 0]) == pytest.approx(0.05 - 0.012, abs=1e-6)
    assert float(gap[1, 0]) == pytest.approx(-0.012, abs=1e-6)
    # a place at 5.5 cm is passed at a crawl, one at 5.7 cm is not: 6 cm, and 4 mm that are granted
    for aside, speed in ((0.055, 0.12), (0.057, np.inf)):
        tight = np.where(np.arange(20) >= 1, aside, 0.5)[:, None] - 0.012
        found = float(gaps.allowed_by_things(ROBOT, 0.25, way, f32(tight)))
        assert found == pytest.approx(speed)


@pytest.mark.parametrize(
    ("start", "then", "blocks"),
    [
        # clear until now
        (0.5, 1e-6, False),
        (0.5, 0.0, False),
        (0.5, -0.0039, False),
        (0.5, -0.004, False),
        (0.5, -0.0041, True),
        # within the margin by a little: 4 mm more are no reason
        (-0.0079, -0.0118, False),
        (-0.0079, -0.0120, True),
        (-0.0079, 0.2, False),
        # by more: next to nothing is one
        (-0.008, -0.0083, True),
        (-0.0081, -0.00815, False),
        (-0.0081, -0.0083, True),
        (-0.0081, -0.0, False),
        (np.inf, -0.0041, True),
        (np.inf, np.inf, False),
        (0.5, -np.inf, True),
        (np.nan, 0.5, True),
    ],
)
def test_what_blocks_is_what_comes_nearer(start, then, blocks):
    gap = np.full((5, 2), 0.5)
    gap[0, 1], gap[3:, 1] = start, then
    found = float(gaps.free_distance(f32(gap), f32([0.0, 0.1, 0.25, 0.3, 0.4])))
    assert found == pytest.approx(np.inf if not blocks else 0.0 if np.isnan(start) else 0.25)
